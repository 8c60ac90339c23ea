// Instruction files in a bucket with versions: overwriting, old versions of objects and their files, crashes in between.
import assert from 'node:assert/strict'
import { createCipheriv, randomBytes } from 'node:crypto'
import { describe, it } from 'node:test'

import {
  DeleteObjectCommand,
  HeadObjectCommand,
  ListObjectVersionsCommand,
  PutObjectCommand,
  type S3Client,
} from '@aws-sdk/client-s3'

import { aesKeyring, requestOptions } from '../../src/index.js'
import { code } from '../support/errors.js'
import { envelopeOf } from '../support/independent-reader.js'
import { dataKeys } from '../support/independent-unwrap.js'
import { Bucket, get, pattern, put, read } from '../support/world.js'
import { file, instructionWorld, judge, snapshot, v2, versions, write } from './instruction-support.js'
import { begin, PART } from './multipart-support.js'

const w = await instructionWorld('Enabled')
const bounded = { timeout: 60_000 }
const refused = code('ERR_S3CSE_DECRYPTION_FAILED')

let keys = 0
const name = () => `object-${++keys}`
const body = (i: number) => pattern(1000 + i).subarray(i)

async function readVersion(client: S3Client, key: string, VersionId: string | undefined): Promise<Buffer> {
  const { Body } = await get(client, key, { VersionId })
  return Buffer.from(await Body!.transformToByteArray())
}

/** From the newest to the oldest. */
async function versionIds(key: string): Promise<string[]> {
  const { Versions = [] } = await w.plain.send(new ListObjectVersionsCommand({ Bucket, Prefix: key }))
  return Versions.filter(({ Key }) => Key === key).map(({ VersionId }) => VersionId!)
}

/** Puts the instruction file of some other object where that of `key` is, as a writer does before it dies. */
async function crash(key: string, options = {}): Promise<void> {
  await put(w.client({ ...write, ...options }), 'another', 'another')
  const { body: Body, metadata: Metadata } = await w.stored(file('another'))
  await w.plain.send(new PutObjectCommand({ Bucket, Key: file(key), Body, Metadata }))
}

/** The versions of the file that were asked for, in this order. */
const asked = (key: string) => w.sent('GetObject', file(key)).map(({ query }) => query.versionId)

for (const [version, policy] of Object.entries(versions)) {
  describe(version, bounded, () => {
    for (const seconds of [0, 10]) {
      it(`every version of an object is readable, ${seconds} s between them`, async () => {
        const key = name()
        const client = w.client({ ...write, ...policy })
        const written = []
        for (let i = 0; i < 6; i++) {
          w.clock += seconds
          written.push(await put(client, key, body(i)))
          assert.deepEqual(await judge(w, key), body(i))
        }
        for (const [i, { VersionId }] of written.entries()) {
          assert.deepEqual(await readVersion(client, key, VersionId), body(i))
          const head = await client.send(new HeadObjectCommand({ Bucket, Key: key, VersionId }))
          assert.equal(head.ContentLength, body(i).length)
        }
        assert.deepEqual(await read(client, key), body(5))
      })
    }

    it('the file has many versions after that of the object', async () => {
      const key = name()
      const client = w.client({ ...write, ...policy })
      const { VersionId } = await put(client, key, body(0))
      for (let i = 0; i < 3; i++) {
        w.clock += 10
        await crash(key, policy)
      }
      w.s3.requests.length = 0
      assert.deepEqual(await readVersion(client, key, VersionId), body(0))
      assert.deepEqual(asked(key), [(await versionIds(file(key))).at(-1)])
    })

    it('of a multipart upload, whose time is that of its beginning', async () => {
      const key = name()
      const client = w.client({ ...write, ...policy })
      const versionsOf = []
      for (let i = 0; i < 3; i++) {
        const upload = await begin(client, key)
        w.clock += 100
        await upload.part(1, pattern(PART))
        await upload.part(2, body(i))
        versionsOf.push((await upload.complete()).VersionId)
        w.clock += 100
      }
      for (const [i, VersionId] of versionsOf.entries()) {
        const found = await readVersion(client, key, VersionId)
        assert.deepEqual(found.subarray(PART), body(i))
      }
    })

    it('a failure leaves the object that was there, and no version of the file', async () => {
      const key = name()
      await put(w.client({ ...write, ...policy }), key, body(0))
      const [before, ids] = [await snapshot(w, key, file(key)), await versionIds(file(key))]
      for (const fault of [{ status: 403 }, { status: 500 }, { reset: 'before' }] as const) {
        w.clock += 10
        w.fail('PutObject', key, fault)
        await assert.rejects(put(w.once({ ...write, ...policy }), key, body(1)))
        assert.deepEqual(await snapshot(w, key, file(key)), before)
        assert.deepEqual(await versionIds(file(key)), ids)
        assert.deepEqual(await read(w.client(policy), key), body(0))
      }
      w.fail('PutObject', key, { reset: { afterResponseBytes: 0 } })
      await assert.rejects(put(w.once({ ...write, ...policy }), key, body(2)), { code: 'ECONNRESET' })
      assert.deepEqual(await judge(w, key), body(2))
    })

    it('a failure in the same second as all before', async () => {
      const key = name()
      await put(w.client({ ...write, ...policy }), key, body(0))
      w.fail('PutObject', key, { status: 403 })
      await assert.rejects(put(w.client({ ...write, ...policy }), key, body(1)))
      assert.deepEqual(await judge(w, key), body(0))
    })

    it('the answer for the new file is lost', async () => {
      const key = name()
      await put(w.client({ ...write, ...policy }), key, body(0))
      const before = await snapshot(w, key, file(key))
      const lost = { reset: { afterResponseBytes: 0 } } as const
      const second = (r: { headers: Readonly<Record<string, string>> }) => r.headers['if-none-match'] === undefined
      w.fail('PutObject', file(key), lost, second)
      await put(w.client({ ...write, ...policy }), key, body(1))
      assert.deepEqual(await judge(w, key), body(1))
      const after = await snapshot(w, key, file(key))
      assert.notDeepEqual(after, before)
      w.fail('PutObject', file(key), lost, second)
      await assert.rejects(put(w.once({ ...write, ...policy }), key, body(2)), { code: 'ECONNRESET' })
      assert.deepEqual(await snapshot(w, key, file(key)), after)
    })

    it('the process dies between the two: the object is readable by its version', async () => {
      const key = name()
      const { VersionId } = await put(w.client({ ...write, ...policy }), key, body(0))
      const client = w.once({ ...write, ...policy })
      const ending = new AbortController()
      // Whoever would take the file back does not get through any more.
      const unhook = w.s3.onRequest((r) => {
        if (r.operation === 'PutObject' && r.key === key) ending.abort()
        if (ending.signal.aborted) w.s3.fail({ match: (one) => one === r, reset: 'before' })
      })
      await assert.rejects(put(client, key, body(1)))
      client.destroy()
      unhook()
      assert.ok(ending.signal.aborted)
      assert.equal((await versionIds(file(key))).length, 2)
      assert.deepEqual(await readVersion(w.client(policy), key, VersionId), body(0))
      if (version === 'V3') assert.deepEqual(await read(w.client(policy), key), body(0))
      // The next writer goes on.
      await put(w.client({ ...write, ...policy }), key, body(3))
      assert.deepEqual(await judge(w, key), body(3))
    })

    it('versions cannot be listed: the current file is taken', async () => {
      const key = name()
      const client = w.client({ ...write, ...policy })
      const first = await put(client, key, body(0))
      for (const status of [400, 403, 405, 501]) {
        w.s3.fail({ match: (r) => r.operation === 'ListObjectVersions', status })
        assert.deepEqual(await readVersion(client, key, first.VersionId), body(0))
      }
      await put(client, key, body(1))
      w.s3.fail({ match: (r) => r.operation === 'ListObjectVersions', status: 403, times: 9 })
      await assert.rejects(readVersion(client, key, first.VersionId), refused)
    })
  })
}

describe('the current object with a file of somebody else', bounded, () => {
  it('V3: the file’s older versions are tried after one more read', async () => {
    const key = name()
    await put(w.client(write), key, body(0))
    w.clock += 10
    await crash(key)
    await crash(key)
    w.s3.requests.length = 0
    assert.deepEqual(await read(w.client(), key), body(0))
    assert.equal(w.sent('GetObject', key).length, 2)
    assert.deepEqual(asked(key), [undefined, (await versionIds(file(key))).at(-1)])
  })

  it('V3, and the newer file is of V2, or under another context: the same', async () => {
    const key = name()
    await put(w.client(write), key, body(0))
    w.clock += 10
    await crash(key, v2)
    assert.deepEqual(await read(w.client(), key), body(0))
    const { Body } = await get(w.client({ rangeReads: 'unauthenticated' }), key, { Range: 'bytes=10-19' })
    assert.deepEqual(Buffer.from(await Body!.transformToByteArray()), body(0).subarray(10, 20))
  })

  it('that is there for good: one more read, all versions, and an error', async () => {
    const key = name()
    await put(w.client(write), key, body(0))
    for (const VersionId of await versionIds(file(key))) {
      await w.plain.send(new DeleteObjectCommand({ Bucket, Key: file(key), VersionId }))
    }
    await crash(key)
    w.s3.requests.length = 0
    await assert.rejects(read(w.client(), key), refused)
    assert.equal(w.sent('GetObject', key).length, 2)
    assert.equal(asked(key).length, 2)
  })
})

it('a file that was given another key later is found for an old version of its object', bounded, async () => {
  for (const [version, policy] of Object.entries(versions)) {
    const key = name()
    const client = w.client({ ...write, ...policy })
    const { VersionId } = await put(client, key, body(0))
    const { metadata, body: text } = await w.stored(file(key))
    const envelope = envelopeOf({
      ...(await w.stored(key)),
      instructionFile: Buffer.from(text).toString(),
    })
    const [dataKey] = dataKeys(envelope, { aes: [new Uint8Array(32).fill(7)] })
    const iv = randomBytes(12)
    const cipher = createCipheriv('aes-256-gcm', Buffer.alloc(32, 9), iv).setAAD(Buffer.from(envelope.content))
    const wrapped = Buffer.concat([iv, cipher.update(dataKey!), cipher.final(), cipher.getAuthTag()])
    const values = JSON.parse(Buffer.from(text).toString()) as Record<string, string>
    values[version === 'V3' ? 'x-amz-3' : 'x-amz-key-v2'] = wrapped.toString('base64')
    w.clock += 10
    const [Body, Metadata] = [JSON.stringify(values), metadata]
    await w.plain.send(new PutObjectCommand({ Bucket, Key: file(key), Body, Metadata }))
    w.clock += 10
    await put(client, key, body(1))
    const later = w.client({ ...policy, keyring: aesKeyring({ wrappingKey: new Uint8Array(32).fill(9) }) })
    assert.deepEqual(await readVersion(later, key, VersionId), body(0))
    assert.deepEqual(await readVersion(client, key, VersionId), body(0))
  }
})

describe('more versions than are tried', bounded, () => {
  /** An object with as many files of others before and after its own time. */
  async function surrounded(key: string, before: number, after: number): Promise<string> {
    await put(w.client(write), 'another', 'another')
    const seed = await w.stored(file('another'))
    const add = async (count: number) => {
      for (let i = 0; i < count; i++) {
        w.clock += 2
        await w.s3.put(Bucket, file(key), seed)
      }
    }
    await add(before)
    await put(w.client({ instructionFile: { write: true, suffix: '.elsewhere' } }), key, body(0))
    const { versionId } = await w.stored(key)
    w.clock += 2
    await add(after)
    // A neighbour, which begins with the same letters.
    await w.s3.put(Bucket, `${file(key)}2`, seed)
    w.s3.requests.length = 0
    return versionId
  }

  for (const [before, after, older, newer] of [
    [30, 30, 15, 5],
    [30, 0, 20, 0],
    [30, 2, 18, 2],
    [3, 30, 3, 17],
    [0, 30, 0, 20],
    [4, 3, 4, 3],
  ] as const) {
    it(`${before} before, ${after} after: ${older} and ${newer}, the nearest first`, async () => {
      const key = name()
      const versionId = await surrounded(key, before, after)
      const ids = await versionIds(file(key))
      await assert.rejects(readVersion(w.client(), key, versionId), refused)
      const expected = [...ids.slice(after, after + older), ...ids.slice(0, after).reverse().slice(0, newer)]
      assert.deepEqual(asked(key), expected)
    })
  }

  it('pages of the list are followed', async () => {
    const key = name()
    const { VersionId } = await put(w.client(write), key, body(0))
    w.clock += 10
    const seed = await w.stored(file('another'))
    for (let i = 0; i < 1100; i++) await w.s3.put(Bucket, file(key), seed)
    w.s3.requests.length = 0
    assert.deepEqual(await readVersion(w.client(), key, VersionId), body(0))
    assert.equal(w.sent('ListObjectVersions').length, 2)
    assert.equal(asked(key).length, 1)
  })
})

it('the list is of the file’s name, with what the request carries', async () => {
  const key = name()
  const client = w.client({ instructionFile: { write: true, suffix: '.own' } })
  const { VersionId } = await put(client, key, body(0))
  await put(client, key, body(1))
  w.s3.requests.length = 0
  const input = { Bucket, Key: key, VersionId, ExpectedBucketOwner: '123456789012', RequestPayer: 'requester' as const }
  const { Body } = await get(w.client(), key, requestOptions(input, { instructionFileSuffix: '.own' }))
  assert.deepEqual(Buffer.from(await Body!.transformToByteArray()), body(0))
  const [list] = w.sent('ListObjectVersions')
  assert.equal(list?.query.prefix, `${key}.own`)
  for (const request of w.s3.requests) {
    assert.equal(request.headers['x-amz-expected-bucket-owner'], '123456789012')
    assert.equal(request.headers['x-amz-request-payer'], 'requester')
  }
})
