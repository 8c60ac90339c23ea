import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { hex, toHex } from '../crypto/helpers.js'
import { code } from '../support/errors.js'
import { collect, collectUntilError, counted, runtimes } from './support.js'

const RUNTIMES = await runtimes()

/** test/vectors/buffered-encryption; its README.md describes the files. */
interface Vector {
  readonly id: string
  readonly mode: 'AES-GCM' | 'AES-CTR'
  readonly key: string
  readonly iv: string
  readonly tag: string
  readonly signature: string
  readonly nonce: string
  readonly chunkSize: number
  readonly plaintextLength: number
  readonly plaintextSha256: string
  readonly reads: readonly { offset: number; length: number; correctLength: number; sha256: string }[]
  readonly ciphertext?: string
  readonly ciphertextFile?: string
  readonly ciphertextSha256: string
}

interface Negative extends Vector {
  readonly reason: string
}

const folder = new URL('../vectors/buffered-encryption/', import.meta.url)
const load = (name: string): readonly Negative[] =>
  (JSON.parse(readFileSync(new URL(name, folder), 'utf8')) as { vectors: readonly Negative[] }).vectors
const valid: readonly Vector[] = load('valid.json')
const negative = load('negative.json')

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')
const plaintextOf = (length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => (i * 7 + (i >> 8)) & 255)

function ciphertextOf(vector: Vector): Uint8Array {
  const { ciphertext, ciphertextFile } = vector
  const bytes =
    ciphertextFile === undefined
      ? Buffer.from(ciphertext!, 'base64')
      : readFileSync(new URL(`files/${ciphertextFile}`, folder))
  assert.equal(sha256(bytes), vector.ciphertextSha256)
  return Uint8Array.from(bytes)
}

const gcm = valid.filter(({ mode }) => mode === 'AES-GCM')
const ctr = valid.filter(({ mode }) => mode === 'AES-CTR')

test('the vectors are there', () => {
  assert.equal(gcm.length, 17)
  assert.equal(ctr.length, 11)
  assert.equal(negative.length, 10)
})

for (const [
  name,
  { encryptStream, encrypt, decryptStream, decrypt, openSeekable, openSeekableUnverified },
] of RUNTIMES) {
  describe(`buffered-encryption on ${name}`, () => {
    for (const vector of gcm) {
      const [key, iv, tag, aad] = [hex(vector.key), hex(vector.iv), hex(vector.tag), hex(vector.signature)]

      test(`${vector.id}: encrypting gives its bytes, decrypting the plaintext`, async () => {
        const [plaintext, ciphertext] = [plaintextOf(vector.plaintextLength), ciphertextOf(vector)]
        assert.equal(sha256(plaintext), vector.plaintextSha256)
        const { chunkSize } = vector
        const encryption = encryptStream(counted(plaintext, 77), { key, aad, unsafeIv: iv, chunkSize })
        assert.deepEqual(encryption.iv, iv)
        assert.deepEqual(Uint8Array.from(await collect(encryption)), ciphertext)
        assert.deepEqual(await encryption.tag, tag)
        assert.deepEqual(toHex((await encrypt(plaintext, { key, aad, unsafeIv: iv })).ciphertext), toHex(ciphertext))

        const message = { key, iv, tag, aad }
        assert.deepEqual(Uint8Array.from(await decrypt(ciphertext, message)), plaintext)
        for (const release of ['verified', 'unverified'] as const) {
          for (const input of [ciphertext, counted(ciphertext, 77)]) {
            const decrypted = await collect(decryptStream(input, { ...message, release, chunkSize }))
            assert.deepEqual(Uint8Array.from(decrypted), plaintext)
          }
        }
        const reader = await openSeekable(ciphertext, message)
        assert.equal(reader.length, plaintext.length)
        assert.deepEqual(Uint8Array.from(await reader.read(5, 21)), plaintext.slice(5, 21))
        reader.close()
      })
    }

    for (const vector of ctr) {
      test(`${vector.id}: every read is right`, async () => {
        const ciphertext = ciphertextOf(vector)
        const reader = await openSeekableUnverified(ciphertext, { key: hex(vector.key), counter: hex(vector.nonce) })
        assert.equal(sha256(await reader.read(0)), vector.plaintextSha256)
        assert.equal(sha256(await collect(reader.stream())), vector.plaintextSha256)
        for (const { offset, length, correctLength, sha256: expected } of vector.reads) {
          const read = await reader.read(offset, offset + length)
          assert.equal(read.length, correctLength)
          assert.equal(sha256(read), expected)
          assert.equal(sha256(await collect(reader.stream(offset, offset + length))), expected)
        }
        reader.close()
      })
    }

    for (const vector of negative) {
      test(`${vector.id} is refused (${vector.reason})`, async () => {
        const ciphertext = ciphertextOf(vector)
        const message = {
          key: hex(vector.key),
          iv: hex(vector.iv),
          tag: hex(vector.tag),
          aad: hex(vector.signature),
        }
        const malformed = message.iv.length !== 12 || message.tag.length !== 16
        const refused = code(malformed ? 'ERR_S3CSE_CONFIG' : 'ERR_S3CSE_DECRYPTION_FAILED')
        await assert.rejects(decrypt(ciphertext, message), refused)
        await assert.rejects(openSeekable(ciphertext, message), refused)
        for (const input of [() => ciphertext, () => counted(ciphertext, 77)]) {
          for (const release of ['verified', 'unverified'] as const) {
            if (malformed) {
              assert.throws(() => decryptStream(input(), { ...message, release }), refused)
              continue
            }
            const { bytes, error } = await collectUntilError(decryptStream(input(), { ...message, release }))
            refused(error)
            assert.equal(bytes.length, release === 'verified' ? 0 : ciphertext.length)
          }
        }
      })
    }
  })
}
