import { concat, joined } from '../bytes/body.js'
import { gatherer } from '../bytes/gather.js'
import { CseError } from '../errors.js'
import type { ByteSource } from '../runtime/runtime.js'
import { partSlice, sealedPartLength, sliceCount } from './part-slices.js'
import type { PartExtent } from './part-slices.js'
import type { PositionalSealer } from './sealer.js'

/** Room that `sealPiece` needs behind a piece, in bytes. */
const SCRATCH_LENGTH = 16

export interface PartSealing {
  readonly sealer: PositionalSealer
  readonly part: number
  /** Of the plaintext of this part, in bytes. */
  readonly length: number
  readonly extent: PartExtent
  /** The end of the part before, as far as it belongs to this one. */
  readonly lead: Uint8Array
  /**
   * All slices at once, off the main thread, in `into`, as long as all of them; resolves with their SHA-256 if that is
   * wanted. Absent where that cannot be.
   */
  readonly all:
    ((plaintext: Uint8Array, into: Uint8Array, hash: boolean) => Promise<Uint8Array | undefined>) | undefined
  /** Seals a slice, or seals it again and compares. */
  slice(index: number, plaintext: Uint8Array, into: Uint8Array | undefined): Promise<Uint8Array>
  /** Puts on record what was sealed so far. */
  record(): Promise<void>
  /** Gets what leads the next part. */
  tail(bytes: Uint8Array): Promise<void>
  /** What follows the last slice; empty where the trailer does not go with this part. */
  trailer(): Promise<Uint8Array>
}

export async function sealPartBytes({
  sealer,
  extent,
  lead,
  plaintext: body,
  buffer,
  hashed,
  ...sealing
}: PartSealing & {
  readonly plaintext: Uint8Array
  readonly buffer: ((length: number) => Uint8Array) | undefined
  readonly hashed: ((sha256: Uint8Array) => void) | undefined
}): Promise<Uint8Array> {
  const plaintext = lead.length === 0 ? body : concat([lead, body], lead.length + body.length)
  const length = sealedPartLength(sealer, extent)
  const room = length + Math.max(SCRATCH_LENGTH, sealer.trailerLength)
  const output = buffer?.(room) ?? new Uint8Array(room)
  await sealing.tail(plaintext.subarray(extent.end - extent.start))
  let at = 0
  if (extent.start === 0) {
    output.set(sealer.header)
    at = sealer.header.length
  }
  const sealable = plaintext.subarray(0, extent.end - extent.start)
  let sha256: Uint8Array | undefined
  if (sealing.all !== undefined) {
    sha256 = await sealing.all(sealable, output.subarray(at, at + sealable.length), hashed !== undefined && at === 0)
    at += sealable.length
  } else {
    for (let index = 0; index < sliceCount(sealer, extent); index++) {
      const { start, end } = partSlice(sealer, extent, index)
      const piece = sealable.subarray(start - extent.start, end - extent.start)
      const sealed = await sealing.slice(index, piece, output.subarray(at, room))
      if (sealed.buffer !== output.buffer) output.set(sealed, at)
      at += sealed.length
    }
  }
  await sealing.record()
  const trailer = await sealing.trailer()
  output.set(trailer, at)
  if (sha256 !== undefined && trailer.length === 0) hashed?.(sha256)
  return output.subarray(0, at + trailer.length)
}

function lengthError(part: number, found: string, length: number): CseError {
  return new CseError(
    'ERR_S3CSE_BODY_LENGTH',
    `The body of part ${part} is ${found} than its declared length of ${length} bytes; the part was not stored. Send the part again with the same bytes.`,
  )
}

export function sealPartStream({
  sealer,
  part,
  length,
  extent,
  lead,
  plaintext,
  observe,
  finish,
  ended,
  ...sealing
}: PartSealing & {
  readonly plaintext: ByteSource
  readonly observe: (chunk: Uint8Array) => void
  /** Runs when the source has ended where it should, before the last bytes are given out. */
  readonly finish: () => Promise<void>
  /** Nothing is sealed any more, however it went. */
  readonly ended: () => void
}): ByteSource {
  const count = sliceCount(sealer, extent)
  const pending = gatherer()
  if (lead.length > 0) pending.push(Uint8Array.from(lead))
  let index = 0
  let received = 0
  let sourceEnded = false
  let stopped: Error | undefined
  /** The next slice is being sealed: another attempt has to wait for that, but not for the source. */
  let busy = false

  const checkStopped = (): void => {
    if (stopped !== undefined) throw stopped
  }

  async function pull(): Promise<void> {
    const chunk = await plaintext.next()
    checkStopped()
    if (chunk === undefined) {
      if (received < length) throw lengthError(part, 'shorter', length)
      sourceEnded = true
      await finish()
      checkStopped()
      return
    }
    received += chunk.length
    if (received > length) throw lengthError(part, 'longer', length)
    observe(chunk)
    pending.push(chunk)
  }

  async function seal(piece: Uint8Array, final: boolean): Promise<Uint8Array> {
    if (final) await sealing.tail(pending.take(pending.length))
    const pieces = [await sealing.slice(index, piece, undefined)]
    if (index === 0 && extent.start === 0) pieces.unshift(sealer.header)
    await sealing.record()
    if (final) pieces.push(await sealing.trailer())
    index++
    return joined(...pieces)
  }

  return {
    async next() {
      if (stopped !== undefined || index === count) return undefined
      try {
        const { start, end } = partSlice(sealer, extent, index)
        const final = index === count - 1
        // The last slice waits for the end of the source, which must come where it was announced.
        while (pending.length < end - start || (final && !sourceEnded)) await pull()
        busy = true
        return await seal(pending.take(end - start), final)
      } catch (error) {
        stopped ??= error as Error
        throw error
      } finally {
        busy = false
        if (stopped !== undefined || index === count) ended()
      }
    },
    cancel(error) {
      if (stopped !== undefined || index === count) return
      stopped = error ?? new Error(`The body of part ${part} was cancelled.`)
      plaintext.cancel(error)
      if (!busy) ended()
    },
  }
}
