import { runtime } from '#runtime'
import { hkdfSha512 } from '../../crypto/hkdf.js'
import { FINAL_FRAME_OVERHEAD, FRAME_OVERHEAD } from './frames.js'
import { TAG_LENGTH } from './header.js'

const STATE_LENGTH = 16
const stateInfo = new TextEncoder().encode('s3-cse piece state v1')

/** What states of a message are made with: 64 bytes. Whoever gets it wipes it. */
export async function pieceStateKey(messageId: Uint8Array, key: Uint8Array): Promise<Uint8Array> {
  const hkdf = await hkdfSha512({ salt: messageId, inputKey: key })
  try {
    return await hkdf.expand(stateInfo, 64)
  } finally {
    hkdf.destroy()
  }
}

/**
 * The state of a piece (see `SealedPiece`): the tags of all its frames say what it is, since only equal frames under one
 * number have equal ones.
 */
export async function pieceState(
  stateKey: Uint8Array,
  frameLength: number,
  offset: number,
  sealed: Uint8Array,
  last: boolean,
): Promise<Uint8Array> {
  const ends = [...frameEnds(sealed.length, frameLength, last)]
  const text = new Uint8Array(16 + ends.length * TAG_LENGTH)
  const view = new DataView(text.buffer)
  view.setFloat64(0, offset)
  view.setFloat64(8, last ? -sealed.length : sealed.length)
  ends.forEach((end, index) => text.set(sealed.subarray(end - TAG_LENGTH, end), 16 + index * TAG_LENGTH))
  return (await runtime.hmac('SHA-512', stateKey, text)).slice(0, STATE_LENGTH)
}

function* frameEnds(length: number, frameLength: number, last: boolean): Generator<number> {
  const regular = frameLength + FRAME_OVERHEAD
  const count = Math.floor((length - (last ? FINAL_FRAME_OVERHEAD : 0)) / regular)
  for (let i = 1; i <= count; i++) yield i * regular
  if (last) yield length
}
