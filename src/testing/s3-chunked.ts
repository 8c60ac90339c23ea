/**
 * Decoder for the `aws-chunked` content encoding, which lies inside the body (HTTP's own chunked transfer encoding is
 * another layer, removed by Node). Amazon S3 API reference, "Signature Calculations for the Authorization Header:
 * Transferring a Payload in Multiple Chunks (Chunked Upload)" and "Including Trailing Headers".
 */
import { S3Error } from './s3-error.js'

/** Called in the order of the body; each may throw to reject it. */
export interface ChunkEvents {
  /** A chunk begins; the final one has size 0. */
  start(size: number, signature: string | undefined): void
  data(bytes: Uint8Array): void
  /** All of a chunk has been given. */
  end(): void
  /** The final chunk and its trailers are complete. */
  trailers(trailers: readonly (readonly [string, string])[], signature: string | undefined): void
}

export interface ChunkDecoder {
  readonly push: (bytes: Uint8Array) => void
  /** The body is over: IncompleteBody unless everything was there. */
  finish(): void
}

const MINIMUM_CHUNK = 8192
const MAXIMUM_LINE = 4096
const CR = 13
const LF = 10

type State = 'size' | 'data' | 'data-end' | 'trailers' | 'done'

export function chunkDecoder(events: ChunkEvents): ChunkDecoder {
  let state: State = 'size'
  let line: number[] = []
  let remaining = 0
  let chunks = 0
  /** The size of a chunk that is only allowed if no data follows it. */
  let small: number | undefined
  const trailers: [string, string][] = []
  let trailerSignature: string | undefined

  const onSize = (text: string): void => {
    const found = /^([0-9a-f]{1,13})(?:;chunk-signature=([0-9a-f]{64}))?$/i.exec(text)
    if (found === null) throw new S3Error('IncompleteBody', 'The header of an aws-chunked chunk is malformed.')
    remaining = parseInt(found[1] ?? '', 16)
    chunks++
    if (small !== undefined && remaining > 0) {
      throw new S3Error('InvalidChunkSizeError', undefined, { details: { Chunk: chunks - 1, BadChunkSize: small } })
    }
    if (remaining < MINIMUM_CHUNK) small = remaining
    events.start(remaining, found[2]?.toLowerCase())
    if (remaining === 0) events.end()
    state = remaining === 0 ? 'trailers' : 'data'
  }
  const onTrailer = (text: string): void => {
    if (text === '') {
      events.trailers(trailers, trailerSignature)
      state = 'done'
      return
    }
    const colon = text.indexOf(':')
    const name = text.slice(0, colon).trim().toLowerCase()
    const value = text.slice(colon + 1).trim()
    if (name === 'x-amz-trailer-signature') trailerSignature = value
    else trailers.push([name, value])
  }
  const onLine = (text: string): void => {
    if (state === 'size') onSize(text)
    else if (state === 'trailers') onTrailer(text)
    else if (text === '') state = 'size'
    else throw new S3Error('IncompleteBody', 'An aws-chunked chunk is longer than its header says.')
  }
  const readLine = (bytes: Uint8Array, from: number): number => {
    for (let at = from; at < bytes.length; at++) {
      const byte = bytes[at] ?? 0
      if (byte !== LF || line.at(-1) !== CR) {
        if (line.push(byte) > MAXIMUM_LINE)
          throw new S3Error('IncompleteBody', 'A line of an aws-chunked body is too long.')
        continue
      }
      const text = Buffer.from(line.slice(0, -1)).toString('latin1')
      line = []
      onLine(text)
      return at + 1
    }
    return bytes.length
  }
  return {
    push(bytes) {
      let at = 0
      while (at < bytes.length) {
        if (state === 'done') throw new S3Error('IncompleteBody', 'Data follows the end of the aws-chunked body.')
        if (state !== 'data') {
          at = readLine(bytes, at)
          continue
        }
        const part = bytes.subarray(at, at + remaining)
        at += part.length
        remaining -= part.length
        events.data(part)
        if (remaining > 0) continue
        events.end()
        state = 'data-end'
      }
    },
    finish() {
      if (state !== 'done') throw new S3Error('IncompleteBody')
    },
  }
}
