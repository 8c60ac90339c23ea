import { configError, CseError } from '../errors.js'
import type { EnvelopeSummary, InstructionFiles, ObjectMetadata } from '../formats/format.js'
import type { Settings } from './options.js'
import type { RequestSettings } from './request-options.js'
import { pick } from './sdk.js'
import type { Input } from './sdk.js'

/** An envelope that is written beside its object. */
export interface EnvelopeFile {
  readonly suffix: string
  readonly text: string
  readonly metadata: ObjectMetadata
  /** What of the envelope stays on the object. */
  readonly onObject: ObjectMetadata
}

/** What the file is stored with, as its object is. Archives apart: a file must be there when its object has been restored. */
const STORED_WITH = [
  'ACL',
  'GrantFullControl',
  'GrantRead',
  'GrantReadACP',
  'GrantWriteACP',
  'ServerSideEncryption',
  'SSEKMSKeyId',
  'SSEKMSEncryptionContext',
  'BucketKeyEnabled',
  'StorageClass',
  'Tagging',
  'ObjectLockMode',
  'ObjectLockRetainUntilDate',
  'ObjectLockLegalHoldStatus',
] as const
/** Storage classes that are not read before they are restored. */
export const ARCHIVES: readonly unknown[] = ['GLACIER', 'DEEP_ARCHIVE']

/** No secrets are among them: an SSE-C key comes with each request. */
export function fileMembers(input: Input): Record<string, unknown> {
  const members = pick(input, STORED_WITH)
  if (ARCHIVES.includes(members.StorageClass)) delete members.StorageClass
  return members
}

/** The file that a whole envelope is written into; `undefined` where it goes into the metadata. Throws ERR_S3CSE_ENVELOPE_TOO_LARGE. */
export function fileOf(
  settings: Settings,
  { instructionFileSuffix: suffix }: Pick<RequestSettings, 'instructionFileSuffix'>,
  envelope: ObjectMetadata,
): EnvelopeFile | undefined {
  const files = settings.format.instructionFiles
  if (!settings.instructionFile.write || files === undefined) return undefined
  if (files.legacySuffixes.includes(suffix)) {
    throw configError(`instructionFile.suffix: files of '${suffix}' have another form, and are only read`)
  }
  const file = splitOff(files, envelope, suffix)
  if (file.text.length > files.maxLength) {
    throw new CseError(
      'ERR_S3CSE_ENVELOPE_TOO_LARGE',
      `The instruction file would have ${file.text.length} bytes; at most ${files.maxLength} are read. Shorten the encryption context or the materials description.`,
    )
  }
  return file
}

export function splitOff(files: InstructionFiles, envelope: ObjectMetadata, suffix: string): EnvelopeFile {
  const { object: onObject, file } = files.split(envelope)
  return { suffix, ...file, onObject }
}

/** What is told of an envelope that is in a file, if it is in one. */
export function summaryWith(
  file: { readonly suffix: string } | undefined,
  key: string,
  summary: EnvelopeSummary,
): EnvelopeSummary {
  return file === undefined ? summary : { ...summary, instructionFile: `${key}${file.suffix}` }
}
