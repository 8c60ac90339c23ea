/** A way to encrypt the data key. */
export interface WrapRow {
  /** Its name in V2 (`x-amz-wrap-alg`) and towards keyrings. */
  readonly name: string
  /** Its code in V3 (`x-amz-w`); V3 knows no legacy wraps. */
  readonly code?: string
  readonly status: 'supported' | 'legacy'
  /** What the stored map is: a KMS context, which the wrap authenticates, or a description, which nothing authenticates. */
  readonly map: 'encryption context' | 'materials description'
}

/** In bytes: an RSA modulus of 16384 bits has 2048, and KMS says at most 6144. */
export const maxEncryptedDataKeyLength: number = 8 * 1024

const materialsDescription = 'materials description'
const encryptionContext = 'encryption context'

export const wraps: readonly WrapRow[] = Object.freeze(
  (
    [
      { name: 'AES/GCM', code: '02', status: 'supported', map: materialsDescription },
      { name: 'kms+context', code: '12', status: 'supported', map: encryptionContext },
      { name: 'RSA-OAEP-SHA1', code: '22', status: 'supported', map: materialsDescription },
      { name: 'AESWrap', status: 'legacy', map: materialsDescription },
      { name: 'kms', status: 'legacy', map: encryptionContext },
      { name: 'RSA/ECB/OAEPWithSHA-256AndMGF1Padding', status: 'legacy', map: materialsDescription },
      { name: 'AES', status: 'legacy', map: materialsDescription },
      { name: 'RSA', status: 'legacy', map: materialsDescription },
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

/** Whether the wrap authenticates the stored map, so that a caller's encryption context can be held against it. */
export function bindsContext(wrap: WrapRow): boolean {
  return wrap.status === 'supported' && wrap.map === encryptionContext
}
