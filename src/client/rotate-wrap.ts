import { CseError, KmsError } from '../errors.js'
import type { Envelope, RewrappedEnvelope } from '../formats/format.js'
import { fileMismatch } from './file-mismatch.js'
import { fits, isMultipart } from './locate-envelope.js'
import type { LocatedEnvelope } from './locate-envelope.js'
import { lostProperty } from './object-properties.js'
import { isUnopened, locating, openRequest, rewrapRequest } from './rotation.js'
import type { Opening, Rotation } from './rotation.js'
import { untilAborted } from './sdk.js'
import type { Output } from './sdk.js'

/** `undefined`: the new key opens the object already, and the old one does not. */
export async function rewrapped(
  r: Rotation,
  head: Output,
  located: LocatedEnvelope,
): Promise<RewrappedEnvelope | undefined> {
  const { signal } = r.options
  if (located.rewrap === undefined) {
    const why =
      located.uncertain === true ? 'its instruction file is not the current one' : 'its format does not allow it'
    throw lostProperty(
      r.object,
      `the data key cannot be wrapped anew, because ${why}. rewrite: true writes it anew.`,
      true,
    )
  }
  try {
    const reEncrypt = r.options.reEncrypt && mayReEncrypt(head, located)
    const made = await untilAborted(located.rewrap(rewrapRequest(r, reEncrypt)), signal)
    await requireFitting(r, head, located)
    return made
  } catch (error) {
    if (isUnopened(error) && (await opens(r, located))) return undefined
    throw error
  }
}

/** Whether the object opens with the new key. */
export async function opens(r: Rotation, located: LocatedEnvelope): Promise<boolean> {
  try {
    const opener = await untilAborted(located.open(openRequest(r, r.to)), r.options.signal, (late) => late.destroy())
    opener.destroy()
    return true
  } catch (error) {
    // What is about KMS is no answer.
    if (error instanceof CseError && !(error instanceof KmsError)) return false
    throw error
  }
}

/**
 * Whether an instruction file is the object's. A writer stores the file first and the object then: what is read in between
 * are the file of the next object and this one. To wrap that file anew would be to lose what the writer takes back, or
 * looks for, if his object fails.
 */

/** With a commitment, unwrapping shows it; ReEncrypt does not unwrap, and so only takes files that are older than their object. */
function mayReEncrypt(head: Output, { file, summary }: LocatedEnvelope): boolean {
  if (file === undefined || !summary.keyCommitment) return true
  return !isMultipart(head) && ageOf(head, file.output) > 0
}

const DAY = 24 * 60 * 60 * 1000

/** Without a commitment, where the file may be the next object's, only the whole body shows it. Throws a file mismatch. */
async function requireFitting(r: Rotation, head: Output, located: LocatedEnvelope): Promise<void> {
  const { file, summary } = located
  if (file === undefined || summary.keyCommitment) return
  const age = ageOf(head, file.output)
  const written = file.output.LastModified
  const isRecent = !(written instanceof Date) || Date.now() - written.getTime() < DAY
  if (!isMultipart(head) && (age > 0 || (age === 0 && !isRecent))) return
  if (await opensBody(r, head, located, r.from)) return
  throw fileMismatch(`${r.object.bucket}/${r.object.key} and its instruction file do not belong together.`)
}

/** Milliseconds by which a file is older than its object. Times are in whole seconds. */
function ageOf({ LastModified: stored }: Output, { LastModified: written }: Output): number {
  return stored instanceof Date && written instanceof Date ? stored.getTime() - written.getTime() : -Infinity
}

/** Whether this key opens the object with this envelope: by its commitment, or by the whole body. */
export async function opensBody(r: Rotation, head: Output, envelope: Envelope, by: Opening): Promise<boolean> {
  const { signal } = r.options
  try {
    const opener = await untilAborted(envelope.open(openRequest(r, by)), signal, (late) => late.destroy())
    if (!envelope.summary.keyCommitment) return await fits(locating(r), head, opener)
    opener.destroy()
    return true
  } catch (error) {
    if (isUnopened(error)) return false
    throw error
  }
}
