import { readFileSync } from 'node:fs'

/** Reads test/vectors/esdk; its README.md describes the files. */

interface VectorBytes {
  readonly id: string
  /** base64 */
  readonly ciphertext?: string
  readonly ciphertextFile?: string
}

export interface EsdkVector extends VectorBytes {
  readonly suite: string
  readonly messageVersion: 1 | 2
  readonly contentType: 'framed' | 'non-framed'
  readonly frameLength: number
  readonly frames: number
  readonly plaintextLength: number
  readonly plaintextSha256: string
  readonly encryptionContext: readonly (readonly [string, string])[]
  readonly requiredEncryptionContext?: Readonly<Record<string, string>>
  readonly decryptWith: readonly string[]
  readonly headerLength: number
  readonly footerLength: number
  readonly messageId: string
  /** hex */
  readonly dataKey: string
  readonly edks: readonly {
    readonly providerId: string
    readonly providerInfo: string
    readonly ciphertextLength: number
  }[]
  readonly ciphertextLength: number
}

export interface EsdkNegative extends VectorBytes {
  readonly base: string
  readonly patch: { readonly prefix: number; readonly insert: string; readonly suffix: number }
  readonly expect: 'reject' | 'accept' | 'either'
  readonly stage: string
  readonly reason: string
  readonly use: string
  readonly plaintextLength?: number
  readonly plaintextSha256?: string
  readonly requiredEncryptionContext?: Readonly<Record<string, string>>
  readonly options?: {
    readonly commitmentPolicy?: string
    readonly maxEncryptedDataKeys?: number
    readonly maxBodySize?: number
  }
}

const directory = new URL('../vectors/esdk/', import.meta.url)
const json = (name: string): unknown => JSON.parse(readFileSync(new URL(name, directory), 'utf8'))

const negative = json('negative.json') as { bases: Record<string, string>; vectors: readonly EsdkNegative[] }

export const esdkVectors: readonly EsdkVector[] = (json('valid.json') as { vectors: EsdkVector[] }).vectors
export const esdkNegatives: readonly EsdkNegative[] = negative.vectors

/** The message of a vector. */
export function messageOf(vector: EsdkVector | EsdkNegative): Uint8Array {
  if (vector.ciphertextFile !== undefined)
    return readFileSync(new URL(`files/${vector.ciphertextFile.replace('files/', '')}`, directory))
  if (vector.ciphertext !== undefined) return Buffer.from(vector.ciphertext, 'base64')
  if (!('patch' in vector)) throw new Error(`${vector.id} has no bytes`)
  const { prefix, insert, suffix } = vector.patch
  const base = Buffer.from(negative.bases[vector.base] ?? '', 'base64')
  const end = base.subarray(base.length - suffix)
  return Buffer.concat([base.subarray(0, prefix), Buffer.from(insert, 'base64'), end])
}
