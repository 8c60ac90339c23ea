/** ListObjects (V1) and ListObjectsV2. */
import { S3Error } from './s3-error.js'
import { ACCOUNT, xmlAnswer, type Answer, type Exchange } from './s3-exchange.js'
import { uriEncode } from './s3-sigv4.js'
import { checksumTypeOf, sortedKeys, type Bucket, type Entry } from './s3-store.js'
import type { XmlChildren } from './s3-xml.js'

interface Page {
  readonly keys: readonly string[]
  readonly prefixes: readonly string[]
  /** The last key or common prefix of this page, if more follow. */
  readonly next: string | undefined
}

interface Question {
  readonly prefix: string
  readonly delimiter: string
  readonly maxKeys: number
  /** Only keys after this one; a common prefix counts as all keys below it. */
  readonly after: string
}

export function listObjects(x: Exchange, name: string): Answer {
  const marker = x.query.get('marker') ?? ''
  const question = questionOf(x, marker)
  const bucket = x.store.bucket(name)
  const page = pageOf(bucket, question)
  const encode = encoder(x)
  return xmlAnswer('ListBucketResult', {
    Name: name,
    Prefix: encode(question.prefix),
    Marker: encode(marker),
    // Without a delimiter clients go on from the last key.
    NextMarker: page.next !== undefined && question.delimiter !== '' ? encode(page.next) : undefined,
    ...common(x, question, page, encode),
    Contents: contents(bucket, page.keys, encode, true),
  })
}

export function listObjectsV2(x: Exchange, name: string): Answer {
  const token = x.query.get('continuation-token')
  const startAfter = x.query.get('start-after')
  const question = questionOf(x, token === undefined ? (startAfter ?? '') : fromToken(token))
  const bucket = x.store.bucket(name)
  const page = pageOf(bucket, question)
  const encode = encoder(x)
  return xmlAnswer('ListBucketResult', {
    Name: name,
    Prefix: encode(question.prefix),
    KeyCount: page.keys.length + page.prefixes.length,
    ContinuationToken: token,
    NextContinuationToken: page.next === undefined ? undefined : toToken(page.next),
    StartAfter: startAfter === undefined ? undefined : encode(startAfter),
    ...common(x, question, page, encode),
    Contents: contents(bucket, page.keys, encode, x.query.get('fetch-owner') === 'true'),
  })
}

function common(x: Exchange, question: Question, page: Page, encode: (text: string) => string): XmlChildren {
  return {
    MaxKeys: question.maxKeys,
    Delimiter: question.delimiter === '' ? undefined : encode(question.delimiter),
    EncodingType: x.query.get('encoding-type'),
    IsTruncated: page.next !== undefined,
    CommonPrefixes: page.prefixes.map((prefix) => ({ Prefix: encode(prefix) })),
  }
}

function questionOf(x: Exchange, after: string): Question {
  return {
    prefix: x.query.get('prefix') ?? '',
    delimiter: x.query.get('delimiter') ?? '',
    maxKeys: maxOf(x, 'max-keys'),
    after,
  }
}

/** How many a page may have: 1,000 at most. */
export function maxOf(x: Exchange, parameter: string): number {
  const text = x.query.get(parameter) ?? '1000'
  if (!/^\d{1,10}$/.test(text)) {
    throw new S3Error('InvalidArgument', `Provided ${parameter} not an integer or not in range`)
  }
  return Math.min(1000, Number(text))
}

function pageOf(bucket: Bucket, { prefix, delimiter, maxKeys, after }: Question): Page {
  const keys: string[] = []
  const prefixes: string[] = []
  const start = Buffer.from(after)
  let last: string | undefined
  for (const key of sortedKeys(bucket)) {
    if (!key.startsWith(prefix)) continue
    const cut = delimiter === '' ? -1 : key.indexOf(delimiter, prefix.length)
    const item = cut < 0 ? key : key.slice(0, cut + delimiter.length)
    if (item === last) continue
    // A common prefix that the last page ended with is before all keys below it, and so are those skipped with it.
    if (after !== '' && Buffer.compare(Buffer.from(item), start) <= 0) continue
    if (keys.length + prefixes.length >= maxKeys) return { keys, prefixes, next: maxKeys === 0 ? undefined : last }
    if (cut < 0) keys.push(item)
    else prefixes.push(item)
    last = item
  }
  return { keys, prefixes, next: undefined }
}

function contents(
  bucket: Bucket,
  keys: readonly string[],
  encode: (text: string) => string,
  owner: boolean,
): readonly XmlChildren[] {
  return keys.flatMap((key) => {
    const entry = bucket.objects.get(key)
    if (entry === undefined) return []
    return {
      Key: encode(key),
      LastModified: entry.lastModified.toISOString(),
      ...listedEntry(entry),
      Owner: owner ? { ID: ACCOUNT } : undefined,
    }
  })
}

/** What lists say about an object beside its name and times. */
export function listedEntry(entry: Entry): XmlChildren {
  return {
    ETag: entry.etag,
    ChecksumAlgorithm: Object.keys(entry.checksums)[0]?.toUpperCase(),
    ChecksumType: checksumTypeOf(entry),
    Size: entry.body.size,
    StorageClass: entry.headers['x-amz-storage-class'] ?? 'STANDARD',
  }
}

export function encoder(x: Exchange): (text: string) => string {
  const type = x.query.get('encoding-type')
  if (type === undefined) return (text) => text
  if (type !== 'url') throw new S3Error('InvalidArgument', 'Invalid Encoding Method specified in Request')
  return (text) => text.split('/').map(uriEncode).join('/').replaceAll('%20', '+')
}

function toToken(last: string): string {
  return Buffer.from(`1:${last}`).toString('base64')
}

function fromToken(token: string): string {
  const text = Buffer.from(token, 'base64').toString()
  if (!text.startsWith('1:') || toToken(text.slice(2)) !== token) {
    throw new S3Error('InvalidArgument', 'The continuation token provided is incorrect')
  }
  return text.slice(2)
}
