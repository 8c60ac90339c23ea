/** Looks for pieces of a file in a stream, at every place. */
import { open } from 'node:fs/promises'
import type { Readable } from 'node:stream'

const BLOCK_BYTES = 16
const MAX_SAMPLES = 1000
/** Blocks with fewer different bytes (zeros, padding) say little. */
const MIN_DIFFERENT_BYTES = 8
const START_BYTES = 24

/** Different blocks of 16 bytes, as Latin-1, from places spread evenly over the file. */
export async function sampleBlocks(file: string, size: number): Promise<ReadonlySet<string>> {
  const samples = new Set<string>()
  const handle = await open(file)
  try {
    const count = Math.min(MAX_SAMPLES, Math.floor(size / BLOCK_BYTES))
    for (let i = 0; i < count; i++) {
      const place = Math.floor((i * (size - BLOCK_BYTES)) / Math.max(1, count - 1))
      const { buffer } = await handle.read(Buffer.alloc(BLOCK_BYTES), 0, BLOCK_BYTES, place)
      if (new Set(buffer).size >= MIN_DIFFERENT_BYTES) samples.add(buffer.toString('latin1'))
    }
  } finally {
    await handle.close()
  }
  return samples
}

export interface SearchResult {
  /** How many of the samples occur. */
  readonly found: number
  /** The first bytes of the stream. */
  readonly start: Uint8Array
}

/** Reads a stream to its end, and counts which of the samples occur in it, at whatever offset. */
export async function search(stream: Readable, samples: ReadonlySet<string>): Promise<SearchResult> {
  const begins = firstThreeBytes(samples)
  const found = new Set<string>()
  const startParts: Buffer[] = []
  let position = 0
  let rest = Buffer.alloc(0)
  for await (const item of stream) {
    const chunk = item as Buffer
    if (position < START_BYTES) startParts.push(chunk)
    position += chunk.length
    // A block may begin in one chunk and end in the next.
    const data = Buffer.concat([rest, chunk])
    for (let at = 0; at + BLOCK_BYTES <= data.length; at++) {
      const first = (data[at] as number) | ((data[at + 1] as number) << 8) | ((data[at + 2] as number) << 16)
      if (((begins[first >> 3] as number) & (1 << (first & 7))) === 0) continue
      const block = data.toString('latin1', at, at + BLOCK_BYTES)
      if (samples.has(block)) found.add(block)
    }
    rest = data.subarray(Math.max(0, data.length - BLOCK_BYTES + 1))
  }
  return { found: found.size, start: Buffer.concat(startParts).subarray(0, START_BYTES) }
}

/** One bit for each value that three bytes can have: most places are ruled out by it. */
function firstThreeBytes(samples: ReadonlySet<string>): Uint8Array {
  const bits = new Uint8Array(2 ** 21)
  for (const sample of samples) {
    const value = sample.charCodeAt(0) | (sample.charCodeAt(1) << 8) | (sample.charCodeAt(2) << 16)
    bits[value >> 3] = (bits[value >> 3] as number) | (1 << (value & 7))
  }
  return bits
}
