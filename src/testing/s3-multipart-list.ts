/** ListParts and ListMultipartUploads. */
import { S3Error } from './s3-error.js'
import { ACCOUNT, xmlAnswer, type Answer, type Exchange } from './s3-exchange.js'
import { encoder, maxOf } from './s3-list.js'
import { announcedChecksums } from './s3-multipart.js'
import { sortedParts, uploadIdOf, uploadOf, type PendingUpload } from './s3-pending.js'
import { checksumElements } from './s3-objects.js'
import { compareKeys, type Bucket } from './s3-store.js'
import type { XmlChildren } from './s3-xml.js'

export function listParts(x: Exchange, bucketName: string, key: string): Answer {
  const upload = uploadOf(x.store.bucket(bucketName), key, uploadIdOf(x))
  const max = maxOf(x, 'max-parts')
  const marker = x.query.get('part-number-marker') ?? '0'
  if (!/^\d{1,9}$/.test(marker)) {
    throw new S3Error('InvalidArgument', 'Provided part-number-marker not an integer or not in range')
  }
  const rest = sortedParts(upload).filter((part) => part.number > Number(marker))
  const page = rest.slice(0, max)
  return xmlAnswer('ListPartsResult', {
    Bucket: bucketName,
    Key: key,
    UploadId: upload.id,
    Initiator: { ID: ACCOUNT },
    Owner: { ID: ACCOUNT },
    StorageClass: storageClass(upload),
    ...checksumKind(upload),
    PartNumberMarker: marker,
    NextPartNumberMarker: page.at(-1)?.number,
    MaxParts: max,
    IsTruncated: page.length > 0 && page.length < rest.length,
    Part: page.map((part) => ({
      PartNumber: part.number,
      LastModified: part.lastModified.toISOString(),
      ETag: part.etag,
      Size: part.body.size,
      ...checksumElements({ checksums: announcedChecksums(upload, part) }),
    })),
  })
}

function checksumKind({ checksum }: PendingUpload): XmlChildren {
  return { ChecksumAlgorithm: checksum?.algorithm.toUpperCase(), ChecksumType: checksum?.type }
}

function storageClass({ described }: PendingUpload): string {
  return described.headers['x-amz-storage-class'] ?? 'STANDARD'
}

/** By key, and within a key in the order in which they began. */
function sortedUploads(bucket: Bucket): PendingUpload[] {
  return [...bucket.uploads.values()].sort((a, b) => compareKeys(a.key, b.key))
}

export function listMultipartUploads(x: Exchange, bucketName: string): Answer {
  const bucket = x.store.bucket(bucketName)
  const max = maxOf(x, 'max-uploads')
  const prefix = x.query.get('prefix') ?? ''
  const delimiter = x.query.get('delimiter') ?? ''
  const keyMarker = x.query.get('key-marker') ?? ''
  const idMarker = keyMarker === '' ? '' : (x.query.get('upload-id-marker') ?? '')
  const encode = encoder(x)
  const all = sortedUploads(bucket).filter(({ key }) => key.startsWith(prefix))
  const uploads: PendingUpload[] = []
  const prefixes = new Set<string>()
  let truncated = false
  let last: { readonly key: string; readonly id: string } | undefined
  for (const upload of all.filter(after(all, keyMarker, idMarker, prefix, delimiter))) {
    const common = commonPrefix(upload.key, prefix, delimiter)
    if (common !== undefined && prefixes.has(common)) continue
    if (uploads.length + prefixes.size >= max) {
      truncated = max > 0
      break
    }
    if (common === undefined) uploads.push(upload)
    else prefixes.add(common)
    last = common === undefined ? upload : { key: common, id: '' }
  }
  return xmlAnswer('ListMultipartUploadsResult', {
    Bucket: bucketName,
    KeyMarker: encode(keyMarker),
    UploadIdMarker: idMarker,
    NextKeyMarker: truncated && last !== undefined ? encode(last.key) : undefined,
    NextUploadIdMarker: truncated ? last?.id : undefined,
    Prefix: encode(prefix),
    Delimiter: delimiter === '' ? undefined : encode(delimiter),
    MaxUploads: max,
    EncodingType: x.query.get('encoding-type'),
    IsTruncated: truncated,
    Upload: uploads.map((upload) => ({
      Key: encode(upload.key),
      UploadId: upload.id,
      Initiator: { ID: ACCOUNT },
      Owner: { ID: ACCOUNT },
      StorageClass: storageClass(upload),
      Initiated: upload.initiated.toISOString(),
      ...checksumKind(upload),
    })),
    CommonPrefixes: [...prefixes].map((one) => ({ Prefix: encode(one) })),
  })
}

/** Only what is behind the markers: behind that upload of the key, or behind the whole key or common prefix. */
function after(
  all: readonly PendingUpload[],
  keyMarker: string,
  idMarker: string,
  prefix: string,
  delimiter: string,
): (upload: PendingUpload) => boolean {
  if (keyMarker === '') return () => true
  const marked = all.findIndex(({ key, id }) => key === keyMarker && id === idMarker)
  return (upload) => {
    const { key } = upload
    if (key === keyMarker) return marked >= 0 && all.indexOf(upload) > marked
    return compareKeys(commonPrefix(key, prefix, delimiter) ?? key, keyMarker) > 0
  }
}

function commonPrefix(key: string, prefix: string, delimiter: string): string | undefined {
  const cut = delimiter === '' ? -1 : key.indexOf(delimiter, prefix.length)
  return cut < 0 ? undefined : key.slice(0, cut + delimiter.length)
}
