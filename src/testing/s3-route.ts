/** From a request line to an operation. What is not known here is not implemented. */
import { addressOf, type Places } from './s3-address.js'
import { decodePath } from './s3-copy-source.js'
import { S3Error } from './s3-error.js'
import type { S3Operation } from './s3-types.js'

export interface Route {
  readonly operation: S3Operation
  /** Decoded, for the signature. */
  readonly path: string
  readonly query: readonly (readonly [string, string])[]
  readonly bucket: string | undefined
  readonly key: string | undefined
  /** Thrown when the request has been authenticated. */
  readonly error: S3Error | undefined
}

const READ_PARAMETERS = [
  'response-content-type',
  'response-content-language',
  'response-expires',
  'response-cache-control',
  'response-content-disposition',
  'response-content-encoding',
  'partNumber',
  'versionId',
]
const LIST_PARAMETERS = ['prefix', 'delimiter', 'max-keys', 'encoding-type']

/** The query parameters that each operation understands. Another one (acl, tagging, …) means another operation. */
const PARAMETERS: Readonly<Record<S3Operation, readonly string[]>> = {
  ListBuckets: [],
  CreateBucket: [],
  HeadBucket: [],
  DeleteBucket: [],
  ListObjects: [...LIST_PARAMETERS, 'marker'],
  ListObjectsV2: [...LIST_PARAMETERS, 'list-type', 'continuation-token', 'start-after', 'fetch-owner'],
  DeleteObjects: ['delete'],
  PutObject: [],
  CopyObject: [],
  GetObject: READ_PARAMETERS,
  HeadObject: READ_PARAMETERS,
  DeleteObject: ['versionId'],
  CreateMultipartUpload: ['uploads'],
  CreateSession: ['session'],
  RenameObject: ['renameObject'],
  GetObjectAttributes: ['attributes', 'versionId'],
  UploadPart: ['uploadId', 'partNumber'],
  UploadPartCopy: ['uploadId', 'partNumber'],
  CompleteMultipartUpload: ['uploadId'],
  AbortMultipartUpload: ['uploadId'],
  ListParts: ['uploadId', 'max-parts', 'part-number-marker', 'encoding-type'],
  ListMultipartUploads: [
    'uploads',
    'prefix',
    'delimiter',
    'key-marker',
    'upload-id-marker',
    'max-uploads',
    'encoding-type',
  ],
  PutBucketVersioning: ['versioning'],
  GetBucketVersioning: ['versioning'],
  GetObjectTagging: ['tagging', 'versionId'],
  PutObjectTagging: ['tagging', 'versionId'],
  DeleteObjectTagging: ['tagging', 'versionId'],
  GetObjectAcl: ['acl', 'versionId'],
  PutObjectAcl: ['acl', 'versionId'],
  GetObjectRetention: ['retention', 'versionId'],
  PutObjectRetention: ['retention', 'versionId'],
  GetObjectLegalHold: ['legal-hold', 'versionId'],
  PutObjectLegalHold: ['legal-hold', 'versionId'],
  RestoreObject: ['restore', 'versionId'],
  Preflight: [],
  ListObjectVersions: [
    'versions',
    'prefix',
    'delimiter',
    'key-marker',
    'version-id-marker',
    'max-keys',
    'encoding-type',
  ],
  Unknown: [],
}

/** By a query parameter and the method: the commands for properties of an object. */
const PROPERTIES: Readonly<Record<string, Readonly<Record<string, S3Operation>>>> = {
  tagging: { GET: 'GetObjectTagging', PUT: 'PutObjectTagging', DELETE: 'DeleteObjectTagging' },
  acl: { GET: 'GetObjectAcl', PUT: 'PutObjectAcl' },
  retention: { GET: 'GetObjectRetention', PUT: 'PutObjectRetention' },
  'legal-hold': { GET: 'GetObjectLegalHold', PUT: 'PutObjectLegalHold' },
  restore: { POST: 'RestoreObject' },
}

/** Bytes of a key in UTF-8. */
const MAX_KEY = 1024

export function route(method: string, url: string, headers: Readonly<Record<string, string>>, places: Places): Route {
  const mark = url.indexOf('?')
  const rawPath = mark < 0 ? url : url.slice(0, mark)
  const query = parseQuery(mark < 0 ? '' : url.slice(mark + 1))
  try {
    const path = decodePath(rawPath)
    const { bucket, key } = addressOf(headers.host ?? '', path, places)
    const operation = operationOf(method, bucket, key, query, headers)
    return {
      operation,
      path,
      query,
      bucket: bucket === '' ? undefined : bucket,
      key: key === '' ? undefined : key,
      error: Buffer.byteLength(key) > MAX_KEY ? new S3Error('KeyTooLongError') : undefined,
    }
  } catch (error) {
    if (!(error instanceof S3Error)) throw error
    return { operation: 'Unknown', path: rawPath, query, bucket: undefined, key: undefined, error }
  }
}

function operationOf(
  method: string,
  bucket: string,
  key: string,
  query: readonly (readonly [string, string])[],
  headers: Readonly<Record<string, string>>,
): S3Operation {
  if (method === 'OPTIONS') return 'Preflight' // whatever it asks about
  const has = (name: string): boolean => query.some(([one]) => one === name)
  const copies = headers['x-amz-copy-source'] !== undefined || has('x-amz-copy-source')
  const part = has('uploadId') && has('partNumber')
  const listsV2 = query.some(([name, value]) => name === 'list-type' && value === '2')
  const property = Object.keys(PROPERTIES).find((name) => has(name))
  const table: Readonly<Record<string, S3Operation>> =
    bucket === ''
      ? { GET: 'ListBuckets' }
      : key !== '' && property !== undefined
        ? (PROPERTIES[property] ?? {})
        : key === ''
          ? {
              GET: listing(has, listsV2),
              HEAD: 'HeadBucket',
              PUT: has('versioning') ? 'PutBucketVersioning' : 'CreateBucket',
              DELETE: 'DeleteBucket',
              POST: has('delete') ? 'DeleteObjects' : 'Unknown',
            }
          : {
              GET: has('uploadId') ? 'ListParts' : has('attributes') ? 'GetObjectAttributes' : 'GetObject',
              HEAD: 'HeadObject',
              PUT: has('renameObject')
                ? 'RenameObject'
                : part
                  ? copies
                    ? 'UploadPartCopy'
                    : 'UploadPart'
                  : copies
                    ? 'CopyObject'
                    : 'PutObject',
              POST: has('uploads') ? 'CreateMultipartUpload' : has('uploadId') ? 'CompleteMultipartUpload' : 'Unknown',
              DELETE: has('uploadId') ? 'AbortMultipartUpload' : 'DeleteObject',
            }
  const operation = Object.hasOwn(table, method) ? (table[method] ?? 'Unknown') : 'Unknown'
  const known = (name: string): boolean =>
    name === 'x-id' || /^x-amz-/i.test(name) || PARAMETERS[operation].includes(name)
  return query.every(([name]) => known(name)) ? operation : 'Unknown'
}

function listing(has: (name: string) => boolean, v2: boolean): S3Operation {
  if (has('session')) return 'CreateSession'
  if (has('uploads')) return 'ListMultipartUploads'
  if (has('versioning')) return 'GetBucketVersioning'
  if (has('versions')) return 'ListObjectVersions'
  return v2 ? 'ListObjectsV2' : 'ListObjects'
}

function parseQuery(text: string): [string, string][] {
  return text
    .split('&')
    .filter((part) => part !== '')
    .map((part) => {
      const equals = part.indexOf('=')
      const name = equals < 0 ? part : part.slice(0, equals)
      return [decodeParameter(name), equals < 0 ? '' : decodeParameter(part.slice(equals + 1))]
    })
}

// What cannot be decoded stays as it is: its signature will not match, or its name is unknown.
function decodeParameter(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch {
    return text
  }
}
