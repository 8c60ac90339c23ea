import assert from 'node:assert/strict'
import { CseError } from '../../src/errors.js'
import type { CommitmentPolicy } from '../../src/formats/format.js'
import { load, type Settings, type Stored, writesV2, writesV3 } from './s3ec-objects.js'
import { testKeyring } from './test-keyring.js'

/** The kinds of objects that are written, for tests that change them. */

export const plaintext: Uint8Array = Uint8Array.from({ length: 40 }, (_, index) => index)
const context = { tenant: 'a', user: 'b' }

export interface Kind {
  readonly version: 'V2' | 'V3'
  readonly algorithm: 'AES/GCM' | 'kms+context'
  /** Where each single bit of the text counts. */
  readonly checked: readonly string[]
  /** Values that nothing authenticates: a change gives the same plaintext or an error, never another plaintext. */
  readonly unauthenticated: readonly string[]
}

const v2 = ['x-amz-key-v2', 'x-amz-iv', 'x-amz-cek-alg', 'x-amz-wrap-alg', 'x-amz-tag-len']
const v3 = ['x-amz-c', 'x-amz-3', 'x-amz-w', 'x-amz-d', 'x-amz-i']
const length = 'x-amz-unencrypted-content-length'
export const kinds: readonly Kind[] = [
  { version: 'V2', algorithm: 'AES/GCM', checked: v2, unauthenticated: ['x-amz-matdesc', length] },
  { version: 'V2', algorithm: 'kms+context', checked: [...v2, 'x-amz-matdesc'], unauthenticated: [length] },
  { version: 'V3', algorithm: 'AES/GCM', checked: v3, unauthenticated: ['x-amz-m', 'x-amz-t', length] },
  { version: 'V3', algorithm: 'kms+context', checked: [...v3, 'x-amz-t'], unauthenticated: ['x-amz-m', length] },
]

export function writer(kind: Kind, more: object = {}): Settings {
  const kms = kind.algorithm === 'kms+context'
  return {
    keyring: testKeyring({ algorithm: kind.algorithm, ...(!kms && { materialsDescription: context }), ...more }),
    commitmentPolicy: kind.version === 'V2' ? writesV2 : writesV3,
    ...(kms && { encryptionContext: context }),
  }
}

/** The error's code; fails the test if there is plaintext, or an error without a code. */
export async function refusal(settings: Settings, stored: Stored): Promise<string> {
  const error: unknown = await load(settings, stored).catch((reason: unknown) => reason)
  assert.ok(error instanceof CseError, error instanceof Uint8Array ? 'plaintext was released' : String(error))
  assert.equal(error.cause, undefined)
  return error.code.replace('ERR_S3CSE_', '')
}

/** What a reader has to be refused for, whatever its keyring and its policy are. */
export async function refusedEverywhere(kind: Kind, stored: Stored, expected: readonly string[]): Promise<void> {
  const policies: CommitmentPolicy[] = ['REQUIRE_ENCRYPT_REQUIRE_DECRYPT', writesV3, writesV2]
  for (const commitmentPolicy of policies) {
    for (const algorithms of [[kind.algorithm], undefined]) {
      const settings = { ...writer(kind, { algorithms }), commitmentPolicy }
      const code = await refusal(settings, stored)
      assert.ok(code === 'POLICY' ? commitmentPolicy === policies[0] : expected.includes(code), code)
    }
  }
}
