/** PutObject, GetObject, HeadObject, DeleteObject. */
import { nullWriter, release, retain } from './s3-body.js'
import { failed, rangeOf, readCondition, writeCondition } from './s3-conditions.js'
import { S3Error } from './s3-error.js'
import { MAX_OBJECT_BYTES, type Answer, type Exchange } from './s3-exchange.js'
import { shownEntry } from './s3-faults.js'
import { metadataHeaders, metadataOf, rejectUnsupported, systemHeaders } from './s3-metadata.js'
import { planPayload } from './s3-payload.js'
import { receive } from './s3-receive.js'
import { entryOf, etagFrom, type Entry } from './s3-store.js'
import type { S3Checksums } from './s3-types.js'

export async function putObject(x: Exchange, bucketName: string, key: string): Promise<Answer> {
  const bucket = x.store.bucket(bucketName)
  rejectUnsupported(x.headers)
  const plan = planPayload(x.headers, x.authorization.payloadHash, { needsLength: true, limit: MAX_OBJECT_BYTES })
  const stored = { metadata: metadataOf(x.headers), headers: systemHeaders(x.headers) }
  writeCondition(x.headers, key, bucket.objects.get(key))
  const writer = await x.store.writer(plan.length)
  const { entry } = await (async () => {
    try {
      const { md5, checksums } = await receive(x, plan, writer)
      // Another request may have stored the key in the meantime. From here to set() nothing may wait but finish().
      const etag = etagFrom(x.settings.etag === 'md5' ? md5 : undefined)
      const body = await writer.finish()
      return { entry: { ...stored, body, etag, checksums, lastModified: new Date() } }
    } catch (error) {
      await writer.discard()
      throw error
    }
  })()
  try {
    if (x.store.bucket(bucketName) !== bucket) throw new S3Error('NoSuchBucket')
    writeCondition(x.headers, key, bucket.objects.get(key))
  } catch (error) {
    await release(entry.body)
    throw error
  }
  await x.store.set(bucket, key, entry)
  return { status: 200, headers: { etag: entry.etag, ...checksumHeaders(entry.checksums) } }
}

/** Reads an upload to its end and forgets it, so that `requests` shows it though a fault is the answer. */
export async function dropBody(x: Exchange): Promise<void> {
  try {
    const plan = planPayload(x.headers, x.authorization.payloadHash, { needsLength: false, limit: Infinity })
    await receive(x, plan, nullWriter())
  } catch (error) {
    if (!(error instanceof S3Error)) throw error
  }
}

const OVERRIDES: Readonly<Record<string, string>> = {
  'response-content-type': 'content-type',
  'response-content-language': 'content-language',
  'response-expires': 'expires',
  'response-cache-control': 'cache-control',
  'response-content-disposition': 'content-disposition',
  'response-content-encoding': 'content-encoding',
}

/** GetObject; HeadObject is the same answer without its body. */
export async function getObject(x: Exchange, bucketName: string, key: string): Promise<Answer> {
  const entry = await shownEntry(entryOf(x.store.bucket(bucketName), key), x.fault)
  try {
    const condition = readCondition(x.headers, entry)
    if (condition === 'failed') failed(x.headers['if-match'] === undefined ? 'If-Unmodified-Since' : 'If-Match')
    const validators = { etag: entry.etag, 'last-modified': entry.lastModified.toUTCString() }
    if (condition === 'not-modified') return { status: 304, headers: validators }
    const range = rangeOf(x.headers.range, entry.body.size)
    const headers: Record<string, string> = {
      ...validators,
      'accept-ranges': 'bytes',
      ...entry.headers,
      ...metadataHeaders(entry.metadata),
    }
    for (const [parameter, name] of Object.entries(OVERRIDES)) {
      const value = x.query.get(parameter)
      if (value !== undefined) headers[name] = value
    }
    const { start, end } = range ?? { start: 0, end: entry.body.size }
    if (range !== undefined) headers['content-range'] = `bytes ${start}-${end - 1}/${entry.body.size}`
    else if (x.headers['x-amz-checksum-mode'] === 'ENABLED') Object.assign(headers, checksumHeaders(entry.checksums))
    return { status: range === undefined ? 200 : 206, headers, body: { body: retain(entry.body), start, end } }
  } finally {
    await release(entry.body)
  }
}

export async function deleteObject(x: Exchange, bucketName: string, key: string): Promise<Answer> {
  const bucket = x.store.bucket(bucketName)
  const conditional = Object.keys(x.headers).find((name) => name.startsWith('if-') || name.startsWith('x-amz-if-'))
  if (conditional !== undefined) throw new S3Error('NotImplemented', undefined, { details: { Header: conditional } })
  await x.store.delete(bucket, key)
  return { status: 204, headers: {} }
}

export function checksumHeaders(checksums: S3Checksums): Record<string, string> {
  const headers = Object.fromEntries(
    Object.entries(checksums).map(([algorithm, value]) => [`x-amz-checksum-${algorithm}`, value]),
  )
  if (Object.keys(headers).length > 0) headers['x-amz-checksum-type'] = 'FULL_OBJECT'
  return headers
}

/** The same as elements of XML answers: ChecksumCRC32, … */
export function checksumElements(entry: Entry): Record<string, string> {
  return Object.fromEntries(
    Object.entries(entry.checksums).map(([algorithm, value]) => [`Checksum${algorithm.toUpperCase()}`, value]),
  )
}
