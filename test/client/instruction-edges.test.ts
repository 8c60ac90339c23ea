import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { DeleteObjectCommand, HeadObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3'

import { encryptionInfo, inspect, s3ec } from '../../src/index.js'
import { code } from '../support/errors.js'
import { Bucket, get, pattern, put, read } from '../support/world.js'
import { file, instructionWorld, overwrite, v2, versions, write } from './instruction-support.js'
import { begin } from './multipart-support.js'

const w = await instructionWorld('Enabled')
const u = await instructionWorld(undefined)
const bytes = pattern(100)
const MIB = 1024 * 1024

describe('names that leave no room for a suffix', () => {
  const key = 'k'.repeat(1015)

  it('cannot have a file: nothing is asked for', async () => {
    await put(u.plain, key, bytes)
    const client = u.client({ passthrough: () => true })
    assert.deepEqual(await read(client, key), bytes)
    assert.equal(encryptionInfo(await client.send(new HeadObjectCommand({ Bucket, Key: key })))?.status, 'plain')
    assert.equal((await inspect(client, { Bucket, Key: key })).status, 'plain')
    await assert.rejects(get(u.client(), key), code('ERR_S3CSE_NOT_ENCRYPTED'))
    assert.ok(u.s3.requests.every((request) => request.key === key))
  })

  it('and get none', async () => {
    u.s3.requests.length = 0
    await assert.rejects(put(u.client(write), key, bytes), code('ERR_S3CSE_INSTRUCTION_FILE', /1,024 bytes/))
    await assert.rejects(begin(u.client(write), key), code('ERR_S3CSE_INSTRUCTION_FILE', /1,024 bytes/))
    assert.equal(u.s3.requests.length, 0)
  })
})

describe('what is in the way', () => {
  for (const [what, x, options] of [
    ['with versions', w, write],
    ['without', u, overwrite],
  ] as const) {
    it(`${what}: something else than an instruction file is never replaced`, async () => {
      for (const [i, body] of ['a document', '{}', '{"x":"y"}', pattern(70_000)].entries()) {
        const key = `other-${i}`
        await put(x.plain, file(key), body)
        await put(x.client(), key, 'old')
        await assert.rejects(put(x.client(options), key, bytes), code('ERR_S3CSE_INSTRUCTION_FILE', /another object/))
        assert.deepEqual(Buffer.from((await x.stored(file(key))).body), Buffer.from(body))
        assert.equal((await read(x.client(), key)).toString(), 'old')
      }
      // By its mark, or by what is in it.
      await put(x.plain, file('marked'), 'torn', { Metadata: { 'X-Amz-Crypto-Instr-File': '' } })
      await put(x.plain, file('unmarked'), '{"x-amz-3":"AAAA","x-amz-w":"02"}')
      for (const key of ['marked', 'unmarked']) {
        await put(x.client(options), key, bytes)
        assert.deepEqual(await read(x.client(), key), bytes)
      }
    })
  }

  it('"only if there is none" is answered as S3 answers it', async () => {
    for (const x of [w, u]) {
      await put(x.client(write), 'once', bytes, { IfNoneMatch: '*' })
      const second = put(x.client(write), 'once', 'other', { IfNoneMatch: '*' })
      await assert.rejects(second, { name: 'PreconditionFailed' })
      assert.deepEqual(await read(x.client(), 'once'), bytes)
    }
  })
})

it('V3: an object that came to be after it was looked for keeps its file', async () => {
  for (const [x, options] of [
    [w, write],
    [u, write],
    [u, overwrite],
  ] as const) {
    const key = `late-${options === overwrite}`
    if (options === overwrite) await put(x.client(write), key, 'old')
    x.fail('PutObject', key, { reset: { afterResponseBytes: 0 } })
    x.fail('HeadObject', key, { status: 404, code: 'NotFound' })
    await assert.rejects(put(x.once(options), key, bytes))
    assert.equal(x.s3.faults.length, 0)
    assert.deepEqual(await read(x.client(), key), bytes)
  }
})

it('an abort does not wait for a server that does not answer', { timeout: 60_000 }, async () => {
  const ending = new AbortController()
  const release: (() => void)[] = []
  const unhook = u.s3.onRequest(async ({ operation }) => {
    if (operation === 'PutObject' && !ending.signal.aborted && u.sent('PutObject', 'stalled').length > 0) {
      ending.abort()
    }
    if (operation === 'HeadObject') await new Promise<void>((resolve) => release.push(resolve))
  })
  const command = new PutObjectCommand({ Bucket, Key: 'stalled', Body: bytes })
  await assert.rejects(u.once(write).send(command, { abortSignal: ending.signal }), { name: 'AbortError' })
  unhook()
  for (const one of release) one()
})

it('a plain object that is encrypted when it is asked for again is not given out as plain', async () => {
  const large = pattern(200_000)
  await put(u.plain, 'turns', large)
  await put(u.client(), 'turned', 'x')
  const { metadata } = await u.stored('turned')
  const unhook = u.s3.onRequest(async (r) => {
    if (r.operation !== 'GetObject' || r.headers['if-match'] === undefined) return
    unhook()
    // The same bytes, and so the same ETag.
    await u.s3.tamper(Bucket, 'turns', () => ({ metadata }))
  })
  await assert.rejects(read(u.client({ passthrough: () => true }), 'turns'), code('ERR_S3CSE_DECRYPTION_FAILED'))
})

describe('options that fit no reader', () => {
  it('writing what the client does not read, and files that have another form', async () => {
    const wrong = { instructionFile: { write: true, read: false } }
    assert.throws(() => u.client(wrong), code('ERR_S3CSE_CONFIG', /read: false/))
    const dotNet = { instructionFile: { write: true, suffix: 'INSTRUCTION_SUFFIX' } }
    await assert.rejects(put(u.client(dotNet), 'dotnet', bytes), code('ERR_S3CSE_CONFIG', /only read/))
    for (const suffix of ['\ud800', '.a\udc00']) {
      assert.throws(() => u.client({ instructionFile: { suffix } }), code('ERR_S3CSE_CONFIG', /suffix/))
    }
  })
})

describe('in a bucket with versions', () => {
  for (const [version, policy] of Object.entries(versions)) {
    for (const size of [100, 200_000]) {
      it(`${version}, ${size} bytes: a writer that died after the file leaves the object readable`, async () => {
        const key = `crash-${version}-${size}`
        const client = w.client({ ...write, ...policy })
        await put(client, key, pattern(size))
        const { body, metadata } = await w.stored(file(key))
        w.clock += 10
        await put(client, `${key}-other`, 'x')
        const other = await w.stored(file(`${key}-other`))
        await w.s3.put(Bucket, file(key), { body: other.body, metadata: other.metadata })
        assert.deepEqual(await read(client, key), pattern(size))
        const output = await get(client, key)
        assert.equal(encryptionInfo(output)?.envelope?.instructionFile, file(key))
        await output.Body?.transformToByteArray()
        // A file that is newer because the object was given another wrap of its own key is as good.
        await w.s3.put(Bucket, file(key), { body, metadata })
        assert.deepEqual(await read(client, key), pattern(size))
      })
    }

    it(`${version}: an object of a multipart upload that was overwritten`, async () => {
      const key = `parts-${version}`
      const client = w.client({ ...write, ...policy })
      const ids: (string | undefined)[] = []
      const bodies = [pattern(5 * MIB), pattern(5 * MIB).reverse()]
      for (const body of bodies) {
        const upload = await begin(client, key)
        await upload.part(1, body)
        w.clock += 10
        ids.push((await upload.complete()).VersionId)
        w.clock += 10
      }
      for (const [i, VersionId] of ids.entries()) {
        w.s3.requests.length = 0
        const { Body } = await get(client, key, { VersionId })
        assert.ok(Buffer.from(await Body!.transformToByteArray()).equals(bodies[i]!))
        // The first file that is tried is the right one.
        assert.equal(w.sent('GetObject', file(key)).length, 1)
      }
    })
  }

  it('V3: a file behind a delete marker is found', async () => {
    await put(w.client(write), 'marker', bytes)
    await w.plain.send(new DeleteObjectCommand({ Bucket, Key: file('marker') }))
    assert.deepEqual(await read(w.client(), 'marker'), bytes)
  })
})

it('a range of CBC content that nothing could verify is refused before a key is used', async () => {
  const reading = { ...v2, legacy: { wrapping: true, content: true } }
  await put(u.client({ ...reading, format: s3ec({ insecureLegacyWriting: 'V1-CBC' }) }), 'cbc', bytes)
  let unwraps = 0
  const keyring = {
    algorithms: ['AES'],
    wrap: () => Promise.reject(new Error('this one only reads')),
    unwrap: () => {
      unwraps++
      return undefined
    },
  }
  const client = u.client({ ...reading, keyring, rangeReads: 'whole-object' })
  await assert.rejects(get(client, 'cbc', { Range: 'bytes=0-9' }), code('ERR_S3CSE_RANGE_REFUSED', /verified/))
  assert.equal(unwraps, 0)
})
