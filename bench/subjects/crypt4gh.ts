/**
 * One pass over a Crypt4GH message in memory and out to nowhere. What comes in are views of one buffer that is larger than
 * the processor's caches.
 */
import { createCipheriv, createDecipheriv, randomBytes, randomFillSync } from 'node:crypto'
import { peakMemory } from '../support/peak.js'
import { giveAnswer, receiveTask } from '../support/processes.js'
import { KIB, MIB } from '../support/units.js'

export type Crypt4ghSide = 'raw' | 'streams' | 'large chunks'
export type Crypt4ghOperation = 'encrypt' | 'decrypt'

export interface Crypt4ghTask {
  readonly side: Crypt4ghSide
  readonly operation: Crypt4ghOperation
  /** Bytes of plaintext. */
  readonly size: number
}

export interface Crypt4ghAnswer {
  readonly seconds: number
  /** User and system. */
  readonly cpuSeconds: number
  /** Bytes. */
  readonly peak: number
}

const SEGMENT = 64 * KIB
const [NONCE, TAG] = [12, 16]
const SEALED = NONCE + SEGMENT + TAG
/** What is in memory; a longer message repeats it, and is decrypted as several messages. */
const DATA = 64 * MIB
const WARM_PASSES = 4

/** Resolves with the length of what came out. */
type Pass = (chunks: Iterable<Uint8Array>) => Promise<number>

interface Side {
  /** Bytes of a chunk that goes in: of plaintext, and of a message. */
  readonly chunk: readonly [plaintext: number, message: number]
  readonly encrypt: Pass
  /** A message that `decrypt` takes. */
  readonly message: (plaintext: Uint8Array) => Promise<Uint8Array>
  readonly decrypt: Pass
}

function* chunksOf(data: Uint8Array, length: number, most: number): Generator<Uint8Array, void> {
  for (let done = 0; done < length;) {
    const at = done % data.length
    const chunk = data.subarray(at, Math.min(at + most, data.length, at + length - done))
    done += chunk.length
    yield chunk
  }
}

/** One call of the cipher a segment, and a nonce for it. */
function raw(): Side {
  const key = randomBytes(32)
  const options = { authTagLength: TAG }
  const encryptSegment = (plaintext: Uint8Array): readonly [Uint8Array, Uint8Array, Uint8Array] => {
    const nonce = randomBytes(NONCE)
    const cipher = createCipheriv('chacha20-poly1305', key, nonce, options)
    const sealed = cipher.update(plaintext)
    cipher.final()
    return [nonce, sealed, cipher.getAuthTag()]
  }
  return {
    chunk: [SEGMENT, SEALED],
    async encrypt(chunks) {
      let length = 0
      for (const chunk of chunks) length += encryptSegment(chunk)[1].length
      return length
    },
    async message(plaintext) {
      const message = new Uint8Array((plaintext.length / SEGMENT) * SEALED)
      let at = 0
      for (const chunk of chunksOf(plaintext, plaintext.length, SEGMENT)) {
        for (const part of encryptSegment(chunk)) {
          message.set(part, at)
          at += part.length
        }
      }
      return message
    },
    async decrypt(chunks) {
      // Whole segments, as they lie there.
      let length = 0
      for (const sealed of chunks) {
        const decipher = createDecipheriv('chacha20-poly1305', key, sealed.subarray(0, NONCE), options)
        decipher.setAuthTag(sealed.subarray(-TAG))
        length += decipher.update(sealed.subarray(NONCE, -TAG)).length
        decipher.final()
      }
      return length
    },
  }
}

/** The library's own, as it was built. Ends of chunks and of segments fall together in what is encrypted only. */
async function streams(chunk: number): Promise<Side> {
  type Library = typeof import('../../src/crypt4gh.js')
  const built = new URL('../../../../dist/crypt4gh.js', import.meta.url).href
  const { decryptStream, encrypt, encryptStream, generateKeyPair, x25519Keyring } = (await import(built)) as Library
  const keyring = x25519Keyring({ secretKey: await generateKeyPair() })
  const drained = async (chunks: AsyncIterable<Uint8Array>): Promise<number> => {
    let length = 0
    for await (const each of chunks) length += each.length
    return length
  }
  return {
    chunk: [chunk, chunk],
    encrypt: (chunks) => drained(encryptStream(chunks, { keyring })),
    message: async (plaintext) => (await encrypt(plaintext, { keyring })).message,
    decrypt: (chunks) => drained(decryptStream(chunks, { keyring })),
  }
}

const SIDES: Readonly<Record<Crypt4ghSide, () => Side | Promise<Side>>> = {
  raw,
  streams: () => streams(64 * KIB),
  'large chunks': () => streams(MIB),
}

const { side, operation, size } = await receiveTask<Crypt4ghTask>()
const { encrypt, message, decrypt, chunk } = await SIDES[side]()
const data = new Uint8Array(DATA)
randomFillSync(data)
let pass: () => Promise<number>
let warm: () => Promise<number>
if (operation === 'encrypt') {
  pass = () => encrypt(chunksOf(data, size, chunk[0]))
  warm = () => encrypt(chunksOf(data, DATA, chunk[0]))
} else {
  const sealed = await message(data)
  warm = () => decrypt(chunksOf(sealed, sealed.length, chunk[1]))
  pass = async () => {
    let length = 0
    for (let done = 0; done < size; done += DATA) length += await warm()
    return length
  }
}
// A process that has just begun costs up to twice as much for a while.
for (let i = 0; i < WARM_PASSES; i++) await warm()
const before = process.cpuUsage()
const start = performance.now()
const length = await pass()
const seconds = (performance.now() - start) / 1000
const { user, system } = process.cpuUsage(before)
if (length < size) throw new Error(`${length} bytes came out for ${size}`)
giveAnswer({ seconds, cpuSeconds: (user + system) / 1e6, peak: peakMemory() } satisfies Crypt4ghAnswer)
