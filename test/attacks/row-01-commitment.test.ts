// CVE-2020-8897: AES-GCM does not commit to its key, so one ciphertext can open under two keys to two texts. Format V3 commits.
import assert from 'node:assert/strict'
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { describe, it } from 'node:test'

import { commitmentOf, hkdf, referenceMetadata } from '../support/s3ec-reference.js'
import { Bucket, keyring, world } from '../support/world.js'
import { assertRefused, base64, modes, outcomeOf, readsAll, wrapKey } from './support.js'

const w = await world()

/** GF(2^128) as NIST SP 800-38D section 6.3 has it, with the leftmost bit as the coefficient of x^0. */
function multiply(x: bigint, y: bigint): bigint {
  let z = 0n
  let v = y
  for (let i = 127n; i >= 0n; i--) {
    if ((x >> i) & 1n) z ^= v
    v = (v & 1n) === 0n ? v >> 1n : (v >> 1n) ^ (0xe1n << 120n)
  }
  return z
}

function power(x: bigint, exponent: bigint): bigint {
  let result = 1n << 127n
  for (let factor = x, rest = exponent; rest > 0n; rest >>= 1n, factor = multiply(factor, factor)) {
    if (rest & 1n) result = multiply(result, factor)
  }
  return result
}

const divide = (x: bigint, y: bigint): bigint => multiply(x, power(y, (1n << 128n) - 2n))
const toBlock = (x: bigint): Buffer => Buffer.from(x.toString(16).padStart(32, '0'), 'hex')
const fromBlock = (block: Uint8Array): bigint => BigInt(`0x${Buffer.from(block).toString('hex')}`)

interface GcmKey {
  readonly key: Uint8Array
  readonly iv: Uint8Array
  readonly aad: Uint8Array
}

function encryptBlock({ key }: GcmKey, block: Uint8Array): bigint {
  return fromBlock(createCipheriv('aes-256-ecb', key, null).setAutoPadding(false).update(block))
}

function keystream({ key, iv }: GcmKey, length: number): Buffer {
  const counter = Buffer.concat([iv, Buffer.from('00000002', 'hex')])
  return createCipheriv('aes-256-ctr', key, counter).update(Buffer.alloc(length))
}

/** The tag is this plus the blocks of ciphertext, each times H to the number of blocks that are hashed from it on. */
function constantPart(gcm: GcmKey, h: bigint, blocks: number): bigint {
  const lengths = Buffer.alloc(16)
  lengths.writeBigUInt64BE(BigInt(gcm.aad.length * 8), 0)
  lengths.writeBigUInt64BE(BigInt(blocks * 128), 8)
  const padded = Buffer.alloc(16)
  padded.set(gcm.aad)
  const j0 = Buffer.concat([gcm.iv, Buffer.from('00000001', 'hex')])
  const ofAad = gcm.aad.length === 0 ? 0n : multiply(fromBlock(padded), power(h, BigInt(blocks + 2)))
  return ofAad ^ multiply(fromBlock(lengths), h) ^ encryptBlock(gcm, j0)
}

/** Ciphertext and tag that both keys open: the first text appears under the first key, the second under the second. */
function collision(first: GcmKey, second: GcmKey, texts: readonly [Buffer, Buffer]): Buffer {
  const length = texts[0].length + texts[1].length + 16
  const streams = [keystream(first, length), keystream(second, length)] as const
  const ciphertext = Buffer.alloc(length)
  texts[0].forEach((byte, i) => (ciphertext[i] = byte ^ streams[0][i]!))
  texts[1].forEach((byte, i) => (ciphertext[texts[0].length + i] = byte ^ streams[1][texts[0].length + i]!))
  const blocks = length / 16
  const h = [encryptBlock(first, Buffer.alloc(16)), encryptBlock(second, Buffer.alloc(16))] as const
  const hashed = (which: 0 | 1, gcm: GcmKey): bigint => {
    let sum = constantPart(gcm, h[which], blocks)
    for (let i = 0; i < blocks; i++) {
      const block = fromBlock(ciphertext.subarray(16 * i, 16 * i + 16))
      sum ^= multiply(block, power(h[which], BigInt(blocks - i + 1)))
    }
    return sum
  }
  // The last block is zero so far. It counts with H^2: the one value that makes both tags equal.
  const block = divide(hashed(0, first) ^ hashed(1, second), power(h[0], 2n) ^ power(h[1], 2n))
  toBlock(block).copy(ciphertext, length - 16)
  return Buffer.concat([ciphertext, toBlock(hashed(0, first))])
}

function open({ key, iv, aad }: GcmKey, sealed: Buffer): Buffer {
  const decipher = createDecipheriv('aes-256-gcm', key, iv).setAAD(aad).setAuthTag(sealed.subarray(-16))
  return Buffer.concat([decipher.update(sealed.subarray(0, -16)), decipher.final()])
}

const texts = [Buffer.from('Pay 100 to Alice'.repeat(4)), Buffer.from('Pay 999 to Mallo'.repeat(6))] as const
const dataKeys = [randomBytes(32), randomBytes(32)] as const
const both = (make: (dataKey: Uint8Array) => GcmKey): [GcmKey, GcmKey] => [make(dataKeys[0]), make(dataKeys[1])]

describe('one body, two data keys, two texts', () => {
  it('V2 opens under both', async () => {
    const iv = randomBytes(12)
    const [first, second] = both((key) => ({ key, iv, aad: Buffer.alloc(0) }))
    const body = collision(first, second, texts)
    const opened: Buffer[] = []
    for (const [i, dataKey] of dataKeys.entries()) {
      const { encryptedDataKey } = await wrapKey(keyring, 'V2', dataKey)
      const reference = { version: 'V2', dataKey, nonce: iv } as const
      const metadata = referenceMetadata(reference, { wrap: 'AES/GCM', encryptedDataKey })
      await w.s3.put(Bucket, 'v2', { body, metadata })
      for (const [mode, options] of modes) {
        const { released, error } = await outcomeOf(w.client({ commitmentPolicy: readsAll, ...options }), 'v2')
        assert.equal(error, undefined, mode)
        opened[i] = released
      }
    }
    assert.deepEqual(opened[0]?.subarray(0, texts[0].length), texts[0])
    assert.deepEqual(opened[1]?.subarray(texts[0].length, -16), texts[1])
    assert.notDeepEqual(opened[0], opened[1])
  })

  it('V3 opens under the one that it commits to', async () => {
    const nonce = randomBytes(28)
    const references = dataKeys.map((dataKey) => ({ version: 'V3', dataKey, nonce }) as const)
    const gcm = both((dataKey) => ({
      key: hkdf(dataKey, nonce, 'DERIVEKEY', 32),
      iv: Buffer.alloc(12, 1),
      aad: Buffer.from('0073', 'hex'),
    }))
    const body = collision(gcm[0], gcm[1], texts)
    // As far as AES-GCM goes, both are right.
    const plaintexts = gcm.map((one) => open(one, body))
    assert.notDeepEqual(plaintexts[0], plaintexts[1])
    for (const [i, dataKey] of dataKeys.entries()) {
      const { encryptedDataKey } = await wrapKey(keyring, 'V3', dataKey)
      for (const [j, committed] of references.entries()) {
        const metadata = {
          ...referenceMetadata(references[i]!, { wrap: 'AES/GCM', encryptedDataKey }),
          'x-amz-d': base64(commitmentOf(committed)),
        }
        await w.s3.put(Bucket, 'v3', { body, metadata })
        for (const [mode, options] of modes) {
          const outcome = await outcomeOf(w.client({ commitmentPolicy: readsAll, ...options }), 'v3')
          if (i === j) assert.deepEqual(outcome, { released: plaintexts[i], error: undefined, fromBody: true }, mode)
          else assertRefused(outcome, 'ERR_S3CSE_DECRYPTION_FAILED', mode)
        }
      }
    }
  })

  it('a commitment of another length commits to nothing', async () => {
    const [dataKey] = dataKeys
    const reference = { version: 'V3', dataKey, nonce: randomBytes(28) } as const
    const { encryptedDataKey } = await wrapKey(keyring, 'V3', dataKey)
    const good = referenceMetadata(reference, { wrap: 'AES/GCM', encryptedDataKey })
    const whole = hkdf(dataKey, reference.nonce, 'COMMITKEY', 64)
    for (const length of [0, 1, 20, 27, 29, 40, 64]) {
      const metadata = { ...good, 'x-amz-d': base64(whole.subarray(0, length)) }
      await w.s3.put(Bucket, 'v3', { body: Buffer.alloc(16), metadata })
      assertRefused(await outcomeOf(w.client(), 'v3'), 'ERR_S3CSE_ENVELOPE_INVALID', `${length} bytes`)
    }
  })
})
