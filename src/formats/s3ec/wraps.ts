/** A way to encrypt the data key. Which suites it goes with stands in the table of those. */
export interface WrapRow {
  /** Its name in V2 (`x-amz-wrap-alg`) and towards keyrings; in V1 it is not stored. */
  readonly name: string
  /** Its code in V3 (`x-amz-w`); V3 knows no legacy wraps. */
  readonly code?: string
  /** 'legacy': read only where legacy wraps are allowed. */
  readonly status: 'supported' | 'legacy'
  /** What the stored map is: a KMS context, or a description, which chooses a key and which nothing authenticates. */
  readonly map: 'encryption context' | 'materials description'
  /** What the wrap authenticates besides the data key. A content algorithm that is bound cannot be relabelled. */
  readonly binds: 'content algorithm' | 'content algorithm and context' | 'context' | 'nothing'
}

/** In bytes: an RSA modulus of 16384 bits has 2048, and KMS says at most 6144. */
export const maxEncryptedDataKeyLength: number = 8 * 1024

const description = 'materials description'
const context = 'encryption context'

export const wraps: readonly WrapRow[] = Object.freeze(
  (
    [
      { name: 'AES/GCM', code: '02', status: 'supported', map: description, binds: 'content algorithm' },
      { name: 'kms+context', code: '12', status: 'supported', map: context, binds: 'content algorithm and context' },
      { name: 'RSA-OAEP-SHA1', code: '22', status: 'supported', map: description, binds: 'content algorithm' },
      // RFC 3394.
      { name: 'AESWrap', status: 'legacy', map: description, binds: 'nothing' },
      { name: 'kms', status: 'legacy', map: context, binds: 'context' },
      // OAEP with SHA-256, MGF1 with SHA-1 (JCE) or SHA-256 (BouncyCastle).
      { name: 'RSA/ECB/OAEPWithSHA-256AndMGF1Padding', status: 'legacy', map: description, binds: 'nothing' },
      // ECB with PKCS#7.
      { name: 'AES', status: 'legacy', map: description, binds: 'nothing' },
      // PKCS#1 v1.5.
      { name: 'RSA', status: 'legacy', map: description, binds: 'nothing' },
    ] satisfies WrapRow[]
  ).map((row) => Object.freeze(row)),
)

/** By V2 name. */
export function wrapByName(name: string): WrapRow | undefined {
  return wraps.find((wrap) => wrap.name === name)
}

/** By V3 code: 02, 12 and 22 only. The codes that some tables give to legacy wraps (01, 11, 21) were never written. */
export function wrapByCode(code: string): WrapRow | undefined {
  return wraps.find((wrap) => wrap.code === code)
}

/**
 * V1 does not store the wrap. An AES key is at most 32 bytes and a block of padding, and no RSA modulus is as short
 * (Java's rule; it comes to the same as the kind of key that a reader has).
 */
export function wrapByLength(encryptedDataKeyLength: number): WrapRow | undefined {
  return wrapByName(encryptedDataKeyLength > 48 ? 'RSA' : 'AES')
}

/** Whether the stored map is an encryption context, which the wrap authenticates. */
export function bindsContext({ map }: WrapRow): boolean {
  return map === context
}

/** Whether the context has an entry that binds the content algorithm. */
export function bindsSuiteInContext({ binds }: WrapRow): boolean {
  return binds === 'content algorithm and context'
}
