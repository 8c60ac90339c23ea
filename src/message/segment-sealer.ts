import { runtime } from '#runtime'
import { messageKey } from '../crypto/message-key.js'
import { messageUse } from '../crypto/message-use.js'
import { pieceState, pieceStateKey, segmentEnds } from '../crypto/piece-state.js'
import { runs } from '../crypto/runs.js'
import { configError } from '../errors.js'
import type { MaybePromise } from '../runtime/runtime.js'
import type { PositionalSealer, SealedPiece } from './sealer.js'

/** What a format whose messages are header ‖ segments says of them. All offsets and lengths are in bytes. */
export interface SegmentSealerOptions {
  /** What the message is decrypted with; copied, and wiped with the sealer. */
  readonly key: Uint8Array
  /** For the states of pieces: different for every message, or the key is. */
  readonly salt: Uint8Array
  /** All of it. */
  readonly header: Uint8Array
  /** Of plaintext in a segment. */
  readonly segmentLength: number
  /** Of a whole segment, sealed. */
  readonly sealedSegmentLength: number
  /** What the segments are called in messages: 'frame'. */
  readonly name: string
  /** Throws for a place where no segment begins, or an end beyond what a message holds. */
  readonly check: (offset: number, length: number) => void
  /** Of a sealed piece of the body. `last`: it ends the message. */
  readonly pieceLength: (plaintextLength: number, last: boolean, offset: number) => number
  /** Seals segments that follow each other into `output`, which has their length. That none is sealed twice is seen to here. */
  readonly sealInto: (
    offset: number,
    plaintext: Uint8Array,
    last: boolean,
    output: Uint8Array,
  ) => MaybePromise<Uint8Array>
  /** Throws where plaintext of that length is no end of this message. */
  readonly checkEnd?: (plaintextLength: number) => void
  /** Wipes what the format holds. */
  readonly destroy: () => void
}

/**
 * Seals a message of segments in any order: each depends on its own plaintext and its place only. What ends the message
 * goes with the last piece, so that there is no trailer. A segment is sealed once (ERR_S3CSE_CONFIG).
 */
export async function segmentSealer(o: SegmentSealerOptions): Promise<PositionalSealer> {
  const { header, segmentLength, sealedSegmentLength, name, check } = o
  const key = Uint8Array.from(o.key)
  const stateKey = await pieceStateKey(o.salt, key)
  const use = messageUse()
  const taken = runs<undefined>(() => undefined)
  let endsAt: number | undefined
  let isFrozen = false
  /**
   * Takes segments into the message, each once. What ends the message may have the nonce of the segment that would stand
   * in its place, also where it is empty: nothing may lie behind it.
   */
  const take = (offset: number, length: number, last: boolean): void => {
    if (isFrozen) throw configError('The message is complete: nothing is sealed after its end.')
    if (!last && length % segmentLength !== 0) throw configError(`Only the last piece may end inside a ${name}.`)
    const end = offset + length
    const isBehind = endsAt !== undefined && (last || end > endsAt)
    if (isBehind || (last && (taken.list.at(-1)?.end ?? 0) > end)) {
      throw configError('The message ends once, and nothing is sealed behind its end.')
    }
    if (last) o.checkEnd?.(end)
    if (length > 0 && !taken.add(offset, end, undefined)) throw configError(`A ${name} is sealed once.`)
    if (last) endsAt = end
  }
  const seal = (offset: number, plaintext: Uint8Array, last: boolean, into?: Uint8Array): MaybePromise<Uint8Array> => {
    check(offset, plaintext.length)
    const length = o.pieceLength(plaintext.length, last, offset)
    const output = into === undefined || into.length < length ? runtime.allocate(length) : into.subarray(0, length)
    return o.sealInto(offset, plaintext, last, output)
  }
  const again = async (
    offset: number,
    plaintext: Uint8Array,
    last: boolean,
    into?: Uint8Array,
  ): Promise<SealedPiece> => {
    const sealed = await seal(offset, plaintext, last, into)
    const whole = Math.floor(plaintext.length / segmentLength)
    const ends = segmentEnds(sealed.length, { whole, sealedSegmentLength })
    return { sealed, state: await pieceState(stateKey, { offset, sealed, last, ends }) }
  }

  return {
    header,
    alignment: segmentLength,
    ordered: false,
    trailerLength: 0,
    sealedLength(plaintextLength) {
      check(0, plaintextLength)
      return header.length + o.pieceLength(plaintextLength, true, 0)
    },
    sealedOffset(offset) {
      check(offset, 0)
      return header.length + (offset / segmentLength) * sealedSegmentLength
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
      // Whether it was the last one is not said, and is no secret: only the last one ends inside a segment.
      take(offset, length, length % segmentLength !== 0)
    },
    trailer(plaintextLength) {
      use.begin('pieces')
      const [run, ...more] = taken.list
      const isWhole = plaintextLength === 0 ? run === undefined : run?.start === 0 && run.end === plaintextLength
      o.checkEnd?.(plaintextLength)
      if (!isWhole || more.length > 0) throw configError('The message has gaps: not every piece was sealed.')
      isFrozen = true
      return new Uint8Array(0)
    },
    sealWhole(plaintext) {
      use.begin('whole')
      check(0, plaintext.length)
      o.checkEnd?.(plaintext.length)
      const message = runtime.allocate(header.length + o.pieceLength(plaintext.length, true, 0))
      message.set(header)
      const sealed = o.sealInto(0, plaintext, true, message.subarray(header.length))
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
      o.destroy()
    },
  }
}
