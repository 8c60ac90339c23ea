/** PutBucketVersioning, GetBucketVersioning, ListObjectVersions. */
import { receiveXml } from './s3-buckets.js'
import { S3Error } from './s3-error.js'
import { ACCOUNT, xmlAnswer, type Answer, type Exchange } from './s3-exchange.js'
import { isMarker, versionsOf, type Version } from './s3-history.js'
import { encoder, listedEntry, maxOf } from './s3-list.js'
import { compareKeys, type Bucket } from './s3-store.js'
import { childText, type XmlChildren } from './s3-xml.js'

export async function putBucketVersioning(x: Exchange, name: string): Promise<Answer> {
  const bucket = x.store.bucket(name)
  const xml = await receiveXml(x)
  const status = xml?.name === 'VersioningConfiguration' ? childText(xml, 'Status') : undefined
  if (status !== 'Enabled' && status !== 'Suspended') throw new S3Error('MalformedXML')
  if (xml !== undefined && childText(xml, 'MfaDelete') === 'Enabled') throw new S3Error('NotImplemented')
  if (bucket.objectLock && status === 'Suspended') throw new S3Error('InvalidBucketState')
  bucket.versioning = status
  return { status: 200, headers: {} }
}

export function getBucketVersioning(x: Exchange, name: string): Answer {
  return xmlAnswer('VersioningConfiguration', { Status: x.store.bucket(name).versioning })
}

interface Item {
  readonly key: string
  readonly version: Version
  readonly latest: boolean
}

/** All versions by key, those of a key from the newest to the oldest. */
function items(bucket: Bucket, prefix: string): Item[] {
  const keys = [...new Set([...bucket.objects.keys(), ...bucket.older.keys()])]
  return keys
    .filter((key) => key.startsWith(prefix))
    .sort(compareKeys)
    .flatMap((key) => versionsOf(bucket, key).map((version, i) => ({ key, version, latest: i === 0 })))
}

export function listObjectVersions(x: Exchange, name: string): Answer {
  const bucket = x.store.bucket(name)
  const prefix = x.query.get('prefix') ?? ''
  const keyMarker = x.query.get('key-marker') ?? ''
  const idMarker = x.query.get('version-id-marker') ?? ''
  if (x.query.has('delimiter')) throw new S3Error('NotImplemented')
  if (idMarker !== '' && keyMarker === '') {
    throw new S3Error('InvalidArgument', 'A version-id marker cannot be specified without a key marker.')
  }
  const max = maxOf(x, 'max-keys')
  const encode = encoder(x)
  const all = items(bucket, prefix)
  const rest = keyMarker === '' ? all : all.slice(startOf(all, keyMarker, idMarker))
  const page = rest.slice(0, max)
  const last = page.length < rest.length ? page.at(-1) : undefined
  const element = ({ key, version, latest }: Item): XmlChildren => ({
    Key: encode(key),
    VersionId: version.versionId,
    IsLatest: latest,
    LastModified: version.lastModified.toISOString(),
    ...(isMarker(version) ? {} : listedEntry(version)),
    Owner: { ID: ACCOUNT },
  })
  return xmlAnswer('ListVersionsResult', {
    Name: name,
    Prefix: encode(prefix),
    KeyMarker: encode(keyMarker),
    VersionIdMarker: idMarker,
    NextKeyMarker: last === undefined ? undefined : encode(last.key),
    NextVersionIdMarker: last?.version.versionId,
    MaxKeys: max,
    EncodingType: x.query.get('encoding-type'),
    IsTruncated: last !== undefined,
    Version: page.filter(({ version }) => !isMarker(version)).map(element),
    DeleteMarker: page.filter(({ version }) => isMarker(version)).map(element),
  })
}

/** The first item behind that version of the marked key, or behind the whole key where no version is named. */
function startOf(all: readonly Item[], keyMarker: string, idMarker: string): number {
  const marked = all.findIndex(({ key, version }) => key === keyMarker && version.versionId === idMarker)
  if (marked >= 0) return marked + 1
  const next = all.findIndex(({ key }) => compareKeys(key, keyMarker) > 0)
  return next < 0 ? all.length : next
}
