import { FetchHttpHandler } from '@smithy/fetch-http-handler'
import assert from 'node:assert/strict'
import { mkdtemp, readdir, readlink, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'

import { GetObjectCommand } from '@aws-sdk/client-s3'
import type { S3Client } from '@aws-sdk/client-s3'

import { aesKeyring } from '../../src/index.js'
import type { CseErrorCode, EncryptionOptions } from '../../src/index.js'
import { code } from '../support/errors.js'
import { Bucket, bodyOf, get, pattern, put, world } from '../support/world.js'

const w = await world()
const MIB = 1024 * 1024
const LENGTH = 5 * MIB + 100
const plaintext = pattern(LENGTH)
/** Neither end on a block, a slice or a piece; long enough that a connection does not hold it. */
const [start, end] = [MIB + 5, 5 * MIB - 3]
const Range = `bytes=${start}-${end - 1}`
const wanted = plaintext.subarray(start, end)
const bounded = { timeout: 60_000 }

let directory: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 's3-cse-test-'))
  w.s3.faults.length = 0
  w.s3.requests.length = 0
})
afterEach(() => rm(directory, { recursive: true }))

async function openFiles(): Promise<number> {
  const links = await Promise.all(
    (await readdir('/proc/self/fd')).map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => '')),
  )
  return links.filter((path) => path.startsWith(directory)).length
}

async function eventually(holds: () => boolean | Promise<boolean>, what: string): Promise<void> {
  for (let i = 0; i < 1000; i++) {
    if (await holds()) return
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  assert.fail(`never: ${what}`)
}

const modes: readonly [name: string, options: Partial<EncryptionOptions>, verified: boolean][] = [
  ['unauthenticated', { rangeReads: 'unauthenticated' }, false],
  ['in memory', { rangeReads: 'whole-object' }, true],
  ['spooled', { rangeReads: 'whole-object', maxBufferedBytes: 0 }, true],
  ['read twice', { rangeReads: 'whole-object', maxBufferedBytes: 0, spool: false }, true],
  ['delayed', { rangeReads: 'whole-object', delayedAuthentication: true }, false],
]
const client = (options: Partial<EncryptionOptions>, sockets = 2): S3Client =>
  w.client(options.spool === undefined ? { spool: { directory }, ...options } : options, {
    requestHandler: { httpAgent: { maxSockets: sockets }, socketAcquisitionWarningTimeout: 60_000 },
  })

async function readPart(reader: S3Client, key = 'object', range = Range): Promise<Buffer> {
  const { Body } = await get(reader, key, { Range: range })
  return Buffer.from(await Body!.transformToByteArray())
}

await put(w.client(), 'object', plaintext)

describe('a range of a large object', bounded, () => {
  for (const [name, options] of modes) {
    it(`${name}: through a fetch request handler, as a ReadableStream`, async () => {
      const fetching = w.client({ spool: { directory }, ...options }, { requestHandler: new FetchHttpHandler() })
      const { Body } = await get(fetching, 'object', { Range })
      assert.ok(Body instanceof ReadableStream)
      assert.deepEqual(Buffer.from(await Body.transformToByteArray()), wanted)
      for (const range of ['bytes=-1', `bytes=${LENGTH}-`, `bytes=${LENGTH + 20}-`]) {
        if (range === 'bytes=-1') assert.deepEqual(await readPart(fetching, 'object', range), plaintext.subarray(-1))
        else await assert.rejects(readPart(fetching, 'object', range), { name: 'InvalidRange' })
      }
      const reader = (await get(fetching, 'object', { Range })).Body!.transformToWebStream().getReader()
      assert.equal((await reader.read()).done, false)
      await reader.cancel()
      assert.deepEqual(await readPart(fetching), wanted)
    })

    it(`${name}: from slow connections in small pieces, and after retries`, async () => {
      const reader = client(options)
      w.s3.fail({ status: 503 }, { reset: { afterResponseBytes: 0 } })
      assert.deepEqual(await readPart(reader), wanted)
      assert.ok(w.s3.requests.length >= 3)
      w.s3.fail({ chunkBytes: 7001, times: 2 })
      assert.deepEqual(await readPart(reader), wanted)
    })

    it(`${name}: a Body that is destroyed, at any stage, gives back what it held`, async () => {
      const reader = client(options)
      for (let i = 0; i < 6; i++) {
        const body = bodyOf(await get(reader, 'object', { Range }))
        if (i % 3 > 0) body.read()
        if (i % 3 === 2) await eventually(() => body.readableLength > 0, 'some plaintext')
        body.destroy()
      }
      await eventually(async () => (await openFiles()) === 0, 'the files are closed')
      assert.deepEqual(await readPart(reader), wanted)
    })

    it(`${name}: an abort ends Body with AbortError at every stage`, async () => {
      const reader = client(options)
      for (const stage of ['unread', 'reading', 'released'] as const) {
        if (stage === 'reading') w.s3.fail({ chunkBytes: 65_536, pauseMs: 20 })
        const controller = new AbortController()
        const command = new GetObjectCommand({ Bucket, Key: 'object', Range })
        const body = bodyOf(await reader.send(command, { abortSignal: controller.signal }))
        const failed = new Promise<Error>((resolve) => body.once('error', resolve))
        if (stage !== 'unread') body.read()
        if (stage === 'released') await eventually(() => body.readableLength > 0, 'some plaintext')
        controller.abort()
        assert.equal((await failed).name, 'AbortError')
      }
      await eventually(async () => (await openFiles()) === 0, 'the files are closed')
      assert.deepEqual(await readPart(reader), wanted)
    })

    it(`${name}: a connection that breaks is the transport's error, and nothing wrong was given out`, async () => {
      const reader = client(options)
      for (const fault of [{ truncateBody: 3 * MIB }, { reset: { afterResponseBytes: 3 * MIB } }] as const) {
        w.s3.fail(fault)
        const released: Buffer[] = []
        const body = bodyOf(await get(reader, 'object', { Range }))
        await assert.rejects(
          async () => {
            for await (const chunk of body) released.push(chunk as Buffer)
          },
          (error: { code?: string }) => !/S3CSE_DECRYPTION/.test(error.code ?? ''),
        )
        const got = Buffer.concat(released)
        assert.deepEqual(got, wanted.subarray(0, got.length))
      }
      await eventually(async () => (await openFiles()) === 0, 'the files are closed')
      assert.deepEqual(await readPart(reader), wanted)
    })

    it(`${name}: a read that fails before its Body gives the socket back`, async () => {
      const failing: [Partial<EncryptionOptions>, object, CseErrorCode | 'InvalidRange'][] = [
        [{}, { Range: `bytes=${LENGTH}-` }, 'InvalidRange'],
        [{}, { Range: `bytes=${LENGTH + 16}-` }, 'InvalidRange'],
        [{ maxObjectBytes: LENGTH + 15 }, { Range }, 'ERR_S3CSE_POLICY'],
        [{ keyring: aesKeyring({ wrappingKey: new Uint8Array(32) }) }, { Range }, 'ERR_S3CSE_DECRYPTION_FAILED'],
      ]
      for (const [more, input, expected] of failing) {
        const reader = client({ ...options, ...more })
        const check = expected === 'InvalidRange' ? { name: expected } : code(expected)
        for (let i = 0; i < 6; i++) await assert.rejects(get(reader, 'object', input), check)
      }
      const reader = client(options)
      await put(w.plain, 'plain', plaintext)
      for (let i = 0; i < 6; i++) await assert.rejects(get(reader, 'plain', { Range }), code('ERR_S3CSE_NOT_ENCRYPTED'))
      assert.deepEqual(await readPart(reader), wanted)
    })
  }
})

describe('memory and disk of a part of a verified object', bounded, () => {
  /** The bodies of the reads, at the moment when each gives something out. */
  async function begun(reader: S3Client, range: string) {
    const body = bodyOf(await get(reader, 'object', { Range: range }))
    body.read()
    await eventually(() => body.readableLength > 0, 'verified')
    return body
  }

  it('are what the part needs, not what the object has', async () => {
    const reader = client({ rangeReads: 'whole-object', maxBufferedBytes: 3 * MIB }, 3)
    // Two slices of 1 MiB, and one, are all that may be held; each is more than a stream takes at once.
    const two = await begun(reader, `bytes=${2 * MIB - 200_000}-${2 * MIB + 199_999}`)
    const one = await begun(reader, 'bytes=10-299999')
    assert.equal(await openFiles(), 0)
    const more = await begun(reader, 'bytes=10-299999')
    assert.equal(await openFiles(), 1)
    assert.deepEqual(Buffer.concat(await two.toArray()), plaintext.subarray(2 * MIB - 200_000, 2 * MIB + 200_000))
    assert.deepEqual(Buffer.concat(await one.toArray()), plaintext.subarray(10, 300_000))
    assert.deepEqual(Buffer.concat(await more.toArray()), plaintext.subarray(10, 300_000))
    await eventually(async () => (await openFiles()) === 0, 'the file is closed')
  })

  it('spool.maxBytes is checked for the part, before anything of it is read', async () => {
    const spool = { directory, maxBytes: 3 * MIB }
    const reader = client({ rangeReads: 'whole-object', maxBufferedBytes: 0, spool })
    await assert.rejects(get(reader, 'object', { Range }), code('ERR_S3CSE_SPOOL', /spool\.maxBytes/))
    await assert.rejects(get(reader, 'object'), code('ERR_S3CSE_SPOOL', /spool\.maxBytes/))
    assert.deepEqual(await readPart(reader, 'object', 'bytes=100-1048675'), plaintext.subarray(100, 1_048_676))
    const first = await begun(reader, 'bytes=100-1048675')
    await assert.rejects(readPart(reader, 'object', 'bytes=100-1048675'), code('ERR_S3CSE_SPOOL', /under way/))
    first.destroy()
    await eventually(async () => (await openFiles()) === 0, 'the file is closed')
    assert.deepEqual(await readPart(reader, 'object', 'bytes=100-1048675'), plaintext.subarray(100, 1_048_676))
  })

  it('an unread Body takes none', async () => {
    const reader = client({ rangeReads: 'whole-object', maxBufferedBytes: 2 * MIB }, 10)
    const unread = await Promise.all(Array.from({ length: 5 }, () => get(reader, 'object', { Range: 'bytes=0-9' })))
    const read = await begun(reader, 'bytes=1048570-1048580')
    assert.equal(await openFiles(), 0)
    for (const output of [...unread, { Body: read }]) (output.Body as { destroy(): void }).destroy()
  })

  it('of an object that is read twice, what is read again is verified again', async () => {
    const reader = client({ rangeReads: 'whole-object', maxBufferedBytes: 0, spool: false })
    let gets = 0
    const stop = w.s3.onRequest(({ operation, headers }) => {
      if (operation !== 'GetObject') return
      assert.equal(headers.range, undefined)
      if (++gets === 2) w.s3.fail({ body: (all) => all.map((byte, i) => (i === 3 * MIB + 5 ? byte ^ 1 : byte)) })
    })
    const chunks: Buffer[] = []
    await assert.rejects(async () => {
      for await (const chunk of bodyOf(await get(reader, 'object', { Range }))) chunks.push(chunk as Buffer)
    }, code('ERR_S3CSE_DECRYPTION_FAILED'))
    stop()
    assert.equal(gets, 2)
    assert.deepEqual(Buffer.concat(chunks), plaintext.subarray(start, 3 * MIB))
  })
})
