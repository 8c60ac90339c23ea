import { configError, DecryptionError } from '../../errors.js'
import type { Opener, OpenerStream } from '../../message/opener.js'
import type { EcdsaVerifier } from '../../runtime/runtime.js'
import { maxFooterLength, verifyFooter, verifyHeader, type SignedHeader } from './footer.js'
import { TAG_LENGTH } from './header.js'
import type { SignatureRow } from './suites.js'

/** A signed message without frames. */
export interface SignedSingle {
  /** Of header and body; its trailer is the tag. */
  readonly opener: Opener
  readonly header: SignedHeader
  /** What stands between the header and the content. */
  readonly start: Uint8Array
  /** Of the tag, in bytes from the start of the message. */
  readonly end: number
  readonly signature: SignatureRow
  readonly verifier: EcdsaVerifier
}

/**
 * The opener of the message with its footer, which is verified with the tag. What is absorbed has to come in order, once,
 * and hashes of pieces in any order are not there: they are of no use to the signature.
 */
export function signedSingleOpener(signed: SignedSingle, footerLength: number): Opener {
  const { opener, end } = signed
  const { headerLength, authentication, alignment } = opener
  const absorb = opener.absorb?.bind(opener)
  const matches = opener.matches?.bind(opener)
  const verify = opener.verify?.bind(opener)
  const signature = signatureCheck(signed)
  const stream = streamOf(signed, signature)
  return {
    headerLength,
    trailerLength: TAG_LENGTH + footerLength,
    authentication,
    alignment,
    plaintextLength: (sealedLength) => opener.plaintextLength(sealedLength - footerLength),
    extent: (from, to) => opener.extent(from, to),
    open: (at, sealed, last, into) => opener.open(at, sealed, last, into),
    async openWhole(sealed) {
      if (sealed.length !== end + footerLength) throw new DecryptionError()
      const plaintext = await opener.openWhole(sealed.subarray(0, end))
      try {
        signature.add(headerLength, sealed.subarray(headerLength, end - TAG_LENGTH))
        await signature.verify(sealed.subarray(end - TAG_LENGTH))
        return plaintext
      } catch (error) {
        plaintext.fill(0)
        throw error
      }
    },
    ...(absorb && {
      absorb(at: number, sealed: Uint8Array) {
        signature.add(at, sealed)
        return absorb(at, sealed)
      },
    }),
    ...(matches && { matches }),
    ...(stream && { stream }),
    ...(verify && {
      async verify(sealedLength: number, trailer: Uint8Array) {
        await verify(sealedLength - footerLength, trailer.subarray(0, TAG_LENGTH))
        await signature.verify(trailer)
      },
    }),
    destroy: () => opener.destroy(),
  }
}

/** The same where the length of the message, and so of its footer, is not known: the last bytes that come are tag and footer. */
export function signedSingleOpenerWithoutEnd(signed: SignedSingle): Opener {
  const { opener, end } = signed
  const { headerLength, authentication, alignment } = opener
  const maxTrailer = TAG_LENGTH + maxFooterLength(signed.signature)
  const contentLength = end - TAG_LENGTH - headerLength
  const stream = streamOf(signed, signatureCheck(signed))
  return {
    headerLength,
    trailerLength: 0,
    authentication,
    alignment,
    plaintextLength: () => contentLength,
    extent: (from, to) => opener.extent(from, to),
    open: () => {
      throw new DecryptionError()
    },
    openWhole: (sealed) => signedSingleOpener(signed, sealed.length - end).openWhole(sealed),
    ...(stream && { stream: () => divided(stream(), contentLength, maxTrailer) }),
    destroy: () => opener.destroy(),
  }
}

/** What was signed, in order: header, start, content and tag. */
interface SignatureCheck {
  /** Content, at its place in the message. */
  add(at: number, content: Uint8Array): void
  /** `trailer`: tag ‖ footer. Rejects with DecryptionError. */
  verify(trailer: Uint8Array): Promise<void>
}

function signatureCheck({ opener, header, start, end, signature, verifier }: SignedSingle): SignatureCheck {
  let next: number | undefined
  const begin = (): number => {
    verifyHeader(verifier, header)
    verifier.update(start)
    return opener.headerLength
  }
  return {
    add(at, content) {
      next ??= begin()
      if (at !== next) throw configError(`A signed message is read in order, once: ${next} is next, not ${at}.`)
      verifier.update(content)
      next += content.length
    },
    async verify(trailer) {
      next ??= begin()
      if (next !== end - TAG_LENGTH) throw new DecryptionError()
      verifier.update(trailer.subarray(0, TAG_LENGTH))
      await verifyFooter(verifier, signature, trailer.subarray(TAG_LENGTH))
    },
  }
}

function streamOf({ opener }: SignedSingle, signature: SignatureCheck): (() => OpenerStream) | undefined {
  const begin = opener.stream?.bind(opener)
  if (begin === undefined) return undefined
  return () => {
    const stream = begin()
    let at = opener.headerLength
    return {
      update(sealed) {
        signature.add(at, sealed)
        at += sealed.length
        return stream.update(sealed)
      },
      async final(trailer) {
        await stream.final(trailer.subarray(0, TAG_LENGTH))
        await signature.verify(trailer)
        return undefined
      },
    }
  }
}

/** The first `length` bytes are the content; the trailer is the rest, of `maxTrailer` bytes at most. */
function divided(stream: OpenerStream, length: number, maxTrailer: number): OpenerStream {
  let missing = length
  const trailer = new Uint8Array(maxTrailer)
  let trailerLength = 0
  const keep = (bytes: Uint8Array): void => {
    if (bytes.length > maxTrailer - trailerLength) throw new DecryptionError()
    trailer.set(bytes, trailerLength)
    trailerLength += bytes.length
  }
  return {
    update(sealed) {
      const content = sealed.subarray(0, missing)
      missing -= content.length
      keep(sealed.subarray(content.length))
      return stream.update(content)
    },
    final(rest) {
      keep(rest)
      if (missing > 0 || trailerLength < TAG_LENGTH) throw new DecryptionError()
      return stream.final(trailer.subarray(0, trailerLength))
    },
  }
}
