import { runtime } from '#runtime'
import { createHash } from 'node:crypto'

import fc from 'fast-check'

import { budget } from '../../src/bytes/budget.js'
import { resources } from '../../src/bytes/resources.js'
import { s3ec } from '../../src/formats/s3ec/s3ec.js'
import type { CommitmentPolicy } from '../../src/formats/format.js'
import { sealedSource } from '../../src/message/sealed-source.js'
import { streamedRead } from '../../src/message/streamed-read.js'
import { verifiedRead } from '../../src/message/verified-read.js'
import type { ByteSource } from '../../src/runtime/runtime.js'
import { type Settings, type Stored, object, writesV3 } from '../support/s3ec-objects.js'

/** Messages through the whole pipeline, but without a client and a server: fast enough for many runs. */

const format = s3ec()
const KIB = 1024
const MIB = 1024 * KIB

/** Where blocks, pieces, buffers and slices end. */
const boundaries = [0, 16, 4 * KIB, 8 * KIB, 64 * KIB, 128 * KIB, 192 * KIB, 300 * KIB]
const around = (points: number[]) =>
  fc.tuple(fc.constantFrom(...points), fc.integer({ min: -17, max: 17 })).map(([at, by]) => Math.max(0, at + by))

/** Of a body, in bytes: 0 to 300 KiB, and now and then around one slice. */
export const lengths: fc.Arbitrary<number> = fc.oneof(
  { weight: 10, arbitrary: around(boundaries) },
  { weight: 5, arbitrary: fc.integer({ min: 0, max: 200 }) },
  { weight: 5, arbitrary: fc.integer({ min: 0, max: 300 * KIB }) },
  { weight: 1, arbitrary: around([MIB]) },
)

export const shortLengths: fc.Arbitrary<number> = fc.oneof(
  { weight: 10, arbitrary: fc.integer({ min: 0, max: 200 }) },
  { weight: 2, arbitrary: around([64 * KIB]) },
  { weight: 1, arbitrary: around([MIB, 2 * MIB]) },
)

/** Lengths of chunks, used over and over. */
export const chunkings: fc.Arbitrary<readonly number[]> = fc.array(
  fc.oneof(fc.integer({ min: 0, max: 40 }), around([64 * KIB]), fc.integer({ min: 1, max: 400 * KIB })),
  { minLength: 1, maxLength: 6 },
)

/** Bytes that depend on the seed at every place. */
export function bytesOf(seed: number, length: number): Buffer {
  return createHash('shake128', { outputLength: Math.max(1, length) })
    .update(String(seed))
    .digest()
    .subarray(0, length)
}

/** At most some hundred chunks; empty ones among them. */
export function* cut(bytes: Uint8Array, chunking: readonly number[]): Generator<Uint8Array, void> {
  let at = 0
  for (let count = 0; at < bytes.length; count++) {
    const length = count < 200 ? (chunking[count % chunking.length] ?? 1) : bytes.length
    // A copy: whoever gets a chunk may work in it, or keep it.
    yield Uint8Array.from(bytes.subarray(at, at + length))
    at += length
  }
}

export function sourceOf(chunks: Iterable<Uint8Array>): ByteSource {
  const iterator = chunks[Symbol.iterator]()
  let cancelled = false
  return {
    async next() {
      for (;;) {
        const result: IteratorResult<Uint8Array, unknown> = cancelled
          ? { done: true, value: undefined }
          : iterator.next()
        if (result.done === true) return undefined
        if (result.value.length > 0) return result.value
      }
    },
    cancel() {
      cancelled = true
    },
  }
}

export interface Outcome {
  readonly released: Buffer
  readonly chunks: readonly number[]
  readonly error: unknown
}

async function drain(source: ByteSource): Promise<Outcome> {
  const chunks: Uint8Array[] = []
  let error: unknown
  try {
    for (let chunk = await source.next(); chunk !== undefined; chunk = await source.next()) chunks.push(chunk.slice())
  } catch (reason) {
    error = reason
  }
  return { released: Buffer.concat(chunks), chunks: chunks.map(({ length }) => length), error }
}

function complete({ keyring, commitmentPolicy = writesV3, encryptionContext = {} }: Settings): Required<Settings> {
  return { keyring, commitmentPolicy, encryptionContext }
}

/** Seals as PutObject does for a stream. */
export async function seal(
  settings: Settings,
  plaintext: Uint8Array,
  chunking: readonly number[],
): Promise<Stored & { readonly chunks: readonly number[] }> {
  const { sealer, metadata } = await format.seal(complete(settings))
  const sealed = sealedSource({ sealer, plaintext: sourceOf(cut(plaintext, chunking)), length: plaintext.length })
  const { released, chunks, error } = await drain(sealed)
  sealed.cancel()
  if (error !== undefined) throw error as Error
  return { metadata, body: released, chunks }
}

/** Every way in which plaintext is released. */
export type Mode = 'in memory' | 'spooled' | 'read twice' | 'delayed'
export const modes: readonly Mode[] = ['in memory', 'spooled', 'read twice', 'delayed']
export const policies: Readonly<Record<'V2' | 'V3', CommitmentPolicy>> = {
  V2: 'FORBID_ENCRYPT_ALLOW_DECRYPT',
  V3: 'REQUIRE_ENCRYPT_REQUIRE_DECRYPT',
}

/** Reads as GetObject does. `sealedLength`: what the response says, if that is not what it has. */
export async function open(
  settings: Settings,
  { metadata, body }: Stored,
  { mode, chunking, sealedLength = body.length }: { mode: Mode; chunking: readonly number[]; sealedLength?: number },
): Promise<Outcome> {
  const source = (): ByteSource => sourceOf(cut(body, chunking))
  const held = resources()
  try {
    const envelope = format.recognise(metadata, object)
    if (envelope === undefined) throw new Error('no envelope')
    envelope.plaintextLength(sealedLength)
    const opener = await envelope.open({ ...complete(settings), object })
    held.hold(() => opener.destroy())
    const read = { opener, upstream: source(), sealedLength, resources: held }
    if (mode === 'delayed') return await drain(streamedRead(read))
    const { createSpool } = runtime
    const verified = verifiedRead({
      ...read,
      memory: budget(mode === 'in memory' ? Infinity : 0),
      disk: budget(Infinity),
      createSpool: mode === 'spooled' && createSpool !== undefined ? () => createSpool(undefined) : undefined,
      reread: async () => source(),
    })
    return await drain(verified)
  } catch (error) {
    return { released: Buffer.alloc(0), chunks: [], error }
  } finally {
    held.release()
  }
}
