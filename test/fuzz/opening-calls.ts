import { createCipheriv } from 'node:crypto'
import fc from 'fast-check'

import type { CommitmentPolicy } from '../../src/formats/format.js'
import type { DataKey } from '../../src/keyrings/keyring.js'
import { store } from '../support/s3ec-objects.js'
import { pattern } from '../support/world.js'
import { asObject, changed, metadataBases } from './envelopes.js'
import { seldom, wellFormed } from './texts.js'

const FIXED_KEY = 9

/** So that a commitment holds: the one data key that `committed` was sealed with. */
export const fixedKey = (): DataKey => new Uint8Array(32).fill(FIXED_KEY)

const committed = await store(
  {
    keyring: {
      wrap: () => ({
        dataKey: fixedKey(),
        encryptedDataKeys: [
          { algorithm: 'AES/GCM', provider: 'S3Keyring', info: new Uint8Array(0), ciphertext: new Uint8Array(60) },
        ],
        context: {},
      }),
      unwrap: () => undefined,
    },
  },
  pattern(3),
)

/** A message as its writer makes it, of so many bytes, under the fixed key; `undefined` where there is none. */
export function honest(
  metadata: Readonly<Record<string, unknown>>,
  version: string,
  length: number,
): { readonly plaintext: Uint8Array; readonly sealed: Uint8Array } | undefined {
  if (version === 'V3') return { plaintext: pattern(3), sealed: committed.body }
  const plaintext = pattern(length)
  const { 'x-amz-iv': text } = metadata
  const iv = Buffer.from(typeof text === 'string' ? text : '', 'base64')
  if (iv.length !== 12 && iv.length !== 16) return undefined
  if (iv.length === 12) {
    const gcm = createCipheriv('aes-256-gcm', fixedKey(), iv)
    return { plaintext, sealed: Buffer.concat([gcm.update(plaintext), gcm.final(), gcm.getAuthTag()]) }
  }
  const cbc = createCipheriv('aes-256-cbc', fixedKey(), iv)
  return { plaintext, sealed: Buffer.concat([cbc.update(plaintext), cbc.final()]) }
}

const bases = fc.constantFrom(
  ...metadataBases.map(({ metadata }) => metadata),
  ...Array.from({ length: 8 }, () => Object.entries(committed.metadata)),
)

const bytes = fc.oneof(
  fc
    .tuple(fc.constantFrom(0, 1, 15, 16, 17, 24, 31, 32, 33, 48, 64), fc.nat({ max: 255 }))
    .map(([length, byte]) => new Uint8Array(length).fill(byte)),
  fc.uint8Array({ maxLength: 100 }),
)

/** What a keyring gives, made anew for each call. */
const unwrapped: fc.Arbitrary<() => unknown> = fc.oneof(
  { weight: 4, arbitrary: fc.constant(fixedKey) },
  { weight: 6, arbitrary: bytes.map((given) => () => Uint8Array.from(given)) },
  { weight: 1, arbitrary: bytes.map((given) => () => Buffer.from(given)) },
  { weight: 1, arbitrary: bytes.map((given) => () => new Uint8Array([...given, 1, 2]).subarray(1, -1)) },
  {
    weight: 2,
    arbitrary: fc
      .constantFrom<unknown[]>(
        undefined,
        null,
        '',
        'x'.repeat(32),
        32,
        true,
        {},
        [],
        new ArrayBuffer(32),
        new DataView(new ArrayBuffer(32)),
        new Uint16Array(16),
        { length: 32 },
        Array(32).fill(0),
      )
      .map((value) => () => value),
  },
)

const policies: readonly CommitmentPolicy[] = [
  'REQUIRE_ENCRYPT_REQUIRE_DECRYPT',
  'REQUIRE_ENCRYPT_ALLOW_DECRYPT',
  'FORBID_ENCRYPT_ALLOW_DECRYPT',
]

const lengths = fc.oneof(
  fc.nat({ max: 100 }),
  fc.constantFrom(
    -1,
    0,
    15,
    16,
    17,
    1.5,
    NaN,
    Infinity,
    -Infinity,
    2 ** 36 - 16,
    2 ** 36 - 15,
    2 ** 53 - 1,
    2 ** 53,
    1e300,
    -0,
  ),
  fc.double(),
)

/** What permits everything comes most often: what is refused goes no further. */
const permits = {
  commitmentPolicy: fc.oneof(
    { weight: 3, arbitrary: fc.constantFrom(...policies.slice(1)) },
    { weight: 1, arbitrary: fc.constantFrom(...policies) },
  ),
  legacy: fc.oneof(
    { weight: 3, arbitrary: fc.constant({ wrapping: true, content: true }) },
    { weight: 1, arbitrary: seldom(fc.record({ wrapping: fc.boolean(), content: fc.boolean() }), 5) },
    { weight: 1, arbitrary: fc.record({ wrapping: fc.boolean(), content: fc.boolean() }) },
  ),
}

export interface Call {
  readonly metadata: Readonly<Record<string, string>>
  readonly unwrapped: () => unknown
  readonly algorithms: readonly string[] | undefined
  readonly commitmentPolicy: CommitmentPolicy
  readonly legacy: { readonly wrapping: boolean; readonly content: boolean } | undefined
  readonly context: Readonly<Record<string, string>> | undefined
  /** Noise, or the length of a message that is none. */
  readonly body: Uint8Array | number
  /** Of the stored body, as somebody says. */
  readonly length: number
}

export const calls: fc.Arbitrary<Call> = fc.record({
  metadata: fc
    .oneof({ weight: 3, arbitrary: bases }, { weight: 1, arbitrary: changed(bases, 2) })
    .map((entries) => asObject(entries, false)),
  unwrapped,
  algorithms: seldom(fc.subarray(['AES/GCM', 'AES', 'AESWrap', 'RSA', 'RSA-OAEP-SHA1', 'kms', 'kms+context']), 5),
  ...permits,
  context: seldom(
    fc.dictionary(
      wellFormed.filter((name) => name !== 'kms_cmk_id'),
      wellFormed,
      { maxKeys: 3 },
    ),
    5,
  ),
  body: fc.oneof(
    bytes,
    fc.nat({ max: 200 }).map((length) => new Uint8Array(length * 16)),
    fc.nat({ max: 200 }),
  ),
  length: lengths,
})
