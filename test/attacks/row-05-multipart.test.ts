// CVE-2022-2582 in parts: no digest of the plaintext, of a part or of the whole, in any request of a multipart upload.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import { beforeEach, describe, it } from 'node:test'
import type { S3Client } from '@aws-sdk/client-s3'
import { Upload } from '@aws-sdk/lib-storage'

import { checksumOf } from '../../src/testing/s3-checksums.js'
import { begin, PART, plaintext } from '../client/multipart-support.js'
import { Bucket, read, world } from '../support/world.js'
import { versions } from './support.js'

const w = await world({ recordBodyBytes: 10_000 })
const whole = plaintext(PART + 777)
const parts = [whole.subarray(0, PART), whole.subarray(PART)] as const

const crcs = ['crc32', 'crc64nvme'] as const
const hashes = ['md5', 'sha256'] as const
const digestOf = (name: string, bytes: Uint8Array): Buffer =>
  (crcs as readonly string[]).includes(name)
    ? Buffer.from(checksumOf(name as 'crc32', bytes), 'base64')
    : createHash(name).update(bytes).digest()

/** Of the whole, of each part, and of the digests of the parts, as S3 has it for composite checksums and ETags. */
const digests: readonly (readonly [name: string, digest: Buffer])[] = [...crcs, ...hashes].flatMap((name) => {
  const each = parts.map((part) => digestOf(name, part))
  return [digestOf(name, whole), ...each, digestOf(name, Buffer.concat(each))].map((digest) => [name, digest] as const)
})

function forms(digest: Buffer): string[] {
  const base64 = digest.toString('base64').replace(/=+$/, '')
  return [digest.toString('hex'), base64, digest.toString('base64url'), encodeURIComponent(base64)]
}

/** Everything that was sent but for the bodies of parts; of Complete the body as well. */
function sentDigests(): string[] {
  const all = w.s3.requests
    .map(({ operation, path, query, headers, trailers, body }) =>
      JSON.stringify([
        path,
        query,
        headers,
        trailers,
        operation === 'UploadPart' ? '' : Buffer.from(body ?? '').toString(),
      ]),
    )
    .join('\n')
  const found = digests.filter(([, digest]) => forms(digest).some((form) => all.includes(form)))
  return [...new Set(found.map(([name]) => name))].sort()
}

const given = (name: string, bytes: Uint8Array) => ({
  [name === 'md5' ? 'ContentMD5' : `Checksum${name.toUpperCase()}`]: digestOf(name, bytes).toString('base64'),
})

async function uploadParts(
  client: S3Client,
  create: object,
  more: (part: Uint8Array) => object,
  stream: boolean,
  complete = {},
) {
  const upload = await begin(client, 'secret', create)
  for (const [index, part] of parts.entries()) {
    const body = stream ? Readable.from([part]) : part
    await upload.part(index + 1, body, { ...more(part), ContentLength: part.length })
  }
  await upload.complete(undefined, complete)
}

beforeEach(() => {
  w.s3.requests.length = 0
})

describe('the search finds what it looks for', () => {
  it('in what a client without encryption sends', async () => {
    const found = new Set<string>()
    for (const name of [...crcs, 'sha256']) {
      w.s3.requests.length = 0
      await uploadParts(w.plain, { ChecksumAlgorithm: name.toUpperCase() }, (part) => given(name, part), false)
      for (const one of sentDigests()) found.add(one)
    }
    await uploadParts(w.plain, {}, (part) => given('md5', part), true)
    for (const one of sentDigests()) found.add(one)
    assert.deepEqual([...found].sort(), [...crcs, ...hashes].sort())
  })
})

for (const [version, commitmentPolicy] of versions) {
  describe(version, () => {
    const client = w.client({ commitmentPolicy })

    it('Upload, with every algorithm', async () => {
      for (const ChecksumAlgorithm of [undefined, 'CRC64NVME', 'SHA256'] as const) {
        if (version === 'V2' && ChecksumAlgorithm !== undefined) continue
        await new Upload({ client, params: { Bucket, Key: 'secret', Body: whole, ChecksumAlgorithm } }).done()
      }
      assert.ok(w.s3.requests.length > 3)
      assert.deepEqual(sentDigests(), [])
    })

    it('parts with the caller’s digests, as bytes and as streams', async () => {
      for (const name of version === 'V3' ? [...crcs, ...hashes] : hashes) {
        const create = name === 'md5' ? {} : { ChecksumAlgorithm: name.toUpperCase() }
        await uploadParts(client, create, (part) => given(name, part), name.startsWith('crc'))
      }
      assert.deepEqual(sentDigests(), [])
      assert.ok((await read(client, 'secret')).equals(whole))
    })

    it('a digest of the whole object', async () => {
      for (const name of version === 'V3' ? crcs : []) {
        const create = { ChecksumAlgorithm: name.toUpperCase(), ChecksumType: 'FULL_OBJECT' }
        await uploadParts(client, create, () => ({}), false, given(name, whole))
      }
      assert.deepEqual(sentDigests(), [])
    })
  })
}
