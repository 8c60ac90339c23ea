/** One piece of a message: sealed, opened, hashed. Knows neither what other pieces there are nor whether this one may be. */

import { configError } from '../errors.js'
import type { SealedPieces } from '../message/sealer.js'
import type { Aes } from '../runtime/runtime.js'
import { blocks, counterBlock, ivFor, lengthBlock, withLead } from './gcm-blocks.js'
import { fromBytes, multiply, power, toBytes, xor, type Element } from './field.js'

/**
 * How a piece is sealed. 'one-pass': by GCM with an IV of 16 bytes, which not every runtime takes (FIPS). 'two-pass': by
 * CTR, and then hashed as ciphertext is on reading, which asks for nothing but the message's own IV of 12 bytes.
 */
export type GcmWay = 'one-pass' | 'two-pass'

export interface Secrets {
  readonly h: Element
  readonly hInverse: Element
  /** E(J0): masks the tag. */
  readonly mask: Element
}

export interface SealedPiece {
  readonly ciphertext: Uint8Array
  readonly state: Uint8Array
}

export interface GcmPieces {
  /** `into` has room for the piece and 16 bytes more. */
  seal(offset: number, plaintext: Uint8Array, into?: Uint8Array): Promise<SealedPiece>
  /**
   * The same for pieces that fill `plaintext`, off the main thread: where the runtime can, in one pass, and if each of
   * them begins with a block. The ciphertexts are in `into`, as long as all of them.
   */
  readonly sealApart?: (
    offset: number,
    lengths: readonly number[],
    plaintext: Uint8Array,
    into: Uint8Array,
    hash: boolean,
  ) => Promise<SealedPieces>
  /** CTR, in either direction; in `into`, which has room for it, where the piece begins with a block. */
  crypt(offset: number, data: Uint8Array, into?: Uint8Array): Promise<Uint8Array>
  /** GHASH of `data`, taken as AAD with no plaintext, and with the length block that `data` has as ciphertext. */
  ghash(data: Uint8Array): Promise<Element>
}

export interface GcmPiecesOptions {
  readonly aes: Aes
  /** 12 bytes. */
  readonly iv: Uint8Array
  readonly way: GcmWay
  readonly secrets: () => Promise<Secrets>
  /** Throws when the secrets were wiped, which may have been while the cipher was at work. */
  readonly checkAlive: () => void
}

const NOTHING = new Uint8Array(0)

/** Section 7.1 of SP 800-38D backwards: from a tag under `mask` to the hash with its length block added. */
function unmask(tag: Element, mask: Element, hInverse: Element): Element {
  return multiply(xor(tag, mask), hInverse)
}

export function gcmPieces({ aes, iv, way, secrets, checkAlive }: GcmPiecesOptions): GcmPieces {
  const ghash = async (data: Uint8Array): Promise<Element> => {
    const { hInverse, mask } = await secrets()
    const tag = await aes.gcmEncrypt(iv, data, NOTHING)
    checkAlive()
    // The length stands in the AAD's half; it is moved to the ciphertext's.
    const hashed = xor(unmask(fromBytes(tag), mask, hInverse), lengthBlock(data.length, data.length))
    tag.fill(0)
    return hashed
  }

  /** With `lead` bytes of zeros before the result. */
  const cryptWithLead = async (
    offset: number,
    lead: number,
    data: Uint8Array,
    into?: Uint8Array,
  ): Promise<Uint8Array> => {
    const input = withLead(lead, data)
    const room = lead === 0 ? into?.subarray(0, data.length) : undefined
    const output = await aes.ctr(counterBlock(iv, 2 + Math.floor(offset / 16)), input, room)
    if (lead > 0) input.fill(0)
    // Keystream of other bytes.
    output.fill(0, 0, lead)
    return output
  }

  const sealInTwoPasses = async (offset: number, plaintext: Uint8Array, into?: Uint8Array): Promise<SealedPiece> => {
    const lead = offset % 16
    const sealed = await cryptWithLead(offset, lead, plaintext)
    const state = toBytes(await ghash(sealed))
    return { ciphertext: moved(sealed.subarray(lead), into), state }
  }

  const sealInOnePass = async (offset: number, plaintext: Uint8Array, into?: Uint8Array): Promise<SealedPiece> => {
    const { h, hInverse } = await secrets()
    const start = counterBlock(iv, 1 + Math.floor(offset / 16))
    const mask = fromBytes(await aes.block(start))
    const lead = offset % 16
    const input = withLead(lead, plaintext)
    const length = input.length
    const room = lead === 0 ? into?.subarray(0, length + 16) : undefined
    const sealed = await aes.gcmEncrypt(ivFor(fromBytes(start), hInverse), NOTHING, input, room)
    checkAlive()
    let state = unmask(fromBytes(sealed, length), mask, hInverse)
    if (lead > 0) {
      input.fill(0)
      const dummies = fromBytes(sealed.subarray(0, lead))
      state = xor(state, multiply(dummies, power(h, blocks(length))))
    }
    // The leading dummies are keystream of other bytes, the tag is masked with it.
    sealed.fill(0, 0, lead)
    sealed.fill(0, length)
    const ciphertext = sealed.subarray(lead, length)
    return { ciphertext: room === undefined ? moved(ciphertext, into) : ciphertext, state: toBytes(state) }
  }

  const apart = way === 'one-pass' ? aes.gcmEncryptApart?.bind(aes) : undefined
  const sealApart = async (
    encrypt: NonNullable<Aes['gcmEncryptApart']>,
    offset: number,
    lengths: readonly number[],
    plaintext: Uint8Array,
    into: Uint8Array,
    hash: boolean,
  ): Promise<SealedPieces> => {
    const { hInverse } = await secrets()
    let at = offset
    const starts = lengths.map((length) => {
      if (at % 16 !== 0) throw configError('Pieces that are sealed apart begin with a block.')
      const start = counterBlock(iv, 1 + at / 16)
      at += length
      return start
    })
    const masks = await Promise.all(starts.map(async (start) => fromBytes(await aes.block(start))))
    const stretches = lengths.map((length, i) => ({ iv: ivFor(fromBytes(starts[i] as Uint8Array), hInverse), length }))
    const { tags, sha256 } = await encrypt(plaintext, stretches, into, hash)
    checkAlive()
    const states = tags.map((tag, i) => {
      const state = toBytes(unmask(fromBytes(tag), masks[i] as Element, hInverse))
      tag.fill(0)
      return state
    })
    return { states, sha256 }
  }

  return {
    seal: way === 'one-pass' ? sealInOnePass : sealInTwoPasses,
    ...(apart === undefined
      ? {}
      : {
          sealApart: (offset, lengths, plaintext, into, hash) =>
            sealApart(apart, offset, lengths, plaintext, into, hash),
        }),
    async crypt(offset, data, into) {
      const lead = offset % 16
      return (await cryptWithLead(offset, lead, data, into)).subarray(lead)
    },
    ghash,
  }
}

function moved(bytes: Uint8Array, into: Uint8Array | undefined): Uint8Array {
  if (into === undefined) return bytes
  into.set(bytes)
  return into.subarray(0, bytes.length)
}
