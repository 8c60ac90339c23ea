import { configError } from '../errors.js'
import type { PartAttempt } from '../message/multipart.js'
import type { ByteSource } from '../runtime/runtime.js'
import { runtime } from '#runtime'
import { callerChecksums, digestMembers } from './checksums.js'
import type { CallerChecksums } from './checksums.js'
import { crcOfPart } from './full-object-checksum.js'
import type { PlaintextCrc } from './full-object-checksum.js'
import { setInfo } from './info.js'
import { unexpected } from './open-object.js'
import type { Settings } from './options.js'
import { partPlaintext } from './part-plaintext.js'
import type { PartPlaintext } from './part-plaintext.js'
import { hasSaveUpload, objectName, partSizeOf } from './request-options.js'
import { abortError, pick, throwIfAborted, untilAborted } from './sdk.js'
import type { CommandContext, Input, Result } from './sdk.js'
import { rememberPayloadHash } from './payload-hash.js'
import { rememberReceipt } from './upload-receipt.js'
import { watchUpload } from './upload-streams.js'
import type { ActiveUpload, StoredPart } from './uploads.js'

/** What every part of an upload is sent with, and a part of our own needs as well. */
const PART_MEMBERS = [
  'SSECustomerAlgorithm',
  'SSECustomerKey',
  'SSECustomerKeyMD5',
  'RequestPayer',
  'ExpectedBucketOwner',
  'ChecksumAlgorithm',
] as const

export function partMembers(input: Input): Record<string, unknown> {
  return pick(input, PART_MEMBERS)
}

/** ETag and checksums of an output of UploadPart, by the names that CompleteMultipartUpload has for them. */
export function storedPart(output: Readonly<Record<string, unknown>>): StoredPart {
  const names = Object.keys(output).filter(
    (name) => (name === 'ETag' || name.startsWith('Checksum')) && typeof output[name] === 'string',
  )
  return Object.freeze(Object.fromEntries(names.map((name) => [name, output[name]]))) as StoredPart
}

interface SealedPart {
  readonly body: unknown
  /** Whether it was read to its end. */
  isSealed(): boolean
  cancel(error: Error): void
  /** The part was stored, and nobody reads its body any more. */
  done(): void
}

async function sealPart(
  plaintext: PartPlaintext,
  attempt: PartAttempt,
  upload: ActiveUpload,
  checksums: CallerChecksums | undefined,
  crc: PlaintextCrc | undefined,
  wantsHash: boolean,
): Promise<SealedPart> {
  const observe = (chunk: Uint8Array): void => {
    checksums?.update(chunk)
    crc?.update(chunk)
  }
  if ('bytes' in plaintext) {
    observe(plaintext.bytes)
    await checksums?.verify()
    let sha256: Uint8Array | undefined
    const hashed = wantsHash ? (found: Uint8Array): void => void (sha256 = found) : undefined
    const body = await attempt.sealBytes(plaintext.bytes, (length) => upload.buffers.take(length), hashed)
    if (sha256 !== undefined) rememberPayloadHash(body, sha256)
    attempt.end()
    return {
      body,
      isSealed: () => true,
      cancel: () => undefined,
      done: () => upload.buffers.give(body),
    }
  }
  const sealed = attempt.sealStream(plaintext.source, observe, async () => checksums?.verify())
  let ended = false
  const source: ByteSource = {
    async next() {
      const chunk = await sealed.next()
      ended = chunk === undefined
      return chunk
    },
    cancel: (error) => sealed.cancel(error),
  }
  const stream = runtime.toStream(source, 'node') as { destroy(error?: Error): void }
  watchUpload(stream)
  return {
    body: stream,
    isSealed: () => ended,
    cancel: (error) => stream.destroy(error),
    done: () => undefined,
  }
}

export async function uploadPart(c: CommandContext, settings: Settings): Promise<Result> {
  const { args, next, config, signal } = c
  const { input } = args
  // Taken over at once: from here on an error of the caller's stream is ours to report.
  const source = runtime.isStream(input.Body) ? runtime.source(input.Body) : undefined
  let attempt: PartAttempt | undefined
  let leave: (() => void) | undefined
  try {
    const { bucket, key } = objectName(input)
    const upload = settings.uploads.active(bucket, key, input.UploadId)
    leave = settings.uploads.use(upload)
    checkPartSize(upload, input)
    if (hasSaveUpload(input) && upload.log === undefined) {
      throw configError(
        'saveUpload was not given when the upload was created: nothing of it is saved. Give it in the request options of CreateMultipartUpload',
      )
    }
    const number = input.PartNumber as number
    const algorithm = input.ChecksumAlgorithm ?? upload.checksumAlgorithm
    const checksums = callerChecksums({ ...input, ChecksumAlgorithm: algorithm }, config)
    const crc = upload.fullObjectChecksum ? crcOfPart(upload, number) : undefined
    throwIfAborted(signal)
    const plaintext = await partPlaintext(c, source, settings, number)
    const length = 'bytes' in plaintext ? plaintext.bytes.length : plaintext.length
    attempt = upload.multipart.begin(number, length, 'bytes' in plaintext ? 'bytes' : 'stream')
    const sealedLength = await attempt.place(signal)
    throwIfAborted(signal)
    const body = await untilAborted(
      sealPart(plaintext, attempt, upload, checksums, crc, !settings.unsignedPayload),
      signal,
      (late) => late.cancel(abortError(signal as AbortSignal)),
    )

    const encrypted: Record<string | symbol, unknown> = { ...input, Body: body.body, ContentLength: sealedLength }
    for (const member of digestMembers(input)) Reflect.deleteProperty(encrypted, member)
    if (checksums !== undefined) encrypted.ChecksumAlgorithm = checksums.algorithm
    else if (algorithm !== undefined) encrypted.ChecksumAlgorithm = algorithm
    upload.partMembers = partMembers(encrypted)
    try {
      const result = await next({ ...args, input: encrypted })
      if (result.output.presigned !== undefined) return result
      if (!body.isSealed()) {
        throw unexpected(
          `The response for part ${number} of ${bucket}/${key} says that it is stored, but its body was not read to the end. Whatever was stored is not the part.`,
        )
      }
      const stored = storedPart(result.output)
      const version = attempt.stored()
      body.done()
      crc?.keep()
      upload.stored.set(number, stored)
      upload.digests.set(number, Object.fromEntries(digestMembers(input).map((name) => [name, input[name]])))
      const logged = upload.log?.stored(number, stored, version)
      if (logged !== undefined) await untilAborted(logged, signal)
      setInfo(result.output, {
        status: 'encrypted',
        envelope: upload.summary,
        metadata: upload.metadata,
        storedLength: sealedLength,
        // They stay in the output as well: CompleteMultipartUpload wants them.
        checksums: stored as Record<string, string>,
      })
      rememberReceipt(result.output, upload, number)
      return result
    } catch (error) {
      // The SDK leaves the body of an aborted or refused request as it is.
      body.cancel(error as Error)
      throw error
    }
  } catch (error) {
    source?.cancel(error as Error)
    throw error
  } finally {
    attempt?.end()
    leave?.()
  }
}

function checkPartSize({ multipart }: ActiveUpload, input: Input): void {
  const given = partSizeOf(input)
  if (given === undefined || given === multipart.partSize) return
  throw configError(
    multipart.partSize === undefined
      ? 'partSize must be given when the upload is created, in the request options of CreateMultipartUpload'
      : `partSize was ${multipart.partSize} bytes when the upload was created, and cannot be ${given} now`,
  )
}
