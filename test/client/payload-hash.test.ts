// What the SDK signs of a part: a hash of the ciphertext that was computed beside its encryption, where there is one.
import assert from 'node:assert/strict'
import { createHash, createHmac } from 'node:crypto'
import { beforeEach, describe, it } from 'node:test'

import { removeEncryption } from '../../src/index.js'
import { read, world } from '../support/world.js'
import { begin, MIB, PART, plaintext } from './multipart-support.js'

// A server that checks signatures and hashes.
const w = await world({ etag: 'random' })

/** Of the SDK's own hashes: how many bytes each was given. */
const hashed: number[] = []

/** The hash that the SDK is told to use. */
class CountingSha256 {
  private readonly hash
  private length = 0
  constructor(secret?: string | ArrayBuffer | ArrayBufferView) {
    this.hash = secret === undefined ? createHash('sha256') : createHmac('sha256', secret as string)
  }
  update(data: string | Uint8Array): void {
    this.length += data.length
    this.hash.update(data)
  }
  digest(): Promise<Uint8Array> {
    hashed.push(this.length)
    return Promise.resolve(this.hash.digest())
  }
  reset(): void {
    this.length = 0
  }
}

const client = w.client({}, { sha256: CountingSha256 as never })

beforeEach(() => {
  w.s3.requests.length = 0
  w.s3.faults.length = 0
  hashed.length = 0
})

const signedHashes = (): (string | undefined)[] =>
  w.s3.requests
    .filter(({ operation }) => operation === 'UploadPart')
    .map(({ headers }) => headers['x-amz-content-sha256'])

describe('the hash of a part for its signature', () => {
  it('is not computed again by the SDK, and is that of the ciphertext', async () => {
    const upload = await begin(client, 'hashed', {}, { partSize: PART })
    for (const [i, length] of [PART, PART, 1000].entries()) {
      await upload.part(i + 1, plaintext(2 * PART + 1000).subarray(i * PART, i * PART + length))
    }
    await upload.complete()
    const { body } = await w.stored('hashed')
    const parts = [body.subarray(0, PART), body.subarray(PART, 2 * PART), body.subarray(2 * PART)]
    assert.deepEqual(
      signedHashes(),
      parts.map((part) => createHash('sha256').update(part).digest('hex')),
    )
    // The last one, with the trailer, is small, and the SDK's own.
    assert.deepEqual(
      hashed.filter((length) => length > MIB),
      [],
    )
    assert.ok(hashed.includes(1016))
    assert.ok((await read(client, 'hashed')).equals(plaintext(2 * PART + 1000)))
  })

  it('holds for an attempt that is repeated, and for a part that is sent again', async () => {
    const upload = await begin(client, 'again', {}, { partSize: PART })
    w.s3.fail({ match: ({ operation }) => operation === 'UploadPart', status: 500 })
    await upload.part(1, plaintext(PART))
    await upload.part(1, plaintext(PART))
    const [first, second, third] = signedHashes()
    assert.ok(first !== undefined && first === second && first === third)
    await upload.complete()
  })

  it('is the SDK’s for a plain client', async () => {
    removeEncryption(client)
    const upload = await begin(client, 'plain')
    await upload.part(1, plaintext(PART))
    await upload.complete()
    assert.ok(hashed.includes(PART))
  })
})
