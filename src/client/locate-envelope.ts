import { GetObjectCommand } from '@aws-sdk/client-s3'
import type { GetObjectCommandInput, S3Client } from '@aws-sdk/client-s3'

import { runtime } from '#runtime'
import { exactReader } from '../bytes/reader.js'
import { CseError, DecryptionError } from '../errors.js'
import type { Envelope, ObjectMetadata, ObjectName, OpenRequest, RewrapEnvelopeRequest } from '../formats/format.js'
import type { Opener } from '../message/opener.js'
import { SLICE_LENGTH } from '../message/verified-read.js'
import type { ByteSource } from '../runtime/runtime.js'
import { envelopeInBody } from './body-envelope.js'
import { markMismatch } from './file-mismatch.js'
import { fileVersions } from './file-versions.js'
import { asStored } from './internal.js'
import { recogniseObject } from './open-object.js'
import type { Settings } from './options.js'
import { suffixOf } from './request-options.js'
import { sendOptions, statusOf, throwIfAborted } from './sdk.js'
import type { Input, Output } from './sdk.js'
import { carriedMembers, readStoredFile } from './stored-file.js'

export interface Locating {
  readonly client: S3Client
  readonly settings: Settings
  readonly input: Input
  readonly object: ObjectName
  readonly signal: AbortSignal | undefined
  /** Files under the names of old clients are looked for even where the client does not read what they are for. */
  readonly everySuffix?: boolean
  /** The first bytes of the stored object, where they are at hand. Default: they are asked for. */
  readonly start?: ((count: number) => Promise<Uint8Array>) | undefined
  /** Whether an envelope in the body is read, also where the metadata show enough of it. Default: false. */
  readonly readsBody?: boolean
  /** The current file did not fit before: older versions of it are tried too, where the bucket has them. */
  readonly again: boolean
}

/** An instruction file that an envelope was found in. */
export interface FoundFile {
  readonly key: string
  readonly suffix: string
  readonly bytes: Uint8Array
  /** Of the GetObject that read it. */
  readonly output: Output
}

/** An envelope and where it was found. */
export interface LocatedEnvelope extends Envelope {
  /** Absent: in the metadata. */
  readonly file?: FoundFile
  /** One of several files: only `open` shows which. */
  readonly uncertain?: boolean
}

/** Whether, and how much, an output shows that an instruction file has to be looked for. Throws ERR_S3CSE_ENVELOPE_INVALID. */
export function fileWanted(
  { format, instructionFile }: Settings,
  output: Output,
  object: ObjectName,
): 'needed' | 'possible' | undefined {
  return instructionFile.read ? format.instructionFiles?.wanted(metadataOf(output), object) : undefined
}

/**
 * The envelope of an output of GetObject or HeadObject, from its metadata or an instruction file; `undefined` if there is
 * none. Throws ERR_S3CSE_ENVELOPE_INVALID, ERR_S3CSE_NOT_ENCRYPTED where S3 does not let the file be looked for, and what
 * the SDK throws for the requests.
 */
export async function locateEnvelope(l: Locating, output: Output): Promise<LocatedEnvelope | undefined> {
  const { settings, object } = l
  const wanted = fileWanted(settings, output, object)
  if (wanted !== 'needed') {
    const shown = wanted === undefined ? recogniseObject(settings, output, object) : undefined
    const inBody = shown?.inBody === true || shown === undefined ? await envelopeInBody(l, output, shown) : undefined
    if (inBody !== undefined || shown !== undefined || wanted === undefined) return inBody ?? shown
  }
  const suffix = suffixOf(settings, l.input)
  const older = l.input.VersionId !== undefined || (l.again && typeof output.VersionId === 'string')
  let found: LocatedEnvelope | undefined
  try {
    found = (older ? await fromVersions(l, output) : undefined) ?? (await fromFile(l, output, suffix))
    for (const legacy of legacySuffixes(l)) found ??= await fromFile(l, output, legacy)
    // It may be hidden behind a delete marker.
    if (!older && wanted === 'needed' && typeof output.VersionId === 'string') found ??= await fromVersions(l, output)
  } catch (error) {
    if (statusOf(error) === 403) throw denied(l, wanted, error)
    throw error
  }
  if (found !== undefined || wanted === 'possible') return found
  throw new CseError(
    'ERR_S3CSE_ENVELOPE_INVALID',
    `The rest of the envelope of ${object.bucket}/${object.key} is in the instruction file ${object.key}${suffix}, which does not exist. If it has another suffix, give that (instructionFile, or instructionFileSuffix in requestOptions).`,
  )
}

function legacySuffixes({ settings, everySuffix = false }: Locating): readonly string[] {
  const { wrapping, content } = settings.legacy
  return everySuffix || (wrapping && content) ? (settings.format.instructionFiles?.legacySuffixes ?? []) : []
}

function metadataOf(output: Output): ObjectMetadata {
  return (output.Metadata ?? {}) as ObjectMetadata
}

/** Without the right to list a bucket, S3 says so of a file that is not there as well. */
function denied({ settings, input, object }: Locating, wanted: 'needed' | 'possible', cause: unknown): CseError {
  const where = `${object.bucket}/${object.key}`
  const suffix = suffixOf(settings, input)
  const what =
    wanted === 'needed'
      ? `The rest of the envelope of ${where} is in the instruction file ${object.key}${suffix}, which S3 denies access to. Allow s3:GetObject for it.`
      : `${where} has no encryption envelope in its metadata, and whether it has an instruction file ${object.key}${suffix} cannot be seen: S3 denies access to that. Allow s3:GetObject for the file, and s3:ListBucket, without which S3 does not say that a file does not exist; or set instructionFile: { read: false } for objects without such files.`
  return new CseError('ERR_S3CSE_INSTRUCTION_FILE', what, { cause })
}

/** A step with a file that has just been read: that the file does not fit may be a matter of time. */
async function watched<T>(step: () => Promise<T> | T): Promise<T> {
  try {
    return await step()
  } catch (error) {
    if (mayBeAnother(error)) markMismatch(error as CseError)
    throw error
  }
}

async function fromFile(
  l: Locating,
  output: Output,
  suffix: string,
  versionId?: string,
): Promise<LocatedEnvelope | undefined> {
  const { client, settings, input, object, signal } = l
  const files = settings.format.instructionFiles
  if (files === undefined) return undefined
  const key = `${object.key}${suffix}`
  const file = await readStoredFile({ client, input, object, key, versionId, maxLength: files.maxLength, signal })
  if (file === undefined) return undefined
  const found = { key, suffix, ...file }
  const recognise = (): LocatedEnvelope => ({ ...files.recognise(metadataOf(output), found, object), file: found })
  if (versionId !== undefined) return recognise()
  const envelope = await watched(recognise)
  if (mayBeOfAnother(envelope, file.output, output)) {
    const older = await fromVersions(l, output)
    if (older !== undefined) return older
  }
  const rewrap = envelope.rewrap?.bind(envelope)
  return {
    ...envelope,
    open: (request) => watched(() => envelope.open(request)),
    ...(rewrap && { rewrap: (request: RewrapEnvelopeRequest) => watched(() => rewrap(request)) }),
  }
}

/**
 * Without a commitment a file of another version opens as well, and only the end of the body shows it. It is newer than
 * the object then, because files are written first, and in a bucket with versions the right one is still there.
 */
function mayBeOfAnother(envelope: Envelope, file: Output, output: Output): boolean {
  if (envelope.summary.keyCommitment || typeof output.VersionId !== 'string' || isMultipart(output)) return false
  const [written, stored] = [file.LastModified, output.LastModified]
  return written instanceof Date && stored instanceof Date && written > stored
}

/** S3 gives such objects an ETag of its own kind, and the time at which the upload was begun. */
export function isMultipart({ ETag }: Output): boolean {
  return typeof ETag === 'string' && /-\d+"?$/.test(ETag)
}

/** Whether another version of the file may be the right one. */
function mayBeAnother(error: unknown): boolean {
  return (
    error instanceof CseError &&
    ['ERR_S3CSE_DECRYPTION_FAILED', 'ERR_S3CSE_ENVELOPE_INVALID', 'ERR_S3CSE_CONTEXT_MISMATCH'].includes(error.code)
  )
}

/** Whether the whole stored object is what this key makes of it. Destroys the opener. */
export async function fits(
  { client, input, object, signal }: Locating,
  output: Output,
  opener: Opener,
): Promise<boolean> {
  let source: ByteSource | undefined
  try {
    const get = {
      ...carriedMembers(input),
      Bucket: object.bucket,
      Key: object.key,
      VersionId: output.VersionId,
      IfMatch: output.ETag,
    } as GetObjectCommandInput
    const command = new GetObjectCommand(asStored(get))
    const { Body, ContentLength = 0 } = await client.send(command, sendOptions(signal))
    source = runtime.source(Body)
    const reader = exactReader(source)
    const end = ContentLength - opener.trailerLength
    const buffer = new Uint8Array(Math.max(0, Math.min(SLICE_LENGTH, end)))
    for (let at = 0; at < end; at += SLICE_LENGTH) {
      throwIfAborted(signal)
      await opener.absorb?.(at, await reader.read(Math.min(SLICE_LENGTH, end - at), buffer))
    }
    await opener.verify?.(ContentLength, await reader.read(opener.trailerLength))
    return true
  } catch (error) {
    if (!(error instanceof DecryptionError)) throw error
    return false
  } finally {
    source?.cancel()
    opener.destroy()
  }
}

/** The versions of the file one after the other, until one opens. */
async function fromVersions(l: Locating, output: Output): Promise<LocatedEnvelope | undefined> {
  const { client, input, object, signal } = l
  const time = output.LastModified instanceof Date ? output.LastModified : new Date()
  const suffix = suffixOf(l.settings, input)
  const key = `${object.key}${suffix}`
  const ids = await fileVersions({ client, input, object, key, time, multipart: isMultipart(output), signal })
  if (ids === undefined) return undefined
  const rest = [...ids]
  let failure: unknown
  const next = async (): Promise<LocatedEnvelope | undefined> => {
    for (let id = rest.shift(); id !== undefined; id = rest.shift()) {
      try {
        const envelope = await fromFile(l, output, suffix, id)
        if (envelope !== undefined) return envelope
      } catch (error) {
        if (!mayBeAnother(error) && statusOf(error) !== 403) throw error
        failure ??= error
      }
    }
    return undefined
  }
  let current = await next()
  if (current === undefined) {
    // Who may not read versions of the file may read the current one.
    if (failure !== undefined && statusOf(failure) !== 403) throw failure as Error
    return undefined
  }
  let shown = current
  return {
    get summary() {
      return shown.summary
    },
    get file() {
      return shown.file as FoundFile
    },
    uncertain: true,
    plaintextLength: (sealedLength) => shown.plaintextLength(sealedLength),
    async open(request: OpenRequest): Promise<Opener> {
      while (current !== undefined) {
        shown = current
        try {
          const opener = await current.open(request)
          // Only a commitment, or the whole body, tells whether this is its key.
          if (shown.summary.keyCommitment || rest.length === 0) return opener
          if (await fits(l, output, opener)) return await current.open(request)
          failure ??= new DecryptionError()
        } catch (error) {
          if (!mayBeAnother(error)) throw error
          failure ??= error
        }
        current = await next()
      }
      throw failure as Error
    },
  }
}
