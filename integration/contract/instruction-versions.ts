// Instruction files in buckets with versions, and files that are missing, changed, or of older clients.
import { DeleteObjectCommand, GetObjectCommand } from '@aws-sdk/client-s3'
import assert from 'node:assert/strict'
import { createCipheriv, randomBytes } from 'node:crypto'
import { setTimeout } from 'node:timers/promises'

import { aesKeyring } from '../../src/index.js'
import { entriesOf, file, write } from './instruction-support.js'
import type { Entries } from './instruction-support.js'
import { code, exists, outcomeOf, pattern, put, read, readsAll, refused } from './stored-objects.js'
import { store, stored, versionIds, versions } from './stored-objects.js'
import { check } from './support.js'
import { flipBase64 } from './tampering-changes.js'

const MARK = { 'x-amz-crypto-instr-file': '' }

for (const [version, options] of versions) {
  const what = `instruction files: ${version}`

  check(`${what}: every version of an object is read with its own`, async (t) => {
    const Bucket = await t.versionedBucket()
    const key = t.key()
    const ids: string[] = []
    for (const body of ['first', 'second', 'third']) {
      const { VersionId } = await put(t.client({ ...options, ...write }), Bucket, key, body)
      ids.push(VersionId!)
    }
    const client = t.client(readsAll)
    assert.equal((await read(client, Bucket, key)).toString(), 'third')
    for (const [index, VersionId] of ids.entries()) {
      const body = await read(client, Bucket, key, { VersionId })
      assert.equal(body.toString(), ['first', 'second', 'third'][index])
    }
    assert.equal((await versionIds(t, Bucket, file(key))).length, 3)
  })

  check(`${what}: with versions, the file of a write that was never finished hides nothing`, async (t) => {
    const Bucket = await t.versionedBucket()
    const [key, other] = [t.key(), t.key('other')]
    await put(t.client({ ...options, ...write }), Bucket, key, 'secret')
    await put(t.client({ ...options, ...write }), Bucket, other, 'other')
    // Without a commitment it is seen by the time, in whole seconds, that the file is not the object's.
    await setTimeout(1100)
    await store(t, Bucket, file(key), await stored(t, Bucket, file(other)))
    assert.equal((await read(t.client(readsAll), Bucket, key)).toString(), 'secret')
  })

  check(`${what}: with versions, object and file get a delete marker each`, async (t) => {
    const Bucket = await t.versionedBucket()
    const key = t.key()
    const client = t.client({ ...options, ...write })
    const { VersionId } = await put(client, Bucket, key, 'secret')
    const { DeleteMarker } = await client.send(new DeleteObjectCommand({ Bucket, Key: key }))
    assert.equal(DeleteMarker, true)
    assert.deepEqual([await exists(t, Bucket, key), await exists(t, Bucket, file(key))], [false, false])
    assert.equal((await read(t.client(readsAll), Bucket, key, { VersionId })).toString(), 'secret')
  })

  check(`${what}: a file that is missing`, async (t) => {
    const key = t.key()
    await put(t.client({ ...options, ...write }), t.Bucket, key, 'secret')
    const kept = await stored(t, t.Bucket, file(key))
    await t.plain.send(new DeleteObjectCommand({ Bucket: t.Bucket, Key: file(key) }))
    const missing = version === 'V3' ? 'ERR_S3CSE_ENVELOPE_INVALID' : 'ERR_S3CSE_NOT_ENCRYPTED'
    refused(await outcomeOf(t.client(readsAll), t.Bucket, key), missing, 'missing')
    await store(t, t.Bucket, file(key), kept)
    assert.equal((await read(t.client(readsAll), t.Bucket, key)).toString(), 'secret')
  })

  check(`${what}: a file that was changed`, async (t) => {
    const [key, other] = [t.key(), t.key('other')]
    const client = t.client({ ...options, ...write })
    for (const [name, body] of [
      [key, 'secret'],
      [other, 'other!'],
    ] as const) {
      await put(client, t.Bucket, name, body)
    }
    const kept = await stored(t, t.Bucket, file(key))
    const entries = entriesOf(kept)
    const wrapped = version === 'V3' ? 'x-amz-3' : 'x-amz-key-v2'
    const flipped = { ...entries, [wrapped]: flipBase64(entries[wrapped]!, -1) }
    const changes: [name: string, text: string, code: RegExp][] = [
      ['the wrapped key', JSON.stringify(flipped), /DECRYPTION_FAILED/],
      ["the other object's", JSON.stringify(entriesOf(await stored(t, t.Bucket, file(other)))), /DECRYPTION_FAILED/],
      ['no JSON', `${Buffer.from(kept.body).toString()}}`, /ENVELOPE_INVALID/],
      ['an array', '[]', /ENVELOPE_INVALID/],
      ['nothing', '', /ENVELOPE_INVALID/],
      ['a key of V3 that belongs on the object', JSON.stringify({ ...entries, 'x-amz-c': '115' }), /ENVELOPE_INVALID/],
      ['keys of V1', JSON.stringify({ ...entries, 'x-amz-key': entries[wrapped] }), /ENVELOPE_INVALID/],
      ['more than is read', JSON.stringify({ ...entries, more: 'x'.repeat(70_000) }), /ENVELOPE_(INVALID|TOO_LARGE)/],
    ]
    for (const [name, text, expected] of changes) {
      await store(t, t.Bucket, file(key), { body: Buffer.from(text), metadata: MARK })
      for (const how of [{}, { delayedAuthentication: true }]) {
        const outcome = await outcomeOf(t.client({ ...readsAll, ...how }), t.Bucket, key)
        assert.match((outcome.error as { code: string }).code, expected, name)
        if (!('delayedAuthentication' in how)) assert.equal(outcome.released.length, 0, name)
      }
    }
    await store(t, t.Bucket, file(key), kept)
    assert.equal((await read(t.client(readsAll), t.Bucket, key)).toString(), 'secret')
  })
}

check('instruction files: of .NET’s first client, INSTRUCTION_SUFFIX', async (t) => {
  const key = t.key()
  const [wrappingKey, dataKey, iv] = [randomBytes(32), randomBytes(32), randomBytes(16)]
  const ecb = createCipheriv('aes-256-ecb', wrappingKey, null)
  const wrapped = Buffer.concat([ecb.update(dataKey), ecb.final()])
  const cbc = createCipheriv('aes-256-cbc', dataKey, iv)
  const body = Buffer.concat([cbc.update(pattern(100)), cbc.final()])
  await store(t, t.Bucket, key, { body, metadata: {} })
  const entries: Entries = { EncryptedEnvelopeKey: wrapped.toString('base64'), IV: iv.toString('base64') }
  await store(t, t.Bucket, `${key}INSTRUCTION_SUFFIX`, { body: Buffer.from(JSON.stringify(entries)), metadata: {} })
  const legacy = { wrapping: true, content: true }
  const reader = t.client({ ...readsAll, keyring: aesKeyring({ wrappingKey }), legacy })
  assert.deepEqual(await read(reader, t.Bucket, key), pattern(100))
  const strict = t.client({ ...readsAll, keyring: aesKeyring({ wrappingKey }) })
  await assert.rejects(
    strict.send(new GetObjectCommand({ Bucket: t.Bucket, Key: key })),
    code('ERR_S3CSE_NOT_ENCRYPTED'),
  )
})
