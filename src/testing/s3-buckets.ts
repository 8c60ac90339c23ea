/** ListBuckets, CreateBucket, HeadBucket, DeleteBucket, DeleteObjects. */
import { memoryWriter, readBody } from './s3-body.js'
import { S3Error } from './s3-error.js'
import { ACCOUNT, xmlAnswer, type Answer, type Exchange } from './s3-exchange.js'
import { planPayload } from './s3-payload.js'
import { receive } from './s3-receive.js'
import { childText, parseXml, type XmlElement } from './s3-xml.js'

const MAX_XML_BYTES = 2 * 1024 * 1024
const MAX_DELETES = 1000

/** Names as S3 has them (lower case, digits, dots and hyphens, 3 to 63 characters). */
export function isBucketName(name: string): boolean {
  return /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(name) && !name.includes('..') && !/^\d+\.\d+\.\d+\.\d+$/.test(name)
}

export function listBuckets(x: Exchange): Answer {
  const buckets = [...x.store.buckets.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
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
  // In us-east-1 creating one's own bucket again succeeds, elsewhere it does not.
  if (x.store.buckets.has(name) && region !== 'us-east-1') throw new S3Error('BucketAlreadyOwnedByYou')
  if (!x.store.buckets.has(name)) x.store.buckets.set(name, { name, created: new Date(), objects: new Map() })
  return { status: 200, headers: { location: `/${name}` } }
}

export function headBucket(x: Exchange, name: string): Answer {
  x.store.bucket(name)
  return { status: 200, headers: { 'x-amz-bucket-region': x.settings.region } }
}

export function deleteBucket(x: Exchange, name: string): Answer {
  if (x.store.bucket(name).objects.size > 0) throw new S3Error('BucketNotEmpty')
  x.store.buckets.delete(name)
  return { status: 204, headers: {} }
}

export async function deleteObjects(x: Exchange, name: string): Promise<Answer> {
  const bucket = x.store.bucket(name)
  const given = Object.keys(x.headers).some(
    (one) => one === 'content-md5' || /^x-amz-(checksum-(?!a)|trailer)/.test(one),
  )
  if (!given) {
    throw new S3Error('InvalidRequest', 'Missing required header for this request: Content-MD5 OR x-amz-checksum-*')
  }
  const xml = await receiveXml(x)
  const objects = xml?.children.filter((child) => child.name === 'Object') ?? []
  if (xml?.name !== 'Delete' || objects.length === 0 || objects.length > MAX_DELETES) throw new S3Error('MalformedXML')
  const asked = objects.map((object) => {
    const key = childText(object, 'Key')
    if (key === undefined || key === '') throw new S3Error('MalformedXML')
    const version = childText(object, 'VersionId') ?? 'null'
    const other = object.children.find((child) => child.name !== 'Key' && child.name !== 'VersionId')
    return { key, implemented: version === 'null' && other === undefined }
  })
  const deleted = asked.filter((one) => one.implemented)
  for (const { key } of deleted) await x.store.delete(bucket, key)
  return xmlAnswer('DeleteResult', {
    Deleted: childText(xml, 'Quiet') === 'true' ? undefined : deleted.map(({ key }) => ({ Key: key })),
    Error: asked
      .filter((one) => !one.implemented)
      .map(({ key }) => ({
        Key: key,
        Code: 'NotImplemented',
        Message: 'Versions and conditions are not implemented.',
      })),
  })
}

/** The XML body of a request; undefined if it is empty. */
async function receiveXml(x: Exchange): Promise<XmlElement | undefined> {
  const plan = planPayload(x.headers, x.authorization.payloadHash, { needsLength: false, limit: Infinity })
  if (plan.length > MAX_XML_BYTES) throw new S3Error('MaxMessageLengthExceeded')
  const writer = memoryWriter()
  await receive(x, plan, writer)
  const text = new TextDecoder().decode(await readBody(await writer.finish()))
  if (text === '') return undefined
  const xml = parseXml(text)
  if (xml === undefined) throw new S3Error('MalformedXML')
  return xml
}
