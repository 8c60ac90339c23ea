import { bytesOf, checkedLength, sourceOfBytes } from '../bytes/body.js'
import { configError, CseError } from '../errors.js'
import { sealedSource } from '../message/sealed-source.js'
import type { Sealer } from '../message/sealer.js'
import type { ByteSource } from '../runtime/runtime.js'
import { runtime } from '#runtime'
import { callerChecksums, digestMembers } from './checksums.js'
import type { CallerChecksums } from './checksums.js'
import { collectBody, tooLarge } from './collect-body.js'
import { unsupported } from './commands.js'
import { mergedMetadata, refuseReserved } from './envelope-metadata.js'
import { emitterFor } from './events.js'
import { setInfo, takeChecksums } from './info.js'
import { fileOf, summaryWith } from './envelope-file.js'
import { withInstructionFile } from './instruction-file.js'
import type { Settings } from './options.js'
import { checkPlaintextLength, objectName, requestSettings } from './request-options.js'
import { sendsStreams, throwIfAborted, untilAborted } from './sdk.js'
import type { CommandContext, Input, Result } from './sdk.js'
import { timedSealer } from './timed.js'
import { watchUpload } from './upload-streams.js'

/** What S3 stores in one PUT, in bytes. */
const MAX_PUT_BYTES = 5 * 1024 ** 3
/** Bodies in memory that are not sealed at once are sealed in pieces of this size, in bytes. */
const PIECE_LENGTH = 1024 * 1024

/** The plaintext: bytes that are sealed at once and can be sent again, or a source of known length. */
type Plaintext = { readonly bytes: Uint8Array } | { readonly source: ByteSource; readonly length: number }

const UNKNOWN_LENGTH = 'its length is unknown (give ContentLength to have it streamed)'
const NO_STREAMS = "the client's request handler sends no streams"

function lengthError(found: number, declared: number): CseError {
  return new CseError(
    'ERR_S3CSE_BODY_LENGTH',
    `The body has ${found} bytes, but ContentLength says ${declared}; nothing was sent.`,
  )
}

async function normalise(
  input: Input,
  source: ByteSource | undefined,
  settings: Settings,
  streaming: boolean,
  signal: AbortSignal | undefined,
): Promise<Plaintext> {
  const declared = input.ContentLength === undefined ? undefined : checkedLength(input.ContentLength, 'ContentLength')
  const limit = settings.maxBufferedBytes
  let bytes = source === undefined ? bytesOf(input.Body) : undefined
  if (source === undefined && bytes === undefined) {
    throw configError(
      `Body is of a type that cannot be encrypted (${typeof input.Body}). Give a string, bytes, a Blob, a stream or an async iterable of bytes.`,
    )
  }
  if (source !== undefined) {
    const length = declared ?? (await runtime.streamLength(input.Body))
    // A Blob is collected, if it fits, so that the SDK can send it again.
    const replayable = input.Body instanceof Blob && length !== undefined && length <= limit
    if (length !== undefined && streaming && !replayable) return { source, length }
    if (length !== undefined && length > limit) {
      source.cancel()
      throw tooLarge(limit, NO_STREAMS)
    }
    bytes = await collectBody(source, limit, streaming ? UNKNOWN_LENGTH : NO_STREAMS, signal)
  }
  const found = bytes ?? new Uint8Array(0)
  if (declared !== undefined && declared !== found.length) throw lengthError(found.length, declared)
  if (found.length <= limit) return { bytes: found }
  if (!streaming) throw tooLarge(limit, NO_STREAMS)
  return { source: sourceOfBytes(found, PIECE_LENGTH), length: found.length }
}

interface SealedBody {
  readonly body: unknown
  /** Whether the body was read to its end and is what was declared. */
  isSealed(): boolean
  cancel(error: Error): void
}

async function sealBody(
  plaintext: Plaintext,
  sealer: Sealer,
  checksums: CallerChecksums | undefined,
): Promise<SealedBody> {
  if ('bytes' in plaintext) {
    try {
      const body = await sealer.sealWhole(plaintext.bytes)
      return { body, isSealed: () => true, cancel: () => undefined }
    } finally {
      sealer.destroy()
    }
  }
  let complete = false
  const sealed = sealedSource({
    sealer,
    plaintext: plaintext.source,
    length: plaintext.length,
    observe: (chunk) => checksums?.update(chunk),
    async finish() {
      await checksums?.verify()
      complete = true
    },
  })
  const stream = runtime.toStream(sealed, 'node') as { destroy(error?: Error): void }
  watchUpload(stream)
  return { body: stream, isSealed: () => complete, cancel: (error) => stream.destroy(error) }
}

export async function putObject(c: CommandContext, settings: Settings): Promise<Result> {
  const { args, next, config, signal } = c
  const { input } = args
  // Taken over at once: from here on an error of the caller's stream is ours to report.
  const source = runtime.isStream(input.Body) ? runtime.source(input.Body) : undefined
  try {
    const { bucket, key } = objectName(input)
    if (input.WriteOffsetBytes !== undefined) {
      throw unsupported(
        'PutObjectCommand',
        'WriteOffsetBytes appends to an object, and an encrypted message cannot grow. Put the whole object.',
      )
    }
    const request = requestSettings(settings, input, bucket, key)
    const own = (input.Metadata ?? {}) as Input
    refuseReserved(own, settings.format.reservedKeys)
    const checksums = callerChecksums(input, config)
    throwIfAborted(signal)

    const plaintext = await normalise(input, source, settings, sendsStreams(config), signal)
    const length = 'bytes' in plaintext ? plaintext.bytes.length : plaintext.length
    checkPlaintextLength(request, length)
    if (checksums !== undefined && 'bytes' in plaintext) {
      checksums.update(plaintext.bytes)
      await checksums.verify()
    }

    const sealing = settings.format.seal({
      keyring: request.keyring,
      commitmentPolicy: settings.commitmentPolicy,
      encryptionContext: request.encryptionContext,
      ordered: true,
      plaintextLength: length,
      ...(signal === undefined ? {} : { signal }),
    })
    const made = await untilAborted(sealing, signal, (late) => late.sealer.destroy())
    const sealed = { ...made, sealer: timedSealer(made.sealer, emitterFor(settings.observer, { bucket, key })) }
    const file = fileOf(settings, request, sealed.metadata)
    let body
    let sealedLength: number
    let metadata
    try {
      sealedLength = sealed.sealer.sealedLength(length)
      if (sealedLength > MAX_PUT_BYTES) {
        throw new CseError(
          'ERR_S3CSE_BODY_TOO_LARGE',
          `The body has ${length} bytes and ${sealedLength} when encrypted; one PUT takes ${MAX_PUT_BYTES}. Larger objects need a multipart upload (Upload of @aws-sdk/lib-storage).`,
        )
      }
      metadata = mergedMetadata(own, file?.onObject ?? sealed.metadata, bucket, key)
      throwIfAborted(signal)
      body = await sealBody(plaintext, sealed.sealer, checksums)
    } catch (error) {
      sealed.sealer.destroy()
      throw error
    }

    const encrypted: Record<string | symbol, unknown> = {
      ...input,
      Body: body.body,
      ContentLength: sealedLength,
      Metadata: metadata,
    }
    for (const member of digestMembers(input)) Reflect.deleteProperty(encrypted, member)
    if (checksums !== undefined) encrypted.ChecksumAlgorithm = checksums.algorithm
    try {
      const send = async (): Promise<Result> => {
        const result = await next({ ...args, input: encrypted })
        if (body.isSealed()) return result
        throw new CseError(
          'ERR_S3CSE_RESPONSE_UNEXPECTED',
          `The response for ${bucket}/${key} says that the object is stored, but its body was not read to the end. Whatever was stored is not the object.`,
        )
      }
      const object = { bucket, key }
      const result = await (file === undefined ? send() : withInstructionFile({ ...c, settings, object, file }, send))
      setInfo(result.output, {
        status: 'encrypted',
        envelope: summaryWith(file, key, sealed.summary),
        metadata: sealed.metadata,
        storedLength: sealedLength,
        checksums: takeChecksums(result.output),
      })
      return result
    } catch (error) {
      // The SDK leaves the body of an aborted or refused request as it is.
      body.cancel(error as Error)
      throw error
    }
  } catch (error) {
    source?.cancel(error as Error)
    throw error
  }
}
