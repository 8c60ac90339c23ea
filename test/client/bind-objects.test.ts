// Objects that are bound to their places: every way in and out.
import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { after, describe, it } from 'node:test'

import { CompleteMultipartUploadCommand, CreateMultipartUploadCommand, UploadPartCommand } from '@aws-sdk/client-s3'
import { Upload } from '@aws-sdk/lib-storage'

import {
  download,
  encryptionInfo,
  exportUpload,
  importUpload,
  inspect,
  requestOptions,
  rotateKey,
} from '../../src/index.js'
import { code } from '../support/errors.js'
import { Bucket, get, pattern, put } from '../support/world.js'
import { bindWorld, KEY, LABEL } from './bind-support.js'
import { exists, head, move, readFrom } from './copy-support.js'
import { file, MARK, names, v2 } from './instruction-support.js'

const w = await bindWorld()
const client = w.bound()
const bounded = { timeout: 60_000 }
const secret = 'what nobody else may read'
const name = names()
const mismatch = code('ERR_S3CSE_CONTEXT_MISMATCH')
const MIB = 1024 * 1024
const folder = await mkdtemp(path.join(tmpdir(), 's3-cse-bind-'))
after(() => rm(folder, { recursive: true }))

describe('an object at its place', bounded, () => {
  for (const [version, options, where] of [
    ['V3', {}, 'x-amz-t'],
    ['V2', v2, 'x-amz-matdesc'],
  ] as const) {
    it(`${version}: PutObject, GetObject, HeadObject; what KMS is told, and what everybody sees`, async () => {
      const one = w.bound(options)
      w.asked()
      await put(one, 'ключ a', secret, { Metadata: { own: 'x' } })
      const { EncryptionContext } = w.kms.requests[0]!.input as { EncryptionContext: Record<string, string> }
      assert.deepEqual([EncryptionContext[LABEL], EncryptionContext[KEY]], [Bucket, 'ключ a'])
      const output = await get(one, 'ключ a')
      assert.equal(await output.Body!.transformToString(), secret)
      assert.deepEqual(output.Metadata, { own: 'x' })
      assert.equal((await head(one, 'ключ a')).ContentLength, secret.length)
      const { metadata } = await w.stored('ключ a')
      const map = JSON.parse(metadata[where]!) as Record<string, string>
      assert.equal(map[LABEL], Bucket)
      const info = encryptionInfo(output)
      assert.deepEqual(info?.envelope?.context[KEY], 'ключ a')
      const { facts } = await inspect(one, { Bucket, Key: 'ключ a' })
      assert.equal(facts?.format ?? 's3ec', 's3ec')
    })
  }

  it('Upload, ranges, download', async () => {
    const bytes = pattern(11 * MIB)
    const key = name()
    await new Upload({ client, params: { Bucket, Key: key, Body: bytes } }).done()
    const whole = Buffer.from(await (await get(client, key)).Body!.transformToByteArray())
    assert.ok(whole.equals(bytes))
    for (const rangeReads of ['unauthenticated', 'whole-object'] as const) {
      const { Body } = await get(w.bound({ rangeReads }), key, { Range: 'bytes=7000000-7000099' })
      assert.deepEqual(Buffer.from(await Body!.transformToByteArray()), bytes.subarray(7_000_000, 7_000_100))
    }
    const to = path.join(folder, 'download')
    await download(client, { Bucket, Key: key }, to)
    assert.ok((await readFile(to)).equals(bytes))

    const moved = name()
    await move(w, { key }, { key: moved })
    await assert.rejects(download(client, { Bucket, Key: moved }, path.join(folder, 'moved')), mismatch)
    for (const rangeReads of ['unauthenticated', 'whole-object'] as const) {
      await assert.rejects(get(w.bound({ rangeReads }), moved, { Range: 'bytes=0-9' }), mismatch)
    }
  })

  it('an upload that another process goes on with', async () => {
    const key = name()
    const bytes = pattern(6 * MIB)
    const partSize = 5 * MIB
    const input = requestOptions({ Bucket, Key: key }, { partSize })
    const { UploadId } = await client.send(new CreateMultipartUploadCommand(input))
    const part = (one: typeof client, PartNumber: number, Body: Uint8Array) =>
      one.send(new UploadPartCommand({ Bucket, Key: key, UploadId, PartNumber, Body }))
    const first = await part(client, 1, bytes.subarray(0, partSize))
    const state = await exportUpload(client, { Bucket, Key: key, UploadId: UploadId! })
    const second = w.bound()
    await assert.rejects(importUpload(w.bound(), { Bucket, Key: 'elsewhere' }, state))
    await importUpload(second, { Bucket, Key: key }, state)
    const last = await part(second, 2, bytes.subarray(partSize))
    const Parts = [first, last].map(({ ETag }, at) => ({ PartNumber: at + 1, ETag }))
    await second.send(new CompleteMultipartUploadCommand({ Bucket, Key: key, UploadId, MultipartUpload: { Parts } }))
    const { Body } = await get(client, key)
    assert.ok(Buffer.from(await Body!.transformToByteArray()).equals(bytes))
  })

  it('instruction files: read in place; swapped with or without their objects they are not', async () => {
    const writer = w.bound({ instructionFile: { write: true } })
    const [a, b] = [name(), name()]
    await put(writer, a, 'the first')
    await put(writer, b, 'the second')
    assert.equal(await readFrom(client, a), 'the first')
    const c = name()
    await move(w, { key: a }, { key: c })
    await move(w, { key: file(a) }, { key: file(c) })
    await assert.rejects(readFrom(client, c), mismatch)
    await move(w, { key: file(a) }, { key: file(b) })
    await assert.rejects(readFrom(client, b), mismatch)
    const text = (await w.stored(file(a))).body
    await put(w.plain, file(b), Buffer.from(text).toString(), { Metadata: { [MARK]: '' } })
    await move(w, { key: a }, { key: b })
    await assert.rejects(readFrom(client, b), mismatch)
  })

  it('a context that was rewritten to fit is refused by KMS', async () => {
    const [a, b] = [name(), name()]
    await put(client, a, secret)
    await move(w, { key: a }, { key: b })
    await w.s3.tamper(Bucket, b, ({ metadata }) => ({
      metadata: { ...metadata, 'x-amz-t': metadata['x-amz-t']!.replace(`"${a}"`, `"${b}"`) },
    }))
    await assert.rejects(readFrom(client, b), code('ERR_S3CSE_DECRYPTION_FAILED'))
    assert.equal(await readFrom(client, a), secret)
  })

  it('another label is another place', async () => {
    const key = name()
    await put(w.bound({ bind: { label: 'one' } }), key, secret)
    assert.equal(await readFrom(w.bound({ bind: { label: 'one' } }), key), secret)
    await assert.rejects(readFrom(w.bound({ bind: { label: 'two' } }), key), mismatch)
    await assert.rejects(readFrom(client, key), mismatch)
    await put(w.bound({ bind: { label: Bucket } }), key, secret)
    assert.equal(await readFrom(client, key), secret)
  })
})

describe('objects from before', bounded, () => {
  it('are not read, and are after rotateKey', async () => {
    const encryptionContext = { tenant: 'a' }
    const [a, b] = [name(), name()]
    await put(w.loose({ encryptionContext }), a, secret)
    await put(w.loose(), b, secret)
    const one = w.bound({ encryptionContext })
    await assert.rejects(readFrom(one, a), mismatch)
    await assert.rejects(readFrom(client, b), mismatch)
    const options = { to: w.keyring, enforceRotation: false }
    await rotateKey(one, { Bucket, Key: a, ...options, from: { encryptionContext } })
    await rotateKey(client, { Bucket, Key: b, ...options, from: { encryptionContext: {} } })
    assert.equal(await readFrom(one, a), secret)
    assert.equal(await readFrom(client, b), secret)
    await assert.rejects(readFrom(w.loose(), b), mismatch)
  })

  it('with bind off, an object that is bound is read with its whole context only', async () => {
    const key = name()
    await put(client, key, secret)
    await assert.rejects(readFrom(w.loose(), key), mismatch)
    assert.equal(await readFrom(w.loose({ encryptionContext: { [LABEL]: Bucket, [KEY]: key } }), key), secret)
    assert.equal(await exists(w, key), true)
  })
})
