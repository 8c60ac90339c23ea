import { joined } from '../../bytes/body.js'
import { configError, CseError, DecryptionError } from '../../errors.js'
import type { Opener, OpenerStream } from '../../message/opener.js'
import { andThen } from '../../keyrings/options.js'
import type { Aes, EcdsaVerifier, MaybePromise } from '../../runtime/runtime.js'
import { maxFooterLength, verifyFooter, verifyHeader, type SignedHeader } from './footer.js'
import { beginsFinal, frameGatherer } from './frame-gatherer.js'
import { FINAL_FRAME_OVERHEAD, FRAME_OVERHEAD } from './frames.js'
import { openFrames, type FrameKeys } from './open-frames.js'
import type { SignatureRow } from './suites.js'

export interface SignedFrameOpenerOptions {
  /** Of an authenticated header; destroyed with the opener. */
  readonly aes: Aes
  /** Its frame length must have been bounded: so much is kept in memory. */
  readonly header: SignedHeader
  /** With the key of the header's encryption context; it was given nothing yet. */
  readonly verifier: EcdsaVerifier
  /** Throws the error for a length that no such message has. */
  readonly impossible: (sealedLength: number) => Error
}

/**
 * Opens a signed message of frames from its start to its end, once: a regular frame is given out when its tag was
 * verified, the final one when the signature was. No part is opened by itself (ERR_S3CSE_RANGE_REFUSED): the signature
 * covers all of them.
 */
export function signedFrameOpener({ aes, header, verifier, impossible }: SignedFrameOpenerOptions): Opener {
  const { signature } = header.suite
  if (signature === undefined) throw configError('The suite of this message does not sign.')
  const begin = (): FrameStream => {
    verifyHeader(verifier, header)
    return frameStream({ aes, messageId: header.messageId, frameLength: header.frameLength }, { verifier, signature })
  }
  return openerOf({ aes, header, impossible }, begin)
}

/**
 * The same for a message that is not signed, where its length is not known before it was read: otherwise its frames are
 * opened each by itself (`frameOpener`).
 */
export function streamedFrameOpener({ aes, header, impossible }: Omit<SignedFrameOpenerOptions, 'verifier'>): Opener {
  const { messageId, frameLength } = header
  return openerOf({ aes, header, impossible }, () => frameStream({ aes, messageId, frameLength }, undefined))
}

function openerOf(
  { aes, header, impossible }: Omit<SignedFrameOpenerOptions, 'verifier'>,
  begin: () => FrameStream,
): Opener {
  let isUsed = false
  const stream = (): FrameStream => {
    if (isUsed) throw configError('A message is read once from its start to its end.')
    isUsed = true
    return begin()
  }
  let wipe = (): void => undefined
  return {
    headerLength: header.length,
    trailerLength: 0,
    authentication: 'segment',
    alignment: 1,
    plaintextLength(sealedLength) {
      if (sealedLength < header.length + FINAL_FRAME_OVERHEAD) throw impossible(sealedLength)
      // Signatures vary in length, and where one begins only the frames before it tell.
      return undefined
    },
    extent: () => refuse(),
    open: () => refuse(),
    stream() {
      const opened = stream()
      wipe = () => opened.destroy()
      return opened
    },
    async openWhole(sealed) {
      const opened = stream()
      const plaintext = await opened.update(sealed.subarray(header.length))
      try {
        return joined(plaintext, await opened.final())
      } catch (error) {
        plaintext.fill(0)
        throw error
      } finally {
        opened.destroy()
      }
    },
    destroy() {
      wipe()
      aes.destroy()
    },
  }
}

function refuse(): never {
  throw new CseError('ERR_S3CSE_RANGE_REFUSED', 'This message is read from its start to its end.')
}

interface FrameStream extends OpenerStream {
  update(sealed: Uint8Array): MaybePromise<Uint8Array>
  final(): Promise<Uint8Array>
  /** Wipes what was not given out. */
  destroy(): void
}

/** The frames, and behind them the footer of a signed message: whatever comes between two calls, one frame is kept at most. */
function frameStream(
  keys: FrameKeys,
  signed: { readonly verifier: EcdsaVerifier; readonly signature: SignatureRow } | undefined,
): FrameStream {
  const { frameLength } = keys
  const full = frameLength + FRAME_OVERHEAD
  const pending = frameGatherer(frameLength)
  const footer = new Uint8Array(signed === undefined ? 0 : maxFooterLength(signed.signature))
  let footerLength = 0
  let next = 1
  /** The plaintext of the final frame, which nobody gets before the signature is verified. */
  let held: Uint8Array | undefined

  /** Regular frames that follow each other, whole. */
  const openRegular = (frames: Uint8Array, opened: Uint8Array[]): MaybePromise<void> => {
    const first = next
    next += frames.length / full
    return andThen(openFrames(keys, first, frames, false), (plaintext) => {
      opened.push(plaintext)
      signed?.verifier.update(frames)
    })
  }
  const openFinal = (frame: Uint8Array): MaybePromise<void> =>
    andThen(openFrames(keys, next, frame, true), (plaintext) => {
      held = plaintext
      signed?.verifier.update(frame)
    })
  const takeFooter = (bytes: Uint8Array): void => {
    if (bytes.length > footer.length - footerLength) throw new DecryptionError()
    footer.set(bytes, footerLength)
    footerLength += bytes.length
  }
  /** What is left of the bytes after one step: frames that lie in them whole, or one that has come together. */
  const step = (sealed: Uint8Array, opened: Uint8Array[]): MaybePromise<Uint8Array> => {
    const count = pending.length === 0 ? wholeFrames(sealed, full) : 0
    if (count > 0) {
      const end = count * full
      return andThen(openRegular(sealed.subarray(0, end), opened), () => sealed.subarray(end))
    }
    const rest = sealed.subarray(pending.add(sealed))
    const frame = pending.take()
    if (frame === undefined) return rest
    return andThen(beginsFinal(frame, 0) ? openFinal(frame) : openRegular(frame, opened), () => rest)
  }
  /** No promise for each frame while the cipher answers at once. */
  const steps = (sealed: Uint8Array, opened: Uint8Array[]): MaybePromise<void> => {
    let rest = sealed
    while (rest.length > 0 && held === undefined) {
      const left = step(rest, opened)
      if (left instanceof Promise) return left.then((later) => steps(later, opened))
      rest = left
    }
    takeFooter(rest)
  }
  const wiped = (error: unknown, opened: readonly Uint8Array[]): never => {
    for (const plaintext of opened) plaintext.fill(0)
    throw error
  }
  return {
    update(sealed) {
      const opened: Uint8Array[] = []
      try {
        const done = steps(sealed, opened)
        if (!(done instanceof Promise)) return joined(...opened)
        return done.then(
          () => joined(...opened),
          (error: unknown) => wiped(error, opened),
        )
      } catch (error) {
        return wiped(error, opened)
      }
    },
    async final() {
      if (held === undefined) throw new DecryptionError()
      if (signed !== undefined) await verifyFooter(signed.verifier, signed.signature, footer.subarray(0, footerLength))
      const plaintext = held
      held = undefined
      return plaintext
    },
    destroy() {
      held?.fill(0)
      held = undefined
    },
  }
}

/** How many regular frames stand whole at the start of these bytes. */
function wholeFrames(bytes: Uint8Array, full: number): number {
  let count = 0
  while ((count + 1) * full <= bytes.length && !beginsFinal(bytes, count * full)) count++
  return count
}
