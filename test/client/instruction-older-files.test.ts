// Which versions of an instruction file are tried, and in what order.
import assert from 'node:assert/strict'
import { createCipheriv, randomBytes } from 'node:crypto'
import { describe, it } from 'node:test'

import { DeleteObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3'

import { aesKeyring, requestOptions } from '../../src/index.js'
import { code } from '../support/errors.js'
import { envelopeOf } from '../support/independent-reader.js'
import { dataKeys } from '../support/independent-unwrap.js'
import { Bucket, get, pattern, put, read } from '../support/world.js'
import {
  crash,
  file,
  instructionWorld,
  names,
  readVersion,
  v2,
  versionIds,
  versions,
  wrappings,
  write,
} from './instruction-support.js'

const w = await instructionWorld('Enabled')
const { all } = await wrappings()
const bounded = { timeout: 60_000 }
const refused = code('ERR_S3CSE_DECRYPTION_FAILED')

const name = names()
const body = (i: number) => pattern(1000 + i).subarray(i)

/** The versions of the file that were asked for, in this order. */
const asked = (key: string) => w.sent('GetObject', file(key)).map(({ query }) => query.versionId)

describe('the current object with a file of somebody else', bounded, () => {
  it('V3: the file’s older versions are tried after one more read', async () => {
    const key = name()
    await put(w.client(write), key, body(0))
    w.clock += 10
    await crash(w, key)
    await crash(w, key)
    w.s3.requests.length = 0
    assert.deepEqual(await read(w.client(), key), body(0))
    assert.equal(w.sent('GetObject', key).length, 2)
    assert.deepEqual(asked(key), [undefined, (await versionIds(w, file(key))).at(-1)])
  })

  it('V3, and the newer file is of V2: the same', async () => {
    const key = name()
    await put(w.client(write), key, body(0))
    w.clock += 10
    await crash(w, key, v2)
    assert.deepEqual(await read(w.client(), key), body(0))
    const { Body } = await get(w.client({ rangeReads: 'unauthenticated' }), key, { Range: 'bytes=10-19' })
    assert.deepEqual(Buffer.from(await Body!.transformToByteArray()), body(0).subarray(10, 20))
  })

  it('V3, and the newer file is under another context: the same', async () => {
    const key = name()
    const { keyring, encryptionContext = {} } = all[2]!
    const client = w.client({ ...write, keyring, encryptionContext })
    await put(client, key, body(0))
    w.clock += 10
    await crash(w, key, { keyring, encryptionContext: { another: 'context' } })
    assert.deepEqual(await read(client, key), body(0))
  })

  it('that is there for good: one more read, all versions, and an error', async () => {
    const key = name()
    await put(w.client(write), key, body(0))
    for (const VersionId of await versionIds(w, file(key))) {
      await w.plain.send(new DeleteObjectCommand({ Bucket, Key: file(key), VersionId }))
    }
    await crash(w, key)
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
      const ids = await versionIds(w, file(key))
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
