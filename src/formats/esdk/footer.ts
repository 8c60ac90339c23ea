import { DecryptionError } from '../../errors.js'
import type { EcdsaVerifier } from '../../runtime/runtime.js'
import type { EsdkHeader } from './header.js'
import type { SignatureRow } from './suites.js'

/** The footer of a signed message is the length of the signature, two bytes, and the signature. */
export const LENGTH_FIELD = 2
/** Two integers of one byte each. */
const MIN_SIGNATURE = 8
/** The shortest, in bytes. */
export const MIN_FOOTER: number = LENGTH_FIELD + MIN_SIGNATURE

/** As it is written, in bytes. */
export function footerLength(signature: SignatureRow): number {
  return LENGTH_FIELD + signature.length
}

/** The longest that others write, in bytes: with both integers a byte longer than the field, for their sign. */
export function maxFooterLength(signature: SignatureRow): number {
  return footerLength(signature) + 1
}

export function footerOf(signature: Uint8Array): Uint8Array {
  const footer = new Uint8Array(LENGTH_FIELD + signature.length)
  footer[0] = signature.length >> 8
  footer[1] = signature.length
  footer.set(signature, LENGTH_FIELD)
  return footer
}

/** Rejects with DecryptionError unless these bytes are a footer, whole and alone, with the signature of what `verifier` was given. */
export async function verifyFooter(verifier: EcdsaVerifier, row: SignatureRow, footer: Uint8Array): Promise<void> {
  const signature = footer.subarray(LENGTH_FIELD)
  const [high = 0, low = 0] = footer
  const isFooter =
    footer.length <= maxFooterLength(row) && signature.length >= MIN_SIGNATURE && signature.length === high * 256 + low
  if (!isFooter || !(await verifier.verify(signature))) throw new DecryptionError()
}

/** Gives the verifier the header as it is stored. */
export function verifyHeader(verifier: EcdsaVerifier, { version, body, iv, tag }: SignedHeader): void {
  verifier.update(body)
  if (version === 1) verifier.update(iv)
  verifier.update(tag)
}

/** What of a header reading a signed message needs. */
export type SignedHeader = Pick<
  EsdkHeader,
  'version' | 'suite' | 'messageId' | 'frameLength' | 'body' | 'iv' | 'tag' | 'length'
>
