import { fstat, stat } from 'node:fs'
import { finished, Readable } from 'node:stream'
import { promisify } from 'node:util'

import { configError } from '../errors.js'
import type { ByteSource, Runtime } from './runtime.js'
import { isAsyncIterable, isBlob, chunkEncoder, isWebStream, sourceOfWeb, webStream } from './web-streams.js'

/** What an upload or a plaintext stream may hold ahead of its reader, in bytes. */
const HIGH_WATER_MARK = 64 * 1024

/** After how many bytes everything else in the process gets its turn. */
const PAUSE_AFTER = 4 * 1024 * 1024

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

/**
 * By 'data' events: the stream's own iterator joins all that is buffered into one chunk, which is one copy more, and
 * chunks of more than 64 KiB cost whoever makes others of them more than their bytes (see `SLICE` in node-crypto.ts).
 */
function sourceOfReadable(stream: Readable): ByteSource {
  // It would give nothing more, and an empty object would be stored for it.
  if (stream.readableEnded) throw configError('Body is a stream that was read to its end already')
  stream.on('error', ignore)
  const chunks = chunkEncoder()
  /** One at most, unless the stream goes on when it is told to pause. */
  const queue: Uint8Array[] = []
  let started = false
  let outcome: { readonly error: Error | undefined } | undefined
  let waiting: { resolve(chunk: Uint8Array | undefined): void; reject(error: Error): void } | undefined

  function end(error: Error | undefined): void {
    if (outcome !== undefined) return
    outcome = { error }
    stream.off('data', take)
    const last = error === undefined ? chunks.end() : undefined
    if (error !== undefined) queue.length = 0
    if (last !== undefined) queue.push(last)
    if (error === undefined) waiting?.resolve(queue.shift())
    else waiting?.reject(error)
    waiting = undefined
  }
  function take(item: unknown): void {
    // What was buffered still comes; an error or an early end is reported instead.
    if (stream.destroyed) return
    stream.pause()
    try {
      const chunk = chunks.encode(item)
      if (chunk.length > 0) queue.push(chunk)
    } catch (error) {
      end(error as Error)
      return
    }
    if (waiting === undefined) return
    if (queue.length === 0) {
      stream.resume()
      return
    }
    waiting.resolve(queue.shift())
    waiting = undefined
  }
  return {
    next() {
      if (queue.length > 0) return Promise.resolve(queue.shift())
      if (outcome !== undefined) {
        return outcome.error === undefined ? Promise.resolve(undefined) : Promise.reject(outcome.error)
      }
      return new Promise((resolve, reject) => {
        waiting = { resolve, reject }
        if (!started) {
          started = true
          finished(stream, { writable: false }, (error) => end(error ?? undefined))
          stream.on('data', take)
        }
        stream.resume()
      })
    },
    cancel(error) {
      stream.destroy(error)
    },
  }
}

function toReadable(source: ByteSource): Readable {
  let sincePause = 0
  const give = (chunk: Uint8Array | undefined): void => {
    if (stream.destroyed) return
    sincePause += chunk?.length ?? 0
    stream.push(chunk ?? null)
  }
  const pull = (): void => {
    source.next().then(give, (error: unknown) => stream.destroy(error as Error))
  }
  const stream = new Readable({
    highWaterMark: HIGH_WATER_MARK,
    read() {
      if (sincePause < PAUSE_AFTER) {
        pull()
        return
      }
      // Where the source has all its bytes and the sink takes them all, nothing else would get its turn until the end.
      sincePause = 0
      setImmediate(pull)
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
    source(body, atOnce = false) {
      return isReadable(body) ? sourceOfReadable(body) : sourceOfWeb(body, atOnce)
    },
    streamLength,
    toStream: (source, kind) => (kind === 'node' ? toReadable(source) : webStream(source)),
    streamKind: (body) => (isReadable(body) ? 'node' : isWebStream(body) ? 'web' : undefined),
  }
