/** Reads the body of a request: de-chunks it, verifies what was said about it, and hands it to a writer. */
import { createHash } from 'node:crypto'
import type { BodyWriter } from './s3-body.js'
import { base64, checkChecksumValue, runningDigests, runningHash } from './s3-checksums.js'
import { chunkDecoder, type ChunkDecoder } from './s3-chunked.js'
import { Disconnected, S3Error } from './s3-error.js'
import type { Exchange } from './s3-exchange.js'
import type { PayloadPlan } from './s3-payload.js'
import { chunkSignature, trailerSignature } from './s3-sigv4.js'
import type { S3ChecksumAlgorithm, S3Checksums } from './s3-types.js'

export interface Received {
  /** undefined if nothing needed it. */
  readonly md5: Uint8Array | undefined
  readonly checksums: S3Checksums
}

/**
 * Resolves when the whole body was right; the writer is neither finished nor discarded here. `more`: checksums that
 * are computed besides the one that the request carries.
 */
export async function receive(
  x: Exchange,
  plan: PayloadPlan,
  writer: BodyWriter,
  more: readonly S3ChecksumAlgorithm[] = [],
): Promise<Received> {
  const checks = bodyChecks(x, plan, more)
  const kept: Uint8Array[] = []
  const take = (bytes: Uint8Array): void => {
    x.record.bodyLength += bytes.length
    if (x.record.bodyLength > plan.length) {
      throw new S3Error('IncompleteBody', 'The body is longer than its declared length.')
    }
    if (x.record.bodyLength <= x.settings.recordBodyBytes) kept.push(bytes)
    checks.update(bytes)
    writer.write(bytes)
  }
  const decoder = plan.chunked === undefined ? undefined : decode(x, plan, take)
  x.proceed()
  try {
    await pump(x, decoder?.push ?? take, writer)
    decoder?.finish()
  } finally {
    if (x.record.bodyLength <= x.settings.recordBodyBytes) x.record.body = new Uint8Array(Buffer.concat(kept))
  }
  if (x.record.bodyLength !== plan.length) {
    throw new S3Error(
      'IncompleteBody',
      'You did not provide the number of bytes specified by the Content-Length HTTP header',
    )
  }
  return checks.finish(x.record.trailers)
}

/** Feeds the raw body to `push`, with backpressure; after an error the rest is read and dropped, so that it can be answered. */
function pump(x: Exchange, push: (bytes: Uint8Array) => void, writer: BodyWriter): Promise<void> {
  const { incoming, fault } = x
  const resetAfter = typeof fault?.reset === 'object' && 'afterRequestBytes' in fault.reset ? fault.reset : undefined
  let raw = 0
  return new Promise((resolve, reject) => {
    const settle = (error?: unknown): void => {
      incoming.off('data', onData).off('end', onEnd).off('close', onClose)
      incoming.resume()
      if (error === undefined) resolve()
      else reject(error instanceof Error ? error : new Error('reading the body failed', { cause: error }))
    }
    const onClose = (): void => settle(new Disconnected())
    const onEnd = (): void => {
      if (resetAfter !== undefined) incoming.socket.resetAndDestroy()
      settle(resetAfter === undefined ? undefined : new Disconnected())
    }
    const onData = (bytes: Buffer): void => {
      raw += bytes.length
      if (resetAfter !== undefined && raw >= resetAfter.afterRequestBytes) {
        incoming.socket.resetAndDestroy()
        settle(new Disconnected())
        return
      }
      try {
        push(bytes)
      } catch (error) {
        settle(error)
        return
      }
      const room = writer.room()
      const turn = x.settings.pacer?.take(bytes.length)
      if (room === undefined && turn === undefined) return
      incoming.pause()
      Promise.all([room, turn]).then(() => incoming.resume(), settle)
    }
    // (Also where all of it has arrived: no event comes any more.)
    if (incoming.destroyed) settle(new Disconnected())
    else incoming.on('data', onData).on('end', onEnd).on('close', onClose)
  })
}

interface BodyChecks {
  update(bytes: Uint8Array): void
  finish(trailers: Readonly<Record<string, string>>): Received
}

function bodyChecks(x: Exchange, plan: PayloadPlan, more: readonly S3ChecksumAlgorithm[]): BodyChecks {
  const verify = x.settings.verifyPayload
  const sha256 = verify && plan.sha256 !== undefined ? runningHash('sha256') : undefined
  const md5 = x.settings.etag === 'md5' || plan.md5 !== undefined ? runningHash('md5') : undefined
  const algorithm = plan.checksum?.algorithm
  const digests = runningDigests(algorithm === undefined ? more : [algorithm, ...more])
  const running = [sha256, md5, digests].filter((one) => one !== undefined)
  return {
    update: (bytes) => {
      for (const one of running) one.update(bytes)
    },
    finish(trailers) {
      if (sha256 !== undefined && Buffer.from(sha256.digest()).toString('hex') !== plan.sha256) {
        throw new S3Error('XAmzContentSHA256Mismatch')
      }
      const md5Bytes = md5?.digest()
      if (plan.md5 !== undefined && md5Bytes !== undefined && base64(md5Bytes) !== plan.md5) {
        throw new S3Error('BadDigest', 'The Content-MD5 you specified did not match what we received.')
      }
      const checksums = digests.finish()
      if (algorithm === undefined) return { md5: md5Bytes, checksums }
      const expected = plan.checksum?.expected ?? trailers[`x-amz-checksum-${algorithm}`]
      if (expected !== undefined) {
        checkChecksumValue(algorithm, expected)
        if (expected !== checksums[algorithm]) {
          throw new S3Error(
            'BadDigest',
            `The ${algorithm.toUpperCase()} you specified did not match the calculated checksum.`,
          )
        }
      }
      return { md5: md5Bytes, checksums }
    },
  }
}

function decode(x: Exchange, plan: PayloadPlan, take: (bytes: Uint8Array) => void): ChunkDecoder {
  const announced = plan.chunked?.trailers ?? []
  const signed = plan.chunked?.signed === true && x.settings.verifyPayload
  let previous = x.authorization.signature
  let current: string | undefined
  let hash = createHash('sha256')
  return chunkDecoder({
    start(size, signature) {
      x.record.chunkSizes.push(size)
      if ((signature !== undefined) !== plan.chunked?.signed) {
        throw new S3Error('IncompleteBody', 'A chunk signature is missing or was not announced.')
      }
      current = signature
      if (signed) hash = createHash('sha256')
    },
    data(bytes) {
      if (signed) hash.update(bytes)
      take(bytes)
    },
    end() {
      if (!signed) return
      if (current !== chunkSignature(x.authorization, previous, hash.digest('hex'))) {
        throw new S3Error('SignatureDoesNotMatch')
      }
      previous = current
    },
    trailers(trailers, signature) {
      Object.assign(x.record.trailers, Object.fromEntries(trailers))
      const names = trailers.map(([name]) => name)
      if (names.length !== announced.length || names.some((name) => !announced.includes(name))) {
        throw new S3Error('MalformedTrailerError')
      }
      if (signed && announced.length > 0 && signature !== trailerSignature(x.authorization, previous, trailers)) {
        throw new S3Error('SignatureDoesNotMatch')
      }
    },
  })
}
