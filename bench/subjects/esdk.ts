/**
 * One pass over a message with frames of 64 KiB, suite 0478, in memory and out to nowhere. What comes in are views of
 * 64 KiB of one buffer that is larger than the processor's caches.
 */
import { createCipheriv, createDecipheriv, randomBytes, randomFillSync } from 'node:crypto'
import { once } from 'node:events'
import type { Duplex } from 'node:stream'
import {
  AlgorithmSuiteIdentifier,
  buildClient,
  CommitmentPolicy,
  RawAesKeyringNode,
  RawAesWrappingSuiteIdentifier,
} from '@aws-crypto/client-node'
import { peakMemory } from '../support/peak.js'
import { giveAnswer, receiveTask } from '../support/processes.js'
import { KIB, MIB } from '../support/units.js'
import type { ByteSource } from '../../src/runtime/runtime.js'

export type EsdkSide = 'raw' | 'frames' | 'streams' | 'aws'
export type EsdkOperation = 'encrypt' | 'decrypt'

export interface EsdkTask {
  readonly side: EsdkSide
  readonly operation: EsdkOperation
  /** Bytes of plaintext. */
  readonly size: number
}

export interface EsdkAnswer {
  readonly seconds: number
  /** User and system. */
  readonly cpuSeconds: number
  /** Bytes. */
  readonly peak: number
}

const FRAME = 64 * KIB
/** What is in memory; a longer message repeats it, and is decrypted as several messages. */
const DATA = 64 * MIB
const WARM_PASSES = 4
const CHUNK = 64 * KIB

/** Takes chunks, resolves with the length of what came out. */
type Pass = (chunks: Iterable<Uint8Array>, length: number) => Promise<number>

interface Side {
  encrypt: Pass
  /** A message that `decrypt` takes. */
  message: (plaintext: Uint8Array) => Promise<Uint8Array>
  decrypt: Pass
}

function* chunksOf(data: Uint8Array, length: number): Generator<Uint8Array, void> {
  for (let done = 0; done < length;) {
    const at = done % data.length
    const chunk = data.subarray(at, Math.min(at + CHUNK, data.length, at + length - done))
    done += chunk.length
    yield chunk
  }
}

/** One call of GCM a frame, with what has to be authenticated besides. */
function raw(): Side {
  const key = randomBytes(32)
  const iv = Buffer.alloc(12)
  const aad = randomBytes(70)
  const tagLength = 16
  const encryptFrame = (sequence: number, plaintext: Uint8Array): [Uint8Array, Uint8Array] => {
    iv.writeUInt32BE(sequence, 8)
    const cipher = createCipheriv('aes-256-gcm', key, iv)
    cipher.setAAD(aad)
    const sealed = cipher.update(plaintext)
    cipher.final()
    return [sealed, cipher.getAuthTag()]
  }
  return {
    async encrypt(chunks) {
      let [length, sequence] = [0, 0]
      for (const chunk of chunks) length += encryptFrame(++sequence, chunk)[0].length
      return length
    },
    async message(plaintext) {
      const frames = plaintext.length / FRAME
      const message = new Uint8Array(frames * (FRAME + tagLength))
      for (let i = 0; i < frames; i++) {
        const [sealed, tag] = encryptFrame(i + 1, plaintext.subarray(i * FRAME, (i + 1) * FRAME))
        message.set(sealed, i * (FRAME + tagLength))
        message.set(tag, i * (FRAME + tagLength) + FRAME)
      }
      return message
    },
    async decrypt(chunks) {
      // Whole frames, as they lie there.
      let [length, sequence] = [0, 0]
      for (const frame of chunks) {
        iv.writeUInt32BE(++sequence, 8)
        const decipher = createDecipheriv('aes-256-gcm', key, iv)
        decipher.setAAD(aad)
        decipher.setAuthTag(frame.subarray(FRAME))
        length += decipher.update(frame.subarray(0, FRAME)).length
        decipher.final()
      }
      return length
    },
  }
}

/** The module of the package by its place in src, as it was built. */
const built = (place: string): Promise<unknown> => import(new URL(`../../../../dist/${place}.js`, import.meta.url).href)

/** The library's own, as objects are written and read. */
async function frames(): Promise<Side> {
  type Built<M> = Promise<M>
  const { frameSealer } = await (built('formats/esdk/frame-sealer') as Built<
    typeof import('../../src/formats/esdk/frame-sealer.js')
  >)
  const { frameOpener } = await (built('formats/esdk/frame-opener') as Built<
    typeof import('../../src/formats/esdk/frame-opener.js')
  >)
  const { sealedSource } = await (built('message/sealed-source') as Built<
    typeof import('../../src/message/sealed-source.js')
  >)
  const { streamedRead } = await (built('message/streamed-read') as Built<
    typeof import('../../src/message/streamed-read.js')
  >)
  const { resources } = await (built('bytes/resources') as Built<typeof import('../../src/bytes/resources.js')>)
  const { runtime } = await (built('runtime/node') as Built<typeof import('../../src/runtime/node.js')>)
  const key = randomBytes(32)
  const messageId = randomBytes(32)
  const header = randomBytes(300)
  const sealer = async (): ReturnType<typeof frameSealer> =>
    frameSealer({ aes: await runtime.aes(key), key, messageId, frameLength: FRAME, header })
  const sourceOf = (chunks: Iterable<Uint8Array>): ByteSource => {
    const iterator = chunks[Symbol.iterator]()
    return {
      async next() {
        const step = iterator.next()
        return step.done === true ? undefined : step.value
      },
      cancel: () => undefined,
    }
  }
  const drained = async (source: ByteSource): Promise<number> => {
    let length = 0
    for (let chunk = await source.next(); chunk !== undefined; chunk = await source.next()) length += chunk.length
    return length
  }
  return {
    encrypt: async (chunks, length) =>
      drained(sealedSource({ sealer: await sealer(), plaintext: sourceOf(chunks), length })),
    message: async (plaintext) => (await sealer()).sealWhole(plaintext),
    async decrypt(chunks, sealedLength) {
      const opener = frameOpener({
        aes: await runtime.aes(key),
        header: { messageId, frameLength: FRAME, length: header.length },
        impossible: () => new Error('no message has that length'),
      })
      return drained(streamedRead({ opener, upstream: sourceOf(chunks), sealedLength, resources: resources() }))
    },
  }
}

/** The library's own without S3. */
async function streams(): Promise<Side> {
  type Esdk = typeof import('../../src/esdk.js')
  const { decryptStream, encrypt, encryptStream } = (await built('esdk')) as Esdk
  const { aesKeyring } = (await built('index')) as typeof import('../../src/index.js')
  const keyring = aesKeyring({ wrappingKey: randomBytes(32), keyNamespace: 'bench', keyName: 'bench' })
  const drained = async (chunks: AsyncIterable<Uint8Array>): Promise<number> => {
    let length = 0
    for await (const chunk of chunks) length += chunk.length
    return length
  }
  return {
    encrypt: (chunks) => drained(encryptStream(chunks, { keyring })),
    message: async (plaintext) => (await encrypt(plaintext, { keyring })).message,
    decrypt: (chunks) => drained(decryptStream(chunks, { keyring })),
  }
}

/** @aws-crypto/client-node, fed as fast as it takes it. */
function aws(): Side {
  const { encrypt, encryptStream, decryptStream } = buildClient(CommitmentPolicy.REQUIRE_ENCRYPT_REQUIRE_DECRYPT)
  const keyring = new RawAesKeyringNode({
    keyName: 'bench',
    keyNamespace: 'bench',
    unencryptedMasterKey: new Uint8Array(randomBytes(32)),
    wrappingSuite: RawAesWrappingSuiteIdentifier.AES256_GCM_IV12_TAG16_NO_PADDING,
  })
  const options = {
    suiteId: AlgorithmSuiteIdentifier.ALG_AES256_GCM_IV12_TAG16_HKDF_SHA512_COMMIT_KEY,
    frameLength: FRAME,
  }
  const through = async (stream: Duplex, chunks: Iterable<Uint8Array>): Promise<number> => {
    let length = 0
    stream.on('data', (chunk: Uint8Array) => (length += chunk.length))
    const ended = once(stream, 'end')
    for (const chunk of chunks) if (!stream.write(chunk)) await once(stream, 'drain')
    stream.end()
    await ended
    return length
  }
  return {
    encrypt: (chunks) => through(encryptStream(keyring, options), chunks),
    message: async (plaintext) => (await encrypt(keyring, plaintext, options)).result,
    decrypt: (chunks) => through(decryptStream(keyring), chunks),
  }
}

const SIDES: Readonly<Record<EsdkSide, () => Side | Promise<Side>>> = { raw, frames, streams, aws }

const { side, operation, size } = await receiveTask<EsdkTask>()
const { encrypt, message, decrypt } = await SIDES[side]()
const data = new Uint8Array(DATA)
randomFillSync(data)
let pass: () => Promise<number>
let warm: () => Promise<number>
if (operation === 'encrypt') {
  pass = () => encrypt(chunksOf(data, size), size)
  warm = () => encrypt(chunksOf(data, DATA), DATA)
} else {
  const sealed = await message(data)
  // Of the bare cipher a chunk is a frame; all others have to find their frames.
  const rawFrames = function* (): Generator<Uint8Array, void> {
    for (let at = 0; at < sealed.length; at += FRAME + 16) yield sealed.subarray(at, at + FRAME + 16)
  }
  warm = () => decrypt(side === 'raw' ? rawFrames() : chunksOf(sealed, sealed.length), sealed.length)
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
giveAnswer({ seconds, cpuSeconds: (user + system) / 1e6, peak: peakMemory() } satisfies EsdkAnswer)
