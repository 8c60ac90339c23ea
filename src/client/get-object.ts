import { resources } from '../bytes/resources.js'
import type { Resources } from '../bytes/resources.js'
import { configError, CseError, NotEncryptedError, PolicyError } from '../errors.js'
import type { Envelope, ObjectMetadata, ObjectName } from '../formats/format.js'
import type { Opener } from '../message/opener.js'
import { streamedRead } from '../message/streamed-read.js'
import { verifiedRead } from '../message/verified-read.js'
import type { ByteSource } from '../runtime/runtime.js'
import { runtime } from '#runtime'
import { setInfo, showPlaintext } from './info.js'
import type { Settings } from './options.js'
import { objectName, requestSettings } from './request-options.js'
import type { RequestSettings } from './request-options.js'
import { abortError, untilAborted } from './sdk.js'
import type { Args, ClientConfig, Input, Next, Output, Result } from './sdk.js'

export interface GetContext {
  readonly args: Args
  readonly next: Next
  readonly settings: Settings
  readonly config: ClientConfig
  readonly signal: AbortSignal | undefined
}

/** Gives sockets, files and budget of a Body back that was dropped unread or half read. Best effort: when it is collected. */
const dropped = new FinalizationRegistry<Resources>((held) => held.release())

export function refuseRanges(input: Input): void {
  const member = input.Range !== undefined ? 'Range' : input.PartNumber !== undefined ? 'PartNumber' : undefined
  if (member === undefined) return
  throw new CseError(
    'ERR_S3CSE_RANGE_REFUSED',
    `${member} asks for a part of an encrypted object, which cannot be authenticated by itself. Read the whole object.`,
  )
}

function unexpected(message: string): CseError {
  return new CseError('ERR_S3CSE_RESPONSE_UNEXPECTED', message)
}

function storedLength(output: Output, where: string): number {
  if (output.ContentRange !== undefined) {
    throw unexpected(`The response for ${where} is a range (Content-Range), but none was asked for`)
  }
  const length = output.ContentLength
  if (typeof length !== 'number' || !Number.isSafeInteger(length) || length < 0) {
    throw unexpected(`The response for ${where} has no usable Content-Length, which is needed to bound what is read`)
  }
  return length
}

/** Everything that can be checked without a key, and before a byte of the body is read. */
function checkSize(
  envelope: Envelope,
  sealedLength: number,
  settings: Settings,
  verified: boolean,
  where: string,
): void {
  envelope.plaintextLength(sealedLength)
  if (sealedLength > settings.maxObjectBytes) {
    throw new PolicyError(
      'ERR_S3CSE_POLICY',
      `${where} has ${sealedLength} stored bytes, more than maxObjectBytes (${settings.maxObjectBytes})`,
    )
  }
  const { spool, maxBufferedBytes } = settings
  if (verified && spool !== undefined && sealedLength > maxBufferedBytes && sealedLength > spool.maxBytes) {
    throw new CseError(
      'ERR_S3CSE_SPOOL',
      `${where} has ${sealedLength} stored bytes, more than spool.maxBytes (${spool.maxBytes}). Raise it, or read with delayedAuthentication.`,
    )
  }
}

/** The same object once more, for a read in two passes. */
async function reread(g: GetContext, first: Output, sealedLength: number, where: string): Promise<ByteSource> {
  const pinned: Record<string, unknown> = { ...g.args.input }
  if (first.ETag !== undefined) pinned.IfMatch = first.ETag
  if (first.VersionId !== undefined) pinned.VersionId = first.VersionId
  delete pinned.IfNoneMatch
  delete pinned.IfModifiedSince
  const { output } = await g.next({ ...g.args, input: pinned })
  const source = runtime.source(output.Body)
  try {
    if (storedLength(output, where) !== sealedLength) {
      throw unexpected(
        `The second response for ${where} has another length than the first; the object was overwritten: read it again`,
      )
    }
  } catch (error) {
    source.cancel(error as Error)
    throw error
  }
  return source
}

function plaintextSource(
  g: GetContext,
  first: Output,
  opener: Opener,
  upstream: ByteSource,
  sealedLength: number,
  request: RequestSettings,
  held: Resources,
  where: string,
): ByteSource {
  const read = { opener, upstream, sealedLength, resources: held }
  if (request.delayedAuthentication || opener.authentication === 'segment') return streamedRead(read)
  const { spool, memory, disk } = g.settings
  const { createSpool } = runtime
  return verifiedRead({
    ...read,
    memory,
    disk,
    createSpool: spool === undefined || createSpool === undefined ? undefined : () => createSpool(spool.directory),
    reread: () => reread(g, first, sealedLength, where),
  })
}

/** A Readable or a ReadableStream with the SDK's methods, by what is used of them here. */
interface OutputStream {
  readonly readableDidRead?: boolean
  destroy?(error: Error): void
  on?(event: 'error', listener: () => void): void
  transformToByteArray?: () => Promise<never>
  transformToString?: () => Promise<never>
}

/** The Body that the caller gets: of the kind that the request handler gave, with the SDK's `transformTo…` methods. */
function bodyOf(g: GetContext, source: ByteSource, kind: 'node' | 'web', held: Resources): unknown {
  const stream = runtime.toStream(source, kind) as OutputStream
  dropped.register(stream, held, held)
  const { signal } = g
  if (signal !== undefined) {
    // A weak reference: a signal that lives long must not keep every Body of its requests.
    const body = new WeakRef(stream)
    const abort = (): void => {
      const error = abortError(signal)
      const target = body.deref()
      if (target?.destroy === undefined) {
        held.release(error)
        return
      }
      // The caller who aborted knows: an unread Body without a listener must not end the process.
      target.on?.('error', () => undefined)
      target.destroy(error)
      // The SDK's methods would wait for ever for a stream that was destroyed before.
      if (target.readableDidRead === false) {
        target.transformToByteArray = target.transformToString = () => Promise.reject(error)
      }
    }
    signal.addEventListener('abort', abort, { once: true })
    held.hold(() => signal.removeEventListener('abort', abort))
  }
  held.hold(() => dropped.unregister(held))
  return g.config.sdkStreamMixin(stream)
}

interface Found {
  readonly object: ObjectName
  readonly envelope: Envelope
  readonly request: RequestSettings
  readonly upstream: ByteSource
  readonly kind: 'node' | 'web'
}

async function decrypt(g: GetContext, output: Output, found: Found): Promise<void> {
  const { settings } = g
  const { object, envelope, request, upstream, kind } = found
  const where = `${object.bucket}/${object.key}`
  const sealedLength = storedLength(output, where)
  checkSize(envelope, sealedLength, settings, !request.delayedAuthentication, where)
  const opening = envelope.open({
    keyring: request.keyring,
    commitmentPolicy: settings.commitmentPolicy,
    encryptionContext: request.encryptionContext,
    object,
    ...(g.signal === undefined ? {} : { signal: g.signal }),
  })
  const opener = await untilAborted(opening, g.signal, (late) => late.destroy())
  const held = resources()
  held.hold(() => opener.destroy())
  held.hold((error) => upstream.cancel(error))
  try {
    const source = plaintextSource(g, { ...output }, opener, upstream, sealedLength, request, held, where)
    output.Body = bodyOf(g, source, kind, held)
    showPlaintext(output, envelope, settings.format.reservedKeys, opener.plaintextLength(sealedLength))
  } catch (error) {
    held.release(error as Error)
    throw error
  }
}

/** Whether the caller takes an object without an envelope as it is. */
function passes(g: GetContext, output: Output, { bucket, key }: ObjectName): boolean {
  const answer: unknown = g.settings.passthrough({
    Bucket: bucket,
    Key: key,
    VersionId: output.VersionId as string | undefined,
    ETag: output.ETag as string | undefined,
    ContentLength: output.ContentLength as number | undefined,
    ContentType: output.ContentType as string | undefined,
    Metadata: (output.Metadata ?? {}) as ObjectMetadata,
  })
  // A promise would count as a yes, whatever it resolves to.
  if (typeof answer === 'boolean') return answer
  if (answer instanceof Promise) answer.catch(() => undefined)
  throw configError('passthrough must return true or false, at once: it cannot be async')
}

export async function getObject(g: GetContext): Promise<Result> {
  const { input } = g.args
  const object = objectName(input)
  const { bucket, key } = object
  refuseRanges(input)
  const request = requestSettings(g.settings, input, bucket, key)
  const result = await g.next(g.args)
  const { output } = result
  const body = output.Body
  const kind = runtime.streamKind(body)
  if (kind === undefined) throw unexpected(`The response for ${bucket}/${key} has no readable body`)
  try {
    const envelope = g.settings.format.recognise((output.Metadata ?? {}) as ObjectMetadata, object)
    if (envelope !== undefined) {
      await decrypt(g, output, { object, envelope, request, upstream: runtime.source(body), kind })
    } else if (passes(g, output, object)) {
      setInfo(output, { status: 'plain', metadata: {}, checksums: {} })
    } else {
      throw new NotEncryptedError(
        `${bucket}/${key} has no encryption envelope in its metadata: it is stored as plaintext, or its envelope is in an instruction file, which this version does not read. Plain objects are read with a client without encryption, or with the option passthrough.`,
      )
    }
    return result
  } catch (error) {
    // Otherwise the response would hold its socket, and the client would run out of them.
    runtime.source(body).cancel(error as Error)
    throw error
  }
}
