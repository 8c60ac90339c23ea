import assert from 'node:assert/strict'
import test from 'node:test'
import { mkdtemp, open, readdir, readlink, rm, stat } from 'node:fs/promises'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough, Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  CopyObjectCommand,
  DeleteBucketCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3'
import { startS3, type S3Options, type S3Server } from 's3-cse/testing'
import { fileWriter, nullWriter } from '../../src/testing/s3-body.js'
import type { Exchange } from '../../src/testing/s3-exchange.js'
import { receive } from '../../src/testing/s3-receive.js'
import { send, signed } from './s3-raw.js'

const Bucket = 'bucket'
const MiB = 1024 * 1024
const big = Buffer.alloc(3 * MiB)
for (let i = 0; i < big.length; i += 4) big.writeUInt32LE((i * 2654435761) >>> 0, i)

/** What this process has open in directories of servers. */
async function openFiles(): Promise<string[]> {
  const links = (await readdir('/proc/self/fd')).map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => ''))
  return (await Promise.all(links)).filter((link) => link.includes('s3-cse-testing-'))
}

/** A server with a directory that can be looked into. */
async function withDisk(
  work: (s3: S3Server, client: S3Client, files: () => Promise<string[]>) => Promise<void>,
  options: S3Options = {},
): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 's3-disk-test-'))
  const s3 = await startS3({ buckets: [Bucket], directory, memoryBytes: MiB, ...options })
  const client = new S3Client({ ...s3.clientConfig, maxAttempts: 1 })
  const files = async (): Promise<string[]> => {
    const names = (await readdir(directory, { recursive: true, withFileTypes: true })).filter((one) => one.isFile())
    return names.map((one) => one.name)
  }
  try {
    await work(s3, client, files)
  } finally {
    client.destroy()
    await s3.close()
    const left = await readdir(directory)
    await rm(directory, { recursive: true })
    assert.deepEqual(left, [], 'files were left after close()')
  }
}

async function eventually(check: () => Promise<boolean>): Promise<void> {
  for (let i = 0; i < 200; i++) {
    if (await check()) return
    await sleep(10)
  }
  assert.fail('it did not happen within two seconds')
}

test('large bodies go to private files, and disappear with their last reference', async () => {
  await withDisk(async (s3, client, files) => {
    await client.send(new PutObjectCommand({ Bucket, Key: 'small', Body: big.subarray(0, MiB) }))
    assert.deepEqual(await files(), [])
    await client.send(new PutObjectCommand({ Bucket, Key: 'a', Body: big }))
    assert.equal((await files()).length, 1)
    const { Body } = await client.send(new GetObjectCommand({ Bucket, Key: 'a' }))
    assert.deepEqual(Buffer.from((await Body?.transformToByteArray()) ?? []), big)
    const range = await client.send(new GetObjectCommand({ Bucket, Key: 'a', Range: `bytes=1000-${2 * MiB}` }))
    assert.deepEqual(Buffer.from((await range.Body?.transformToByteArray()) ?? []), big.subarray(1000, 2 * MiB + 1))
    assert.deepEqual(Buffer.from((await s3.object(Bucket, 'a'))!.body), big)
    await client.send(new CopyObjectCommand({ Bucket, Key: 'b', CopySource: `${Bucket}/a` }))
    assert.equal((await files()).length, 1, 'a copy shares the file')
    await client.send(new DeleteObjectCommand({ Bucket, Key: 'a' }))
    assert.equal((await files()).length, 1)
    const copied = await client.send(new GetObjectCommand({ Bucket, Key: 'b' }))
    assert.deepEqual(Buffer.from((await copied.Body?.transformToByteArray()) ?? []), big)
    await s3.tamper(Bucket, 'b', ({ body }) => ({ body: body.subarray(1) }))
    assert.deepEqual(Buffer.from((await s3.object(Bucket, 'b'))!.body), big.subarray(1))
    await client.send(new PutObjectCommand({ Bucket, Key: 'b', Body: '' }))
    await eventually(async () => (await files()).length === 0)
  })
})

test('the directory is private', { skip: process.platform === 'win32' }, async () => {
  const directory = await mkdtemp(join(tmpdir(), 's3-disk-test-'))
  const s3 = await startS3({ buckets: [Bucket], directory, memoryBytes: 0 })
  await s3.put(Bucket, 'a', { body: 'x' })
  const [made = ''] = await readdir(directory)
  assert.equal((await stat(join(directory, made))).mode & 0o777, 0o700)
  assert.equal((await stat(join(directory, made, '0'))).mode & 0o777, 0o600)
  await s3.close()
  await rm(directory, { recursive: true })
})

test('streams of any chunking arrive whole', async () => {
  await withDisk(
    async (s3, client) => {
      const cuts = [0, 8192, 100_000, 1_500_000, 1_500_000 + 8192, big.length]
      const parts = cuts.slice(1).map((to, i) => big.subarray(cuts[i], to))
      const Body = Readable.from(parts)
      await client.send(new PutObjectCommand({ Bucket, Key: 'a', Body, ContentLength: big.length }))
      assert.deepEqual(Buffer.from((await s3.object(Bucket, 'a'))!.body), big)
    },
    { memoryBytes: 0 },
  )
})

test('a read goes on while its object is replaced', async () => {
  await withDisk(async (s3, client, files) => {
    await s3.put(Bucket, 'a', { body: big })
    s3.fail({ chunkBytes: 256 * 1024, pauseMs: 5 })
    const { Body } = await client.send(new GetObjectCommand({ Bucket, Key: 'a' }))
    await s3.put(Bucket, 'a', { body: 'new' })
    assert.deepEqual(Buffer.from((await Body?.transformToByteArray()) ?? []), big)
    await eventually(async () => (await files()).length === 0)
  })
})

test('uploads that fail or break off leave no file', async () => {
  await withDisk(async (s3, client, files) => {
    const refused = client.send(new PutObjectCommand({ Bucket, Key: 'a', Body: big, ChecksumCRC32: 'AAAAAA==' }))
    await assert.rejects(refused, { name: 'BadDigest' })
    await eventually(async () => (await files()).length === 0)
    const socket = startUpload(s3, big.length)
    socket.write(big.subarray(0, 2 * MiB))
    await eventually(async () => s3.requests.at(-1)?.bodyLength === 2 * MiB)
    assert.equal((await files()).length, 1)
    socket.destroy()
    await eventually(async () => (await files()).length === 0)
    assert.deepEqual(s3.keys(Bucket), [])
  })
})

test('a reader that goes away lets go of the file', async () => {
  await withDisk(async (s3, client, files) => {
    await s3.put(Bucket, 'a', { body: Buffer.concat([big, big, big, big]) })
    const { Body } = await client.send(new GetObjectCommand({ Bucket, Key: 'a' }))
    ;(Body as Readable).destroy()
    await client.send(new DeleteObjectCommand({ Bucket, Key: 'a' }))
    await eventually(async () => (await files()).length === 0)
  })
})

test('a reader that does not read holds back the disk', async () => {
  await withDisk(
    async (s3, client) => {
      await s3.put(Bucket, 'a', { body: Buffer.alloc(64 * MiB) })
      const before = process.memoryUsage().arrayBuffers
      const { Body } = await client.send(new GetObjectCommand({ Bucket, Key: 'a' }))
      await sleep(300)
      const grown = process.memoryUsage().arrayBuffers - before
      assert.ok(grown < 16 * MiB, `${grown} bytes are held for a reader that does not read`)
      ;(Body as Readable).destroy()
    },
    { verifyPayload: false, etag: 'random' },
  )
})

test('a slow reader gets every byte', async () => {
  const whole = Buffer.concat([
    big,
    big.subarray(4),
    big.subarray(8),
    big.subarray(12),
    big.subarray(16),
    big.subarray(20),
  ])
  await withDisk(async (s3, client) => {
    await s3.put(Bucket, 'a', { body: whole })
    const { Body } = await client.send(new GetObjectCommand({ Bucket, Key: 'a' }))
    await sleep(200)
    assert.ok(whole.equals((await Body?.transformToByteArray()) ?? Buffer.alloc(0)))
  })
})

test('close waits for what is still being read', async () => {
  await withDisk(
    async (s3) => {
      await s3.put(Bucket, 'a', { body: Buffer.alloc(64 * MiB) })
      s3.fail({ body: (stored) => stored })
      const arrived = new Promise<void>((resolve) => s3.onRequest(() => resolve()))
      const reading = assert.rejects(send(s3, { path: '/bucket/a' }))
      await arrived
      await new Promise((resolve) => setImmediate(resolve))
      await s3.close()
      if (process.platform === 'linux') assert.deepEqual(await openFiles(), [], 'files are still open after close()')
      await reading
    },
    { verifyPayload: false, etag: 'random' },
  )
})

test('files are written while the body arrives, and only so much waits for the disk', async () => {
  const directory = await mkdtemp(join(tmpdir(), 's3-disk-test-'))
  const file = join(directory, 'a')
  const writer = fileWriter(file, await open(file, 'wx'))
  writer.write(big.subarray(0, MiB))
  assert.equal(writer.room(), undefined)
  await eventually(async () => (await stat(file)).size === MiB)
  for (let i = 0; i < 5; i++) writer.write(big)
  const room = writer.room()
  assert.ok(room !== undefined)
  await room
  assert.equal(writer.room(), undefined)
  writer.write(big.subarray(0, 1))
  const body = await writer.finish()
  assert.deepEqual([body.size, (await stat(file)).size], [16 * MiB + 1, 16 * MiB + 1])
  await rm(directory, { recursive: true })
})

/** An upload whose body the test writes itself. */
function startUpload(s3: S3Server, length: number): Socket {
  const { headers } = signed(s3, { method: 'PUT', path: '/bucket/a', payloadHash: 'UNSIGNED-PAYLOAD' })
  const head = Object.entries({ ...headers, 'content-length': String(length), connection: 'close' })
  const socket = connect(Number(new URL(s3.endpoint).port), '127.0.0.1')
  socket.write(`PUT /bucket/a HTTP/1.1\r\n${head.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`)
  return socket
}

test('a client that went away before its body was read is noticed', async () => {
  await withDisk(async (s3, _client, files) => {
    let go = (): void => undefined
    s3.onRequest(() => new Promise<void>((resolve) => (go = resolve)))
    const socket = startUpload(s3, 2 * MiB)
    await eventually(async () => s3.requests.length === 1)
    socket.destroy()
    await sleep(50)
    go()
    await sleep(20)
    await eventually(async () => (await files()).length === 0)
  })
})

test('an upload into a bucket that was deleted meanwhile is refused', async () => {
  await withDisk(async (s3, client, files) => {
    const socket = startUpload(s3, big.length)
    socket.write(big.subarray(0, 100))
    await eventually(async () => s3.requests[0]?.bodyLength === 100)
    await client.send(new DeleteBucketCommand({ Bucket }))
    socket.write(big.subarray(100))
    const parts: Buffer[] = []
    for await (const part of socket) parts.push(part as Buffer)
    assert.match(Buffer.concat(parts).toString(), /^HTTP\/1.1 404 .*<Code>NoSuchBucket</s)
    assert.deepEqual(await files(), [])
  })
})

test('a slow disk holds back the client', async () => {
  let ready = (): void => undefined
  const room = new Promise<void>((resolve) => (ready = resolve))
  const written: number[] = []
  const writer = {
    ...nullWriter(),
    write: (bytes: Uint8Array) => void written.push(bytes.length),
    room: () => (written.length === 1 ? room : undefined),
  }
  const incoming = new PassThrough({ highWaterMark: 10 })
  const x = {
    incoming,
    record: { bodyLength: 0 },
    settings: { etag: 'random', recordBodyBytes: 0, verifyPayload: false },
    proceed: () => undefined,
  } as unknown as Exchange
  const plan = { length: 30, chunked: undefined, sha256: undefined, md5: undefined, checksum: undefined }
  const received = receive(x, plan, writer)
  for (let i = 0; i < 3; i++) incoming.write(Buffer.alloc(10))
  incoming.end()
  await sleep(20)
  assert.deepEqual(written, [10])
  ready()
  await received
  assert.deepEqual(written, [10, 10, 10])
})

test('answers that wait behind another on their connection end with it', async () => {
  await withDisk(async (s3) => {
    await s3.put(Bucket, 'a', { body: Buffer.concat([big, big, big, big]) })
    const { headers } = signed(s3, { path: '/bucket/a' })
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
    const socket = connect(Number(new URL(s3.endpoint).port), '127.0.0.1')
    socket.pause().write(`GET /bucket/a HTTP/1.1\r\n${lines.join('')}\r\n`.repeat(2))
    await eventually(async () => s3.requests.length === 2)
    await sleep(50)
    await s3.close()
    socket.destroy()
  })
})

test('an answer whose turn on its connection never comes is given up', async () => {
  await withDisk(async (s3) => {
    await s3.put(Bucket, 'a', { body: Buffer.concat([big, big, big, big]) })
    s3.fail({ match: () => s3.requests.length === 2, delayMs: 100 })
    const { headers } = signed(s3, { path: '/bucket/a' })
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
    const socket = connect(Number(new URL(s3.endpoint).port), '127.0.0.1')
    socket.pause().write(`GET /bucket/a HTTP/1.1\r\n${lines.join('')}\r\n`.repeat(2))
    await eventually(async () => s3.requests.length === 2 && s3.faults.length === 0)
    socket.destroy()
    await sleep(150)
    await s3.close()
  })
})

test('close ends uploads, downloads, delays and idle connections, and may be called again', async () => {
  await withDisk(async (s3, client) => {
    await s3.put(Bucket, 'a', { body: big })
    const idle = connect(Number(new URL(s3.endpoint).port), '127.0.0.1')
    const idleEnd = new Promise((resolve) => idle.once('close', resolve))
    idle.on('error', () => undefined)
    s3.fail({ match: (request) => request.key === 'a', chunkBytes: 1000, pauseMs: 20 })
    const { Body } = await client.send(new GetObjectCommand({ Bucket, Key: 'a' }))
    s3.fail({ delayMs: 600_000 })
    const delayed = send(s3, { path: '/bucket/a' })
    const never = Readable.from(
      (async function* () {
        yield big.subarray(0, 2 * MiB)
        await sleep(600_000, undefined, { ref: false })
      })(),
    )
    const raw = { method: 'PUT', path: '/bucket/b', payloadHash: 'UNSIGNED-PAYLOAD' }
    const { headers } = signed(s3, raw)
    const upload = fetch(`${s3.endpoint}/bucket/b`, {
      method: 'PUT',
      headers: { ...headers, 'content-length': String(big.length) },
      body: Readable.toWeb(never) as ReadableStream,
      duplex: 'half',
    } as RequestInit)
    const outcomes = Promise.allSettled([Body?.transformToByteArray(), delayed, upload])
    await eventually(async () => s3.requests.length === 3)
    s3.onRequest(() => new Promise(() => undefined))
    const hooked = assert.rejects(send(s3, { path: '/bucket/a' }))
    await eventually(async () => s3.requests.length === 4)
    await Promise.all([s3.close(), s3.close()])
    if (process.platform === 'linux') assert.deepEqual(await openFiles(), [], 'files are still open after close()')
    await hooked
    await s3[Symbol.asyncDispose]()
    assert.deepEqual(
      (await outcomes).map((one) => one.status),
      ['rejected', 'rejected', 'rejected'],
    )
    await idleEnd
    await assert.rejects(fetch(s3.endpoint))
  })
})

test('listens on loopback only', async () => {
  await withDisk(async (s3) => {
    assert.match(s3.endpoint, /^http:\/\/127\.0\.0\.1:\d+$/)
    await assert.rejects(fetch(s3.endpoint.replace('127.0.0.1', '127.0.0.2')))
    await assert.rejects(fetch(s3.endpoint.replace('127.0.0.1', '[::1]')))
  })
})
