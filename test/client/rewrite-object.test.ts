// rewrite: true reads an object with the old key and writes it with the new one.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { RotationError } from '../../src/index.js'
import type { EncryptionOptions } from '../../src/index.js'
import { code } from '../support/errors.js'
import {
  isProbe,
  newKey,
  nothingLeft,
  oldKey,
  opensOnly,
  otherKey,
  putOld,
  rawKeyring,
  rotate,
  versioned,
} from '../support/rotate.js'
import { Bucket, pattern, put, read, world } from '../support/world.js'

const MiB = 1024 ** 2
const w = await world({ recordBodyBytes: 0 })
const v = await world({ recordBodyBytes: 0 })
await versioned(v)
const rewrite = { rewrite: true }
/** Takes what only the new key opens for done. */
const again = { rewrite: { olderThan: new Date(0) } }
const messageId = async (key: string) => (await w.stored(key)).metadata['x-amz-i']

for (const length of [0, 1, 16 * MiB, 16 * MiB + 1]) {
  it(`${length} bytes get a new data key, in ${length > 16 * MiB ? 'parts' : 'one request'}`, async () => {
    const key = `length ${length}`
    const body = pattern(length)
    const client = await putOld(w, key, body)
    const before = await w.stored(key)
    w.s3.requests.length = 0
    const { outcome, facts, ETag } = await rotate(client, key, rewrite)
    assert.deepEqual([outcome, facts.version], ['rewritten', 'V3'])
    const after = await w.stored(key)
    assert.equal(after.etag, ETag)
    assert.notEqual(after.metadata['x-amz-i'], before.metadata['x-amz-i'])
    const uploads = w.s3.requests.filter((r) => r.operation === 'CreateMultipartUpload' && !isProbe(r))
    assert.equal(uploads.length, length > 16 * MiB ? 1 : 0)
    await opensOnly(w, key, body)
    assert.equal((await rotate(client, key, again)).outcome, 'unchanged')
    nothingLeft(w)
  })
}

it('what has only got another wrap gets another data key as well', async () => {
  const client = await putOld(w, 'wrapped', 'body')
  const before = await messageId('wrapped')
  await rotate(client, 'wrapped')
  assert.equal(await messageId('wrapped'), before)
  assert.equal((await rotate(client, 'wrapped', rewrite)).outcome, 'rewritten')
  assert.notEqual(await messageId('wrapped'), before)
  await opensOnly(w, 'wrapped', 'body')
  // A third key opens it no more than before.
  await put(w.client({ keyring: otherKey }), 'wrapped', 'body')
  await assert.rejects(rotate(client, 'wrapped', rewrite), code('ERR_S3CSE_DECRYPTION_FAILED'))
})

it('a campaign that is run again rewrites what is older than its beginning', async () => {
  const clock = { seconds: 1_800_000_000 }
  const timed = await world({ now: () => new Date(clock.seconds * 1000) })
  const id = async (key: string) => (await timed.stored(key)).metadata['x-amz-i']
  const client = await putOld(timed, 'a', 'body')
  await rotate(client, 'a')
  const first = await id('a')
  clock.seconds += 10
  const campaign = { rewrite: { olderThan: new Date(clock.seconds * 1000) } }
  assert.equal((await rotate(client, 'a', campaign)).outcome, 'rewritten')
  const second = await id('a')
  assert.notEqual(second, first)
  assert.equal((await rotate(client, 'a', campaign)).outcome, 'unchanged')
  assert.equal(await id('a'), second)
  // What the old key opens is never done.
  clock.seconds += 10
  await put(client, 'a', 'theirs')
  assert.equal((await rotate(client, 'a', campaign)).outcome, 'rewritten')
  await opensOnly(timed, 'a', 'theirs')
})

it('enforceRotation holds for it, in each format, before anything is stored', async () => {
  const relabelled = rawKeyring(1, 'the old key')
  for (const [name, options] of [
    ['V3', {}],
    ['V2', { commitmentPolicy: 'FORBID_ENCRYPT_ALLOW_DECRYPT' }],
    ['file', { instructionFile: { write: true } }],
  ] as const) {
    const key = `enforce ${name}`
    const client = w.client({ keyring: oldKey, ...options })
    await put(client, key, 'body')
    const before = await w.stored(key)
    const more = { to: relabelled, ...rewrite }
    const rotator = w.client({ keyring: oldKey, ...(name === 'V2' && options) })
    for (const to of [oldKey, relabelled]) {
      await assert.rejects(
        rotate(rotator, key, { ...more, to }),
        (error) => error instanceof RotationError && !error.needsRewrite && /enforceRotation/.test(error.message),
      )
    }
    assert.deepEqual(await w.stored(key), before)
    assert.equal((await rotate(rotator, key, { ...more, enforceRotation: false })).outcome, 'rewritten')
    assert.equal((await read(client, key)).toString(), 'body')
  }
})

it('writes the format that the client writes', async () => {
  const v2: Partial<EncryptionOptions> = { commitmentPolicy: 'FORBID_ENCRYPT_ALLOW_DECRYPT' }
  const client = w.client({ keyring: oldKey, ...v2 })
  await put(client, 'V2', 'body')
  const next = w.client({ keyring: oldKey, commitmentPolicy: 'REQUIRE_ENCRYPT_ALLOW_DECRYPT' })
  assert.equal((await rotate(next, 'V2', rewrite)).facts.version, 'V3')
  await opensOnly(w, 'V2', 'body')
})

it('a body that was changed is refused, and nothing is written', async () => {
  for (const [key, length] of [
    ['small', 100],
    ['large', 17 * MiB],
  ] as const) {
    const client = await putOld(w, key, pattern(length))
    await w.s3.tamper(Bucket, key, ({ body }) => ((body[body.length - 20]! ^= 1), { body }))
    const before = await w.stored(key)
    await assert.rejects(rotate(client, key, rewrite), code('ERR_S3CSE_DECRYPTION_FAILED'))
    assert.deepEqual(await w.stored(key), before)
    nothingLeft(w)
  }
})

describe('somebody writes meanwhile: theirs stays', () => {
  for (const [operation, length] of [
    ['GetObject', 100],
    ['PutObject', 100],
    ['UploadPart', 17 * MiB],
    ['CompleteMultipartUpload', 17 * MiB],
  ] as const) {
    it(`at ${operation}`, async () => {
      for (const on of [w, v]) {
        const key = `meanwhile ${operation}`
        const client = await putOld(on, key, pattern(length))
        let done = false
        const end = on.s3.onRequest(async (r) => {
          if (done || r.operation !== operation || r.key !== key) return
          done = true
          await put(on.client({ keyring: newKey }), key, 'theirs')
        })
        assert.equal((await rotate(client, key, again)).outcome, 'unchanged')
        end()
        assert.ok(done)
        await opensOnly(on, key, 'theirs')
        nothingLeft(on)
      }
    })
  }
})

it('with an instruction file without versions it is refused, unless the envelope goes into the metadata', async () => {
  const writing = w.client({ keyring: oldKey, instructionFile: { write: true, overwrite: true } })
  await put(writing, 'file', 'body')
  const before = await w.stored('file')
  await assert.rejects(rotate(writing, 'file', rewrite), code('ERR_S3CSE_ROTATION', /instructionFile\.write/))
  assert.deepEqual(await w.stored('file'), before)
  await rotate(w.client({ keyring: oldKey }), 'file', rewrite)
  await opensOnly(w, 'file', 'body')
  const versions = v.client({ keyring: oldKey, instructionFile: { write: true } })
  await put(versions, 'file', 'body')
  assert.equal((await rotate(versions, 'file', rewrite)).outcome, 'rewritten')
  assert.equal((await read(v.client({ keyring: newKey }), 'file')).toString(), 'body')
})
