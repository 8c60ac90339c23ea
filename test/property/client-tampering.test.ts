import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import fc from 'fast-check'

import { CseError } from '../../src/errors.js'
import { bodyOf, Bucket, get, put, world } from '../support/world.js'
import { kinds, writer } from '../support/s3ec-kinds.js'
import { bytesOf, modes } from './support.js'
import type { Outcome } from './support.js'

/** The same promises as for the pipeline, with fewer runs, through a client and over HTTP. */

const w = await world()
const plaintexts = [0, 1, 16, 100, 70_000].map((length) => bytesOf(length, length))
const options = {
  'in memory': {},
  spooled: { maxBufferedBytes: 0 },
  'read twice': { maxBufferedBytes: 0, spool: false as const },
  delayed: { delayedAuthentication: true },
}

const objects = await Promise.all(
  kinds.flatMap((kind) =>
    plaintexts.map(async (plaintext, index) => {
      const settings = writer(kind)
      const key = `${kind.version} ${kind.algorithm} ${index}`
      await put(w.client(settings), key, plaintext)
      return { kind, plaintext, stored: await w.stored(key) }
    }),
  ),
)
const readers = new Map(
  kinds.map((kind) => [
    kind,
    Object.fromEntries(modes.map((mode) => [mode, w.client({ ...writer(kind), ...options[mode] })])),
  ]),
)

async function read(kind: (typeof kinds)[number], mode: (typeof modes)[number]): Promise<Outcome> {
  const chunks: Buffer[] = []
  let error: unknown
  try {
    for await (const chunk of bodyOf(await get(readers.get(kind)![mode]!, 'changed'))) chunks.push(chunk as Buffer)
  } catch (reason) {
    error = reason
  }
  return { released: Buffer.concat(chunks), chunks: chunks.map(({ length }) => length), error }
}

const cases = fc.record({ object: fc.constantFrom(...objects), mode: fc.constantFrom(...modes), place: fc.nat() })

describe('through the client', () => {
  it('any bit flipped in the body, any truncation and extension is an error', async () => {
    const edits = fc.constantFrom<(body: Buffer, place: number) => Buffer>(
      (body, place) => {
        body[(place >> 3) % body.length]! ^= 1 << (place & 7)
        return body
      },
      (body, place) => body.subarray(0, place % body.length),
      (body, place) => body.subarray(1 + (place % body.length)),
      (body, place) => Buffer.concat([body, body.subarray(0, 1 + (place % body.length))]),
      (body, place) => Buffer.concat([Buffer.alloc(1 + (place % 40)), body]),
    )
    const property = fc.asyncProperty(cases, edits, async ({ object, mode, place }, edit) => {
      const { kind, stored } = object
      const body = edit(Buffer.from(stored.body), place)
      await w.s3.put(Bucket, 'changed', { body, metadata: stored.metadata })
      const { released, error } = await read(kind, mode)
      assert.ok(error instanceof CseError, mode)
      assert.equal(error.code, body.length < 16 ? 'ERR_S3CSE_ENVELOPE_INVALID' : 'ERR_S3CSE_DECRYPTION_FAILED')
      if (mode !== 'delayed') assert.equal(released.length, 0)
    })
    await fc.assert(property, { numRuns: 150 })
  })

  it('any bit flipped in the envelope is an error, or the same plaintext where nothing authenticates it', async () => {
    const property = fc.asyncProperty(cases, fc.nat(), async ({ object, mode, place }, which) => {
      const { kind, plaintext, stored } = object
      const keys = Object.keys(stored.metadata)
      const key = keys[which % keys.length]!
      const bytes = Buffer.from(stored.metadata[key]!, 'latin1')
      bytes[(place >> 3) % bytes.length]! ^= 1 << (place & 7)
      await w.s3.put(Bucket, 'changed', {
        body: stored.body,
        metadata: { ...stored.metadata, [key]: bytes.toString('latin1') },
      })
      const { released, error } = await read(kind, mode)
      if (error === undefined) {
        assert.ok(kind.unauthenticated.includes(key), `${key} was changed, and the object was read`)
        assert.ok(released.equals(plaintext))
        return
      }
      assert.ok(error instanceof CseError, mode)
      if (mode !== 'delayed') assert.equal(released.length, 0)
    })
    await fc.assert(property, { numRuns: 200 })
  })
})
