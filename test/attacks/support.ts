import { KMSClient } from '@aws-sdk/client-kms'
import type { GetObjectCommandInput, S3Client } from '@aws-sdk/client-s3'
import assert from 'node:assert/strict'
import { after } from 'node:test'
import { inspect } from 'node:util'

import type { CseErrorCode } from '../../src/errors.js'
import { CseError } from '../../src/index.js'
import type { CommitmentPolicy, Context, EncryptionOptions, Keyring } from '../../src/index.js'
import { startKms } from '../../src/testing/index.js'
import type { KmsOptions, KmsServer } from '../../src/testing/index.js'
import { bodyOf, get } from '../support/world.js'

/** What a reader got: all that was released, and the error that came from send() or from Body. */
export interface Outcome {
  readonly released: Buffer
  /** `undefined`: the read came to a good end. */
  readonly error: unknown
  /** The error came from Body. */
  readonly fromBody: boolean
}

/** Reads as a program would that uses every byte as soon as it has it. */
export async function outcomeOf(
  client: S3Client,
  key: string,
  more: Partial<GetObjectCommandInput> = {},
): Promise<Outcome> {
  const released: Buffer[] = []
  let fromBody = false
  try {
    const body = bodyOf(await get(client, key, more))
    fromBody = true
    for await (const chunk of body) released.push(chunk as Buffer)
    return { released: Buffer.concat(released), error: undefined, fromBody }
  } catch (error) {
    return { released: Buffer.concat(released), error, fromBody }
  }
}

/** The read failed with one of these codes, without a cause, and nothing was released. */
export function assertRefused(outcome: Outcome, codes: CseErrorCode | readonly CseErrorCode[], what = ''): void {
  const { error, released } = outcome
  assert.ok(error !== undefined, `${what}: it was read`)
  assert.ok(error instanceof CseError, `${what}: ${inspect(error)}`)
  assert.ok([codes].flat().includes(error.code), `${what}: ${error.stack ?? error.message}`)
  assert.equal(Object.hasOwn(error, 'cause'), false, what)
  assert.equal(released.length, 0, `${what}: plaintext was released`)
}

/** Every way in which GetObject releases plaintext. All but the last release what is verified only. */
export const verifiedModes: readonly [name: string, options: Partial<EncryptionOptions>][] = [
  ['in memory', {}],
  ['spooled', { maxBufferedBytes: 0 }],
  ['read twice', { maxBufferedBytes: 0, spool: false }],
]
export const modes: typeof verifiedModes = [...verifiedModes, ['delayed', { delayedAuthentication: true }]]

export const strictPolicy: CommitmentPolicy = 'REQUIRE_ENCRYPT_REQUIRE_DECRYPT'
export const readsAll: CommitmentPolicy = 'REQUIRE_ENCRYPT_ALLOW_DECRYPT'
export const writesV2: CommitmentPolicy = 'FORBID_ENCRYPT_ALLOW_DECRYPT'
export const policies: readonly CommitmentPolicy[] = [strictPolicy, readsAll, writesV2]

/** What is stored by the two policies that write. */
export const versions: readonly (readonly ['V2' | 'V3', CommitmentPolicy])[] = [
  ['V2', writesV2],
  ['V3', readsAll],
]
export const suiteNames: Readonly<Record<'V2' | 'V3', string>> = { V2: 'AES/GCM/NoPadding', V3: '115' }

/** A KMS with a client; closed when the tests of the file are done. */
export async function kmsWorld(options: KmsOptions = {}): Promise<{ kms: KmsServer; client: KMSClient }> {
  const kms = await startKms(options)
  const client = new KMSClient({ ...kms.clientConfig, maxAttempts: 1 })
  after(async () => {
    client.destroy()
    await kms.close()
  })
  return { kms, client }
}

/** How often KMS was asked to decrypt since `requests` was emptied. */
export function decrypts(kms: KmsServer): number {
  return kms.requests.filter(({ operation }) => operation === 'Decrypt').length
}

/** Counts what is asked of a keyring, and hides what it says it opens if `claims` is false. */
export function counting(keyring: Keyring, claims = true): Keyring & { readonly unwraps: () => number } {
  let unwraps = 0
  return {
    ...(claims && keyring.algorithms && { algorithms: keyring.algorithms }),
    wrap: (request) => keyring.wrap(request),
    unwrap(request) {
      unwraps++
      return keyring.unwrap(request)
    },
    unwraps: () => unwraps,
  }
}

/** Wraps a chosen data key for a suite, as somebody could who may use the keyring. Gives the first encrypted data key. */
export async function wrapKey(
  keyring: Keyring,
  version: 'V2' | 'V3',
  dataKey: Uint8Array,
  context: Context = {},
): Promise<{ encryptedDataKey: Uint8Array; context: Context }> {
  const id = version === 'V2' ? 0x0072 : 0x0073
  const suite = { id, format: 's3ec', name: suiteNames[version], keyLength: 32 }
  const result = await keyring.wrap({ suite, context, dataKey: Uint8Array.from(dataKey) })
  return { encryptedDataKey: result.encryptedDataKeys[0]!.ciphertext, context: result.context }
}

export function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64')
}

/** One bit of a Base64 value flipped underneath. */
export function flipBase64(text: string | undefined, bit = 0): string {
  const bytes = Buffer.from(text ?? '', 'base64')
  bytes[bit >> 3]! ^= 1 << (bit & 7)
  return bytes.toString('base64')
}
