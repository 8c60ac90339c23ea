import { runtime } from '#runtime'
import { configError, CseError, DecryptionError } from '../errors.js'
import type { Opener } from '../message/opener.js'
import { checkedIv, checkPlace } from './cbc-blocks.js'
import type { CbcMessage } from './cbc-blocks.js'
import { messageClosed } from './gcm-blocks.js'
import { BLOCK_LENGTH, paddingLength } from './pkcs7.js'
import { runs } from './runs.js'

export interface CbcOpenerOptions extends CbcMessage {
  /** Of the states of pieces; copied. Default: 32 random bytes. */
  readonly stateKey?: Uint8Array
}

const STATE_LENGTH = 16

/** The block with the padding, and the one that it is chained to. */
const END_LENGTH: number = 2 * BLOCK_LENGTH

/** The end of a piece that was hashed. */
interface PieceEnd {
  readonly end: number
  readonly state: Uint8Array
  /** The last 32 bytes of the piece, or all that it has. */
  readonly bytes: Uint8Array
  joined: boolean
}

/**
 * Reads one AES-CBC message (NIST SP 800-38A section 6.2) with the padding of PKCS #7 (RFC 5652 section 6.3). Owns the
 * Aes from now on. Nothing authenticates such a message: `verify` checks the padding, and that it is that of the pieces
 * that were absorbed. All failures are one DecryptionError.
 *
 * `open` continues where it ended the call before, or begins at 0. Elsewhere the first block of the piece gives no
 * plaintext: what follows it is chained to it (see `extent`). So pieces are opened in order, and not by several at a time.
 */
export function cbcOpener(options: CbcOpenerOptions): Opener {
  const { aes } = options
  const iv = checkedIv(options.iv)
  const stateKey = options.stateKey === undefined ? runtime.randomBytes(32) : Uint8Array.from(options.stateKey)
  const taken = runs<undefined>(() => undefined)
  let ends: PieceEnd[] = []
  let opened: { readonly end: number; readonly block: Uint8Array } = { end: 0, block: iv }
  let destroyed = false

  const checkAlive = (): void => {
    if (destroyed) throw messageClosed()
  }
  /** For sealed bytes that end with the message. */
  async function unpadded(before: Uint8Array, sealed: Uint8Array): Promise<Uint8Array> {
    if (sealed.length === 0 || sealed.length % BLOCK_LENGTH !== 0) throw new DecryptionError()
    const padded = await aes.cbcDecrypt(before, sealed)
    const padding = paddingLength(padded.subarray(-BLOCK_LENGTH))
    if (padding > 0) return padded.subarray(0, padded.length - padding)
    padded.fill(0)
    throw new DecryptionError()
  }
  /** The last two blocks of a message lie in the two pieces that end last. */
  function remember(end: number, state: Uint8Array, sealed: Uint8Array): void {
    if (ends.some((one) => one.end === end && runtime.equal(one.state, state))) return
    ends.push({ end, state: Uint8Array.from(state), bytes: sealed.slice(-END_LENGTH), joined: false })
    const [last = 0, beforeLast = last] = [...new Set(ends.map((one) => one.end))].sort((a, b) => b - a)
    ends = ends.filter((one) => one.end >= beforeLast)
  }
  async function stateOf(sealedOffset: number, sealed: Uint8Array): Promise<Uint8Array> {
    checkAlive()
    checkPlace(sealedOffset, sealed.length)
    const place = new Uint8Array(8)
    new DataView(place.buffer).setBigUint64(0, BigInt(sealedOffset))
    // A key for each place saves a copy of the piece.
    const placeKey = await runtime.hmac('SHA-512', stateKey, place)
    const state = (await runtime.hmac('SHA-512', placeKey, sealed)).slice(0, STATE_LENGTH)
    placeKey.fill(0)
    checkAlive()
    return state
  }
  async function hash(sealedOffset: number, sealed: Uint8Array): Promise<Uint8Array> {
    const state = await stateOf(sealedOffset, sealed)
    if (sealed.length > 0) remember(sealedOffset + sealed.length, state, sealed)
    return state
  }
  function join(sealedOffset: number, length: number, state: Uint8Array): void {
    checkAlive()
    checkPlace(sealedOffset, length)
    if (length === 0) return
    const end = sealedOffset + length
    if (!taken.add(sealedOffset, end, undefined)) {
      throw configError(`The bytes from ${sealedOffset} to ${end} of the message overlap what was given before.`)
    }
    const found = ends.find((one) => one.end === end && runtime.equal(one.state, state))
    if (found !== undefined) found.joined = true
  }
  const joinedEnd = (end: number): Uint8Array | undefined =>
    ends.find((one) => one.joined && one.end === end)?.bytes.subarray(-END_LENGTH)
  const covers = (length: number): boolean => {
    const [run] = taken.list
    return taken.list.length === 1 && run?.start === 0 && run.end === length
  }
  /** Length of the padding at the end of the message. `end`: its last bytes, two blocks or all that it has. */
  async function paddingAt(sealedLength: number, end: Uint8Array): Promise<number> {
    checkAlive()
    const length = Math.min(sealedLength, END_LENGTH)
    if (!Number.isSafeInteger(sealedLength) || sealedLength % BLOCK_LENGTH !== 0 || end.length !== length) {
      throw new DecryptionError()
    }
    const before = length === END_LENGTH ? end.subarray(0, BLOCK_LENGTH) : iv
    const rest = await unpadded(before, end.subarray(-BLOCK_LENGTH))
    const padding = BLOCK_LENGTH - rest.length
    rest.fill(0)
    return padding
  }

  return {
    headerLength: 0,
    trailerLength: 0,
    authentication: 'none',
    alignment: BLOCK_LENGTH,
    endLength: END_LENGTH,
    plaintextLength(sealedLength) {
      // Also of a length that no message has: that fails as everything else does, after the key was used.
      if (Number.isSafeInteger(sealedLength) && sealedLength >= 0) return undefined
      throw new CseError('ERR_S3CSE_ENVELOPE_INVALID', `No message has a stored length of ${sealedLength} bytes.`)
    },
    plaintextLengthFrom: async (sealedLength, end) => sealedLength - (await paddingAt(sealedLength, end)),
    extent(start, end) {
      const block = start - (start % BLOCK_LENGTH)
      const from = Math.max(0, block - BLOCK_LENGTH)
      // Before the first block stands the IV, so that it gives plaintext wherever it is opened.
      return { start: from, end: Math.ceil(end / BLOCK_LENGTH) * BLOCK_LENGTH, offset: from === 0 ? 0 : block }
    },
    async openWhole(sealed) {
      checkAlive()
      return unpadded(iv, sealed)
    },
    async open(sealedOffset, sealed, last) {
      checkAlive()
      checkPlace(sealedOffset, sealed.length)
      if (sealedOffset % BLOCK_LENGTH !== 0 || sealed.length % BLOCK_LENGTH !== 0) throw new DecryptionError()
      if (sealed.length === 0 && !last) return new Uint8Array(0)
      const known = sealedOffset === 0 ? iv : sealedOffset === opened.end ? opened.block : undefined
      const before = known ?? sealed.slice(0, BLOCK_LENGTH)
      const wanted = known === undefined ? sealed.subarray(BLOCK_LENGTH) : sealed
      if (sealed.length > 0) opened = { end: sealedOffset + sealed.length, block: sealed.slice(-BLOCK_LENGTH) }
      if (last) return unpadded(before, wanted)
      return wanted.length === 0 ? wanted : aes.cbcDecrypt(before, wanted)
    },
    async absorb(sealedOffset, sealed) {
      const state = await hash(sealedOffset, sealed)
      join(sealedOffset, sealed.length, state)
      return state
    },
    hash,
    join,
    async matches(state, sealedOffset, sealed) {
      const found = await stateOf(sealedOffset, sealed)
      const equal = runtime.equal(state, found)
      found.fill(0)
      return equal
    },
    async verify(sealedLength) {
      checkAlive()
      const last = covers(sealedLength) ? joinedEnd(sealedLength) : undefined
      if (last === undefined) throw new DecryptionError()
      const whole = last.length >= Math.min(sealedLength, END_LENGTH)
      const before = whole ? new Uint8Array(0) : joinedEnd(sealedLength - last.length)?.subarray(-BLOCK_LENGTH)
      if (before === undefined) throw new DecryptionError()
      const end = new Uint8Array(before.length + last.length)
      end.set(before)
      end.set(last, before.length)
      await paddingAt(sealedLength, end)
    },
    destroy() {
      destroyed = true
      stateKey.fill(0)
      for (const { state } of ends) state.fill(0)
      aes.destroy()
    },
  }
}
