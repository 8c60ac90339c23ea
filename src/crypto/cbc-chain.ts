/** The pieces of one AES-CBC message that is being made (NIST SP 800-38A section 6.2, padded as in RFC 5652 section 6.3). */

import { runtime } from '#runtime'
import { configError } from '../errors.js'
import type { SealedPiece } from '../message/sealer.js'
import { checkPiece, checkPlace } from './cbc-blocks.js'
import type { CbcMessage } from './cbc-blocks.js'
import { messageClosed } from './gcm-blocks.js'
import { BLOCK_LENGTH, paddedBlock } from './pkcs7.js'
import { runs } from './runs.js'

/**
 * A *state* is the last block of ciphertext of a piece, and of a piece that does not end with a block the padded one:
 * all that what follows depends on.
 */
export interface CbcChain {
  /** Behind the last byte of what is there from 0 on. */
  end(): number
  /** Needs what ends at `offset`. Each byte is sealed once, and none before one that was: ERR_S3CSE_CONFIG. */
  seal(offset: number, plaintext: Uint8Array, last: boolean): Promise<SealedPiece>
  /** The same, whether the bytes were sealed before or not, also after the trailer. Takes nothing into the message. */
  sealAgain(offset: number, plaintext: Uint8Array, last: boolean): Promise<SealedPiece>
  /** Takes a piece into the message by its state, in any order. */
  join(offset: number, length: number, state: Uint8Array): void
  /** The padded block, after every piece. No other length, and no piece, may follow. */
  trailer(length: number): Promise<Uint8Array>
  /** Nothing will be sealed from `offset` on again. */
  forget(offset: number): void
  /** Idempotent; every later call fails. */
  destroy(): void
}

/** `iv` is taken over. */
export function cbcChain({ aes, iv }: CbcMessage): CbcChain {
  /** What the piece that begins there is chained to; and the padded block, by the end of the message. */
  const blocks = new Map([[0, iv]])
  const taken = runs<undefined>(() => undefined)
  let trailer: { readonly length: number; readonly block: Promise<Uint8Array> } | undefined
  let destroyed = false

  const checkAlive = (): void => {
    if (destroyed) throw messageClosed()
  }
  const checkGrowing = (): void => {
    checkAlive()
    if (trailer !== undefined) throw configError('The message has its last block: no piece may be added any more.')
  }
  const end = (): number => (taken.list[0]?.start === 0 ? taken.list[0].end : 0)

  function blockBefore(offset: number): Uint8Array {
    const block = blocks.get(offset)
    if (block !== undefined) return block
    throw configError(`Pieces come in order here: what ends at ${offset} must be sealed before what begins there.`)
  }
  function remember(at: number, block: Uint8Array): void {
    const known = blocks.get(at)
    if (known === undefined) blocks.set(at, Uint8Array.from(block))
    else if (!runtime.equal(known, block)) throw configError(`The pieces that meet at ${at} do not fit.`)
  }
  async function encrypt(before: Uint8Array, plaintext: Uint8Array): Promise<SealedPiece> {
    const rest = plaintext.length % BLOCK_LENGTH
    const whole = plaintext.subarray(0, plaintext.length - rest)
    const sealed = whole.length === 0 ? new Uint8Array(0) : await aes.cbcEncrypt(before, whole)
    const chained = whole.length === 0 ? before : sealed.subarray(-BLOCK_LENGTH)
    if (rest === 0) return { sealed, state: Uint8Array.from(chained) }
    const padded = paddedBlock(plaintext.subarray(whole.length))
    const state = await aes.cbcEncrypt(chained, padded)
    padded.fill(0)
    return { sealed, state }
  }
  const finalBlock = async (length: number, block: Uint8Array): Promise<Uint8Array> =>
    length % BLOCK_LENGTH === 0 ? aes.cbcEncrypt(block, paddedBlock(new Uint8Array(0))) : Uint8Array.from(block)

  return {
    end,
    async seal(offset, plaintext, last) {
      checkGrowing()
      checkPiece(offset, plaintext.length, last)
      const before = blockBefore(offset)
      const behind = offset + plaintext.length
      // Before anything is awaited: of two calls for one place the second must not get to the cipher.
      if (plaintext.length > 0) {
        // What follows was chained to other bytes than these.
        if ((taken.list.at(-1)?.end ?? 0) > offset) {
          throw configError(`The bytes from ${offset} to ${behind} of the message come after what was given before.`)
        }
        taken.add(offset, behind, undefined)
      }
      const piece = await encrypt(before, plaintext)
      checkAlive()
      remember(behind, piece.state)
      return piece
    },
    async sealAgain(offset, plaintext, last) {
      checkAlive()
      checkPiece(offset, plaintext.length, last)
      return encrypt(blockBefore(offset), plaintext)
    },
    join(offset, length, state) {
      checkGrowing()
      checkPiece(offset, length, true)
      if (state.length !== BLOCK_LENGTH) throw configError(`A state has ${BLOCK_LENGTH} bytes, not ${state.length}.`)
      const behind = offset + length
      if (taken.overlaps(offset, behind) && length > 0) {
        throw configError(`The bytes from ${offset} to ${behind} of the message overlap what was given before.`)
      }
      remember(behind, state)
      if (length > 0) taken.add(offset, behind, undefined)
    },
    async trailer(length) {
      checkAlive()
      checkPlace(length, 0)
      if (trailer === undefined) {
        const block = blocks.get(length)
        // Also what is sealed right now, and what was sealed behind it.
        if (block === undefined || end() !== length || taken.list.length > 1) {
          throw configError(`The pieces of the message do not cover its ${length} bytes exactly.`)
        }
        trailer = { length, block: finalBlock(length, block) }
      }
      if (trailer.length !== length) throw configError(`The message has ${trailer.length} bytes, not ${length}.`)
      return Uint8Array.from(await trailer.block)
    },
    forget: (offset) => void blocks.delete(offset),
    destroy() {
      destroyed = true
      for (const block of blocks.values()) block.fill(0)
      blocks.clear()
    },
  }
}
