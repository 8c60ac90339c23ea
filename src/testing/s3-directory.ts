/**
 * Directory buckets (S3 Express One Zone): what their names look like, which operations they have, and what they refuse
 * (Amazon S3 User Guide, "Differences for directory buckets").
 */
import { S3Error } from './s3-error.js'
import type { Exchange } from './s3-exchange.js'
import { entryOf } from './s3-history.js'
import type { S3Operation } from './s3-types.js'

const STORAGE_CLASS = 'EXPRESS_ONEZONE'

/** `<name>--<zone>--x-s3`, a suffix that no other bucket may have. */
export function isDirectoryBucket(name: string): boolean {
  return /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?--[a-z0-9]+(?:-[a-z0-9]+)+--x-s3$/.test(name) && name.length <= 63
}

/** What needs no session, and must not have one. */
export const WITHOUT_SESSION: ReadonlySet<S3Operation> = new Set([
  'CreateBucket',
  'DeleteBucket',
  'HeadBucket',
  'CreateSession',
  'CopyObject',
  'UploadPartCopy',
])

/** What a session of the mode ReadOnly allows. */
export const READ_ONLY: ReadonlySet<S3Operation> = new Set([
  'ListObjectsV2',
  'GetObject',
  'HeadObject',
  'GetObjectAttributes',
  'ListParts',
  'ListMultipartUploads',
])

const OPERATIONS: ReadonlySet<S3Operation> = new Set<S3Operation>([
  ...WITHOUT_SESSION,
  ...READ_ONLY,
  'PutObject',
  'RenameObject',
  'DeleteObject',
  'DeleteObjects',
  'CreateMultipartUpload',
  'UploadPart',
  'CompleteMultipartUpload',
  'AbortMultipartUpload',
])

const ONLY_HERE: ReadonlySet<S3Operation> = new Set(['CreateSession', 'RenameObject'])

const REFUSED =
  /^x-amz-(acl|grant-.*|tagging|tagging-directive|object-lock-.*|website-redirect-location|server-side-encryption-customer-.*|copy-source-server-side-encryption-customer-.*)$/

/** What both kinds of buckets are asked, each with its own rules; returns what the operation is to see. */
export function underRulesOf(x: Exchange, bucket: string, key: string): Exchange {
  const { operation } = x.record
  if (!isDirectoryBucket(bucket)) {
    if (ONLY_HERE.has(operation)) throw new S3Error('NotImplemented', 'Only directory buckets have this operation.')
    if (x.headers['x-amz-storage-class'] === STORAGE_CLASS) throw new S3Error('InvalidStorageClass')
    return x
  }
  if (!OPERATIONS.has(operation)) throw new S3Error('NotImplemented', 'Directory buckets do not have this operation.')
  checkHeaders(x.headers)
  checkParameters(x)
  if (operation === 'DeleteObject') return { ...x, headers: deleteHeaders(x, bucket, key) }
  // (From this class on nothing has the MD5 of its bytes as ETag: hasMd5Etag in s3-store.ts.)
  return { ...x, headers: { ...x.headers, 'x-amz-storage-class': STORAGE_CLASS } }
}

function checkHeaders(headers: Exchange['headers']): void {
  const refused = Object.keys(headers).find((name) => REFUSED.test(name))
  if (refused !== undefined) throw new S3Error('NotImplemented', undefined, { details: { Header: refused } })
  if ((headers['x-amz-storage-class'] ?? STORAGE_CLASS) !== STORAGE_CLASS) throw new S3Error('InvalidStorageClass')
}

function checkParameters({ query, record }: Exchange): void {
  const versionId = query.get('versionId') ?? 'null'
  if (versionId !== 'null') throw new S3Error('InvalidArgument', 'Directory buckets have no versions but null.')
  if (record.operation !== 'ListObjectsV2' && record.operation !== 'ListMultipartUploads') return
  if ((query.get('delimiter') ?? '/') !== '/') {
    throw new S3Error('InvalidArgument', 'Directory buckets have no delimiter but /.')
  }
  if (!/^$|\/$/.test(query.get('prefix') ?? '')) {
    throw new S3Error('InvalidArgument', 'In directory buckets a prefix must end in /.')
  }
  if (query.has('start-after')) throw new S3Error('NotImplemented', 'Directory buckets have no start-after.')
}

/** DeleteObject's conditions that only directory buckets have; what is left is for all kinds of buckets. */
function deleteHeaders(x: Exchange, bucket: string, key: string): Exchange['headers'] {
  const { 'x-amz-if-match-last-modified-time': modified, 'x-amz-if-match-size': size, ...headers } = x.headers
  if (modified === undefined && size === undefined) return headers
  const entry = entryOf(x.store.bucket(bucket), key)
  const fits =
    (modified === undefined || Date.parse(modified) === entry.lastModified.getTime()) &&
    (size === undefined || size === String(entry.body.size))
  if (!fits) throw new S3Error('PreconditionFailed')
  return headers
}

/** CompleteMultipartUpload of a directory bucket needs the parts 1, 2, 3, … */
export function checkConsecutive(bucket: string, parts: readonly { readonly number: number }[]): void {
  if (!isDirectoryBucket(bucket) || parts.every(({ number }, i) => number === i + 1)) return
  throw new S3Error('InvalidPartOrder', 'In directory buckets part numbers must be consecutive.')
}
