import assert from 'node:assert/strict'
import { createReadStream } from 'node:fs'
import { mkdtemp, open, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { after, before, describe, it } from 'node:test'

import { streamRuntime as node } from '../../src/runtime/node-streams.js'
import type { ByteSource } from '../../src/runtime/runtime.js'
import { streamRuntime as web } from '../../src/runtime/web-streams.js'
import { code } from '../support/errors.js'

async function drain(source: ByteSource): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  for (let chunk = await source.next(); chunk !== undefined; chunk = await source.next()) {
    assert.ok(chunk.length > 0, 'an empty chunk')
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

const text = Buffer.from('abcdefgh')
async function* generator() {
  yield 'ab'
  yield new Uint8Array(0)
  yield new DataView(Uint8Array.from(text.subarray(2, 5)).buffer)
  yield Uint8Array.from(text.subarray(5)).buffer
}
const webStream = () =>
  new ReadableStream<unknown>({
    start(controller) {
      controller.enqueue('abcd')
      controller.enqueue(new Uint8Array(0))
      controller.enqueue(text.subarray(4))
      controller.close()
    },
  })

describe('source', () => {
  for (const [name, runtime] of [
    ['node', node],
    ['web', web],
  ] as const) {
    it(`${name}: reads web streams, Blobs and async iterables of strings, views and buffers`, async () => {
      for (const body of [webStream(), new Blob([text]), generator()]) {
        assert.ok(runtime.isStream(body))
        assert.deepEqual(await drain(runtime.source(body)), text)
      }
    })

    it(`${name}: refuses locked and read streams, and chunks that are not bytes`, async () => {
      const locked = webStream()
      const reader = locked.getReader()
      assert.throws(() => runtime.source(locked), code('ERR_S3CSE_CONFIG', /locked/))
      await reader.read()
      reader.releaseLock()
      assert.throws(() => runtime.source(locked), code('ERR_S3CSE_CONFIG', /read already/))
      const wrong = runtime.source(
        (async function* () {
          yield 1
        })(),
      )
      await assert.rejects(wrong.next(), code('ERR_S3CSE_CONFIG', /number/))
      assert.throws(() => runtime.source(5), code('ERR_S3CSE_CONFIG'))
    })

    it(`${name}: copies what a generator gives, which may use its buffer again`, async () => {
      const source = runtime.source(
        (async function* () {
          const buffer = new Uint8Array(1)
          for (let i = 1; i <= 3; i++) {
            buffer[0] = i
            yield buffer
          }
        })(),
      )
      assert.deepEqual(await drain(source), Buffer.from([1, 2, 3]))
    })

    it(`${name}: cancels generators, started or not, and web streams`, async () => {
      const ended: string[] = []
      const iterable = (name: string) => ({
        [Symbol.asyncIterator]: () => ({
          next: async () => ({ done: false as const, value: text }),
          return: async () => {
            ended.push(name)
            return { done: true as const, value: undefined }
          },
        }),
      })
      const started = runtime.source(iterable('started'))
      await started.next()
      started.cancel()
      started.cancel()
      runtime.source(iterable('unstarted')).cancel()
      let reason: unknown
      const stream = runtime.source(
        new ReadableStream({
          pull: (c) => c.enqueue(text),
          cancel: (r) => {
            reason = r
          },
        }),
      )
      await stream.next()
      const error = new Error('stop')
      stream.cancel(error)
      await Promise.resolve()
      assert.deepEqual(ended, ['started', 'unstarted'])
      assert.equal(reason, error)
    })

    it(`${name}: passes errors of generators and web streams`, async () => {
      const failing = async function* () {
        yield text
        throw new Error('source failed')
      }
      for (const body of [failing(), Readable.toWeb(Readable.from(failing()))]) {
        const source = runtime.source(body)
        await source.next()
        await assert.rejects(source.next(), /source failed/)
        source.cancel()
      }
    })

    it(`${name}: knows the length of a Blob and its own kinds of streams`, async () => {
      assert.equal(await runtime.streamLength(new Blob([text])), 8)
      assert.equal(await runtime.streamLength(webStream()), undefined)
      assert.equal(runtime.streamKind(webStream()), 'web')
      assert.equal(runtime.streamKind(new Blob([])), undefined)
      assert.ok(!runtime.isStream('text') && !runtime.isStream(null) && !runtime.isStream({}))
    })

    it(`${name}: a web stream pulls nothing before it is read, ends, fails and is cancelled`, async () => {
      let pulled = 0
      let cancelled = 0
      const make = (values: (Uint8Array | undefined | Error)[]) =>
        runtime.toStream(
          {
            next: async () => {
              const value = values[pulled++]
              if (value instanceof Error) throw value
              return value
            },
            cancel: () => cancelled++,
          },
          'web',
        ) as ReadableStream<Uint8Array>
      const whole = make([text, undefined])
      await new Promise(setImmediate)
      assert.equal(pulled, 0)
      assert.deepEqual(Buffer.from(await new Response(whole).arrayBuffer()), text)
      assert.equal(cancelled, 1)
      pulled = 0
      await assert.rejects(new Response(make([text, new Error('late')])).arrayBuffer(), /late/)
      assert.equal(cancelled, 2)
      await make([text]).cancel('enough')
      assert.equal(cancelled, 3)
    })
  }

  it('reads a Readable, passes its error, and destroys it on cancel', async () => {
    assert.deepEqual(await drain(node.source(Readable.from([text.subarray(0, 3), text.subarray(3)]))), text)
    const failing = new Readable({ read: () => undefined })
    const source = node.source(failing)
    const pending = source.next()
    failing.destroy(new Error('disk gone'))
    await assert.rejects(pending, /disk gone/)

    const endless = new Readable({ read: () => undefined })
    const waiting = node.source(endless).next()
    node.source(endless).cancel()
    await assert.rejects(waiting)
    assert.ok(endless.destroyed)
  })

  it('gives the chunks of a Readable as they come, without joining them, and asks for no more than is wanted', async () => {
    let made = 0
    const stream = new Readable({
      highWaterMark: 100,
      read() {
        this.push(made < 50 ? Uint8Array.of(made++) : null)
      },
    })
    stream.pause()
    const source = node.source(stream)
    await new Promise(setImmediate)
    assert.equal(made, 0)
    assert.deepEqual(await source.next(), Buffer.of(0))
    await new Promise(setImmediate)
    assert.ok(stream.readableLength > 1, 'nothing was buffered that could be joined')
    for (let i = 1; i < 50; i++) assert.deepEqual(await source.next(), Buffer.of(i))
    assert.equal(await source.next(), undefined)
    assert.equal(await source.next(), undefined)
    assert.equal(stream.listenerCount('data'), 0)
  })

  it('takes strings, empty chunks and old streams that go on after pause()', async () => {
    const half = Readable.from(['a', '', '\ud83d', new Uint8Array(0), 'b'])
    assert.equal((await drain(node.source(half))).toString(), 'a\ufffdb')
    const encoded = new Readable({ read: () => undefined, encoding: 'utf8' })
    encoded.push(Buffer.from('é'))
    encoded.push(null)
    assert.equal((await drain(node.source(encoded))).toString(), 'é')

    const old = new Readable({ read: () => undefined })
    old.pause = () => old
    for (const byte of [1, 2, 3]) old.push(Uint8Array.of(byte))
    old.push(null)
    assert.deepEqual(await drain(node.source(old)), Buffer.of(1, 2, 3))
  })

  it('rejects where a Readable fails, closes early or gives what are no bytes, at whatever place', async () => {
    const make = () => {
      const stream = new Readable({ read: () => undefined })
      stream.push(text)
      return { stream, source: node.source(stream) }
    }
    const failed = make()
    await failed.source.next()
    failed.stream.push(text)
    failed.stream.destroy(new Error('disk gone'))
    await assert.rejects(failed.source.next(), /disk gone/)
    await assert.rejects(failed.source.next(), /disk gone/)

    const closed = make()
    await closed.source.next()
    closed.stream.destroy()
    await assert.rejects(closed.source.next(), { code: 'ERR_STREAM_PREMATURE_CLOSE' })

    const early = make()
    early.stream.destroy()
    await assert.rejects(early.source.next(), { code: 'ERR_STREAM_PREMATURE_CLOSE' })

    const wrong = node.source(Readable.from([text, 5, text]))
    await wrong.next()
    await assert.rejects(wrong.next(), code('ERR_S3CSE_CONFIG', /number/))
    await assert.rejects(wrong.next(), code('ERR_S3CSE_CONFIG', /number/))
    wrong.cancel()
  })

  it('reports the error of a Readable that failed before it was read', async () => {
    const early = new Readable({ read: () => undefined })
    const source = node.source(early)
    early.destroy(new Error('too early'))
    await new Promise(setImmediate)
    await assert.rejects(source.next(), /too early/)
  })

  it('refuses a Readable that was read to its end: an empty object would be stored for it', async () => {
    const stream = Readable.from([text])
    await stream.toArray()
    assert.throws(() => node.source(stream), code('ERR_S3CSE_CONFIG', /end/))
  })
})

describe('streamLength', () => {
  let directory: string
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 's3-cse-test-'))
    await writeFile(join(directory, 'file'), text)
  })
  after(() => rm(directory, { recursive: true }))

  it('is the length of a file stream, with start and end', async () => {
    const path = join(directory, 'file')
    for (const [options, length] of [
      [{}, 8],
      [{ start: 2 }, 6],
      [{ end: 3 }, 4],
      [{ start: 2, end: 3 }, 2],
      [{ start: 20 }, 0],
      [{ start: 2, end: 200 }, 6],
    ] as const) {
      const stream = createReadStream(path, options)
      assert.equal(await node.streamLength(stream), length)
      assert.equal((await drain(node.source(stream))).length, length)
    }
    const handle = await open(path)
    const stream = handle.createReadStream({ start: 1 })
    assert.equal(await node.streamLength(stream), 7)
    await drain(node.source(stream))
  })

  it('is unknown for what has no length: other streams, devices, missing files, a stream read in part', async () => {
    assert.equal(await node.streamLength(Readable.from([text])), undefined)
    const device = createReadStream('/dev/null')
    assert.equal(await node.streamLength(device), undefined)
    device.destroy()
    const missing = createReadStream(join(directory, 'missing'))
    missing.on('error', () => undefined)
    assert.equal(await node.streamLength(missing), undefined)
    const part = createReadStream(join(directory, 'file'))
    await part[Symbol.asyncIterator]().next()
    assert.equal(await node.streamLength(part), undefined)
    part.destroy()
  })
})

describe('toStream on Node', () => {
  it('cancels the source when it is destroyed, while a read is pending', async () => {
    let cancelled: Error | undefined
    const stream = node.toStream(
      { next: () => new Promise(() => undefined), cancel: (error) => (cancelled = error) },
      'node',
    ) as Readable
    stream.on('error', () => undefined)
    stream.read()
    const error = new Error('no more')
    stream.destroy(error)
    await new Promise(setImmediate)
    assert.equal(cancelled, error)
  })

  it('lets others have their turn while a source that never waits is read by a sink that never is full', async () => {
    const chunk = new Uint8Array(1024 * 1024)
    let given = 0
    const stream = node.toStream(
      { next: async () => (given++ < 64 ? chunk : undefined), cancel: () => undefined },
      'node',
    ) as Readable
    let turns = 0
    let timer: NodeJS.Immediate | undefined
    const count = () => {
      turns++
      timer = setImmediate(count)
    }
    count()
    let length = 0
    for await (const piece of stream) length += (piece as Uint8Array).length
    clearImmediate(timer)
    assert.equal(length, 64 * chunk.length)
    assert.ok(turns >= 8, `${turns} turns`)
  })

  it('reports the error of its source, and ignores what comes after destroy', async () => {
    const failing = node.toStream(
      { next: () => Promise.reject(new Error('bad')), cancel: () => undefined },
      'node',
    ) as Readable
    await assert.rejects(failing.toArray(), /bad/)
    let give: (chunk: Uint8Array) => void = () => undefined
    const late = node.toStream(
      { next: () => new Promise<Uint8Array>((resolve) => (give = resolve)), cancel: () => undefined },
      'node',
    ) as Readable
    late.read()
    late.destroy()
    give(text)
    await new Promise(setImmediate)
    assert.equal(late.readableLength, 0)
    assert.equal(node.streamKind(late), 'node')
  })
})
