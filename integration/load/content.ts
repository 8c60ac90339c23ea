import { createCipheriv, createHash } from 'node:crypto'
import { Readable } from 'node:stream'

/** What an object holds: as many bytes of a keystream that its name determines. */
export interface Content {
  /** Unique for the write. */
  readonly name: string
  /** Bytes. */
  readonly size: number
}

const BLOCK = 16
const CHUNK = 64 * 1024
const ZEROES = Buffer.alloc(CHUNK)

/** The bytes from `offset` (multiples of any size), as many as are asked for, one piece after another. */
export function bytesOf(content: Content, offset = 0): (length: number) => Buffer {
  const key = createHash('sha256').update(content.name).digest()
  const counter = Buffer.alloc(BLOCK)
  counter.writeUInt32BE(Math.floor(offset / BLOCK), BLOCK - 4)
  const cipher = createCipheriv('aes-256-ctr', key, counter)
  cipher.update(ZEROES.subarray(0, offset % BLOCK))
  return (length) => cipher.update(length <= CHUNK ? ZEROES.subarray(0, length) : Buffer.alloc(length))
}

export function inMemory(content: Content): Buffer {
  return bytesOf(content)(content.size)
}

export function generated(content: Content): Readable {
  const next = bytesOf(content)
  let rest = content.size
  return new Readable({
    highWaterMark: CHUNK,
    read() {
      const length = Math.min(CHUNK, rest)
      rest -= length
      this.push(length === 0 ? null : next(length))
    },
  })
}

/** What is read, held against all that it may be. */
export interface Comparison {
  push(chunk: Uint8Array): void
  /** What it was, or undefined if it was none of them. */
  end(): Content | undefined
}

/** `start` and `end` (exclusive): only that part of each is read. */
export function compare(contents: Iterable<Content>, start = 0, end: number = Infinity): Comparison {
  let length = 0
  const left = new Map([...contents].map((content) => [content, bytesOf(content, start)]))
  return {
    push(chunk) {
      length += chunk.length
      for (const [content, next] of left) {
        const tooLong = length > Math.min(content.size, end) - start
        if (tooLong || !next(chunk.length).equals(chunk)) left.delete(content)
      }
    },
    end: () => [...left.keys()].find(({ size }) => length === Math.min(size, end) - start),
  }
}

/** A number from 0 up to 1 that the text determines. */
export function chance(text: string): number {
  return createHash('sha256').update(text).digest().readUInt32BE(0) / 2 ** 32
}
