// Errors that differ by what was wrong are an oracle: the same matrix over every legacy wrap, in metadata and instruction files. One error, whatever was changed.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { Bucket, world } from '../support/world.js'
import { allOn, cbc, cbcName, gcm, gcmName, isBelowModulus, legacyKinds, legacyMetadata } from './legacy.js'
import type { LegacyKind } from './legacy.js'
import { assertRefused, flipBase64, modes, outcomeOf } from './support.js'
import { expected, visible } from './uniform.js'

const w = await world()
const { kinds, kms } = await legacyKinds()
const plaintext = Buffer.alloc(100, 'ABCDEFGHIJKLMNOPQRSTUVWXYZ')

interface Change {
  readonly name: string
  readonly key: (wrapped: Buffer) => Uint8Array
  /** The reader has another key. */
  readonly other?: boolean
}

const flip =
  (bit: number) =>
  (wrapped: Buffer): Uint8Array =>
    Buffer.from(flipBase64(wrapped.toString('base64'), bit < 0 ? wrapped.length * 8 + bit : bit), 'base64')

function changes({ wrap, version }: LegacyKind, wrapped: number): Change[] {
  const bits = [0, 5, 64, 127, 128, 200, -129, -128, -9, -8, -1].filter((bit) => Math.abs(bit) <= wrapped * 8)
  const sizes: [string, (key: Buffer) => Uint8Array][] = [
    ['one byte', (key) => key.subarray(0, 1)],
    ['one byte less', (key) => key.subarray(0, -1)],
    ['eight bytes less', (key) => key.subarray(0, -8)],
    ['a block less', (key) => key.subarray(0, -16)],
    ['one byte more', (key) => Buffer.concat([key, Buffer.of(0)])],
    ['a byte before', (key) => Buffer.concat([Buffer.of(0), key])],
    ['eight bytes more', (key) => Buffer.concat([key, Buffer.alloc(8)])],
    ['a block more', (key) => Buffer.concat([key, Buffer.alloc(16)])],
    ['twice', (key) => Buffer.concat([key, key])],
    ['bytes in another order', (key) => Uint8Array.from(key).reverse()],
    ['zeros', (key) => Buffer.alloc(key.length)],
    ['no bit unset', (key) => Buffer.alloc(key.length, 0xff)],
  ]
  // V1 stores no wrap: a key of more than 48 bytes is RSA's, of less AES's, which anyone can see.
  const fits = (make: (key: Buffer) => Uint8Array): boolean =>
    version === 'V2' || make(Buffer.alloc(wrapped)).length > 48 === (wrap === 'RSA')
  return [
    { name: 'nothing, for a reader with another key', key: (key) => key, other: true },
    ...bits.map((bit) => ({ name: `bit ${bit}`, key: flip(bit) })),
    ...sizes.filter(([, make]) => fits(make)).map(([name, key]) => ({ name, key })),
  ]
}

for (const kind of kinds) {
  for (const content of kind.contents) {
    for (const length of [16, 32]) {
      describe(`${kind.wrap}, ${content}, a data key of ${length} bytes`, () => {
        for (const place of ['metadata', 'instruction file']) {
          // What unwraps the key is the same wherever it stands, and however the body is read.
          const some = place === 'metadata' && length === 32 ? modes : modes.slice(0, 1)
          for (const [mode, options] of some) {
            it(`${place}, ${mode}: one error`, async () => {
              const [right, wrong] = [kind.keyring, kind.other].map((keyring) =>
                w.client({ ...allOn, ...options, keyring }),
              )
              const dataKey = Buffer.alloc(length, 'the key of one object or another')
              const iv = Buffer.alloc(content === gcmName ? 12 : 16, 0x3c)
              const body = (content === gcmName ? gcm : cbc)(dataKey, iv, plaintext)
              const wrapped = await kind.seal(dataKey)
              const store = async (key: Uint8Array, bytes: Uint8Array = body): Promise<void> => {
                const values = legacyMetadata(kind, content, key, iv)
                await w.s3.put(Bucket, 'wrap', { body: bytes, metadata: place === 'metadata' ? values : {} })
                if (place !== 'metadata') await w.s3.put(Bucket, 'wrap.instruction', { body: JSON.stringify(values) })
              }
              await store(wrapped)
              assert.deepEqual((await outcomeOf(right!, 'wrap')).released, plaintext)
              const places = new Map<string, Set<boolean>>()
              const wanted = changes(kind, wrapped.length)
              assert.ok(wanted.length > 12)
              for (const { name, key, other = false } of wanted) {
                await store(key(wrapped))
                const { error, released, fromBody } = await outcomeOf(other ? wrong! : right!, 'wrap')
                assert.ok(error !== undefined, `${name}: it was read`)
                assert.deepEqual(visible(error), expected, name)
                if (content === cbcName || mode !== 'delayed') assert.equal(released.length, 0, name)
                // Of another length, or of RSA a number that is too large: anyone sees that.
                const changed = Buffer.from(key(wrapped))
                const possible =
                  changed.length === wrapped.length && (kind.wrap !== 'RSA' || isBelowModulus(changed, other))
                const size = possible ? 'same' : 'other'
                places.set(size, (places.get(size) ?? new Set()).add(fromBody))
              }
              // Of one length, all fail at one place: of the wraps that nothing authenticates at the end, with the body.
              assert.deepEqual([...places.get('same')!], [kind.version === 'V1'])
              // And a body that is not that key's.
              await store(wrapped, Buffer.from(flipBase64(body.toString('base64'), body.length * 8 - 1), 'base64'))
              assert.deepEqual(visible((await outcomeOf(right!, 'wrap')).error), expected)
            })
          }
        }
      })
    }
  }
}

it('V1, a wrapped key whose length is that of another kind: refused for its length, without a look at it', async () => {
  for (const [name, lengths] of [
    ['AES', [49, 64, 256]],
    ['RSA', [1, 16, 32, 48]],
  ] as const) {
    const kind = kinds.find(({ wrap }) => wrap === name)!
    for (const length of lengths) {
      const errors = []
      for (const byte of [0, 1, 0xff]) {
        const metadata = legacyMetadata(kind, cbcName, Buffer.alloc(length, byte), Buffer.alloc(16, 1))
        await w.s3.put(Bucket, 'wrap', { body: Buffer.alloc(112), metadata })
        const outcome = await outcomeOf(w.client({ ...allOn, keyring: kind.keyring }), 'wrap')
        assertRefused(outcome, 'ERR_S3CSE_ENVELOPE_INVALID', `${name}, ${length}`)
        errors.push(visible(outcome.error))
      }
      assert.deepEqual(errors, [errors[0], errors[0], errors[0]])
    }
  }
})

it('kms: what KMS says of the ciphertext is that error, whatever it says of it; nothing of it shows', async () => {
  const kind = kinds.find(({ wrap }) => wrap === 'kms')!
  const iv = Buffer.alloc(12, 1)
  const metadata = legacyMetadata(kind, gcmName, await kind.seal(Buffer.alloc(32, 5)), iv)
  await w.s3.put(Bucket, 'kms', { body: gcm(Buffer.alloc(32, 5), iv, plaintext), metadata })
  const client = w.client({ ...allOn, keyring: kind.keyring })
  assert.deepEqual((await outcomeOf(client, 'kms')).released, plaintext)
  for (const code of ['InvalidCiphertextException', 'IncorrectKeyException']) {
    kms.fail({ operation: 'Decrypt', code, message: 'the blob says something about itself' })
    assert.deepEqual(visible((await outcomeOf(client, 'kms')).error), expected, code)
  }
  // Data keys of other lengths.
  for (const length of [1, 15, 17, 31, 33, 64]) {
    const ciphertextBlob = Buffer.alloc(64, length)
    const encryptionContext = JSON.parse(kind.map) as Record<string, string>
    kms.know({
      ciphertextBlob,
      encryptionContext,
      plaintext: Buffer.alloc(length, 5),
      keyId: encryptionContext['kms_cmk_id']!,
    })
    const changed = legacyMetadata(kind, gcmName, ciphertextBlob, iv)
    await w.s3.put(Bucket, 'changed', { body: gcm(Buffer.alloc(32, 5), iv, plaintext), metadata: changed })
    assert.deepEqual(visible((await outcomeOf(client, 'changed')).error), expected, `${length} bytes`)
  }
})
