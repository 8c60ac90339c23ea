import { sameEntries } from '../bytes/same-entries.js'
import { KmsError } from '../errors.js'
import type { EnvelopeSummary, ObjectMetadata, ObjectName, RewrappedEnvelope } from '../formats/format.js'
import { unsupported } from './commands.js'
import { headSource, NO_ETAG, parseCopySource, pinnedTo, sourceInput } from './copy-source.js'
import type { CopySource, SourceConditions } from './copy-source.js'
import { splitOff, summaryWith } from './envelope-file.js'
import type { EnvelopeFile } from './envelope-file.js'
import { divided, mergedMetadata, refuseReserved } from './envelope-metadata.js'
import { setInfo, takeChecksums } from './info.js'
import type { LocatedEnvelope } from './locate-envelope.js'
import { asWritten, envelopeToMove, withMovedFile } from './moved-file.js'
import { contentMembers } from './object-properties.js'
import type { Settings } from './options.js'
import { objectName, requestSettings } from './request-options.js'
import type { RequestSettings } from './request-options.js'
import { statusOf } from './sdk.js'
import type { CommandContext, Input, Output, Result } from './sdk.js'
import { headStored } from './stored-file.js'

const CONDITIONS: SourceConditions = [
  ['CopySourceIfMatch', 'IfMatch'],
  ['CopySourceIfNoneMatch', 'IfNoneMatch'],
  ['CopySourceIfModifiedSince', 'IfModifiedSince'],
  ['CopySourceIfUnmodifiedSince', 'IfUnmodifiedSince'],
]

interface Copy {
  readonly c: CommandContext
  readonly settings: Settings
  readonly source: CopySource
  readonly destination: ObjectName
  readonly replaces: boolean
  readonly from: RequestSettings
  readonly to: RequestSettings
  /** The encryption context depends on the place, and is another one there: with `bind`, or a function of it. */
  readonly moves: boolean
}

/**
 * Copies an object with its envelope: in the metadata, also where that is replaced, or with its instruction file. The
 * source is pinned to what was looked at, because an envelope on another body destroys the object.
 */
export async function copyObject(c: CommandContext, settings: Settings): Promise<Result> {
  const { input } = c.args
  const destination = objectName(input)
  const { MetadataDirective: directive } = input
  // A lenient server might take 'replace' for REPLACE.
  if (directive !== undefined && directive !== 'COPY' && directive !== 'REPLACE') {
    throw unsupported('CopyObjectCommand', 'MetadataDirective must be COPY or REPLACE.')
  }
  const replaces = directive === 'REPLACE'
  const source = parseCopySource(input.CopySource, 'CopySource')
  if (replaces) refuseReserved((input.Metadata ?? {}) as Input, settings.format.reservedKeys)
  const from = requestSettings(settings, sourceInput(input, source), source.bucket, source.key)
  const to = requestSettings(settings, input, destination.bucket, destination.key)
  const moves = !sameEntries(from.encryptionContext, to.encryptionContext)
  if (!replaces && !moves && !settings.instructionFile.read) return c.next(c.args)
  const copy: Copy = { c, settings, source, destination, replaces, from, to, moves }
  return pinnedTo(
    () => lookAt(copy),
    (head, again) => copyFrom(copy, head, again),
  )
}

async function lookAt({ c, source }: Copy): Promise<Output | undefined> {
  try {
    return await headSource(c, sourceInput(c.args.input, source), CONDITIONS)
  } catch (error) {
    const status = statusOf(error)
    if (status !== 301 && status !== 307) throw error
    throw unsupported(
      'CopyObjectCommand',
      `the source has to be looked at for its envelope, and its bucket ${source.bucket} is in another region than the client. Set followRegionRedirects: true in the S3Client's configuration.`,
      error,
    )
  }
}

function pinned(input: Input, head: Output | undefined): Input {
  const copy: Record<string, unknown> = { ...input }
  for (const [member] of CONDITIONS) Reflect.deleteProperty(copy, member)
  return { ...copy, CopySourceIfMatch: head?.ETag ?? NO_ETAG }
}

/** With COPY the headers that a request has for the content say nothing. */
function withoutContent(input: Input): Input {
  const ignored = Object.keys(contentMembers(input, objectName(input)))
  return Object.fromEntries(Object.entries(input).filter(([name]) => !ignored.includes(name)))
}

async function copyFrom(copy: Copy, head: Output | undefined, again: boolean): Promise<Result> {
  const { c, settings, source, replaces, destination, moves } = copy
  const { args, next } = c
  const input = pinned(args.input, head)
  // It is to fail. Should it not, on a server that ignores conditions, the envelope still goes along.
  if (head === undefined) return next({ ...args, input: { ...input, MetadataDirective: 'COPY' } })
  const object = { bucket: source.bucket, key: source.key }
  const l = { ...c, settings, input: sourceInput(args.input, source), object, again }
  const located = await envelopeToMove(l, head, !replaces && !moves)
  if (located === undefined) return next({ ...args, input })
  const moved = await movedEnvelope(copy, head, located)
  const { file, onObject } = moved
  let sent = input
  if (replaces || moved.rewrapped) {
    const own = replaces ? ((input.Metadata ?? {}) as Input) : divided(head, settings.format.reservedKeys).own
    const content = replaces ? {} : contentMembers(head, destination)
    const { bucket, key } = destination
    const Metadata = mergedMetadata(own, onObject, bucket, key)
    sent = { ...(replaces ? input : withoutContent(input)), ...content, Metadata, MetadataDirective: 'REPLACE' }
  }
  const result = await (file === undefined
    ? next({ ...args, input: sent })
    : withFile(copy, file, isSelf(copy) ? head : undefined, (conditions) =>
        next({ ...args, input: { ...sent, ...conditions } }),
      ))
  setInfo(result.output, {
    status: 'encrypted',
    envelope: summaryWith(file, destination.key, moved.summary),
    metadata: onObject,
    checksums: { ...takeChecksums(result.output), ...takeChecksums((result.output.CopyObjectResult ?? {}) as Output) },
  })
  return result
}

function isSelf({ source, destination }: Copy): boolean {
  return source.bucket === destination.bucket && source.key === destination.key && source.versionId === undefined
}

/** How often a destination that is written meanwhile is looked at. */
const MAX_CONFLICTS = 5

/**
 * Object and file of the destination are replaced together, by one writer after the other: the copy is pinned to what is
 * there, unless the caller has said what may be.
 */
async function withFile(
  { c, settings, destination: object }: Copy,
  file: EnvelopeFile,
  itself: Output | undefined,
  store: (conditions: Input) => Promise<Result>,
): Promise<Result> {
  const { input } = c.args
  const w = { ...c, settings, object, file }
  const isPinned = input.IfMatch !== undefined || input.IfNoneMatch !== undefined
  if (isPinned) return withMovedFile(w, () => store({}))
  for (let attempt = 1; ; attempt++) {
    const there = itself ?? (await headDestination(c, object))
    const conditions = there === 'unknown' ? {} : there === undefined ? { IfNoneMatch: '*' } : { IfMatch: there.ETag }
    try {
      return await withMovedFile(w, () => store(conditions))
    } catch (error) {
      // (A source that was replaced is looked at again by who has called.)
      const status = statusOf(error)
      if (itself !== undefined || attempt === MAX_CONFLICTS || (status !== 412 && status !== 409)) throw error
      const now = await headDestination(c, object)
      if (now === 'unknown' || there === 'unknown' || now?.ETag === there?.ETag) throw error
    }
  }
}

/** `undefined`: there is none. */
async function headDestination(
  { client, args: { input }, signal }: CommandContext,
  object: ObjectName,
): Promise<Output | 'unknown' | undefined> {
  try {
    return (await headStored({ client, input, object, signal })) as Output | undefined
  } catch (error) {
    // Who may only write cannot see it; an object under another customer's key is not shown.
    if (statusOf(error) === 403 || statusOf(error) === 400) return 'unknown'
    throw error
  }
}

interface Moved {
  readonly onObject: ObjectMetadata
  readonly file: EnvelopeFile | undefined
  readonly summary: EnvelopeSummary
  readonly rewrapped: boolean
}

/** The envelope as it is at its new place. */
async function movedEnvelope(copy: Copy, head: Output, located: LocatedEnvelope): Promise<Moved> {
  const { settings, moves } = copy
  const { file } = located
  if (moves) return boundAnew(copy, located)
  const onObject = divided(head, settings.format.reservedKeys).envelope
  const { summary } = located
  if (file === undefined) return { onObject, file, summary, rewrapped: false }
  return { onObject, file: asWritten(file, onObject), summary, rewrapped: false }
}

/** The data key wrapped for the new place. */
async function boundAnew(copy: Copy, located: LocatedEnvelope): Promise<Moved> {
  const files = copy.settings.format.instructionFiles
  const { metadata, summary } = await rewrapped(copy, located, true).catch((error: unknown) => {
    const { cause } = error as { cause?: { name?: unknown } }
    // Who may Decrypt and Encrypt needs not be allowed to ReEncrypt.
    if (error instanceof KmsError && cause?.name === 'AccessDeniedException') return rewrapped(copy, located, false)
    throw error
  })
  if (located.file === undefined || files === undefined) {
    return { onObject: metadata, file: undefined, summary, rewrapped: true }
  }
  const file = splitOff(files, metadata, located.file.suffix)
  return { onObject: file.onObject, file, summary, rewrapped: true }
}

async function rewrapped(
  { c, settings, source, from, to }: Copy,
  located: LocatedEnvelope,
  reEncrypt: boolean,
): Promise<RewrappedEnvelope> {
  if (located.rewrap === undefined) {
    const why =
      located.uncertain === true
        ? 'which of the versions of its instruction file belongs to it only its key shows. Get the object and put it again.'
        : 'its format cannot be bound to another one.'
    throw unsupported(
      'CopyObjectCommand',
      `the object is bound to its place (bind, or an encryptionContext made of it), and ${why}`,
    )
  }
  return located.rewrap({
    keyring: from.keyring,
    commitmentPolicy: settings.commitmentPolicy,
    legacy: settings.legacy,
    encryptionContext: from.encryptionContext,
    object: { bucket: source.bucket, key: source.key },
    to: { keyring: to.keyring, encryptionContext: to.encryptionContext },
    enforceRotation: false,
    reEncrypt,
    ...(c.signal === undefined ? {} : { signal: c.signal }),
  })
}
