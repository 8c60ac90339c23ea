/** GetObjectAttributes. */
import { S3Error } from './s3-error.js'
import { xmlAnswer, type Answer, type Exchange } from './s3-exchange.js'
import { entryOf, versionHeaders } from './s3-history.js'
import { checksumElements } from './s3-objects.js'
import { checkReadKey, customerKey } from './s3-ssec.js'
import { checksumTypeOf, type Entry } from './s3-store.js'
import type { XmlChildren, XmlValue } from './s3-xml.js'

const ATTRIBUTES: Readonly<Record<string, (entry: Entry, x: Exchange) => XmlValue>> = {
  // (Without quotes, unlike everywhere else.)
  ETag: (entry) => entry.etag.replaceAll('"', ''),
  Checksum: (entry) => {
    const type = checksumTypeOf(entry)
    return type === undefined ? undefined : { ...checksumElements(entry), ChecksumType: type }
  },
  ObjectParts: (entry, x) => partsOf(entry, x),
  StorageClass: (entry) => entry.headers['x-amz-storage-class'] ?? 'STANDARD',
  ObjectSize: (entry) => entry.body.size,
}

/** InvalidArgument unless at least one attribute is asked for, and each is known. SSE-C objects need their key. */
export function getObjectAttributes(x: Exchange, bucketName: string, key: string): Answer {
  const bucket = x.store.bucket(bucketName)
  const names = (x.headers['x-amz-object-attributes'] ?? '').split(',').map((name) => name.trim())
  if (names.some((name) => !Object.hasOwn(ATTRIBUTES, name))) {
    throw new S3Error('InvalidArgument', 'Invalid attribute name specified.', {
      details: { ArgumentName: 'x-amz-object-attributes' },
    })
  }
  const entry = entryOf(bucket, key, x.query.get('versionId'))
  checkReadKey(customerKey(x.headers), entry.customerKey)
  const asked = Object.entries(ATTRIBUTES).filter(([name]) => names.includes(name))
  const answer = xmlAnswer(
    'GetObjectAttributesResponse',
    Object.fromEntries(asked.map(([name, of]) => [name, of(entry, x)])),
  )
  const headers = {
    ...answer.headers,
    'last-modified': entry.lastModified.toUTCString(),
    ...versionHeaders(bucket, entry),
  }
  return { ...answer, headers }
}

/** undefined for what was not uploaded in parts. The parts themselves are listed where they have checksums. */
function partsOf({ parts }: Entry, x: Exchange): XmlChildren | undefined {
  if (parts === undefined) return undefined
  if (parts.some(({ checksums }) => Object.keys(checksums).length === 0)) return { PartsCount: parts.length }
  const max = Math.min(1000, numberOf(x, 'x-amz-max-parts', 1000))
  const marker = numberOf(x, 'x-amz-part-number-marker', 0)
  const rest = parts.map((part, i) => ({ ...part, number: i + 1 })).filter(({ number }) => number > marker)
  const page = rest.slice(0, max)
  return {
    PartsCount: parts.length,
    PartNumberMarker: marker,
    NextPartNumberMarker: page.at(-1)?.number ?? 0,
    MaxParts: max,
    IsTruncated: page.length < rest.length,
    Part: page.map((part) => ({ PartNumber: part.number, Size: part.size, ...checksumElements(part) })),
  }
}

function numberOf(x: Exchange, header: string, otherwise: number): number {
  const text = x.headers[header] ?? String(otherwise)
  if (/^\d{1,9}$/.test(text)) return Number(text)
  throw new S3Error('InvalidArgument', `Provided ${header} not an integer or not in range`)
}
