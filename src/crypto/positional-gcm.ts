/**
 * One AES-GCM message (NIST SP 800-38D) in pieces, in any order and in parallel, on the runtime's one-shot cipher.
 *
 * With an IV that is not 12 bytes long GCM starts from J0' = GHASH(IV padded ‖ length), which has an inverse, so there
 * is an IV that starts it at any block of the message. What the tag of such a call hides is GHASH over that stretch, and
 * GHASH is linear: the stretches' hashes join into the message's. Symbols are the standard's.
 */

import { configError, type CseError } from '../errors.js'
import type { Aes } from '../runtime/runtime.js'
import { blocks, checkExtent, checkIv, counterBlock, lengthBlock, messageClosed, withLead } from './gcm-blocks.js'
import { gcmPieces, type GcmPieces, type GcmWay, type SealedPiece, type Secrets } from './gcm-pieces.js'
import { element, fromBytes, inverse, isZero, multiply, power, toBytes, xor, type Element } from './field.js'
import { runs, type Run } from './runs.js'

export interface GcmMessage {
  readonly aes: Aes
  /** 12 bytes. */
  readonly iv: Uint8Array
  /** Any length. */
  readonly aad: Uint8Array
}

export interface PositionalGcmOptions extends GcmMessage {
  /** Of sealing. Default 'one-pass'. */
  readonly way?: GcmWay
}

/**
 * Offsets and lengths count bytes of the message, and need no alignment. A *state* is the GHASH of one piece of
 * ciphertext with its length: 16 bytes that are secret (with the ciphertext they give the authentication key), and
 * equal only for equal pieces at one offset.
 */
export interface PositionalGcm {
  /** Each byte is sealed once: an overlap with what was sealed or joined is refused (ERR_S3CSE_CONFIG). Joins nothing. */
  seal(offset: number, plaintext: Uint8Array, into?: Uint8Array): Promise<SealedPiece>
  /** The same for pieces one behind the other, each of which begins with a block: see `GcmPieces.sealApart`. */
  readonly sealApart?: GcmPieces['sealApart']
  /**
   * The same, whether the bytes were sealed before or not, also after the tag. The ciphertext may leave the process
   * only if its state is that of the piece that stands there.
   */
  sealAgain(offset: number, plaintext: Uint8Array, into?: Uint8Array): Promise<SealedPiece>
  /** The state of a piece of ciphertext, without decrypting it. Joins nothing. */
  hash(offset: number, ciphertext: Uint8Array): Promise<Uint8Array>
  /** Decrypts without authenticating (CTR). */
  open(offset: number, ciphertext: Uint8Array, into?: Uint8Array): Promise<Uint8Array>
  /** Takes a piece into the tag, in any order, each byte once. */
  join(offset: number, length: number, state: Uint8Array): Promise<void>
  /** Whether the joined pieces are exactly [0, length). */
  covers(length: number): boolean
  /** After every piece was joined. A message has one tag: no piece may follow, and no other length. */
  tag(length: number): Promise<Uint8Array>
  /** Wipes what was derived from the key, not the Aes. Idempotent; every later call fails. */
  destroy(): void
}

/** Nothing is computed before the first call that needs it. */
export function positionalGcm(options: PositionalGcmOptions): PositionalGcm {
  const { aes, iv: givenIv, aad: givenAad, way = 'one-pass' } = options
  checkIv(givenIv)
  const iv = Uint8Array.from(givenIv)
  const aad = Uint8Array.from(givenAad)
  let destroyed = false
  let secrets: Promise<Secrets> | undefined
  let ready: Secrets | undefined
  let lastPower = { exponent: -1, value: element() }
  let tagged: { readonly length: number; readonly tag: Promise<Uint8Array> } | undefined
  const claimed = runs<undefined>(() => undefined)
  const joined = runs<Element>((left, right) => {
    const y = xor(multiply(left.value, powerOfH(left, right)), right.value)
    left.value.fill(0)
    right.value.fill(0)
    return y
  })

  const checkAlive = (): void => {
    if (destroyed) throw messageClosed()
  }
  const checkGrowing = (): void => {
    checkAlive()
    if (tagged !== undefined) throw configError('The message has its tag: no piece may be added any more.')
  }
  const prepared = (): Promise<Secrets> => (secrets ??= prepare())
  const pieces = gcmPieces({ aes, iv, way, secrets: prepared, checkAlive })
  const prepare = async (): Promise<Secrets> => {
    const h = fromBytes(await aes.block(new Uint8Array(16)))
    const mask = fromBytes(await aes.block(counterBlock(iv, 1)))
    checkAlive()
    // GHASH under H = 0 authenticates nothing.
    if (isZero(h)) throw configError('This AES key cannot be used with GCM.')
    ready = { h, hInverse: inverse(h), mask }
    return ready
  }
  const powerOfH = (left: { readonly end: number }, right: { readonly end: number }): Element => {
    const exponent = blocks(right.end) - blocks(left.end)
    if (exponent !== lastPower.exponent) {
      lastPower.value.fill(0)
      // join() prepares first.
      lastPower = { exponent, value: power((ready as Secrets).h, exponent) }
    }
    return lastPower.value
  }
  const computeTag = async (length: number): Promise<Uint8Array> => {
    const { h, mask } = await prepared()
    const start = aad.length === 0 ? element() : xor(await pieces.ghash(aad), lengthBlock(0, aad.length))
    checkAlive()
    const y = xor(multiply(start, power(h, blocks(length))), joined.list[0]?.value ?? element())
    return toBytes(xor(multiply(xor(y, lengthBlock(aad.length, length)), h), mask))
  }

  /** Before anything is awaited: of two calls for one place the second must not get to the cipher. */
  const claim = (offset: number, length: number): void => {
    checkGrowing()
    checkExtent(offset, length)
    const end = offset + length
    if (length > 0 && (joined.overlaps(offset, end) || !claimed.add(offset, end, undefined))) throw twice(offset, end)
  }
  const { sealApart } = pieces

  return {
    async seal(offset, plaintext, into) {
      claim(offset, plaintext.length)
      if (plaintext.length === 0) return { ciphertext: new Uint8Array(0), state: new Uint8Array(16) }
      return pieces.seal(offset, plaintext, into)
    },
    ...(sealApart === undefined
      ? {}
      : {
          async sealApart(offset, lengths, plaintext, into, hash) {
            claim(offset, plaintext.length)
            return sealApart(offset, lengths, plaintext, into, hash)
          },
        }),
    async sealAgain(offset, plaintext, into) {
      checkAlive()
      checkExtent(offset, plaintext.length)
      if (plaintext.length === 0) return { ciphertext: new Uint8Array(0), state: new Uint8Array(16) }
      return pieces.seal(offset, plaintext, into)
    },
    async hash(offset, ciphertext) {
      checkAlive()
      checkExtent(offset, ciphertext.length)
      if (ciphertext.length === 0) return new Uint8Array(16)
      return toBytes(await pieces.ghash(withLead(offset % 16, ciphertext)))
    },
    async open(offset, ciphertext, into) {
      checkAlive()
      checkExtent(offset, ciphertext.length)
      if (ciphertext.length === 0) return new Uint8Array(0)
      return pieces.crypt(offset, ciphertext, into)
    },
    async join(offset, length, state) {
      checkGrowing()
      checkExtent(offset, length)
      if (length === 0) return
      await prepared()
      checkGrowing()
      const y = xor(fromBytes(state), lengthBlock(0, (offset % 16) + length))
      if (!joined.add(offset, offset + length, y)) throw twice(offset, offset + length)
    },
    covers: (length) => covers(joined.list, length),
    async tag(length) {
      checkAlive()
      checkExtent(0, length)
      if (tagged === undefined) {
        // Also what was sealed and never joined: it would be missing from the message.
        if (!covers(joined.list, length) || (claimed.list.at(-1)?.end ?? 0) > length) {
          throw configError(`The pieces of the message do not cover its ${length} bytes exactly.`)
        }
        tagged = { length, tag: computeTag(length) }
      }
      if (tagged.length !== length) throw configError(`The message has ${tagged.length} bytes, not ${length}.`)
      return Uint8Array.from(await tagged.tag)
    },
    destroy() {
      destroyed = true
      const { h, hInverse, mask } = ready ?? {}
      for (const secret of [h, hInverse, mask, lastPower.value]) secret?.fill(0)
      for (const { value } of joined.list) value.fill(0)
      tagged?.tag.then(
        (tag) => tag.fill(0),
        () => undefined,
      )
    },
  }
}

function twice(start: number, end: number): CseError {
  return configError(`The bytes from ${start} to ${end} of the message overlap what was given before.`)
}

function covers(list: readonly Run<unknown>[], length: number): boolean {
  const [run] = list
  if (run === undefined) return length === 0
  return list.length === 1 && run.start === 0 && run.end === length
}
