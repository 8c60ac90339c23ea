/** A large body that is made as it is read, or at once, and recognised as it comes back, at little cost. */
import { randomBytes } from 'node:crypto'
import { Readable } from 'node:stream'

/** As much as a file stream gives at once. */
const BLOCK_BYTES = 64 * 1024
const COUNTER_BYTES = 8

/** Random bytes, of which each block of 64 KiB begins with its number, so that no two are equal. */
export interface Pattern {
  readonly size: number
  readonly block: Buffer
}

/** From a seed, so that two processes can have the same pattern. */
export function pattern(size: number, seed: Uint8Array = newSeed()): Pattern {
  return { size, block: Buffer.from(seed) }
}

export function newSeed(): Buffer {
  return randomBytes(BLOCK_BYTES)
}

/** Each chunk is a new buffer, as from a file or a socket. `observe` sees it before it is given out. */
export function generate({ size, block }: Pattern, observe?: (chunk: Buffer) => void): Readable {
  let position = 0
  return new Readable({
    highWaterMark: BLOCK_BYTES,
    read() {
      if (position >= size) {
        this.push(null)
        return
      }
      const chunk = Buffer.allocUnsafeSlow(Math.min(BLOCK_BYTES, size - position))
      block.copy(chunk)
      if (chunk.length >= COUNTER_BYTES) chunk.writeDoubleBE(position)
      position += chunk.length
      observe?.(chunk)
      this.push(chunk)
    },
  })
}

/** All of it in memory. */
export function inMemory({ size, block }: Pattern): Buffer {
  const bytes = Buffer.allocUnsafeSlow(size)
  for (let at = 0; at < size; at += BLOCK_BYTES) {
    block.copy(bytes, at)
    if (size - at >= COUNTER_BYTES) bytes.writeDoubleBE(at, at)
  }
  return bytes
}

/** Reads to the end; rejects unless it is the pattern, to the byte. */
export async function consume(stream: Readable, { size, block }: Pattern): Promise<void> {
  const expected = Buffer.from(block)
  let position = 0
  for await (const item of stream) {
    const chunk = item as Buffer
    for (let at = 0; at < chunk.length;) {
      const place = position % BLOCK_BYTES
      const start = position - place
      if (size - start >= COUNTER_BYTES) expected.writeDoubleBE(start)
      else block.copy(expected)
      const length = Math.min(BLOCK_BYTES - place, chunk.length - at)
      if (chunk.compare(expected, place, place + length, at, at + length) !== 0) {
        throw new Error(`what came back differs between bytes ${position} and ${position + length}`)
      }
      at += length
      position += length
    }
  }
  if (position !== size) throw new Error(`${position} bytes came back instead of ${size}`)
}
