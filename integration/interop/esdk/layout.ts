const MESSAGE_ID = { 1: 16, 2: 32 } as const
const IV = 12
const TAG = 16
/** Sequence number, IV and tag; a final frame has a mark and a length besides. */
const FRAME_OVERHEAD = 4 + IV + TAG
const FINAL_OVERHEAD = FRAME_OVERHEAD + 8

type Span = readonly [start: number, end: number]

/** Where the fields of a framed message are, in bytes from its start. */
export interface Layout {
  readonly version: 1 | 2
  readonly messageId: Span
  readonly context: Span
  /** Ciphertext of the first one. */
  readonly encryptedDataKey: Span
  readonly frameLength: Span
  /** Commitment (version 2) or IV (version 1). */
  readonly authentication: Span
  readonly headerTag: Span
  readonly headerLength: number
  /** Those that are full. */
  readonly frames: readonly Span[]
  readonly finalFrame: Span
  /** Empty where nothing is signed. */
  readonly footer: Span
}

/** Reads a message that is whole, with another code than that of the library. */
export function layoutOf(bytes: Uint8Array, plaintextLength: number): Layout {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const version = view.getUint8(0)
  if (version !== 1 && version !== 2) throw new Error(`no message begins with ${version}`)
  let at = version === 1 ? 4 : 3
  const take = (length: number): Span => {
    const span = [at, at + length] as const
    at += length
    return span
  }
  const takeField = (): Span => take(view.getUint16(take(2)[0]))
  const messageId = take(MESSAGE_ID[version])
  const context = takeField()
  const keys = view.getUint16(take(2)[0])
  const ciphertexts = Array.from({ length: keys }, () => {
    takeField()
    takeField()
    return takeField()
  })
  const [encryptedDataKey] = ciphertexts
  if (encryptedDataKey === undefined) throw new Error('a message has no encrypted data key')
  take(version === 1 ? 6 : 1)
  const frameLength = take(4)
  const authentication = take(version === 1 ? IV : 32)
  const headerTag = take(TAG)
  const headerLength = at
  const length = view.getUint32(frameLength[0])
  const frames = Array.from({ length: Math.floor(plaintextLength / length) }, () => take(length + FRAME_OVERHEAD))
  // What the final frame has is what is left: a whole frame may be the final one.
  if (view.getUint32(at) !== 0xffffffff) throw new Error('the final frame is not where it should be')
  const finalFrame = take(FINAL_OVERHEAD + (plaintextLength % length))
  const fields = { version, messageId, context, encryptedDataKey, frameLength, authentication, headerTag } as const
  return { ...fields, headerLength, frames, finalFrame, footer: [at, bytes.length] }
}
