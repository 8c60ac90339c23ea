import type { S3Client } from '@aws-sdk/client-s3'

import type { Envelope, NewHeader, ObjectName, OpenRequest } from '../formats/format.js'
import { locateEnvelope } from './locate-envelope.js'
import { divide, storeNewObject } from './new-object.js'
import type { Division, NewObject } from './new-object.js'
import { notEncrypted } from './open-object.js'
import { lostProperty } from './object-properties.js'
import type { Settings } from './options.js'
import type { Opening } from './rotation.js'
import type { StoredCopy } from './rotate-copy.js'
import { statusOf, untilAborted } from './sdk.js'
import type { Input } from './sdk.js'
import { storedObject } from './stored-object.js'
import type { StoredObject } from './stored-object.js'

/** What is needed to write headers for an object. */
export interface HeaderWriting {
  readonly client: S3Client
  readonly settings: Settings
  /** Where the new object goes. */
  readonly target: ObjectName
  /** With the members that requests for it need. */
  readonly input: Input
  readonly from: Opening
  readonly options: NewObject['options']
  /** What was sent, as an answer may be lost. */
  readonly sent: SentHeader[]
}

/** A new object that was sent. */
export interface SentHeader {
  readonly made: NewHeader
  readonly division: Division
}

/** A new object that is there. */
export interface WrittenHeader extends SentHeader {
  readonly stored: StoredCopy
}

/** The envelope with the method that is wanted. Throws NotEncryptedError, and ERR_S3CSE_ROTATION where its format has none. */
export async function envelopeWith<M extends 'reencrypt' | 'rearrange'>(
  { client, settings, options }: Pick<HeaderWriting, 'client' | 'settings' | 'options'>,
  source: StoredObject,
  method: M,
): Promise<NonNullable<Envelope[M]>> {
  const { object, input, head } = source
  const { signal } = options
  const start = (count: number): Promise<Uint8Array> => source.start(count)
  const locating = { client, settings, input, object, signal, again: false, start, readsBody: true }
  const envelope = await locateEnvelope(locating, head)
  if (envelope === undefined) throw notEncrypted(object, settings, input)
  const found = envelope[method]?.bind(envelope)
  if (found !== undefined) return found
  const { format } = envelope.summary
  throw lostProperty(
    object,
    `its format (${format}) has no header that could be replaced while the body stays, which ${method} needs.`,
  )
}

/** How the object is opened. */
export function openingOf({ settings, from, options }: HeaderWriting, { object }: StoredObject): OpenRequest {
  const { commitmentPolicy, legacy } = settings
  const { signal } = options
  return { ...from, commitmentPolicy, legacy, object, ...(signal === undefined ? {} : { signal }) }
}

/** Makes the header, and what it is stored with, and stores it with the bytes that stay. */
export async function writeHeader(
  w: HeaderWriting,
  source: StoredObject,
  making: Promise<NewHeader>,
  more: { readonly members: (made: NewHeader) => Promise<Input>; readonly condition: NewObject['condition'] },
): Promise<WrittenHeader> {
  const { client, target, input, options, condition } = { ...w, ...more }
  const made = await untilAborted(making, options.signal)
  const division = divide(made, source.length, options.copyPartSize)
  const members = await more.members(made)
  const stored = await storeNewObject(
    { client, source, target, input, made, members, condition, options },
    division,
    () => void w.sent.push({ made, division }),
  )
  return { made, division, stored }
}

/** S3 says so of a write that was carried out before, and whose answer was lost. */
const SAID_OF_THE_SECOND: readonly unknown[] = [404, 409, 412]

/** Takes a step that writes; what was written and not answered for is found out. */
export async function foundOut<T>(w: HeaderWriting, step: () => Promise<T>): Promise<T | WrittenHeader> {
  const before = await written(w)
  if (before !== undefined) return before
  try {
    return await step()
  } catch (error) {
    const found = SAID_OF_THE_SECOND.includes(statusOf(error)) ? await written(w) : undefined
    if (found === undefined) throw error
    return found
  } finally {
    // What was there before is no more, or may be no more.
    if (w.sent.length > 0) w.settings.headers.delete({ ...w.target, versionId: undefined })
  }
}

/** So S3 answers where nothing is, where it is under another customer's key, and to who may only write. */
const NOT_SHOWN: readonly unknown[] = [400, 403, 404]

/** What was sent, if it is what is there: another message, or one for others, has another header. */
async function written({ client, target, input, options, sent }: HeaderWriting): Promise<WrittenHeader | undefined> {
  if (sent.length === 0) return undefined
  let there: StoredObject
  try {
    there = await storedObject({ client, object: target, input, signal: options.signal })
  } catch (error) {
    if (NOT_SHOWN.includes(statusOf(error))) return undefined
    throw error
  }
  for (const one of sent) {
    const { header, from, to } = one.made
    if (there.length !== header.length + to - from) continue
    const start = await there.start(header.length)
    if (!start.every((byte, index) => byte === header[index])) continue
    const { ETag, VersionId } = there.head as Partial<StoredCopy>
    return { ...one, stored: { ETag, VersionId } }
  }
  return undefined
}

/** Bytes by the way that they took. */
export function byteCounts({ made, division: { moved } }: SentHeader): { bytesCopied: number; bytesMoved: number } {
  return { bytesCopied: made.to - made.from - moved, bytesMoved: moved }
}
