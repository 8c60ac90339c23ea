import { runtime } from '#runtime'
import { messageKey } from '../../crypto/message-key.js'
import { messageUse } from '../../crypto/message-use.js'
import { runs } from '../../crypto/runs.js'
import { configError } from '../../errors.js'
import type { PositionalSealer, SealedPiece } from '../../message/sealer.js'
import type { Aes, MaybePromise } from '../../runtime/runtime.js'
import { bodyLength, checkPlace, FRAME_OVERHEAD } from './frames.js'
import { pieceState, pieceStateKey } from './piece-state.js'
import { framesLength, sealFrames } from './seal-frames.js'

/** What the frames of a message are made with. */
export interface FrameSealerOptions {
  /** Destroyed with the sealer. */
  readonly aes: Aes
  /** The key of `aes`; copied. */
  readonly key: Uint8Array
  readonly messageId: Uint8Array
  /** In bytes of plaintext. */
  readonly frameLength: number
  /** All of it, with its tag. */
  readonly header: Uint8Array
}

/**
 * Seals the frames of a message that is not signed, in any order: each depends on its own plaintext and its number only.
 * The last piece ends with the final frame, which is empty where the plaintext fills the others, so that there is no
 * trailer. A frame is sealed once (ERR_S3CSE_CONFIG).
 */
export async function frameSealer(options: FrameSealerOptions): Promise<PositionalSealer> {
  const { aes, messageId, frameLength, header } = options
  const key = Uint8Array.from(options.key)
  const keys = { aes, messageId, frameLength }
  const stateKey = await pieceStateKey(messageId, key)
  const use = messageUse()
  const taken = runs<undefined>(() => undefined)
  let endsAt: number | undefined
  let isFrozen = false
  const check = (offset: number, length: number): void => checkPlace(frameLength, offset, length)
  /**
   * Takes frames into the message, each once. The final frame has the IV of the regular frame that would stand in its
   * place, also where it is empty: nothing may lie behind it.
   */
  const take = (offset: number, length: number, last: boolean): void => {
    if (isFrozen) throw configError('The message is complete: nothing is sealed after its end.')
    if (!last && length % frameLength !== 0) throw configError('Only the last piece may end inside a frame.')
    const end = offset + length
    const isBehind = endsAt !== undefined && (last || end > endsAt)
    if (isBehind || (last && (taken.list.at(-1)?.end ?? 0) > end)) {
      throw configError('The message ends once, and nothing is sealed behind its end.')
    }
    if (length > 0 && !taken.add(offset, end, undefined)) throw configError('A frame is sealed once.')
    if (last) endsAt = end
  }
  const seal = (offset: number, plaintext: Uint8Array, last: boolean, into?: Uint8Array): MaybePromise<Uint8Array> => {
    check(offset, plaintext.length)
    const length = framesLength(plaintext.length, frameLength, last)
    const output = into === undefined || into.length < length ? runtime.allocate(length) : into.subarray(0, length)
    return sealFrames(keys, offset / frameLength + 1, plaintext, last, output)
  }
  const again = async (
    offset: number,
    plaintext: Uint8Array,
    last: boolean,
    into?: Uint8Array,
  ): Promise<SealedPiece> => {
    const sealed = await seal(offset, plaintext, last, into)
    return { sealed, state: await pieceState(stateKey, frameLength, offset, sealed, last) }
  }

  return {
    header,
    alignment: frameLength,
    ordered: false,
    trailerLength: 0,
    sealedLength(plaintextLength) {
      check(0, plaintextLength)
      return header.length + bodyLength(plaintextLength, frameLength)
    },
    sealedOffset(offset) {
      check(offset, 0)
      return header.length + (offset / frameLength) * (frameLength + FRAME_OVERHEAD)
    },
    seal(offset, plaintext, last) {
      use.begin('pieces')
      check(offset, plaintext.length)
      take(offset, plaintext.length, last)
      return seal(offset, plaintext, last)
    },
    async sealPiece(offset, plaintext, last, into) {
      use.begin('pieces')
      check(offset, plaintext.length)
      take(offset, plaintext.length, last)
      return again(offset, plaintext, last, into)
    },
    async sealAgain(offset, plaintext, last, into) {
      use.check()
      return again(offset, plaintext, last, into)
    },
    async join(offset, length) {
      use.begin('pieces')
      check(offset, length)
      // Whether it was the last one is not said, and is no secret: only the last one ends inside a frame.
      take(offset, length, length % frameLength !== 0)
    },
    trailer(plaintextLength) {
      use.begin('pieces')
      const [run, ...more] = taken.list
      const isWhole = plaintextLength === 0 ? run === undefined : run?.start === 0 && run.end === plaintextLength
      if (!isWhole || more.length > 0) throw configError('The message has gaps: not every piece was sealed.')
      isFrozen = true
      return new Uint8Array(0)
    },
    sealWhole(plaintext) {
      use.begin('whole')
      check(0, plaintext.length)
      const message = runtime.allocate(header.length + bodyLength(plaintext.length, frameLength))
      message.set(header)
      const sealed = sealFrames(keys, 1, plaintext, true, message.subarray(header.length))
      return sealed instanceof Promise ? sealed.then(() => message) : message
    },
    ...messageKey(() => {
      use.check()
      return key
    }),
    destroy() {
      use.close()
      key.fill(0)
      stateKey.fill(0)
      aes.destroy()
    },
  }
}
