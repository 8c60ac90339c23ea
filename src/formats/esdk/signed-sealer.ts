import { runtime } from '#runtime'
import { messageKey } from '../../crypto/message-key.js'
import { pieceState, pieceStateKey, segmentEnds } from '../../crypto/piece-state.js'
import { messageUse } from '../../crypto/message-use.js'
import { configError, CseError } from '../../errors.js'
import type { PositionalSealer, SealedPiece } from '../../message/sealer.js'
import type { EcdsaSigner } from '../../runtime/runtime.js'
import { footerLength, footerOf } from './footer.js'
import type { FrameSealerOptions } from './frame-sealer.js'
import { bodyLength, checkPlace, FINAL_FRAME_OVERHEAD, FRAME_OVERHEAD } from './frames.js'
import { framesLength, sealFrames } from './seal-frames.js'
import type { SignatureRow } from './suites.js'

export interface SignedFrameSealerOptions extends FrameSealerOptions {
  readonly signature: SignatureRow
  /** Of a key pair that is for this message only; destroyed with the sealer. */
  readonly signer: EcdsaSigner
}

/**
 * Seals the frames of a signed message, in order: header and frames are signed as they pass, and the signature is the
 * trailer, always of one length. A frame is sealed once (ERR_S3CSE_CONFIG). The hash that is signed stays in this process,
 * so that nothing that was sealed elsewhere can be taken into the message (`join`: ERR_S3CSE_UPLOAD_STATE).
 */
export async function signedFrameSealer(options: SignedFrameSealerOptions): Promise<PositionalSealer> {
  const { aes, messageId, frameLength, header, signature, signer } = options
  const key = Uint8Array.from(options.key)
  const keys = { aes, messageId, frameLength }
  const stateKey = await pieceStateKey(messageId, key)
  const use = messageUse()
  const trailerLength = footerLength(signature)
  /** Behind the last byte that was signed, of the plaintext. */
  let end = 0
  let isSealing = false
  let isLast = false
  let footer: Promise<Uint8Array> | undefined
  signer.update(header)

  const checkPiece = (offset: number, length: number, last: boolean): void => {
    checkPlace(frameLength, offset, length)
    if (last || length % frameLength === 0) return
    throw configError('Only the last piece may end inside a frame.')
  }
  const sealFrom = async (
    offset: number,
    plaintext: Uint8Array,
    last: boolean,
    into?: Uint8Array,
  ): Promise<Uint8Array> => {
    const length = framesLength(plaintext.length, frameLength, last)
    const output = into === undefined || into.length < length ? runtime.allocate(length) : into.subarray(0, length)
    return sealFrames(keys, offset / frameLength + 1, plaintext, last, output)
  }
  /** Takes a piece into the message. Where that fails the message cannot be finished: nothing follows what was not signed. */
  const sealNext = async (
    offset: number,
    plaintext: Uint8Array,
    last: boolean,
    into?: Uint8Array,
  ): Promise<Uint8Array> => {
    use.begin('pieces')
    checkPiece(offset, plaintext.length, last)
    if (isLast) throw configError('The message is complete: nothing is sealed after its end.')
    // Before anything is awaited: of two calls for one place the second must not get to the cipher.
    if (isSealing || offset !== end) throw configError(`Pieces come in order here: ${end} is next, not ${offset}.`)
    isSealing = true
    isLast = last
    const behind = offset + plaintext.length
    const sealed = await sealFrom(offset, plaintext, last, into)
    use.check()
    signer.update(sealed)
    end = behind
    isSealing = false
    return sealed
  }
  const sign = async (): Promise<Uint8Array> => {
    const made = footerOf(await signer.sign())
    if (made.length !== trailerLength) throw new TypeError(`a footer of ${made.length} bytes, not ${trailerLength}`)
    return made
  }
  const sealedLength = (plaintextLength: number): number => {
    checkPlace(frameLength, 0, plaintextLength)
    return header.length + bodyLength(plaintextLength, frameLength) + trailerLength
  }
  const withState = async (offset: number, sealed: Uint8Array, last: boolean): Promise<SealedPiece> => {
    const sealedSegmentLength = frameLength + FRAME_OVERHEAD
    const whole = Math.floor((sealed.length - (last ? FINAL_FRAME_OVERHEAD : 0)) / sealedSegmentLength)
    const ends = segmentEnds(sealed.length, { whole, sealedSegmentLength })
    return { sealed, state: await pieceState(stateKey, { offset, sealed, last, ends }) }
  }

  return {
    header,
    alignment: frameLength,
    ordered: true,
    trailerLength,
    sealedLength,
    sealedOffset(offset) {
      checkPlace(frameLength, offset, 0)
      return header.length + (offset / frameLength) * (frameLength + FRAME_OVERHEAD)
    },
    seal: sealNext,
    async sealPiece(offset, plaintext, last, into) {
      return withState(offset, await sealNext(offset, plaintext, last, into), last)
    },
    async sealAgain(offset, plaintext, last, into) {
      use.check()
      checkPiece(offset, plaintext.length, last)
      return withState(offset, await sealFrom(offset, plaintext, last, into), last)
    },
    async join() {
      use.begin('pieces')
      throw new CseError(
        'ERR_S3CSE_UPLOAD_STATE',
        'A signed message is made by one process from its start to its end: this upload cannot be continued here. Abort it and start again, or use an algorithm suite that does not sign.',
      )
    },
    async trailer(plaintextLength) {
      use.begin('pieces')
      if (!isLast || isSealing || plaintextLength !== end) {
        throw configError(`The pieces of the message do not cover its ${plaintextLength} bytes exactly.`)
      }
      footer ??= sign()
      return Uint8Array.from(await footer)
    },
    async sealWhole(plaintext) {
      use.begin('whole')
      const message = runtime.allocate(sealedLength(plaintext.length))
      const footerAt = message.length - trailerLength
      message.set(header)
      signer.update(await sealFrames(keys, 1, plaintext, true, message.subarray(header.length, footerAt)))
      message.set(await sign(), footerAt)
      return message
    },
    ...messageKey(() => {
      use.check()
      return key
    }),
    destroy() {
      use.close()
      signer.destroy()
      key.fill(0)
      stateKey.fill(0)
      aes.destroy()
    },
  }
}
