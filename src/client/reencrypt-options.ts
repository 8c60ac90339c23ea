import type { CopyObjectCommandInput } from '@aws-sdk/client-s3'

import { configError } from '../errors.js'
import type { ObjectFacts } from '../errors.js'
import type { Keyring } from '../keyrings/keyring.js'
import { keyringOption, onlyMembers } from './option-values.js'
import { requestOptionNames } from './request-options.js'
import type { RotateFrom } from './rotation-options.js'
import { CARRIED } from './stored-file.js'
import type { CarriedMembers } from './stored-file.js'

interface HeaderInput extends CarriedMembers {
  readonly Bucket: string
  readonly Key: string
  readonly from?: Pick<RotateFrom, 'keyring'> | undefined
  /** Also where the server does not keep conditions, so that what is written at the same time is lost. Default: false. */
  readonly allowUnconditional?: boolean | undefined
  /** How often an object is looked at that is written at the same time. Default: 10. */
  readonly maxAttempts?: number | undefined
  /** Bytes of a part that S3 copies, from 5 MiB to 5 GiB. Default: 512 MiB, or as much as 10,000 parts need. */
  readonly copyPartSize?: number | undefined
}

/** The input of `reencrypt`. */
export interface ReencryptInput extends HeaderInput {
  /** Writes the new header: for its recipients. */
  readonly to: Keyring
  /** Leaves out the packets of the old header that the keyring which opens the object cannot open. Default: false, they stay. */
  readonly trim?: boolean | undefined
  /** 'private': the ACL is not read, and not kept, which saves a request where objects have none of their own. Default: 'keep'. */
  readonly acl?: 'keep' | 'private' | undefined
}

/** Members of CopyObject's input that say how its source is read and how the copy is stored. */
const COPY_MEMBERS = [
  'ExpectedSourceBucketOwner',
  'CopySourceSSECustomerAlgorithm',
  'CopySourceSSECustomerKey',
  'CopySourceSSECustomerKeyMD5',
  'ACL',
  'StorageClass',
  'ServerSideEncryption',
  'SSEKMSKeyId',
  'BucketKeyEnabled',
] as const

/** The input of `rearrange`. `Bucket` and `Key` are the destination; its members are those of CopyObject. */
export interface RearrangeInput
  extends HeaderInput, Partial<Pick<CopyObjectCommandInput, (typeof COPY_MEMBERS)[number]>> {
  /** The object whose plaintext it is a part of. Default for VersionId: the current one. */
  readonly CopySource: { readonly Bucket: string; readonly Key: string; readonly VersionId?: string | undefined }
  /** First byte of the plaintext. Default: 0. */
  readonly start?: number | undefined
  /** The byte behind the last one; behind the end of the plaintext it means that. Default: the end. */
  readonly end?: number | undefined
  /** Writes the new header: for its recipients. Default: the client's keyring. */
  readonly to?: Keyring | undefined
  /** 'copy': user metadata, tags and the headers of the content are taken along, as by CopyObject; 'none': they are not. Default: 'copy'. */
  readonly metadata?: 'copy' | 'none' | undefined
  /** In place of an object that is there. Default: false, that is an error (412 PreconditionFailed). */
  readonly overwrite?: boolean | undefined
}

/** The options of `reencrypt` and `rearrange`. */
export interface ReencryptOptions {
  readonly signal?: AbortSignal | undefined
}

/** What `reencrypt` did. */
export interface ReencryptResult {
  readonly outcome: 'reencrypted'
  /** What the object is now. */
  readonly facts: ObjectFacts
  /** Of the object now. */
  readonly ETag: string | undefined
  readonly VersionId: string | undefined
  /** How often it was looked at. */
  readonly attempts: number
  /** Of the stored body: copied inside S3. */
  readonly bytesCopied: number
  /** Of the stored body: read and written again through here, header not counted. */
  readonly bytesMoved: number
}

/** What `rearrange` did. */
export interface RearrangeResult extends Omit<ReencryptResult, 'outcome'> {
  readonly outcome: 'rearranged'
  /** Of the new object, in bytes. */
  readonly plaintextLength: number
}

const BOTH = ['Bucket', 'Key', 'to', 'from', 'allowUnconditional', 'maxAttempts', 'copyPartSize', ...CARRIED] as const

export const reencryptMembers: readonly string[] = [...BOTH, 'trim', 'acl']
export const rearrangeMembers: readonly string[] = [
  ...BOTH,
  ...COPY_MEMBERS,
  ...['CopySource', 'start', 'end', 'metadata', 'overwrite'],
]
/** How the copy is stored. */
export const storingMembers: readonly string[] = COPY_MEMBERS.slice(4)

/** Checks and copies what both have. Throws ERR_S3CSE_CONFIG. */
export function headerInput<I extends ReencryptInput | RearrangeInput>(
  given: I,
  caller: string,
  members: readonly string[],
): I {
  const input = { ...onlyMembers(given, members, caller) } as unknown as I
  const riding = requestOptionNames(given)
  if (riding.length > 0) throw configError(`${caller} takes no requestOptions (${riding.join(', ')})`)
  if (typeof (input.from as Partial<Keyring> | undefined)?.unwrap === 'function') {
    throw configError(`${caller}: from takes { keyring }, not a keyring itself`)
  }
  const { keyring } = onlyMembers(input.from ?? {}, ['keyring'], `${caller}: from`)
  return { ...input, from: { keyring: keyring && keyringOption(keyring, `${caller}: from.keyring`) } }
}
