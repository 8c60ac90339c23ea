import assert from 'node:assert/strict'
import { setTimeout as wait } from 'node:timers/promises'

import type { Keyring } from '../../src/index.js'
import { x25519Keyring } from '../../src/crypt4gh.js'
import { publicKey, secretKey } from '../support/crypt4gh-vectors.js'

/** Plaintext in a segment, and the same as it is stored, in bytes. */
export const S = 65536
export const SEALED: number = S + 28

export const alice: Keyring = x25519Keyring({ secretKey: secretKey('alice') })
export const bob: Keyring = x25519Keyring({ secretKey: secretKey('bob') })
export const both: Keyring = x25519Keyring({ recipients: [publicKey('alice'), publicKey('bob')] })

export async function all(chunks: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  for await (const chunk of chunks) parts.push(chunk)
  return Uint8Array.from(Buffer.concat(parts))
}

/** In pieces, in a buffer that is overwritten when the next one is asked for. */
export function* pieces(bytes: Uint8Array, length: number): Generator<Uint8Array, void> {
  const buffer = new Uint8Array(Math.min(length, bytes.length))
  for (let at = 0; at < bytes.length; at += length) {
    const part = bytes.subarray(at, at + length)
    buffer.set(part)
    yield buffer.subarray(0, part.length)
    buffer.fill(0xff)
  }
}

export const same = (found: Uint8Array, expected: Uint8Array, what: string): void => {
  assert.equal(found.length, expected.length, `${what}: length`)
  assert.equal(Buffer.compare(found, expected), 0, what)
}

/** What is kept of a plaintext, by the letter of the specification. */
export function keptOf(plaintext: Uint8Array, editList: readonly (bigint | number)[]): Uint8Array {
  const kept: Uint8Array[] = []
  let at = 0
  editList.forEach((given, index) => {
    const end = at + Number(given)
    if (index % 2 === 1) kept.push(plaintext.subarray(at, end))
    at = end
  })
  if (editList.length % 2 === 1) kept.push(plaintext.subarray(at))
  return Uint8Array.from(Buffer.concat(kept))
}

/** Where the stored segments of a message are. */
export function segmentsOf(message: Uint8Array, headerLength: number): Uint8Array[] {
  const segments: Uint8Array[] = []
  for (let at = headerLength; at < message.length; at += SEALED) segments.push(message.slice(at, at + SEALED))
  return segments
}

/** A source that remembers what was read of it. */
export function watched(bytes: Uint8Array): {
  readonly length: number
  readonly reads: (readonly [number, number])[]
  read(offset: number, into: Uint8Array): Promise<void>
} {
  const reads: (readonly [number, number])[] = []
  return {
    length: bytes.length,
    reads,
    async read(offset, into) {
      reads.push([offset, offset + into.length])
      into.set(bytes.subarray(offset, offset + into.length))
    },
  }
}

export interface Input {
  readonly chunks: AsyncGenerator<Uint8Array, void>
  read: number
  returned: boolean
}

/** Chunks of 10,000 bytes; at the one with that number it fails, or waits for ever. */
export function input(
  bytes: Uint8Array,
  { fails = Infinity, hangs = Infinity }: { readonly fails?: number; readonly hangs?: number } = {},
): Input {
  const state = { read: 0, returned: false }
  async function* chunks(): AsyncGenerator<Uint8Array, void> {
    try {
      for (let at = 0; at < bytes.length; at += 10_000) {
        if (state.read === fails) throw new Error('the input failed')
        if (state.read === hangs) await new Promise(() => undefined)
        state.read++
        yield bytes.slice(at, at + 10_000)
      }
    } finally {
      state.returned = true
    }
  }
  return Object.assign(state, { chunks: chunks() })
}

/** Until what was begun is done. */
export async function settled(): Promise<void> {
  await wait(0)
  await new Promise((resolve) => setImmediate(resolve))
}
