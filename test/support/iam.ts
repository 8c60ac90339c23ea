import type { KmsRequest, S3Request } from '../../src/testing/index.js'

/**
 * The IAM actions that requests need, by the Service Authorization Reference and the S3 User Guide ("Required
 * permissions for Amazon S3 API operations", "Conditional requests").
 */

/** What S3 decides by more than the request: whether the source of a copy has tags. */
export type HasTags = (bucket: string, key: string) => Promise<boolean>

const ofVersion = (request: S3Request, action: string): string =>
  request.query['versionId'] === undefined ? `s3:${action}` : `s3:${action.replace('Object', 'ObjectVersion')}`

const reading = (request: S3Request): string[] => [ofVersion(request, 'GetObject')]

/** If-Match with an ETag says something about the object that is there. */
const comparing = ({ headers }: S3Request): string[] => (headers['if-match'] === undefined ? [] : ['s3:GetObject'])

const PROPERTIES: readonly [header: RegExp, action: string][] = [
  [/^x-amz-tagging$/, 's3:PutObjectTagging'],
  [/^x-amz-(acl|grant-.*)$/, 's3:PutObjectAcl'],
  [/^x-amz-object-lock-(mode|retain-until-date)$/, 's3:PutObjectRetention'],
  [/^x-amz-object-lock-legal-hold$/, 's3:PutObjectLegalHold'],
]

const writing = (request: S3Request): string[] => {
  const names = Object.keys(request.headers)
  const properties = PROPERTIES.filter(([header]) => names.some((name) => header.test(name)))
  return ['s3:PutObject', ...comparing(request), ...properties.map(([, action]) => action)]
}

const deleting = (request: S3Request): string[] => [ofVersion(request, 'DeleteObject'), ...comparing(request)]

async function copying(request: S3Request, hasTags: HasTags): Promise<string[]> {
  const source = decodeURIComponent(request.headers['x-amz-copy-source']!).replace(/^\//, '')
  const [name, version] = source.split('?versionId=') as [string, string?]
  const slash = name.indexOf('/')
  const suffix = version === undefined ? '' : 'Version'
  const actions = [`s3:GetObject${suffix}`, ...writing(request)]
  const takesTags = request.operation === 'CopyObject' && request.headers['x-amz-tagging-directive'] !== 'REPLACE'
  if (takesTags && (await hasTags(name.slice(0, slash), name.slice(slash + 1)))) {
    actions.push(`s3:GetObject${suffix}Tagging`, 's3:PutObjectTagging')
  }
  return actions
}

type Rule = (request: S3Request, hasTags: HasTags) => string[] | Promise<string[]>

const RULES: Readonly<Partial<Record<S3Request['operation'], Rule>>> = {
  PutObject: writing,
  CreateMultipartUpload: writing,
  UploadPart: () => ['s3:PutObject'],
  CompleteMultipartUpload: writing,
  CopyObject: copying,
  UploadPartCopy: copying,
  AbortMultipartUpload: () => ['s3:AbortMultipartUpload'],
  ListParts: () => ['s3:ListMultipartUploadParts'],
  GetObject: reading,
  HeadObject: reading,
  GetObjectAcl: (request) => [ofVersion(request, 'GetObjectAcl')],
  GetObjectTagging: (request) => [ofVersion(request, 'GetObjectTagging')],
  DeleteObject: deleting,
  DeleteObjects: (request) => {
    const body = Buffer.from(request.body ?? []).toString()
    return [
      body.includes('<VersionId>') ? 's3:DeleteObjectVersion' : 's3:DeleteObject',
      ...(body.includes('<ETag>') ? ['s3:GetObject'] : []),
    ]
  },
  ListObjectsV2: () => ['s3:ListBucket'],
  GetBucketVersioning: () => ['s3:GetBucketVersioning'],
  ListObjectVersions: () => ['s3:ListBucketVersions'],
}

/** Throws for an operation that has no rule: what it needs is not known. */
export async function s3Actions(requests: readonly S3Request[], hasTags: HasTags): Promise<string[]> {
  const actions = await Promise.all(
    requests.map(async (request) => {
      const rule = RULES[request.operation]
      if (rule === undefined) throw new Error(`which permissions does ${request.operation} need?`)
      // Without s3:ListBucket S3 answers 403 for what does not exist, so a 404 that the caller goes on from needs it.
      return [...(await rule(request, hasTags)), ...(request.status === 404 ? ['s3:ListBucket'] : [])]
    }),
  )
  return [...new Set(actions.flat())].sort()
}

export function kmsActions(requests: readonly KmsRequest[]): string[] {
  const actions = requests.flatMap(({ operation }) =>
    operation === 'ReEncrypt' ? ['kms:ReEncryptFrom', 'kms:ReEncryptTo'] : [`kms:${operation}`],
  )
  return [...new Set(actions)].sort()
}
