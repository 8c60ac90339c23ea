/** Sends answers: from memory or disk, with backpressure, and as badly as a fault wants it. */
import type { ServerResponse } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { memoryBody, release } from './s3-body.js'
import type { Answer, BodySlice } from './s3-exchange.js'
import type { Pacer } from './s3-pace.js'
import { bodyReader } from './s3-segments.js'
import type { S3Fault } from './s3-types.js'

export interface SendOptions {
  readonly requestId: string
  /** A HEAD request: the headers of a body, but no body. */
  readonly head: boolean
  readonly fault: S3Fault | undefined
  readonly pacer: Pacer | undefined
  /** Ends pauses when the server is closed. */
  readonly signal: AbortSignal
}

const READ_BYTES = 512 * 1024
const PACED_BYTES = 64 * 1024
const BUFFERS = 3

/** Resolves when the answer has been handed to the system, or the client is gone. */
export async function send(response: ServerResponse, answer: Answer, options: SendOptions): Promise<void> {
  const { fault, head } = options
  const slice = asSlice(answer.body)
  try {
    const length = slice.end - slice.start
    const bodiless = answer.status === 204 || answer.status === 304
    const reset = typeof fault?.reset === 'object' && 'afterResponseBytes' in fault.reset ? fault.reset : undefined
    if (reset !== undefined && (head || bodiless || reset.afterResponseBytes === 0)) {
      response.socket?.resetAndDestroy()
      return
    }
    const headers: Record<string, string | undefined> = {
      'x-amz-request-id': options.requestId,
      'x-amz-id-2': Buffer.from(options.requestId.repeat(3)).toString('base64'),
      ...(bodiless ? {} : { 'content-length': String(length) }),
      ...answer.headers,
      ...lowerCase(fault?.headers ?? {}),
    }
    if (fault?.truncateBody !== undefined || lies(headers, length)) headers.connection = 'close'
    const given = Object.entries(headers).filter((entry): entry is [string, string] => entry[1] !== undefined)
    response.writeHead(statusOf(answer, fault), Object.fromEntries(given))
    if (head || bodiless) {
      response.end()
      return
    }
    if (fault === undefined && options.pacer === undefined && slice.body.bytes !== undefined) {
      response.end(slice.body.bytes.subarray(slice.start, slice.end))
      return
    }
    const limit = Math.min(length, reset?.afterResponseBytes ?? length, fault?.truncateBody ?? length)
    response.flushHeaders()
    await writeSlice(response, { ...slice, end: slice.start + limit }, options)
    if (reset !== undefined) response.socket?.resetAndDestroy()
    else response.end()
  } finally {
    await release(slice.body)
  }
}

function asSlice(body: Uint8Array | BodySlice | undefined): BodySlice {
  if (body !== undefined && 'body' in body) return body
  const bytes = body ?? new Uint8Array(0)
  return { body: memoryBody(bytes), start: 0, end: bytes.length }
}

function statusOf(answer: Answer, fault: S3Fault | undefined): number {
  return fault?.status !== undefined && fault.status < 400 ? fault.status : answer.status
}

function lies(headers: Readonly<Record<string, string | undefined>>, length: number): boolean {
  const declared = headers['content-length']
  return declared !== undefined && declared !== String(length)
}

function lowerCase(headers: Readonly<Record<string, string | undefined>>): Record<string, string | undefined> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]))
}

async function writeSlice(response: ServerResponse, slice: BodySlice, options: SendOptions): Promise<void> {
  const { chunkBytes, pauseMs } = options.fault ?? {}
  // Not the response's own event: behind another answer on the same connection (pipelining) it has none.
  const { socket } = response.req
  let onClose = (): void => undefined
  const gone = new Promise<false>((resolve) => (onClose = () => resolve(false)))
  socket.once('close', onClose)
  const pieceBytes = Math.max(1, chunkBytes ?? (options.pacer === undefined ? READ_BYTES : PACED_BYTES))
  const bufferBytes = slice.body.bytes === undefined ? Math.min(pieceBytes, slice.end - slice.start) : 0
  const buffers = Array.from({ length: BUFFERS }, () => Buffer.allocUnsafeSlow(bufferBytes))
  const reader = bodyReader(slice.body)
  try {
    // A buffer is read into again only when the system has taken what it held.
    const written: Promise<boolean>[] = []
    for (let at = slice.start, slot = 0; at < slice.end; slot = (slot + 1) % BUFFERS) {
      if ((await written[slot]) === false || socket.destroyed) return
      const bytes = await reader.read(buffers[slot] ?? Buffer.alloc(0), at, Math.min(slice.end, at + pieceBytes))
      at += bytes.length
      await options.pacer?.take(bytes.length)
      const taken = new Promise<boolean>((resolve) => response.write(bytes, (error) => resolve(error == null)))
      written[slot] = Promise.race([taken, gone])
      if (pauseMs !== undefined) await sleep(pauseMs, undefined, { signal: options.signal }).catch(() => undefined)
    }
    await Promise.all(written)
  } finally {
    socket.off('close', onClose)
    await reader.close()
  }
}
