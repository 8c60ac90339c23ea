import assert from 'node:assert/strict'
import { createReadStream } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { Readable } from 'node:stream'
import { bytesOf, code, exists, holds, MIB, put } from './support-objects.js'
import { check } from './support.js'

/** In chunks of `size` bytes. */
function* chunks(bytes: Uint8Array, size: number): Generator<Uint8Array> {
  for (let start = 0; start < bytes.length; start += size) yield bytes.subarray(start, start + size)
}
const readable = (bytes: Uint8Array, size: number): Readable =>
  Readable.from(chunks(bytes, size), { objectMode: false })
const webStream = (bytes: Uint8Array, size: number): ReadableStream<Uint8Array> =>
  Readable.toWeb(readable(bytes, size)) as ReadableStream<Uint8Array>
async function* iterable(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  yield* chunks(bytes, size)
}

/** Bodies, and whether their length is said beside them. */
const KINDS: Readonly<Record<string, [make: (bytes: Buffer<ArrayBuffer>) => unknown, lengthIsSaid: boolean]>> = {
  Uint8Array: [(bytes) => new Uint8Array(bytes), false],
  ArrayBuffer: [(bytes) => new Uint8Array(bytes).buffer, false],
  DataView: [(bytes) => new DataView(new Uint8Array(bytes).buffer), false],
  Blob: [(bytes) => new Blob([bytes]), false],
  'Readable with ContentLength': [(bytes) => readable(bytes, 1000), true],
  'Readable without ContentLength': [(bytes) => readable(bytes, 1000), false],
  'ReadableStream with ContentLength': [(bytes) => webStream(bytes, 1000), true],
  'ReadableStream without ContentLength': [(bytes) => webStream(bytes, 1000), false],
  'async iterable with ContentLength': [(bytes) => iterable(bytes, 1000), true],
  'async iterable without ContentLength': [(bytes) => iterable(bytes, 1000), false],
}

for (const [kind, [make, lengthIsSaid]] of Object.entries(KINDS)) {
  for (const size of [0, 1, 17, 65_537, MIB + 5]) {
    check(`body: ${kind}, ${size} bytes`, async (t) => {
      const client = t.client()
      const at = { Bucket: t.Bucket, Key: t.key() }
      const bytes = bytesOf(size)
      await put(client, at, make(bytes), lengthIsSaid ? { ContentLength: size } : {})
      await holds(client, t.plain, at, bytes)
    })
  }
}

for (const text of ['', 'a', 'zwölf Boxkämpfer 漢字 🗝']) {
  check(`body: string of ${Buffer.byteLength(text)} bytes`, async (t) => {
    const client = t.client()
    const at = { Bucket: t.Bucket, Key: t.key() }
    await put(client, at, text)
    await holds(client, t.plain, at, Buffer.from(text))
  })
}

for (const size of [0, 17, 2 * MIB + 5]) {
  check(`body: file of ${size} bytes`, async (t) => {
    const directory = await mkdtemp(path.join(tmpdir(), 's3-cse-contract-'))
    try {
      const file = path.join(directory, 'file')
      await writeFile(file, bytesOf(size))
      const client = t.client()
      const at = { Bucket: t.Bucket, Key: t.key() }
      await put(client, at, createReadStream(file))
      await holds(client, t.plain, at, bytesOf(size))
    } finally {
      await rm(directory, { recursive: true })
    }
  })
}

for (const size of [100, 8191, 8192, 100_000]) {
  check(`body: stream of 9 MiB in chunks of ${size} bytes`, async (t) => {
    const client = t.client()
    const at = { Bucket: t.Bucket, Key: t.key() }
    const bytes = bytesOf(9 * MIB)
    await put(client, at, readable(bytes, size), { ContentLength: bytes.length })
    await holds(client, t.plain, at, bytes)
  })
}

check('body: stream that is shorter than its ContentLength, nothing is stored', async (t) => {
  const at = { Bucket: t.Bucket, Key: t.key() }
  const short = put(t.client(), at, readable(bytesOf(100_000), 1000), { ContentLength: 100_001 })
  await assert.rejects(short, code('ERR_S3CSE_BODY_LENGTH'))
  assert.equal(await exists(t.plain, at), false)
})

check('body: stream that is longer than its ContentLength, nothing is stored', async (t) => {
  const at = { Bucket: t.Bucket, Key: t.key() }
  const long = put(t.client(), at, readable(bytesOf(100_000), 1000), { ContentLength: 99_999 })
  await assert.rejects(long, code('ERR_S3CSE_BODY_LENGTH'))
  assert.equal(await exists(t.plain, at), false)
})

check('body: stream that fails half way, nothing is stored', async (t) => {
  const at = { Bucket: t.Bucket, Key: t.key() }
  const failing = Readable.from(
    (function* () {
      yield bytesOf(500_000)
      throw new Error('the source failed')
    })(),
    { objectMode: false },
  )
  await assert.rejects(put(t.client(), at, failing, { ContentLength: MIB }), /the source failed/)
  assert.equal(await exists(t.plain, at), false)
})

check('body: what is longer than may be collected is refused', async (t) => {
  const at = { Bucket: t.Bucket, Key: t.key() }
  const client = t.client({ maxBufferedBytes: 100_000 })
  await assert.rejects(put(client, at, readable(bytesOf(100_001), 1000)), code('ERR_S3CSE_BODY_TOO_LARGE'))
  assert.equal(await exists(t.plain, at), false)
})
