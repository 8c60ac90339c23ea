// Errors that differ by what was wrong are an oracle. Everything that fails after a key was used is one error, whatever the reason, place and mode.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, it } from 'node:test'

import { DecryptionError, KmsError } from '../../src/index.js'
import { Bucket, pattern, put, world } from '../support/world.js'
import { allKinds } from './kinds.js'
import type { Kind } from './kinds.js'
import { base64, flipBase64, modes, outcomeOf, readsAll, versions } from './support.js'
import { expected, visible } from './uniform.js'

const w = await world()
const { kinds, kms, keyArn } = await allKinds()

it('the error says nothing but that', () => {
  assert.deepEqual(expected.own.map(([key]) => key).sort(), ['code', 'message', 'name'])
  assert.equal(expected.cause, false)
  assert.deepEqual(visible(new DecryptionError()), expected)
})

interface Stored {
  readonly metadata: Readonly<Record<string, string>>
  readonly body: Uint8Array
}
type Change = (good: Stored, other: Stored) => Partial<Stored>

const withMetadata =
  (change: (metadata: Readonly<Record<string, string>>) => Record<string, string>): Change =>
  ({ metadata }) => ({ metadata: { ...metadata, ...change(metadata) } })
const withBody =
  (change: (body: Buffer) => Uint8Array): Change =>
  ({ body }) => ({ body: change(Buffer.from(body)) })

function flipped(key: string): Change {
  return withMetadata((metadata) => ({ [key]: flipBase64(metadata[key], 5) }))
}

function bodyBit(at: number): Change {
  return withBody((body) => {
    body[at < 0 ? body.length + at : at]! ^= 0x40
    return body
  })
}

/** What an attacker who can write the bucket can do to an object, without knowing a key. */
function changes(version: 'V2' | 'V3', kind: Kind): readonly [name: string, change: Change][] {
  const edk = version === 'V2' ? 'x-amz-key-v2' : 'x-amz-3'
  const replaced = (make: (edk: Buffer) => Uint8Array): Change =>
    withMetadata((metadata) => ({ [edk]: base64(make(Buffer.from(metadata[edk] ?? '', 'base64'))) }))
  const envelopeChanges: [string, Change][] =
    version === 'V3'
      ? [
          ['the commitment', flipped('x-amz-d')],
          ['the message id', flipped('x-amz-i')],
        ]
      : [['the IV', flipped('x-amz-iv')]]
  if (kind.wrap === 'kms+context') {
    // Readers leave this entry out when they compare contexts; KMS does not.
    const key = version === 'V3' ? 'x-amz-t' : 'x-amz-matdesc'
    const more = withMetadata((metadata) => ({ [key]: metadata[key]!.replace('{', '{"kms_cmk_id":"x",') }))
    envelopeChanges.push(['the stored context', more])
  }
  return [
    ['nothing, for a reader with another key', () => ({})],
    [
      'first bit of the wrapped key',
      replaced((bytes) => Buffer.from(bytes.map((byte, i) => (i === 0 ? byte ^ 1 : byte)))),
    ],
    ['a bit inside the wrapped key', flipped(edk)],
    [
      'last bit of the wrapped key',
      replaced((bytes) => Buffer.concat([bytes.subarray(0, -1), Buffer.of(bytes.at(-1)! ^ 1)])),
    ],
    ['the wrapped key one byte shorter', replaced((bytes) => bytes.subarray(0, -1))],
    ['the wrapped key one byte longer', replaced((bytes) => Buffer.concat([bytes, Buffer.of(0)]))],
    ['one byte for a wrapped key', replaced(() => Buffer.of(1))],
    ['random bytes for the wrapped key', replaced((bytes) => randomBytes(bytes.length))],
    [
      "another object's wrapped key",
      (good, other) => ({ metadata: { ...good.metadata, [edk]: other.metadata[edk]! } }),
    ],
    ["another object's whole envelope", (_, other) => ({ metadata: other.metadata })],
    ["another object's body", (_, other) => ({ body: other.body })],
    ...envelopeChanges,
    ['first bit of the body', bodyBit(0)],
    ['last bit of the ciphertext', bodyBit(-17)],
    ['first byte of the tag', bodyBit(-16)],
    ['last byte of the tag', bodyBit(-1)],
    ['the tag as zeros', withBody((body) => body.fill(0, body.length - 16))],
    ['one byte less', withBody((body) => body.subarray(0, -1))],
    ['without the tag', withBody((body) => body.subarray(0, -16))],
    ['the tag alone', withBody((body) => body.subarray(-16))],
    ['one byte more', withBody((body) => Buffer.concat([body, Buffer.of(0)]))],
    ['a block more', withBody((body) => Buffer.concat([body.subarray(0, 16), body]))],
  ]
}

for (const kind of kinds) {
  for (const [version, commitmentPolicy] of versions) {
    const sizes = kind === kinds[0] ? [100, 1024 * 1024 + 5] : [100]
    for (const size of sizes) {
      it(`${version} ${kind.wrap}, ${size} bytes: one error, in every mode`, async () => {
        const common = { commitmentPolicy: readsAll, encryptionContext: kind.context }
        const writer = w.client({ ...common, keyring: kind.keyring, commitmentPolicy })
        await put(writer, 'good', pattern(size))
        await put(writer, 'other', pattern(size).reverse())
        const [good, other] = [await w.stored('good'), await w.stored('other')]
        const clients = modes.map(([mode, options]) => ({
          mode,
          right: w.client({ ...common, keyring: kind.keyring, ...options }),
          wrong: w.client({ ...common, keyring: kind.other, ...options }),
        }))
        for (const { mode, right } of clients) {
          assert.equal((await outcomeOf(right, 'good')).error, undefined, mode)
        }
        // What changes the body comes last. Its place in the body matters, so that is tried with several slices too.
        const all = changes(version, kind)
        const first = size > 100 ? all.findIndex(([name]) => name === 'first bit of the body') : 0
        assert.ok(first >= 0)
        for (const [name, change] of all.slice(first)) {
          await w.s3.put(Bucket, 'changed', { ...good, ...change(good, other) })
          const places = new Set<boolean>()
          for (const { mode, right, wrong } of clients) {
            const client = name.startsWith('nothing') ? wrong : right
            const { error, released, fromBody } = await outcomeOf(client, 'changed')
            assert.deepEqual(visible(error), expected, `${name}, ${mode}`)
            if (mode !== 'delayed') assert.equal(released.length, 0, `${name}, ${mode}`)
            places.add(fromBody)
          }
          // Whether send() or Body rejects tells a key from a body, never one check of either from another.
          assert.equal(places.size, 1, name)
        }
      })
    }
  }
}

describe('KMS', () => {
  const kind = kinds[2]!
  const clients = modes.map(
    ([mode, options]) =>
      [mode, w.client({ keyring: kind.keyring, encryptionContext: kind.context, ...options })] as const,
  )

  it('answers about the ciphertext are that error as well', async () => {
    await put(clients[0]![1], 'kms', pattern(100))
    for (const code of ['InvalidCiphertextException', 'IncorrectKeyException']) {
      for (const [mode, client] of clients) {
        kms.fail({ operation: 'Decrypt', code, message: 'the blob says something about itself' })
        assert.deepEqual(visible((await outcomeOf(client, 'kms')).error), expected, `${code}, ${mode}`)
      }
    }
  })

  it('and data keys of other lengths', async () => {
    const { metadata, body } = await w.stored('kms')
    for (const length of [1, 16, 31, 33, 64]) {
      const blob = randomBytes(64)
      const encryptionContext = JSON.parse(metadata['x-amz-t']!) as Record<string, string>
      kms.know({ ciphertextBlob: blob, encryptionContext, plaintext: randomBytes(length), keyId: keyArn })
      await w.s3.put(Bucket, 'changed', { body, metadata: { ...metadata, 'x-amz-3': base64(blob) } })
      for (const [mode, client] of clients) {
        assert.deepEqual(visible((await outcomeOf(client, 'changed')).error), expected, `${length}, ${mode}`)
      }
    }
  })

  it('what is not about the object stays apart, with its cause', async () => {
    for (const code of ['AccessDeniedException', 'DisabledException', 'ThrottlingException', 'KMSInternalException']) {
      kms.fail({ operation: 'Decrypt', code })
      const { error } = await outcomeOf(clients[0]![1], 'kms')
      assert.ok(error instanceof KmsError, code)
      assert.equal((error.cause as Error).name, code)
    }
  })
})
