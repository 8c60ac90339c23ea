// What a rotation keeps, what somebody else writes meanwhile, and a new body.
import { DeleteObjectCommand, GetObjectTaggingCommand } from '@aws-sdk/client-s3'
import assert from 'node:assert/strict'

import { reEncryptInstructionFile, rotateKey } from '../../src/index.js'
import { file, write } from './instruction-support.js'
import { keepsConditions, newKey, nothingLeft, oldKey, opensOnly, readAs, rotate } from './rotation-support.js'
import { before, code, headed, newKmsKey, put, read, readsAll, stored, versionIds, versions } from './stored-objects.js'
import { check } from './support.js'

const from = { keyring: oldKey }
const to = { keyring: newKey }

check('rotation: the server keeps the conditions of writes and copies', async (t) => {
  const key = t.key()
  const client = t.client(from)
  await put(client, t.Bucket, key, 'secret')
  const { attempts } = await rotateKey(client, { Bucket: t.Bucket, Key: key, to: newKey })
  assert.equal(attempts, 1)
  await nothingLeft(t, t.Bucket, key)
})

check('rotation: a server that keeps no conditions is found out, and nothing is changed or left', async (t) => {
  for (const Bucket of [t.Bucket, await t.versionedBucket()]) {
    const key = t.key()
    const client = t.client(from)
    await put(client, Bucket, key, 'secret')
    const old = await stored(t, Bucket, key)
    const outcome = await rotateKey(client, { Bucket, Key: key, to: newKey }).then(
      (result) => result.outcome,
      (error: unknown) => (code('ERR_S3CSE_ROTATION', /(ignores|does not know) the condition/)(error), 'refused'),
    )
    assert.equal(outcome, (await keepsConditions(t)) ? 'metadata' : 'refused')
    if (outcome === 'refused') assert.deepEqual(await stored(t, Bucket, key), old)
    await nothingLeft(t, Bucket, key)
  }
})

check('rotation: the server keeps the conditions of a copy in parts', async (t) => {
  const key = t.key()
  const client = t.client(from)
  await put(client, t.Bucket, key, 'a body of more')
  await rotateKey(client, { Bucket: t.Bucket, Key: key, to: newKey, copyInPartsAbove: 10 })
  await opensOnly(t, key, 'a body of more', { by: to, not: from })
  await nothingLeft(t, t.Bucket, key)
})

for (const [version, options] of versions) {
  const what = `rotation: ${version}`

  check(`${what}: content headers, user metadata and tags are kept`, async (t) => {
    const key = t.key()
    const Expires = new Date('2030-01-02T03:04:05Z')
    const more = {
      ContentType: 'text/x-own',
      CacheControl: 'max-age=60',
      ContentDisposition: 'attachment; filename="a b"',
      ContentLanguage: 'de',
      ContentEncoding: 'identity',
      Expires,
      Metadata: { own: 'value with "quotes" and  blanks', second: '' },
      Tagging: 'team=storage&note=a%20b',
    }
    await put(t.client({ ...from, ...options }), t.Bucket, key, 'secret', more)
    const seen = async () => {
      const {
        ContentLength,
        ContentType,
        CacheControl,
        ContentDisposition,
        ContentLanguage,
        ContentEncoding,
        ...rest
      } = await headed(t, t.Bucket, key)
      const { TagSet = [] } = await t.plain.send(new GetObjectTaggingCommand({ Bucket: t.Bucket, Key: key }))
      const tags = TagSet.map(({ Key, Value }) => `${Key}=${Value}`).sort()
      const own = Object.entries(rest.Metadata ?? {})
        .filter(([name]) => !name.startsWith('x-amz-'))
        .sort()
      const headers = { ContentLength, ContentType, CacheControl, ContentDisposition, ContentLanguage, ContentEncoding }
      return { ...headers, Expires: rest.ExpiresString, tags, own }
    }
    const old = await seen()
    assert.equal(old.tags.length, 2)
    assert.equal(old.ContentType, 'text/x-own')
    await rotate(t, from, { Key: key, to: newKey })
    assert.deepEqual(await seen(), old)
    await opensOnly(t, key, 'secret', { by: to, not: from })
    await rotate(t, to, { Key: key, to: oldKey, copyInPartsAbove: 1 })
    assert.deepEqual(await seen(), old)
    await opensOnly(t, key, 'secret', { by: from, not: to })
    await rotate(t, from, { Key: key, to: newKey, rewrite: true })
    assert.deepEqual(await seen(), old)
    await opensOnly(t, key, 'secret', { by: to, not: from })
  })

  check(`${what}: the storage class is kept`, async (t) => {
    const key = t.key()
    await put(t.client({ ...from, ...options }), t.Bucket, key, 'secret', { StorageClass: 'STANDARD_IA' })
    assert.equal((await headed(t, t.Bucket, key)).StorageClass, 'STANDARD_IA', 'it was not stored in its class')
    await rotate(t, from, { Key: key, to: newKey })
    assert.equal((await headed(t, t.Bucket, key)).StorageClass, 'STANDARD_IA')
  })

  check(`${what}: what somebody writes meanwhile is not lost`, async (t) => {
    for (const versioned of [false, true]) {
      const Bucket = versioned ? await t.versionedBucket() : t.Bucket
      const key = t.key()
      const client = t.client({ ...readsAll, ...from })
      await put(t.client({ ...from, ...options }), Bucket, key, 'ours')
      const came = before(client, 'CopyObjectCommand', key, () =>
        put(t.client({ ...from, ...options }), Bucket, key, 'theirs'),
      )
      const { attempts, outcome } = await rotateKey(client, { Bucket, Key: key, to: newKey })
      assert.deepEqual([came(), attempts, outcome], [true, 2, 'metadata'])
      await opensOnly(t, key, 'theirs', { by: to, not: from, Bucket })
      if (versioned) assert.equal((await versionIds(t, Bucket, key)).length, 3)
    }
  })

  check(`${what}: an object that is deleted meanwhile stays deleted`, async (t) => {
    const key = t.key()
    const client = t.client({ ...readsAll, ...from })
    await put(t.client({ ...from, ...options }), t.Bucket, key, 'ours')
    before(client, 'CopyObjectCommand', key, () =>
      t.plain.send(new DeleteObjectCommand({ Bucket: t.Bucket, Key: key })),
    )
    await assert.rejects(rotateKey(client, { Bucket: t.Bucket, Key: key, to: newKey }), (error: unknown) => {
      const { $metadata } = error as { $metadata?: { httpStatusCode?: number } }
      if ($metadata === undefined) throw error as Error
      assert.equal($metadata.httpStatusCode, 404)
      return true
    })
    await assert.rejects(headed(t, t.Bucket, key), { name: 'NotFound' })
  })

  check(`${what}: rewrite gives another data key, and format V3`, async (t) => {
    const key = t.key()
    await put(t.client({ ...from, ...options }), t.Bucket, key, 'secret', { ContentType: 'text/x-own' })
    const old = await stored(t, t.Bucket, key)
    const began = new Date(Date.now() - 60_000)
    const { outcome, facts } = await rotate(t, from, { Key: key, to: newKey, rewrite: true })
    assert.deepEqual([outcome, facts.version], ['rewritten', 'V3'])
    const now = await stored(t, t.Bucket, key)
    assert.ok(!Buffer.from(now.body).equals(old.body))
    assert.notEqual(now.metadata['x-amz-i'], old.metadata['x-amz-i'])
    assert.equal((await headed(t, t.Bucket, key)).ContentType, 'text/x-own')
    await opensOnly(t, key, 'secret', { by: to, not: from })
    const again = await rotate(t, from, { Key: key, to: newKey, rewrite: { olderThan: began } })
    assert.equal(again.outcome, 'unchanged')
  })

  check(`${what}: of an instruction file, and a second one for somebody else`, async (t) => {
    const key = t.key()
    await put(t.client({ ...from, ...options, ...write }), t.Bucket, key, 'secret')
    const old = await stored(t, t.Bucket, key)
    const allowUnconditional = !(await keepsConditions(t))
    const client = t.client({ ...readsAll, ...from, ...write })
    const input = { Bucket: t.Bucket, Key: key, to: newKey, allowUnconditional }
    const second = await reEncryptInstructionFile(client, { ...input, instructionFileSuffix: '.partner' })
    assert.equal(second.facts.instructionFile, `${key}.partner`)
    const partner = { ...to, instructionFile: { suffix: '.partner' } }
    assert.equal((await readAs(t, partner, key)).toString(), 'secret')
    assert.equal((await readAs(t, from, key)).toString(), 'secret')
    assert.equal((await rotateKey(client, input)).outcome, 'instruction file')
    await opensOnly(t, key, 'secret', { by: to, not: from })
    assert.equal((await rotateKey(client, input)).outcome, 'unchanged')
    assert.deepEqual(await stored(t, t.Bucket, key), old)
    assert.deepEqual((await stored(t, t.Bucket, file(key))).metadata, { 'x-amz-crypto-instr-file': '' })
  })

  check(
    `${what}: of an instruction file from KMS to KMS`,
    async (t) => {
      const key = t.key()
      const old = { keyring: await t.kmsKeyring(), encryptionContext: { tenant: 'a' } }
      const now = { ...old, keyring: await t.kmsKeyring({ keyId: await newKmsKey(t) }) }
      await put(t.client({ ...old, ...options, ...write }), t.Bucket, key, 'secret')
      const allowUnconditional = !(await keepsConditions(t))
      const client = t.client({ ...readsAll, ...old, ...write })
      const input = { Bucket: t.Bucket, Key: key, to: now.keyring, allowUnconditional }
      assert.equal((await rotateKey(client, input)).outcome, 'instruction file')
      await opensOnly(t, key, 'secret', { by: now, not: old })
      assert.equal((await read(t.client({ ...readsAll, ...now }), t.Bucket, key)).toString(), 'secret')
    },
    { uses: 'both' },
  )
}

check('rotation: the new key must be another one, and an envelope must be where it is looked for', async (t) => {
  const key = t.key()
  const client = t.client(from)
  await put(client, t.Bucket, key, 'secret')
  const allowUnconditional = !(await keepsConditions(t))
  const input = { Bucket: t.Bucket, Key: key, to: oldKey, allowUnconditional }
  await assert.rejects(rotateKey(client, input), code('ERR_S3CSE_ROTATION'))
  await assert.rejects(reEncryptInstructionFile(client, { ...input, to: newKey }), code('ERR_S3CSE_ROTATION'))
  assert.equal((await readAs(t, from, key)).toString(), 'secret')
})
