import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { HeadObjectCommand, type S3Client } from '@aws-sdk/client-s3'
import { Upload } from '@aws-sdk/lib-storage'

import { esdk } from '../../src/esdk.js'
import type { EsdkOptions } from '../../src/esdk.js'
import { aesKeyring, encryptionInfo, inspect, plaintextSizes, s3ec } from '../../src/index.js'
import type { EncryptionOptions, Keyring } from '../../src/index.js'
import { code } from '../support/errors.js'
import { Bucket, get, pattern, put, read, world } from '../support/world.js'

const w = await world()
const { s3, plain } = w
const keyring: Keyring = aesKeyring({ wrappingKey: new Uint8Array(32).fill(9), keyNamespace: 'test', keyName: 'one' })

function esdkClient(options: EsdkOptions = {}, more: Partial<EncryptionOptions> = {}): S3Client {
  return w.client({ keyring, format: esdk(options), ...more })
}

const F = 256
const small = esdkClient({ frameLength: F })
const sizes = [0, 1, F - 1, F, F + 1, 2 * F, 10 * F + 7, 20_000]

async function text(output: { Body?: { transformToByteArray(): Promise<Uint8Array> } | undefined }): Promise<Buffer> {
  return Buffer.from((await output.Body?.transformToByteArray()) ?? [])
}

describe('objects in the AWS Encryption SDK format', () => {
  test('are written and read at every boundary, and HeadObject shows the length of the plaintext', async () => {
    for (const size of sizes) {
      const key = `size-${size}`
      const plaintext = pattern(size)
      await put(small, key, plaintext)
      const output = await get(small, key)
      assert.equal(output.ContentLength, size)
      assert.deepEqual(await text(output), plaintext)
      const info = encryptionInfo(output)
      assert.equal(info?.envelope?.suite, 'ALG_AES_256_GCM_HKDF_SHA512_COMMIT_KEY')
      assert.equal(info.authentication, 'verified')
      assert.deepEqual(output.Metadata, {})
      const head = await small.send(new HeadObjectCommand({ Bucket, Key: key }))
      assert.equal(head.ContentLength, size)
      assert.deepEqual(head.Metadata, {})
    }
  })

  test('are read in ranges, each authenticated, with the length of the plaintext', async () => {
    for (const size of sizes.filter((length) => length > 0)) {
      const key = `size-${size}`
      const plaintext = pattern(size)
      const ranges: [string, number, number][] = [
        ['bytes=0-0', 0, 1],
        [`bytes=${size - 1}-${size - 1}`, size - 1, size],
        ['bytes=-1', size - 1, size],
        ['bytes=0-', 0, size],
        [`bytes=${Math.floor(size / 2)}-`, Math.floor(size / 2), size],
        [`bytes=${Math.floor(size / 3)}-${size + 100}`, Math.floor(size / 3), size],
        [`bytes=-${size + 5}`, 0, size],
      ]
      for (const [Range, start, end] of ranges) {
        const output = await get(small, key, { Range })
        assert.equal(output.ContentRange, `bytes ${start}-${end - 1}/${size}`, `${size} ${Range}`)
        assert.equal(output.ContentLength, end - start)
        assert.equal(output.$metadata.httpStatusCode, 206)
        assert.deepEqual(await text(output), plaintext.subarray(start, end), `${size} ${Range}`)
        assert.equal(encryptionInfo(output)?.authentication, 'verified')
      }
    }
  })

  test('a range beyond the plaintext is answered as S3 answers it', async () => {
    await assert.rejects(get(small, `size-${F}`, { Range: `bytes=${F}-` }), {
      name: 'InvalidRange',
      ActualObjectSize: String(F),
    })
  })

  test('a second range of one version takes one request', async () => {
    const own = esdkClient({ frameLength: F })
    await put(own, 'warm', pattern(20_000))
    const first = await get(own, 'warm', { Range: 'bytes=5000-5999' })
    await text(first)
    const from = s3.requests.length
    const second = await get(own, 'warm', { Range: 'bytes=9000-9099' })
    assert.deepEqual(await text(second), pattern(20_000).subarray(9000, 9100))
    assert.equal(second.ContentRange, 'bytes 9000-9099/20000')
    assert.equal(s3.requests.length - from, 1)
    // A new version is another object.
    await put(own, 'warm', pattern(30_000))
    const third = await get(own, 'warm', { Range: 'bytes=-10' })
    assert.deepEqual(await text(third), pattern(30_000).subarray(-10))
    assert.equal(third.ContentRange, 'bytes 29990-29999/30000')
  })

  test('are uploaded in parts of any order', async () => {
    const body = pattern(17 * 1024 * 1024 + 5)
    const own = esdkClient()
    await new Upload({
      client: own,
      params: { Bucket, Key: 'parts', Body: body },
      partSize: 5 * 1024 * 1024,
      queueSize: 3,
    }).done()
    assert.deepEqual(await read(own, 'parts'), body)
    const output = await get(own, 'parts', { Range: 'bytes=10000000-10000099' })
    assert.deepEqual(await text(output), body.subarray(10000000, 10000100))
  })

  test('are recognised by their first bytes where another program has stored them', async () => {
    const stored = await s3.object(Bucket, 'size-20000')
    assert(stored !== undefined)
    await put(plain, 'foreign', Buffer.from(stored.body))
    const both = w.client({ keyring, alsoRead: [esdk()] })
    assert.deepEqual(await read(both, 'foreign'), pattern(20_000))
    assert.deepEqual(
      await text(await get(both, 'foreign', { Range: 'bytes=100-199' })),
      pattern(20_000).subarray(100, 200),
    )
    const head = await both.send(new HeadObjectCommand({ Bucket, Key: 'foreign' }))
    assert.equal(head.ContentLength, 20_000)
    assert.equal((await inspect(both, { Bucket, Key: 'foreign' })).plaintextLength, 20_000)
    // Its own format as before, with its own refusal of ranges.
    await put(both, 's3ec', pattern(1000))
    assert.deepEqual(await read(both, 's3ec'), pattern(1000))
    await assert.rejects(get(both, 's3ec', { Range: 'bytes=0-9' }), code('ERR_S3CSE_RANGE_REFUSED'))
    await put(plain, 'plain', pattern(1000))
    await assert.rejects(read(both, 'plain'), code('ERR_S3CSE_NOT_ENCRYPTED'))
    const passing = w.client({ keyring, alsoRead: [esdk()], passthrough: () => true })
    assert.deepEqual(await read(passing, 'plain'), pattern(1000))
    assert.deepEqual(await text(await get(passing, 'plain', { Range: 'bytes=10-19' })), pattern(1000).subarray(10, 20))
    const list = { Bucket, Contents: [{ Key: 'foreign' }, { Key: 's3ec' }, { Key: 'plain' }, { Key: 'size-1' }] }
    assert.deepEqual(
      [...(await plaintextSizes(both, list))],
      [
        ['foreign', 20_000],
        ['s3ec', 1000],
        ['plain', 1000],
        ['size-1', 1],
      ],
    )
    const other = esdkClient({}, { alsoRead: [s3ec()] })
    assert.deepEqual(await read(other, 's3ec'), pattern(1000))
  })

  test('of a large one a range of 1 MiB takes no more than that, three frames and the header', async () => {
    const MiB = 1024 * 1024
    const own = esdkClient()
    const plaintext = pattern(16 * MiB + 5)
    await put(own, 'large', plaintext)
    const header = Number((await s3.object(Bucket, 'large'))?.metadata['s3-cse-esdk']?.split(',')[1])
    const stored = (await s3.object(Bucket, 'large'))?.body.length ?? 0
    for (const start of [0, 1, 65_535, 3 * MiB + 12_345, 15 * MiB + 5]) {
      const from = s3.requests.length
      const reader = esdkClient()
      const output = await get(reader, 'large', { Range: `bytes=${start}-${start + MiB - 1}` })
      assert.deepEqual(await text(output), plaintext.subarray(start, start + MiB))
      let bytes = 0
      for (const { headers } of s3.requests.slice(from)) {
        const [, first = '', last = ''] = /^bytes=(\d+)-(\d+)$/.exec(headers.range ?? '') ?? []
        assert.ok(first !== '', 'every request is for a part')
        bytes += Math.min(Number(last), stored - 1) - Number(first) + 1
      }
      assert.ok(bytes <= MiB + 3 * 65_536 + header, `${bytes} bytes from ${start} on`)
    }
  })
})
