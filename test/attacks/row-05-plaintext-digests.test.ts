// CVE-2022-2582: a digest of the plaintext in a header lets anyone who sees requests guess the text offline. No digest of plaintext is ever sent.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import { describe, it } from 'node:test'

import { checksumOf } from '../../src/testing/s3-checksums.js'
import type { S3Request } from '../../src/testing/index.js'
import { pattern, put, read, world } from '../support/world.js'
import { versions } from './support.js'

const w = await world()

const text = 'The number that you asked for is 4711. '.repeat(2000)
const plaintext = Buffer.from(text)

async function* chunks(size: number) {
  for (let i = 0; i < plaintext.length; i += size) yield plaintext.subarray(i, i + size)
}

/** By the names of the algorithms; big-endian where they are numbers. */
const digests: ReadonlyMap<string, Buffer> = new Map([
  ...(['crc32', 'crc32c', 'crc64nvme'] as const).map(
    (name) => [name, Buffer.from(checksumOf(name, plaintext), 'base64')] as const,
  ),
  ...['md5', 'sha1', 'sha256'].map((name) => [name, createHash(name).update(plaintext).digest()] as const),
])

/** Every way in which a digest may be written into a header. */
function forms(digest: Buffer): string[] {
  const swapped = Buffer.from(digest).reverse()
  return [digest, swapped].flatMap((bytes) => [
    bytes.toString('hex'),
    bytes.toString('base64').replace(/=+$/, ''),
    bytes.toString('base64url'),
    encodeURIComponent(bytes.toString('base64').replace(/=+$/, '')),
    BigInt(`0x${bytes.toString('hex')}`).toString(),
  ])
}

/** All that was sent but for the body. */
function outgoing({ method, path, query, headers, trailers }: S3Request): string {
  return JSON.stringify([method, path, query, headers, trailers])
}

/** The algorithms whose digest of the plaintext stands somewhere in these requests. */
function sentDigests(): string[] {
  const all = w.s3.requests.map(outgoing)
  const lower = all.map((one) => one.toLowerCase())
  return [...digests]
    .filter(([, digest]) =>
      forms(digest).some((form) => all.some((one, i) => one.includes(form) || lower[i]!.includes(form))),
    )
    .map(([name]) => name)
}

const bodies: readonly [name: string, make: () => unknown, more: object][] = [
  ['string', () => text, {}],
  ['Buffer', () => Buffer.from(plaintext), {}],
  ['Blob', () => new Blob([plaintext]), {}],
  ['stream', () => Readable.from(chunks(5000)), { ContentLength: plaintext.length }],
  ['stream of unknown length', () => Readable.from(chunks(50_000)), {}],
]

/** The members that a caller may give a digest in, and what they must be. */
const given: Readonly<Record<string, string>> = {
  ChecksumCRC32: digests.get('crc32')!.toString('base64'),
  ChecksumCRC32C: digests.get('crc32c')!.toString('base64'),
  ChecksumCRC64NVME: digests.get('crc64nvme')!.toString('base64'),
  ChecksumSHA1: digests.get('sha1')!.toString('base64'),
  ChecksumSHA256: digests.get('sha256')!.toString('base64'),
  ContentMD5: digests.get('md5')!.toString('base64'),
}

const variants: readonly [name: string, input: object][] = [
  ['no digest', {}],
  ...Object.keys(given).map((name) => [name, { [name]: given[name] }] as [string, object]),
  ['MD5 and SHA-256', { ContentMD5: given.ContentMD5, ChecksumSHA256: given.ChecksumSHA256 }],
  ...['CRC32', 'CRC32C', 'CRC64NVME', 'SHA1', 'SHA256'].map(
    (ChecksumAlgorithm) => [`ChecksumAlgorithm ${ChecksumAlgorithm}`, { ChecksumAlgorithm }] as [string, object],
  ),
]

describe('the search finds what it looks for', () => {
  it('in what a client without encryption sends', async () => {
    const found = new Set<string>()
    for (const [, input] of variants) {
      w.s3.requests.length = 0
      await put(w.plain, 'plain', plaintext, input)
      for (const name of sentDigests()) found.add(name)
    }
    assert.deepEqual([...found].sort(), ['crc32', 'crc32c', 'crc64nvme', 'md5', 'sha1', 'sha256'])
  })

  it('in trailers', async () => {
    w.s3.requests.length = 0
    await put(w.plain, 'plain', Readable.from(chunks(30_000)), { ContentLength: plaintext.length })
    assert.deepEqual(sentDigests(), ['crc32'])
    assert.ok(Object.keys(w.s3.requests[0]?.trailers ?? {}).length > 0)
  })
})

for (const [version, commitmentPolicy] of versions) {
  for (const requestChecksumCalculation of ['WHEN_SUPPORTED', 'WHEN_REQUIRED'] as const) {
    describe(`${version}, checksums ${requestChecksumCalculation}`, () => {
      const client = w.client({ commitmentPolicy }, { requestChecksumCalculation })
      for (const [name, make, more] of bodies) {
        it(`nothing of the plaintext beside the body of a ${name}`, async () => {
          for (const [variant, input] of variants) {
            w.s3.requests.length = 0
            await put(client, 'secret', make(), { ...more, ...input })
            assert.equal(w.s3.requests.length, 1)
            assert.deepEqual(sentDigests(), [], variant)
            const { headers, trailers, body } = w.s3.requests[0]!
            assert.equal(headers['content-md5'], undefined)
            // What is sent in their place is of the ciphertext: the server has verified it.
            if (Object.keys(input).length > 0) {
              assert.ok(
                Object.keys({ ...headers, ...trailers }).some((key) => key.startsWith('x-amz-checksum-')),
                variant,
              )
            }
            assert.ok(body !== undefined && !Buffer.from(body).includes(plaintext.subarray(0, 16)))
          }
          assert.deepEqual(await read(client, 'secret'), plaintext)
        })
      }
    })
  }
}

it('nor does the answer of S3 have one: its ETag and checksums are of the ciphertext', async () => {
  await put(w.client(), 'secret', plaintext, { ContentMD5: given.ContentMD5 })
  const { etag, checksums, metadata } = await w.stored('secret')
  const all = JSON.stringify([etag, checksums, metadata])
  for (const [name, digest] of digests) for (const form of forms(digest)) assert.ok(!all.includes(form), name)
})

it('a digest that is not the body’s is refused before it or the object is stored', async () => {
  const wrong = pattern(32).toString('base64')
  w.s3.requests.length = 0
  await assert.rejects(put(w.client(), 'wrong', text, { ChecksumSHA256: wrong }), { code: 'ERR_S3CSE_CHECKSUM' })
  assert.equal(w.s3.requests.length, 0)
})
