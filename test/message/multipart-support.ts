/** Parts of a message without S3: sealed, kept as S3 would keep them, and put together. */
import assert from 'node:assert/strict'
import { createCipheriv } from 'node:crypto'

import { runtime } from '#runtime'
import { concat, sourceOfBytes } from '../../src/bytes/body.js'
import { cbcSealer } from '../../src/crypto/cbc-message.js'
import { gcmSealer } from '../../src/crypto/gcm-message.js'
import { multipart } from '../../src/message/multipart.js'
import type { Ending, Multipart, MultipartOptions, StoredVersion } from '../../src/message/multipart.js'
import { isPositional } from '../../src/message/sealer.js'
import type { PositionalSealer } from '../../src/message/sealer.js'
import type { ByteSource } from '../../src/runtime/runtime.js'
import { oneShotCbc } from '../crypto/cbc-helpers.js'
import { framedSealer } from './framed.js'

const key = new Uint8Array(32).fill(3)
const iv = new Uint8Array(12).fill(9)

/** A kind of message, and the whole of it in one piece. */
export interface Kind {
  readonly name: string
  readonly alignment: number
  sealer(): Promise<PositionalSealer>
  whole(plaintext: Uint8Array): Uint8Array
}

function gcm(name: string, aad: Uint8Array): Kind {
  return {
    name,
    alignment: 1,
    async sealer() {
      const sealer = await gcmSealer({ aes: await runtime.aes(key), iv, aad, key })
      assert.ok(isPositional(sealer))
      return sealer
    },
    whole(plaintext) {
      const cipher = createCipheriv('aes-256-gcm', key, iv).setAAD(aad)
      return Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()])
    },
  }
}

export const v2: Kind = gcm('V2', new Uint8Array(0))
export const v3: Kind = gcm('V3', Uint8Array.of(0, 0x73))
export const framed: Kind = {
  name: 'framed',
  alignment: 1000,
  sealer: async () => framedSealer(),
  whole: (plaintext) => framedSealer().sealWhole(plaintext) as Uint8Array,
}
function cbc(bits: 128 | 192 | 256): Kind {
  const own = new Uint8Array(bits / 8).fill(7)
  const block = new Uint8Array(16).fill(8)
  return {
    name: `CBC-${bits}`,
    alignment: 16,
    async sealer() {
      const sealer = cbcSealer({ aes: await runtime.aes(own), iv: block, key: own })
      assert.ok(isPositional(sealer))
      return sealer
    },
    whole: (plaintext) => oneShotCbc(own, block, plaintext),
  }
}

/** Those that are sealed in order. */
export const orderedKinds: readonly [Kind, Kind, Kind] = [cbc(256), cbc(128), cbc(192)]
export const kinds: readonly Kind[] = [v2, v3, framed]

/** Parts of one upload. */
export interface Parts {
  readonly m: Multipart
  /** As they were stored last. */
  readonly stored: Map<number, Uint8Array>
  /** How they were stored last. */
  readonly versions: Map<number, StoredVersion>
  /** Seals a part and stores it. */
  readonly send: (number: number, body: Uint8Array, how?: How) => Promise<Uint8Array>
  /** Seals without storing, as the request does before anything leaves. */
  readonly seal: (number: number, body: Uint8Array, how?: How) => Promise<Uint8Array>
  /** Completes the upload: what S3 would have of it. */
  readonly complete: (count: number) => Promise<Uint8Array>
}

export interface How {
  /** In place of the bytes at once: as a stream in chunks of this length. */
  readonly chunk?: number
  /** In place of the body, as a stream. */
  readonly source?: ByteSource
  readonly signal?: AbortSignal
  /** Whether the answer is lost. */
  readonly lost?: boolean
}

export async function drain(source: ByteSource): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  for (let chunk = await source.next(); chunk !== undefined; chunk = await source.next()) chunks.push(chunk)
  return Buffer.concat(chunks)
}

export async function partsOf(kind: Kind | PositionalSealer, options: Partial<MultipartOptions> = {}): Promise<Parts> {
  const sealer = 'whole' in kind ? await kind.sealer() : kind
  const m = multipart({
    sealer,
    partSize: undefined,
    maxWait: 10_000,
    worker: false,
    abortError: () => Object.assign(new Error('aborted'), { name: 'AbortError' }),
    save: undefined,
    ...options,
  })
  const stored = new Map<number, Uint8Array>()
  const versions = new Map<number, StoredVersion>()

  async function attempt(number: number, body: Uint8Array, how: How): Promise<Uint8Array> {
    const { chunk, signal } = how
    const source = how.source ?? (chunk === undefined ? undefined : sourceOfBytes(body, chunk))
    const attempt = m.begin(number, body.length, source === undefined ? 'bytes' : 'stream')
    try {
      const length = await attempt.place(signal)
      const sealed =
        source === undefined
          ? await attempt.sealBytes(body)
          : await drain(
              attempt.sealStream(
                source,
                () => undefined,
                async () => undefined,
              ),
            )
      assert.equal(sealed.length, length, `part ${number}`)
      if (how.lost !== true) versions.set(number, attempt.stored())
      return Uint8Array.from(sealed)
    } finally {
      attempt.end()
    }
  }
  const send = async (number: number, body: Uint8Array, how: How = {}): Promise<Uint8Array> => {
    const sealed = await attempt(number, body, how)
    stored.set(number, sealed)
    return sealed
  }
  return {
    m,
    stored,
    versions,
    send,
    seal: (number, body, how = {}) => attempt(number, body, { ...how, lost: true }),
    async complete(count) {
      const { send, sealedLength } = await m.finish(numbersTo(count))
      const all = put(stored, send)
      assert.equal(all.length, sealedLength)
      return all
    },
  }
}

export const numbersTo = (count: number): number[] => Array.from({ length: count }, (_, index) => index + 1)

/** The object that S3 would make of the parts. */
export function put(stored: ReadonlyMap<number, Uint8Array>, send: Ending['send']): Buffer {
  const all = new Map(stored)
  if (send !== undefined) {
    assert.equal(send.replaces, all.has(send.number))
    all.set(send.number, send.body)
  }
  return Buffer.concat([...all].sort(([a], [b]) => a - b).map(([, body]) => body))
}

/** The plaintext in parts of these lengths. */
export function split(plaintext: Uint8Array, lengths: readonly number[]): Uint8Array[] {
  let at = 0
  return lengths.map((length) => plaintext.subarray(at, (at += length)))
}

export const join = (parts: readonly Uint8Array[]): Uint8Array =>
  concat(
    parts,
    parts.reduce((sum, { length }) => sum + length, 0),
  )
