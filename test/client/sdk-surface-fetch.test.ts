/** Under the request handler that is made on fetch. */
import { FetchHttpHandler } from '@smithy/fetch-http-handler'
import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { after, describe, it } from 'node:test'

import { GetObjectCommand, HeadObjectCommand, S3, waitUntilObjectExists } from '@aws-sdk/client-s3'
import { Upload } from '@aws-sdk/lib-storage'

import { encryptedView } from '../../src/index.js'
import { code } from '../support/errors.js'
import { Bucket, get, keyring, pattern, put, read, world } from '../support/world.js'

const w = await world()
const MIB = 1024 * 1024
const fetching = (options = {}) => w.client(options, { requestHandler: new FetchHttpHandler(), maxAttempts: 1 })
const client = fetching()

const unhandled: unknown[] = []
const note = (error: unknown): void => void unhandled.push(error)
process.on('unhandledRejection', note)
after(() => void process.off('unhandledRejection', note))

/** Rejections that nobody took are reported after the microtasks of a turn. */
async function assertNothingUnhandled(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve))
  assert.deepEqual(unhandled, [])
}

async function webStream(key: string, from = client): Promise<ReadableStream<Uint8Array>> {
  const { Body } = await get(from, key)
  assert.ok(Body instanceof ReadableStream)
  return Body as ReadableStream<Uint8Array>
}

async function collect(stream: ReadableStream<Uint8Array>): Promise<Buffer> {
  const pieces: Uint8Array[] = []
  const reader = stream.getReader()
  for (let next = await reader.read(); !next.done; next = await reader.read()) pieces.push(next.value)
  return Buffer.concat(pieces)
}

describe('FetchHttpHandler', () => {
  it('puts strings, bytes and streams, and gets them as web streams', async () => {
    const bytes = pattern(100_000)
    const bodies: [unknown, Buffer][] = [
      ['text ä', Buffer.from('text ä')],
      ['', Buffer.alloc(0)],
      [bytes, bytes],
      [new Blob([bytes]).stream(), bytes],
      [Readable.from([bytes.subarray(0, 5), bytes.subarray(5)]), bytes],
    ]
    for (const [body, expected] of bodies) {
      const more = body instanceof ReadableStream || body instanceof Readable ? { ContentLength: bytes.length } : {}
      await put(client, 'put', body, more)
      assert.equal((await w.stored('put')).size, expected.length + 16)
      assert.deepEqual(await collect(await webStream('put')), expected)
      assert.deepEqual(await read(client, 'put'), expected)
      // What Node's handler reads is the same.
      assert.deepEqual(await read(w.client(), 'put'), expected)
    }
    const { ContentLength } = await client.send(new HeadObjectCommand({ Bucket, Key: 'put' }))
    assert.equal(ContentLength, bytes.length)
    await waitUntilObjectExists({ client, maxWaitTime: 10 }, { Bucket, Key: 'put' })
  })

  it('Upload, in several parts', async () => {
    const plaintext = pattern(11 * MIB)
    await new Upload({ client, params: { Bucket, Key: 'parts', Body: plaintext } }).done()
    assert.equal((await w.stored('parts')).size, plaintext.length + 16)
    assert.ok((await collect(await webStream('parts'))).equals(plaintext))
    assert.ok((await collect(await webStream('parts', fetching({ maxBufferedBytes: MIB })))).equals(plaintext))
  })

  for (const [name, options] of [
    ['verified from memory', {}],
    ['verified from the spool', { maxBufferedBytes: MIB }],
    ['delayed authentication', { delayedAuthentication: true }],
  ] as const) {
    it(`${name}: a body that breaks off fails its reader`, async () => {
      await put(w.client(), 'breaks', pattern(4 * MIB))
      const reader = fetching(options)
      for (const fault of [{ reset: { afterResponseBytes: 2 * MIB } }, { truncateBody: 2 * MIB }]) {
        w.s3.fail(fault)
        await assert.rejects(collect(await webStream('breaks', reader)))
        w.s3.fail(fault)
        await assert.rejects(read(reader, 'breaks'))
      }
      assert.deepEqual(await read(reader, 'breaks'), pattern(4 * MIB))
      await assertNothingUnhandled()
    })

    it(`${name}: a changed body fails its reader`, async () => {
      await put(w.client(), 'changed', pattern(4 * MIB))
      const reader = fetching(options)
      const body = (stored: Uint8Array): Uint8Array => stored.map((byte, i) => (i === 3 * MIB ? byte ^ 1 : byte))
      w.s3.fail({ body })
      await assert.rejects(collect(await webStream('changed', reader)), code('ERR_S3CSE_DECRYPTION_FAILED'))
      await assertNothingUnhandled()
    })

    it(`${name}: an aborted get, read, unread and cancelled`, async () => {
      await put(w.client(), 'aborted', pattern(4 * MIB))
      const reader = fetching(options)
      for (const kind of ['read', 'unread', 'before'] as const) {
        const controller = new AbortController()
        w.s3.fail({ chunkBytes: 65_536, pauseMs: 5 })
        const sent = reader.send(new GetObjectCommand({ Bucket, Key: 'aborted' }), { abortSignal: controller.signal })
        if (kind === 'before') {
          controller.abort()
          await assert.rejects(sent, { name: 'AbortError' })
          w.s3.faults.length = 0
          continue
        }
        const { Body } = await sent
        const reading = kind === 'read' ? collect(Body as ReadableStream<Uint8Array>) : undefined
        reading?.catch(() => undefined)
        controller.abort()
        await assert.rejects(reading ?? collect(Body as ReadableStream<Uint8Array>), { name: 'AbortError' })
      }
      const dropped = await webStream('aborted', reader)
      await dropped.cancel()
      assert.deepEqual(await read(reader, 'aborted'), pattern(4 * MIB))
      await assertNothingUnhandled()
    })
  }

  it('errors of S3 and of the connection stay what they are', async () => {
    await assert.rejects(read(client, 'nothing'), { name: 'NoSuchKey' })
    w.s3.fail({ reset: 'before' })
    await assert.rejects(read(client, 'put'), TypeError)
    w.s3.fail({ status: 503 })
    await assert.rejects(put(client, 'put', 'text'), { name: 'SlowDown' })
    w.s3.fail({ reset: { afterRequestBytes: 10_000 } })
    await assert.rejects(put(client, 'unfinished', pattern(MIB)), TypeError)
    assert.equal(await w.s3.object(Bucket, 'unfinished'), undefined)
    await assertNothingUnhandled()
  })

  it('a body of the caller that fails stores nothing', async () => {
    const failing = async function* (): AsyncGenerator<Uint8Array> {
      yield pattern(1000)
      await Promise.resolve()
      throw new Error('the disk is gone')
    }
    await assert.rejects(put(client, 'failed', Readable.from(failing()), { ContentLength: 5000 }), /the disk is gone/)
    await assert.rejects(
      put(client, 'failed', Readable.toWeb(Readable.from(failing())), { ContentLength: 5000 }),
      /the disk is gone/,
    )
    assert.equal(await w.s3.object(Bucket, 'failed'), undefined)
    await assertNothingUnhandled()
  })

  it('views and the aggregated client', async () => {
    const plain = new S3({ ...w.s3.clientConfig, requestHandler: new FetchHttpHandler() })
    const view = encryptedView(plain, { keyring })
    await view.putObject({ Bucket, Key: 'view', Body: 'secret' })
    assert.equal(await (await view.getObject({ Bucket, Key: 'view' })).Body?.transformToString(), 'secret')
    const { ContentLength } = await plain.headObject({ Bucket, Key: 'view' })
    assert.equal(ContentLength, 22)
    plain.destroy()
  })
})
