/** ListBuckets, CreateBucket, HeadBucket, DeleteBucket, and the reading of XML bodies. */
import { memoryWriter } from './s3-body.js'
import { isDirectoryBucket } from './s3-directory.js'
import { S3Error } from './s3-error.js'
import { ACCOUNT, xmlAnswer, type Answer, type Exchange } from './s3-exchange.js'
import { planPayload } from './s3-payload.js'
import { dropUpload } from './s3-pending.js'
import { receive } from './s3-receive.js'
import { readBody } from './s3-segments.js'
import { newBucket } from './s3-store.js'
import { childText, parseXml, type XmlElement } from './s3-xml.js'

const MAX_XML_BYTES = 2 * 1024 * 1024

/** Names as S3 has them (lower case, digits, dots and hyphens, 3 to 63 characters); `--x-s3` ends those of directory buckets. */
export function isBucketName(name: string): boolean {
  if (name.endsWith('--x-s3')) return isDirectoryBucket(name)
  return /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(name) && !name.includes('..') && !/^\d+\.\d+\.\d+\.\d+$/.test(name)
}

export function listBuckets(x: Exchange): Answer {
  const buckets = [...x.store.buckets.values()]
    .filter(({ name }) => !isDirectoryBucket(name))
    .sort((a, b) => (a.name < b.name ? -1 : 1))
  return xmlAnswer('ListAllMyBucketsResult', {
    Owner: { ID: ACCOUNT },
    Buckets: { Bucket: buckets.map(({ name, created }) => ({ Name: name, CreationDate: created.toISOString() })) },
  })
}

export async function createBucket(x: Exchange, name: string): Promise<Answer> {
  const xml = await receiveXml(x)
  if (!isBucketName(name)) throw new S3Error('InvalidBucketName', undefined, { details: { BucketName: name } })
  const { region } = x.settings
  const location = xml === undefined ? undefined : childText(xml, 'LocationConstraint')
  if ((location ?? 'us-east-1') !== region) throw new S3Error('IllegalLocationConstraintException')
  const kind = xml?.children.find((child) => child.name === 'Bucket')
  if (isDirectoryBucket(name) !== ((kind && childText(kind, 'Type')) === 'Directory')) {
    throw new S3Error('InvalidRequest', 'A name that ends in --<zone>--x-s3 and the type Directory go together.')
  }
  // In us-east-1 creating one's own bucket again succeeds, elsewhere it does not.
  if (x.store.buckets.has(name) && region !== 'us-east-1') throw new S3Error('BucketAlreadyOwnedByYou')
  const objectLock = x.headers['x-amz-bucket-object-lock-enabled'] === 'true'
  const aclsDisabled = x.headers['x-amz-object-ownership'] === 'BucketOwnerEnforced'
  if (!x.store.buckets.has(name)) {
    x.store.buckets.set(name, newBucket(name, x.settings.now(), { objectLock, aclsDisabled }))
  }
  return { status: 200, headers: { location: `/${name}` } }
}

export function headBucket(x: Exchange, name: string): Answer {
  x.store.bucket(name)
  return { status: 200, headers: { 'x-amz-bucket-region': x.settings.region } }
}

/** Pending uploads go with their bucket. */
export async function deleteBucket(x: Exchange, name: string): Promise<Answer> {
  const bucket = x.store.bucket(name)
  if (bucket.older.size > 0) {
    throw new S3Error(
      'BucketNotEmpty',
      'The bucket you tried to delete is not empty. You must delete all versions in the bucket.',
    )
  }
  if (bucket.objects.size > 0) throw new S3Error('BucketNotEmpty')
  x.store.buckets.delete(name)
  for (const upload of bucket.uploads.values()) await dropUpload(bucket, upload)
  return { status: 204, headers: {} }
}

/** InvalidRequest for a request whose body has nothing that proves it. */
export function requireChecksum({ headers }: Pick<Exchange, 'headers'>): void {
  const given = Object.keys(headers).some((one) => one === 'content-md5' || /^x-amz-(checksum-(?!a)|trailer)/.test(one))
  if (given) return
  throw new S3Error('InvalidRequest', 'Missing required header for this request: Content-MD5 OR x-amz-checksum-*')
}

/** The XML body of a request, of 2 MiB at most; undefined if it is empty. */
export async function receiveXml(
  x: Exchange,
  headers: Exchange['headers'] = x.headers,
): Promise<XmlElement | undefined> {
  const plan = planPayload(headers, x.authorization.payloadHash, { needsLength: false, limit: Infinity })
  if (plan.length > MAX_XML_BYTES) throw new S3Error('MaxMessageLengthExceeded')
  const writer = memoryWriter()
  await receive(x, plan, writer)
  const text = new TextDecoder().decode(await readBody(await writer.finish()))
  if (text === '') return undefined
  const xml = parseXml(text)
  if (xml === undefined) throw new S3Error('MalformedXML')
  return xml
}
