import type { CseError } from '../errors.js'
import type { ObjectMetadata } from '../formats/format.js'
import type { EnvelopeFile } from './envelope-file.js'
import { isTooLong, keepFile, withInstructionFile } from './instruction-file.js'
import type { FileWriting } from './instruction-file.js'
import { isFileMismatch } from './file-mismatch.js'
import { locateEnvelope } from './locate-envelope.js'
import type { FoundFile, LocatedEnvelope, Locating } from './locate-envelope.js'
import { openEnvelope } from './open-object.js'
import { requestSettings } from './request-options.js'
import { statusOf } from './sdk.js'
import type { Output } from './sdk.js'
import { readStoredFile } from './stored-file.js'

/** Instruction files that go with an object to another place. */

function textOf(bytes: Uint8Array): string {
  return new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes)
}

/**
 * The envelope of an object that goes to another place; `undefined` if it has none. Throws what `locateEnvelope` throws,
 * but with `lenient` not for something damaged or unknown: of that a copy is as good as the original. Throws what opening
 * it throws where an instruction file does not fit the object.
 */
export async function envelopeToMove(
  l: Locating,
  head: Output,
  lenient: boolean,
): Promise<LocatedEnvelope | undefined> {
  let found: LocatedEnvelope | undefined
  try {
    found = await locateEnvelope(l, head)
  } catch (error) {
    const isDamaged = (error as Partial<CseError>).code === 'ERR_S3CSE_ENVELOPE_INVALID'
    // A file that does not fit may be that of a writer whose object is still to come.
    if (lenient && isDamaged && (l.again || !isFileMismatch(error))) return undefined
    throw error
  }
  if (found?.file !== undefined) await checkFit(l, found, head)
  return found
}

/** Without these the question cannot be asked. */
const UNABLE: readonly unknown[] = [
  'ERR_S3CSE_CONFIG',
  'ERR_S3CSE_ENVELOPE_INVALID',
  'ERR_S3CSE_POLICY',
  'ERR_S3CSE_KMS',
  'ERR_S3CSE_CONTEXT_MISMATCH',
]

/**
 * Only the key shows which of several files belongs to an old version, and only a commitment that a file is not the next
 * object's. Who has no key may copy all the same what nobody is writing: files are written before their objects.
 */
async function checkFit(
  { settings, input, object, signal }: Locating,
  envelope: LocatedEnvelope,
  head: Output,
): Promise<void> {
  if (envelope.uncertain !== true && !envelope.summary.keyCommitment) return
  try {
    const request = requestSettings(settings, input, object.bucket, object.key)
    const opener = await openEnvelope({ envelope, settings, request, object, signal })
    opener.destroy()
  } catch (error) {
    const [written, stored] = [envelope.file?.output.LastModified, head.LastModified]
    const isOlder = written instanceof Date && stored instanceof Date && written <= stored
    if (envelope.uncertain === true || !isOlder || !UNABLE.includes((error as Partial<CseError>).code)) throw error
  }
}

/** A file that was found, to be written as it is; `onObject` is the rest of its envelope. */
export function asWritten({ suffix, bytes, output }: FoundFile, onObject: ObjectMetadata): EnvelopeFile {
  return { suffix, text: textOf(bytes), metadata: (output.Metadata ?? {}) as ObjectMetadata, onObject }
}

/**
 * Writes the file, then the object. Where the destination has this very file already it is not this request's, but the
 * object's own or of an earlier copy, and stays whatever happens.
 */
export async function withMovedFile<T>(w: FileWriting, storeObject: () => Promise<T>): Promise<T> {
  if (!(await isThere(w))) return withInstructionFile(w, storeObject)
  const stored = await storeObject()
  await keepFile(w)
  return stored
}

async function isThere({ client, settings, object, file, args, signal }: FileWriting): Promise<boolean> {
  const maxLength = settings.format.instructionFiles?.maxLength ?? 0
  const key = `${object.key}${file.suffix}`
  try {
    const found = await readStoredFile({ client, input: args.input, object, key, maxLength, signal })
    return found !== undefined && textOf(found.bytes) === file.text
  } catch (error) {
    // Whatever is in the way, its writer says so.
    if (isTooLong(error) || statusOf(error) === 403) return false
    throw error
  }
}
