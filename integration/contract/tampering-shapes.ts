// Further things that somebody does who can write to the bucket: one at a time, with the default key.
import { CopyObjectCommand, GetObjectCommand } from '@aws-sdk/client-s3'
import assert from 'node:assert/strict'

import { encryptionInfo } from '../../src/index.js'
import type { CseErrorCode } from '../../src/index.js'
import { outcomeOf, pattern, put, read, readsAll, refused, store, stored, v2, versions } from './stored-objects.js'
import type { Stored } from './stored-objects.js'
import { check } from './support.js'
import { flipBase64, wrappedKeyOf } from './tampering-changes.js'
import type { Version } from './tampering-changes.js'
import { kinds, modes, mustFail, scene } from './tampering-modes.js'

for (const [version, options] of versions) {
  check(`tampering: ${version}: a large object, changed at its end, gives out nothing`, async (t) => {
    const key = t.key()
    const body = pattern(3 * 1024 * 1024 + 5)
    await put(t.client(options), t.Bucket, key, body)
    const good = await stored(t, t.Bucket, key)
    for (const at of [-1, -17, 1_500_000]) {
      const bytes = Buffer.from(good.body)
      bytes[at < 0 ? bytes.length + at : at]! ^= 1
      await store(t, t.Bucket, key, { ...good, body: bytes })
      for (const [mode, how, more] of modes) {
        const client = t.client({ ...readsAll, ...how })
        mustFail(await outcomeOf(client, t.Bucket, key, more), mode, 'ERR_S3CSE_DECRYPTION_FAILED', String(at))
      }
    }
  })

  check(`tampering: ${version}: an unauthenticated range shows a flipped bit, and says that it may`, async (t) => {
    const key = t.key()
    await put(t.client(options), t.Bucket, key, pattern(100))
    const good = await stored(t, t.Bucket, key)
    const bytes = Buffer.from(good.body)
    bytes[50]! ^= 1
    await store(t, t.Bucket, key, { ...good, body: bytes })
    const client = t.client({ ...readsAll, rangeReads: 'unauthenticated' })
    const output = await client.send(new GetObjectCommand({ Bucket: t.Bucket, Key: key, Range: 'bytes=40-59' }))
    assert.equal(encryptionInfo(output)?.authentication, 'none')
    const expected = pattern(100).subarray(40, 60)
    expected[10]! ^= 1
    assert.deepEqual(Buffer.from(await output.Body!.transformToByteArray()), expected)
    // The envelope is checked all the same.
    const wrapped = wrappedKeyOf[version]
    await store(t, t.Bucket, key, {
      ...good,
      metadata: { ...good.metadata, [wrapped]: flipBase64(good.metadata[wrapped]!, -1) },
    })
    mustFail(
      await outcomeOf(client, t.Bucket, key, { Range: 'bytes=40-59' }),
      'a range',
      'ERR_S3CSE_DECRYPTION_FAILED',
      'the wrapped key',
    )
  })

  check(`tampering: ${version}: a plain object in place of an encrypted one`, async (t) => {
    const key = t.key()
    await put(t.client(options), t.Bucket, key, 'secret')
    await put(t.plain, t.Bucket, key, 'something else')
    for (const [mode, how, more] of modes) {
      const outcome = await outcomeOf(t.client({ ...readsAll, ...how }), t.Bucket, key, more)
      mustFail(outcome, mode, 'ERR_S3CSE_NOT_ENCRYPTED', 'plain')
      assert.equal(outcome.released.length, 0)
    }
  })

  check(`tampering: ${version}: the envelope taken off by a copy`, async (t) => {
    const key = t.key()
    await put(t.client(options), t.Bucket, key, 'secret')
    await t.plain.send(
      new CopyObjectCommand({
        Bucket: t.Bucket,
        Key: key,
        CopySource: `${t.Bucket}/${encodeURIComponent(key)}`,
        MetadataDirective: 'REPLACE',
        Metadata: {},
      }),
    )
    const outcome = await outcomeOf(t.client(readsAll), t.Bucket, key)
    mustFail(outcome, 'in memory', 'ERR_S3CSE_NOT_ENCRYPTED', 'taken off')
  })

  check(`tampering: ${version}: its parts in another order`, async (t) => {
    const key = t.key()
    await put(t.client(options), t.Bucket, key, pattern(4096))
    const good = await stored(t, t.Bucket, key)
    const body = Buffer.from(good.body)
    const mixed = Buffer.concat([body.subarray(1024, 2048), body.subarray(0, 1024), body.subarray(2048)])
    await store(t, t.Bucket, key, { ...good, body: mixed })
    const outcome = await outcomeOf(t.client(readsAll), t.Bucket, key)
    mustFail(outcome, 'in memory', 'ERR_S3CSE_DECRYPTION_FAILED', 'mixed')
  })
}

/** V3's keys on a V2 object and the other way round, each under every policy. */
for (const [from, to] of [
  ['V2', 'V3'],
  ['V3', 'V2'],
] as const) {
  check(`tampering: ${from} passed off as ${to}`, async (t) => {
    const scenes = { V3: await scene(t, await kinds[0]![2](t), {}), V2: await scene(t, await kinds[0]![2](t), v2) }
    const [good, other] = [scenes[from].good, scenes[to].good]
    const key = t.key()
    for (const [what, metadata] of passedOff(good, other, to)) {
      await store(t, t.Bucket, key, { ...good, metadata })
      for (const commitmentPolicy of [
        'REQUIRE_ENCRYPT_REQUIRE_DECRYPT',
        'REQUIRE_ENCRYPT_ALLOW_DECRYPT',
        'FORBID_ENCRYPT_ALLOW_DECRYPT',
      ] as const) {
        const outcome = await outcomeOf(t.client({ keyring: scenes.V3.own.keyring, commitmentPolicy }), t.Bucket, key)
        refused(
          outcome,
          what.endsWith('whole') ? wholeCodes(to, commitmentPolicy) : 'ERR_S3CSE_ENVELOPE_INVALID',
          `${what}, ${commitmentPolicy}`,
        )
      }
    }
  })
}

function passedOff(good: Stored, other: Stored, to: Version): [string, Stored['metadata']][] {
  const single = Object.keys(other.metadata).map(
    (key) => [`with ${key}`, { ...good.metadata, [key]: other.metadata[key]! }] as [string, Stored['metadata']],
  )
  const some: Stored['metadata'] =
    to === 'V3'
      ? { ...good.metadata, 'x-amz-c': '115', 'x-amz-w': '02' }
      : { ...good.metadata, 'x-amz-cek-alg': 'AES/GCM/NoPadding' }
  return [
    ...single.filter(([, metadata]) => Object.keys(metadata).length > Object.keys(good.metadata).length),
    ['both', { ...good.metadata, ...other.metadata }],
    ['relabelled', some],
    ['the other envelope whole', other.metadata],
  ]
}

/** The other format's whole envelope, with this body. */
function wholeCodes(to: Version, commitmentPolicy: string): CseErrorCode {
  return to === 'V2' && commitmentPolicy === 'REQUIRE_ENCRYPT_REQUIRE_DECRYPT'
    ? 'ERR_S3CSE_POLICY'
    : 'ERR_S3CSE_DECRYPTION_FAILED'
}

check('tampering: V2 is not read where V3 is required', async (t) => {
  const key = t.key()
  await put(t.client(v2), t.Bucket, key, 'secret')
  refused(await outcomeOf(t.client(), t.Bucket, key), 'ERR_S3CSE_POLICY', 'V2')
  assert.equal((await read(t.client(readsAll), t.Bucket, key)).toString(), 'secret')
})
