import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { describe, it } from 'node:test'

import fc from 'fast-check'

import { referenceOpen } from '../support/s3ec-reference.js'
import { testKeyring } from '../support/test-keyring.js'
import { get, put, world } from '../support/world.js'
import { bytesOf, chunkings, cut, lengths, modes, open, policies, seal } from './support.js'

const w = await world()
const versions = fc.constantFrom('V2' as const, 'V3' as const)
const seeds = fc.nat()

describe('what comes back is what went in', () => {
  it('any bytes in any chunks, through the pipeline in every mode', async () => {
    const property = fc.asyncProperty(
      fc.record({ length: lengths, seed: seeds, given: chunkings, stored: chunkings, version: versions }),
      async ({ length, seed, given, stored, version }) => {
        const plaintext = bytesOf(seed, length)
        const dataKey = bytesOf(seed + 1, 32)
        const settings = { keyring: testKeyring({ dataKey }), commitmentPolicy: policies[version] }
        const object = await seal(settings, plaintext, given)
        assert.equal(object.body.length, length + 16)
        assert.ok(object.chunks.slice(0, -1).every((size) => size >= 65_536))
        assert.ok(length === 0 || (object.chunks.at(-1) ?? 0) > 16)
        const nonce = Buffer.from(object.metadata[version === 'V2' ? 'x-amz-iv' : 'x-amz-i']!, 'base64')
        assert.ok(plaintext.equals(referenceOpen({ version, dataKey, nonce }, object.body)))
        for (const mode of modes) {
          const { released, error } = await open(settings, object, { mode, chunking: stored })
          assert.equal(error, undefined, mode)
          assert.ok(released.equals(plaintext), mode)
        }
      },
    )
    await fc.assert(property, { numRuns: 150 })
  })

  const clients = Object.entries(policies).map(([version, commitmentPolicy]) => ({
    version,
    writer: w.client({ commitmentPolicy }),
    readers: [
      w.client({ commitmentPolicy }),
      w.client({ commitmentPolicy, maxBufferedBytes: 0 }),
      w.client({ commitmentPolicy, maxBufferedBytes: 0, spool: false }),
      w.client({ commitmentPolicy, delayedAuthentication: true }),
    ],
  }))

  type Make = (bytes: Buffer, chunking: readonly number[]) => { body: unknown; more?: object }
  async function* asynchronous(bytes: Buffer, chunking: readonly number[]) {
    yield* cut(bytes, chunking)
  }
  const kinds: Readonly<Record<string, Make>> = {
    Buffer: (bytes) => ({ body: bytes }),
    view: (bytes) => ({ body: new Uint8Array(Buffer.concat([Buffer.alloc(3), bytes])).subarray(3) }),
    ArrayBuffer: (bytes) => ({ body: new Uint8Array(bytes).buffer }),
    Blob: (bytes, chunking) => ({ body: new Blob([...cut(bytes, chunking)] as Uint8Array<ArrayBuffer>[]) }),
    Readable: (bytes, chunking) => ({
      body: Readable.from(cut(bytes, chunking), { objectMode: false }),
      more: { ContentLength: bytes.length },
    }),
    'Readable of unknown length': (bytes, chunking) => ({ body: Readable.from(cut(bytes, chunking)) }),
    ReadableStream: (bytes, chunking) => ({
      body: Readable.toWeb(Readable.from(asynchronous(bytes, chunking))),
      more: { ContentLength: bytes.length },
    }),
    'async iterable': (bytes, chunking) => ({ body: asynchronous(bytes, chunking) }),
  }

  it('any kind of body through the client, in every mode', async () => {
    const property = fc.asyncProperty(
      fc.record({
        length: lengths,
        seed: seeds,
        chunking: chunkings,
        client: fc.constantFrom(...clients),
        kind: fc.constantFrom(...Object.keys(kinds)),
      }),
      async ({ length, seed, chunking, client, kind }) => {
        const plaintext = bytesOf(seed, length)
        const { body, more } = kinds[kind]!(plaintext, chunking)
        await put(client.writer, 'object', body, more)
        for (const reader of client.readers) {
          const output = await get(reader, 'object')
          assert.equal(output.ContentLength, length)
          assert.ok(plaintext.equals(await output.Body!.transformToByteArray()))
        }
      },
    )
    await fc.assert(property, { numRuns: 60 })
  })
})
