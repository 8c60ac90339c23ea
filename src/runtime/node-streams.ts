import { fstat, stat } from 'node:fs'
import { Readable } from 'node:stream'
import { promisify } from 'node:util'

import { configError } from '../errors.js'
import type { ByteSource, Runtime } from './runtime.js'
import { isAsyncIterable, isBlob, chunkEncoder, isWebStream, sourceOfWeb, webStream } from './web-streams.js'

/** What an upload or a plaintext stream may hold ahead of its reader, in bytes. */
const HIGH_WATER_MARK = 64 * 1024

const fileStat = promisify(stat)
const descriptorStat = promisify(fstat)

function isReadable(value: unknown): value is Readable {
  return (
    value instanceof Readable ||
    (typeof value === 'object' &&
      value !== null &&
      typeof (value as Readable).pipe === 'function' &&
      typeof (value as Readable).read === 'function' &&
      typeof (value as Readable).on === 'function')
  )
}

function ignore(): void {
  // An error is reported by next(); without a listener Node would end the process.
}

function sourceOfReadable(stream: Readable): ByteSource {
  // It would give nothing more, and an empty object would be stored for it.
  if (stream.readableEnded) throw configError('Body is a stream that was read to its end already')
  stream.on('error', ignore)
  let iterator: AsyncIterator<unknown> | undefined
  let finished = false
  const chunks = chunkEncoder()
  return {
    async next() {
      iterator ??= stream[Symbol.asyncIterator]()
      for (;;) {
        if (finished) return undefined
        const result = await iterator.next()
        if (result.done === true) {
          finished = true
          return chunks.end()
        }
        const chunk = chunks.encode(result.value)
        if (chunk.length > 0) return chunk
      }
    },
    cancel(error) {
      stream.destroy(error)
    },
  }
}

function toReadable(source: ByteSource): Readable {
  const stream = new Readable({
    highWaterMark: HIGH_WATER_MARK,
    read() {
      source.next().then(
        (chunk) => {
          if (!stream.destroyed) stream.push(chunk ?? null)
        },
        (error: unknown) => stream.destroy(error as Error),
      )
    },
    destroy(error, callback) {
      source.cancel(error ?? undefined)
      callback(error)
    },
  })
  return stream
}

/** A stream of `fs.createReadStream`, by the members that tell its length. */
interface FileStream {
  readonly path: string | Uint8Array | undefined
  readonly fd: unknown
  readonly start: number | undefined
  readonly end: number | undefined
  readonly bytesRead: number
  readonly readableDidRead: boolean
}

function isFileStream(value: object): value is FileStream {
  return 'bytesRead' in value && 'fd' in value && 'start' in value
}

async function streamLength(body: unknown): Promise<number | undefined> {
  if (isBlob(body)) return body.size
  if (!isReadable(body) || !isFileStream(body) || body.readableDidRead) return undefined
  try {
    const found = typeof body.fd === 'number' ? await descriptorStat(body.fd) : await fileStat(body.path as string)
    if (!found.isFile()) return undefined
    const end = Math.min(found.size, (body.end ?? Infinity) + 1)
    return Math.max(0, end - (body.start ?? 0))
  } catch {
    return undefined // the stream itself reports what is wrong with the file
  }
}

export const streamRuntime: Pick<Runtime, 'isStream' | 'source' | 'streamLength' | 'toStream' | 'streamKind' | 'name'> =
  {
    name: 'node',
    isStream: (body) => isReadable(body) || isWebStream(body) || isBlob(body) || isAsyncIterable(body),
    source(body) {
      return isReadable(body) ? sourceOfReadable(body) : sourceOfWeb(body)
    },
    streamLength,
    toStream: (source, kind) => (kind === 'node' ? toReadable(source) : webStream(source)),
    streamKind: (body) => (isReadable(body) ? 'node' : isWebStream(body) ? 'web' : undefined),
  }
