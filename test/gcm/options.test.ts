import assert from 'node:assert/strict'
import { createSecretKey, generateKeyPairSync } from 'node:crypto'
import { describe, test, type TestContext } from 'node:test'
import type { GcmKey } from '../../src/gcm.js'
import { oneShot, pattern } from '../crypto/helpers.js'
import { code } from '../support/errors.js'
import { collect, counted, leave, runtimes } from './support.js'

const RUNTIMES = await runtimes()

const iv = new Uint8Array(12).fill(1)
const plaintext = pattern(200_000)
const config = code('ERR_S3CSE_CONFIG')

const sealedWith = (key: Uint8Array) => {
  const sealed = oneShot(key, iv, new Uint8Array(0), plaintext)
  return { ciphertext: sealed.slice(0, -16), tag: sealed.slice(-16), message: { key, iv, tag: sealed.slice(-16) } }
}

const cryptoKey = (bytes: Uint8Array, extractable: boolean): Promise<CryptoKey> =>
  crypto.subtle.importKey('raw', bytes.slice(), 'AES-GCM', extractable, ['encrypt'])

for (const [name, gcm] of RUNTIMES) {
  const { encrypt, encryptStream, decrypt, decryptStream, openSeekable, openSeekableUnverified } = gcm

  describe(`keys on ${name}`, () => {
    test('bytes of three lengths, KeyObjects where there are any, extractable CryptoKeys', async () => {
      for (const length of [16, 24, 32]) {
        const bytes = pattern(length)
        const { ciphertext, tag } = sealedWith(bytes)
        const keys: GcmKey[] = [bytes, await cryptoKey(bytes, true)]
        if (name === 'node') keys.push(createSecretKey(bytes))
        for (const key of keys) {
          const message = { key, iv, tag }
          assert.ok(Buffer.from(await decrypt(ciphertext, message)).equals(plaintext))
          assert.ok((await collect(decryptStream([ciphertext], message))).equals(plaintext))
          const reader = await openSeekable(ciphertext, message)
          assert.deepEqual(await reader.read(3, 20), plaintext.slice(3, 20))
          const encryption = encryptStream(plaintext, { key, unsafeIv: iv })
          assert.ok((await collect(encryption)).equals(ciphertext))
          assert.deepEqual(Uint8Array.from((await encrypt(plaintext, { key, unsafeIv: iv })).ciphertext), ciphertext)
        }
        assert.ok(
          bytes.every((byte, i) => byte === pattern(length)[i]),
          'the caller’s key is not touched',
        )
      }
    })

    test('all else is refused, and not quoted', async () => {
      const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
      const wrong: unknown[] = [new Uint8Array(20), 'k'.repeat(32), undefined, null, {}, privateKey]
      for (const key of [...wrong, await cryptoKey(pattern(32), false)]) {
        const message = { key: key as GcmKey, iv, tag: new Uint8Array(16) }
        await assert.rejects(encrypt(plaintext, { key: key as GcmKey }), config)
        await assert.rejects(decrypt(plaintext, message), config)
        if (key instanceof Uint8Array) assert.throws(() => encryptStream(plaintext, { key }), config)
        await assert.rejects(openSeekable(plaintext, message), config)
        await assert.rejects(openSeekableUnverified(plaintext, { key: key as GcmKey, iv }), config)
        await assert.rejects(async () => collect(encryptStream(plaintext, { key: key as GcmKey })), config)
        await assert.rejects(async () => collect(decryptStream(plaintext, message)), config)
      }
    })

    const copiesOf = (t: TestContext, key: Uint8Array): Uint8Array[] => {
      const copies: Uint8Array[] = []
      const from = Uint8Array.from.bind(Uint8Array) as (...values: unknown[]) => Uint8Array<ArrayBuffer>
      t.mock.method(Uint8Array, 'from', (...values: unknown[]) => {
        const made = from(...values)
        if (Buffer.from(made).equals(key)) copies.push(made)
        return made
      })
      return copies
    }
    const ends: readonly [string, (key: Uint8Array) => Promise<unknown>][] = [
      ['encrypt', (key) => encrypt(plaintext, { key })],
      ['decrypt', (key) => decrypt(sealedWith(key).ciphertext, sealedWith(key).message)],
      ['decrypt of a forgery', (key) => assert.rejects(decrypt(plaintext, sealedWith(key).message))],
      ['encryptStream', (key) => collect(encryptStream(plaintext, { key }))],
      ['decryptStream', (key) => collect(decryptStream(sealedWith(key).ciphertext, sealedWith(key).message))],
      ['a forgery', (key) => assert.rejects(collect(decryptStream(plaintext, sealedWith(key).message)))],
      [
        'an error of the input',
        (key) =>
          assert.rejects(
            collect(
              encryptStream(
                counted(plaintext, 9, () => assert.fail('broken')),
                { key },
              ),
            ),
          ),
      ],
      [
        'a loop that is left',
        async (key) => {
          await leave(encryptStream(plaintext, { key }))
          const { ciphertext, message } = sealedWith(key)
          await leave(decryptStream(ciphertext, message))
        },
      ],
      [
        'what is never read',
        async (key) => {
          encryptStream(plaintext, { key }).cancel()
          await decryptStream(plaintext, sealedWith(key).message)[Symbol.asyncIterator]().return?.()
          await assert.rejects(collect(encryptStream(plaintext, { key, signal: AbortSignal.abort() })))
        },
      ],
      [
        'a reader that is closed',
        async (key) => {
          const { ciphertext, message } = sealedWith(key)
          const reader = await openSeekable(ciphertext, message)
          reader.close()
          const unverified = await openSeekableUnverified(ciphertext, { key, iv })
          unverified.close()
          await assert.rejects(openSeekable(plaintext, message))
        },
      ],
    ]
    for (const [what, run] of ends) {
      test(`copies are wiped: ${what}`, async (t) => {
        const key = pattern(32)
        const copies = copiesOf(t, key)
        await run(key)
        assert.ok(copies.length > 0)
        assert.deepEqual(
          copies.filter((copy) => copy.some((byte) => byte !== 0)),
          [],
        )
      })
    }
  })

  describe(`options on ${name}`, () => {
    const key = pattern(32)
    const { ciphertext, tag, message } = sealedWith(key)

    test('names and values that are wrong are errors of the call', () => {
      const encrypting: object[] = [
        { AAD: new Uint8Array(1) },
        { iv },
        { aad: 'text' },
        { aad: new Uint8Array(16 * 1024 * 1024 + 1) },
        { unsafeIv: new Uint8Array(16) },
        { chunkSize: 0 },
        { chunkSize: 1.5 },
        { chunkSize: 64 * 1024 * 1024 + 1 },
        { signal: {} },
      ]
      for (const options of encrypting) assert.throws(() => encryptStream(plaintext, { key, ...options }), config)
      const decrypting: object[] = [
        { authTag: tag },
        { iv: undefined },
        { iv: tag },
        { tag: undefined },
        { tag: tag.subarray(0, 12) },
        { release: 'early' },
        { maxBufferedBytes: -1 },
        { spool: true },
        { spool: { path: 'x' } },
        { spool: { directory: 5 } },
        { spool: { maxBytes: -1 } },
        { chunkSize: -1 },
        { signal: 5 },
      ]
      for (const options of decrypting) {
        assert.throws(() => decryptStream(ciphertext, { ...message, ...options }), config)
      }
      for (const options of [undefined, null, 5]) {
        assert.throws(() => encryptStream(plaintext, options as unknown as { key: Uint8Array }), config)
      }
    })

    test('inputs that are none, or that were read', async () => {
      for (const input of ['text', 5, null, undefined, {}, new Response('x')]) {
        assert.throws(() => encryptStream(input as Uint8Array, { key }), config)
        await assert.rejects(encrypt(input as Uint8Array, { key }), config)
      }
      await assert.rejects(collect(encryptStream([5] as unknown as Uint8Array[], { key })), config)
      const stream = new Blob(['abc']).stream()
      await collect(stream as AsyncIterable<Uint8Array>)
      assert.throws(() => encryptStream(stream, { key }), config)
    })

    test('additional data up to 16 MiB', async () => {
      const aad = new Uint8Array(16 * 1024 * 1024)
      const encrypted = await encrypt(plaintext, { key, aad })
      const { iv: fresh, tag: own } = encrypted
      const read = await decrypt(encrypted.ciphertext, { key, iv: fresh, tag: own, aad })
      assert.ok(Buffer.from(read).equals(plaintext))
    })
  })
}
