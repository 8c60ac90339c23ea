import { configError, CseError } from '../errors.js'
import type { ObjectMetadata } from '../formats/format.js'
import type { Settings } from './options.js'
import type { RequestSettings } from './request-options.js'
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
const ARCHIVES: readonly unknown[] = ['GLACIER', 'DEEP_ARCHIVE']

/** No secrets are among them: an SSE-C key comes with each request. */
export function fileMembers(input: Input): Record<string, unknown> {
  const members = Object.fromEntries(
    STORED_WITH.filter((name) => input[name] !== undefined).map((name) => [name, input[name]]),
  )
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
  const { object: onObject, file } = files.split(envelope)
  if (file.text.length > files.maxLength) {
    throw new CseError(
      'ERR_S3CSE_ENVELOPE_TOO_LARGE',
      `The instruction file would have ${file.text.length} bytes; at most ${files.maxLength} are read. Shorten the encryption context or the materials description.`,
    )
  }
  return { suffix, ...file, onObject }
}
