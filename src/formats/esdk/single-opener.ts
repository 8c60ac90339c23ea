import { GCM_MAX_LENGTH } from '../../crypto/gcm-blocks.js'
import { gcmOpener } from '../../crypto/gcm-message.js'
import { configError, DecryptionError } from '../../errors.js'
import type { Opener } from '../../message/opener.js'
import { shiftedOpener } from '../../message/shifted-opener.js'
import type { Aes, EcdsaVerifier } from '../../runtime/runtime.js'
import { maxFooterLength, type SignedHeader } from './footer.js'
import { bodyAad, frameIv } from './frames.js'
import { IV_LENGTH, TAG_LENGTH } from './header.js'
import { signedSingleOpener, signedSingleOpenerWithoutEnd } from './single-signature.js'

/** IV and length of the content, which stand between the header and a body without frames. */
export const SINGLE_START_LENGTH: number = IV_LENGTH + 8

export interface SingleOpenerOptions {
  /** Of an authenticated header; destroyed with the opener, and where there is none. */
  readonly aes: Aes
  readonly header: SignedHeader
  /** The 20 bytes behind the header, or what there is of them. */
  readonly start: Uint8Array
  /** Of all of the message, in bytes. `undefined`: known at its end only; a signed message is opened by `stream` or `openWhole` then, and not otherwise. */
  readonly sealedLength: number | undefined
  /** Of a suite that signs: with the key of the header's encryption context; it was given nothing yet. */
  readonly verifier?: EcdsaVerifier | undefined
}

/**
 * Opens a message without frames, as old writers made them: one AES-GCM message (`gcmOpener`), verified as a whole, with
 * its signature where the suite signs. Signed ones are taken into the check in order, from their start, once. Throws
 * DecryptionError for what is no such message.
 */
export function singleOpener(options: SingleOpenerOptions): Opener {
  try {
    return openerOf(options)
  } catch (error) {
    options.aes.destroy()
    throw error
  }
}

function openerOf({ aes, header, start, sealedLength, verifier }: SingleOpenerOptions): Opener {
  const { signature } = header.suite
  const length = contentLength(start)
  const before = header.length + SINGLE_START_LENGTH
  const end = before + length + TAG_LENGTH
  const gcm = gcmOpener({ aes, iv: frameIv(1), aad: bodyAad(header.messageId, 'single', 1, length) })
  const shifted = shiftedOpener(gcm, before)
  const opener: Opener = {
    ...shifted,
    plaintextLength(total) {
      if (total !== end) throw new DecryptionError()
      return length
    },
    openWhole(sealed) {
      if (sealed.length !== end) throw new DecryptionError()
      return shifted.openWhole(sealed)
    },
  }
  if (signature === undefined) {
    if (sealedLength !== undefined && sealedLength !== end) throw new DecryptionError()
    return opener
  }
  if (verifier === undefined) throw configError('A signed message is read with a verifier.')
  const signed = { opener, header, start: Uint8Array.from(start), end, signature, verifier }
  if (sealedLength === undefined) return signedSingleOpenerWithoutEnd(signed)
  const footerLength = sealedLength - end
  if (footerLength < 0 || footerLength > maxFooterLength(signature)) throw new DecryptionError()
  return signedSingleOpener(signed, footerLength)
}

/** Where the tag of a message without frames ends, in bytes, by the first bytes of it: header and the 20 behind. Throws DecryptionError where it is no such message. */
export function singleEnd({ length }: Pick<SignedHeader, 'length'>, first: Uint8Array): number {
  const start = first.subarray(length, length + SINGLE_START_LENGTH)
  return length + SINGLE_START_LENGTH + contentLength(start) + TAG_LENGTH
}

/** In bytes. The tag authenticates it, later: no memory is taken for it. */
function contentLength(start: Uint8Array): number {
  const iv = frameIv(1)
  if (start.length !== SINGLE_START_LENGTH || iv.some((byte, index) => start[index] !== byte)) {
    throw new DecryptionError()
  }
  const length = new DataView(start.buffer, start.byteOffset).getBigUint64(IV_LENGTH)
  if (length > BigInt(GCM_MAX_LENGTH)) throw new DecryptionError()
  return Number(length)
}
