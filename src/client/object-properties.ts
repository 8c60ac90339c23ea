import { GetObjectAclCommand, GetObjectTaggingCommand } from '@aws-sdk/client-s3'
import type {
  GetObjectAclCommandInput,
  GetObjectTaggingCommandInput,
  Grant,
  Grantee,
  S3Client,
} from '@aws-sdk/client-s3'

import { RotationError } from '../errors.js'
import type { ObjectName } from '../formats/format.js'
import { ARCHIVES } from './envelope-file.js'
import { asStored } from './internal.js'
import { pick, sendOptions, statusOf } from './sdk.js'
import type { Input, Output } from './sdk.js'
import { carriedMembers } from './stored-file.js'

/** What an object has besides body and user metadata, and what a request that stores it anew has to say to keep it. */

const CONTENT = ['CacheControl', 'ContentDisposition', 'ContentEncoding', 'ContentLanguage', 'ContentType', 'Expires']
const STORAGE = ['StorageClass', 'WebsiteRedirectLocation', 'ServerSideEncryption', 'SSEKMSKeyId', 'BucketKeyEnabled']
const LOCK = ['ObjectLockMode', 'ObjectLockRetainUntilDate', 'ObjectLockLegalHoldStatus']
const EVENT_HOLD = ['ObjectLockEventHold', 'ObjectLockEventHoldDurationDays', 'ObjectLockEventHoldDurationYears']
const SSE_CUSTOMER = ['SSECustomerAlgorithm', 'SSECustomerKey', 'SSECustomerKeyMD5']

export function lostProperty({ bucket, key }: ObjectName, what: string, needsRewrite = false): RotationError {
  return new RotationError(`${bucket}/${key} was not changed: ${what}`, needsRewrite)
}

/** What MetadataDirective REPLACE replaces besides user metadata, as HeadObject has shown it. Throws ERR_S3CSE_ROTATION for what no request can say. */
export function contentMembers(head: Output, object: ObjectName): Record<string, unknown> {
  if (head.ExpiresString !== undefined && head.Expires === undefined) {
    throw lostProperty(
      object,
      'its Expires header is no date, and the SDK cannot send it as it is. Set another one first.',
    )
  }
  if (typeof head.MissingMeta === 'number' && head.MissingMeta > 0) {
    throw lostProperty(object, `${head.MissingMeta} of its metadata entries are such that HTTP does not show them.`)
  }
  return pick(head, CONTENT)
}

export interface Keeping {
  readonly client: S3Client
  /** With the members that every request for the object needs: RequestPayer, ExpectedBucketOwner, SSE-C. */
  readonly input: Input
  readonly object: ObjectName
  readonly head: Output
  /** 'private': the ACL is not read, and not kept. */
  readonly acl: 'keep' | 'private'
  readonly signal: AbortSignal | undefined
}

/**
 * All of it but tags, for requests that store the object anew. Throws ERR_S3CSE_ROTATION for what could not be kept.
 * (HeadObject shows locks only to who may see them.)
 */
export async function storedMembers(k: Keeping): Promise<Record<string, unknown>> {
  const { head, input, object } = k
  refuseArchived(head, object)
  return {
    ...contentMembers(head, object),
    ...pick(head, STORAGE),
    ...pick(input, SSE_CUSTOMER),
    ...lockMembers(head),
    ...(await aclMembers(k)),
  }
}

/** Before anything else is tried: throws ERR_S3CSE_ROTATION for what the object itself shows that could not be kept. */
export function requireKeepable(head: Output, object: ObjectName): void {
  refuseArchived(head, object)
  contentMembers(head, object)
}

function refuseArchived({ StorageClass, ArchiveStatus, Restore }: Output, object: ObjectName): void {
  if (!ARCHIVES.includes(StorageClass) && ArchiveStatus === undefined) return
  if (typeof Restore === 'string' && Restore.includes('ongoing-request="false"')) return
  const where = ArchiveStatus === undefined ? StorageClass : ArchiveStatus
  throw lostProperty(object, `it is archived (${String(where)}). Restore it first (RestoreObject).`)
}

/** A retention that is over cannot be set again, and needs not. */
function lockMembers(head: Output): Record<string, unknown> {
  const members = { ...pick(head, LOCK), ...pick(head, EVENT_HOLD) }
  const until = members.ObjectLockRetainUntilDate
  if (until instanceof Date && until.getTime() > Date.now()) return members
  delete members.ObjectLockMode
  delete members.ObjectLockRetainUntilDate
  return members
}

function isDirectoryBucket(bucket: string): boolean {
  return bucket.endsWith('--x-s3')
}

/** The server has no such thing, so there is nothing to keep. */
function isUnknownToServer(error: unknown): boolean {
  const status = statusOf(error)
  return status === 501 || status === 405
}

const GRANT_MEMBERS: ReadonlyMap<string | undefined, string> = new Map([
  ['FULL_CONTROL', 'GrantFullControl'],
  ['READ', 'GrantRead'],
  ['READ_ACP', 'GrantReadACP'],
  ['WRITE_ACP', 'GrantWriteACP'],
])

/** Some servers have no names for owners, and give '' for them. */
function namesOf(grantee: Grantee | undefined): { readonly URI: string | undefined; readonly ID: string | undefined } {
  return { URI: grantee?.URI || undefined, ID: grantee?.ID || undefined }
}

function isOwner(grantee: Grantee | undefined, owner: string | undefined): boolean {
  const { URI, ID } = namesOf(grantee)
  return URI === undefined && ID === (owner || undefined)
}

/** A copy has the owner's ACL only, unless the request says otherwise. */
async function aclMembers({ client, input, object, head, acl, signal }: Keeping): Promise<Record<string, unknown>> {
  if (acl === 'private' || isDirectoryBucket(object.bucket)) return {}
  const get = { ...carriedMembers(input), Bucket: object.bucket, Key: object.key, VersionId: head.VersionId }
  let grants: readonly Grant[]
  let owner: string | undefined
  try {
    const command = new GetObjectAclCommand(asStored(get as GetObjectAclCommandInput))
    const output = await client.send(command, sendOptions(signal))
    grants = output.Grants ?? []
    owner = output.Owner?.ID
  } catch (error) {
    if (isUnknownToServer(error)) return {}
    if (statusOf(error) !== 403) throw error
    throw lostProperty(
      object,
      "S3 denies access to its ACL, which would be lost. Allow s3:GetObjectAcl; or, where objects have no ACLs of their own, set acl: 'private'.",
    )
  }
  const others = grants.filter(({ Grantee, Permission }) => Permission !== 'FULL_CONTROL' || !isOwner(Grantee, owner))
  if (others.length === 0) return {}
  const members: Record<string, string> = {}
  for (const { Grantee, Permission } of grants) {
    const member = GRANT_MEMBERS.get(Permission)
    const { URI, ID } = namesOf(Grantee)
    const name = URI !== undefined ? `uri="${URI}"` : ID !== undefined ? `id="${ID}"` : undefined
    if (member === undefined || name === undefined) {
      throw lostProperty(
        object,
        `its ACL has a grant (${String(Permission)}) that no request can give. Change the ACL first.`,
      )
    }
    members[member] = members[member] === undefined ? name : `${members[member]}, ${name}`
  }
  return members
}

/** For requests that cannot copy them. */
export async function tagMembers(k: Omit<Keeping, 'acl'>): Promise<{ Tagging?: string }> {
  const { client, input, object, head, signal } = k
  if (isDirectoryBucket(object.bucket)) return {}
  const { RequestPayer, ExpectedBucketOwner } = carriedMembers(input)
  const get = { Bucket: object.bucket, Key: object.key, VersionId: head.VersionId, RequestPayer, ExpectedBucketOwner }
  try {
    const command = new GetObjectTaggingCommand(asStored(get as GetObjectTaggingCommandInput))
    const { TagSet = [] } = await client.send(command, sendOptions(signal))
    if (TagSet.length === 0) return {}
    const pairs = TagSet.map(({ Key = '', Value = '' }) => `${encodeURIComponent(Key)}=${encodeURIComponent(Value)}`)
    return { Tagging: pairs.join('&') }
  } catch (error) {
    if (isUnknownToServer(error)) return {}
    if (statusOf(error) !== 403) throw error
    throw lostProperty(object, 'S3 denies access to its tags, which would be lost. Allow s3:GetObjectTagging.')
  }
}
