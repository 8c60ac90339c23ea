/** DeleteObject and DeleteObjects. */
import { receiveXml, requireChecksum } from './s3-buckets.js'
import { writeCondition } from './s3-conditions.js'
import { S3Error } from './s3-error.js'
import { xmlAnswer, type Answer, type Exchange } from './s3-exchange.js'
import { checkVersionId, isMarker, markerHeaders } from './s3-history.js'
import { checkUnlocked } from './s3-lock.js'
import type { Bucket } from './s3-store.js'
import { childText, type XmlChildren, type XmlElement } from './s3-xml.js'

const MAX_DELETES = 1000

/**
 * Succeeds as well where there is nothing to delete, unless If-Match asks for it: then NoSuchKey where no object is the
 * current version (a delete marker is none), PreconditionFailed where it has another ETag. If-Match together with a
 * version, and every other condition, is NotImplemented, as general purpose buckets have it.
 */
export async function deleteObject(x: Exchange, bucketName: string, key: string): Promise<Answer> {
  const bucket = x.store.bucket(bucketName)
  const versionId = x.query.get('versionId')
  const unknown = Object.keys(x.headers).find(
    (name) => /^(x-amz-)?if-/.test(name) && (name !== 'if-match' || versionId !== undefined),
  )
  if (unknown !== undefined) throw new S3Error('NotImplemented', undefined, { details: { Header: unknown } })
  if (versionId === undefined) {
    writeCondition(x.headers, key, bucket.objects.get(key))
    const marker = await x.store.delete(bucket, key)
    return { status: 204, headers: marker === undefined ? {} : markerHeaders(marker) }
  }
  checkVersionId(versionId)
  checkUnlocked(x, bucket, key, versionId)
  const gone = await x.store.deleteVersion(bucket, key, versionId)
  const headers = gone !== undefined && isMarker(gone) ? markerHeaders(gone) : { 'x-amz-version-id': versionId }
  return { status: 204, headers }
}

export async function deleteObjects(x: Exchange, name: string): Promise<Answer> {
  const bucket = x.store.bucket(name)
  requireChecksum(x)
  const xml = await receiveXml(x)
  const objects = xml?.children.filter((child) => child.name === 'Object') ?? []
  if (xml?.name !== 'Delete' || objects.length === 0 || objects.length > MAX_DELETES) throw new S3Error('MalformedXML')
  const asked = objects.map(askedDelete)
  const results: { readonly error: boolean; readonly element: XmlChildren }[] = []
  for (const one of asked) results.push(await deleteOne(x, bucket, one))
  const deleted = results.filter(({ error }) => !error).map(({ element }) => element)
  return xmlAnswer('DeleteResult', {
    Deleted: childText(xml, 'Quiet') === 'true' ? undefined : deleted,
    Error: results.filter(({ error }) => error).map(({ element }) => element),
  })
}

interface AskedDelete {
  readonly key: string
  readonly versionId: string | undefined
  readonly etag: string | undefined
  /** A condition that only directory buckets have. */
  readonly unknown: boolean
}

function askedDelete(object: XmlElement): AskedDelete {
  const key = childText(object, 'Key')
  if (key === undefined || key === '') throw new S3Error('MalformedXML')
  const unknown = object.children.some(({ name }) => name !== 'Key' && name !== 'VersionId' && name !== 'ETag')
  return { key, versionId: childText(object, 'VersionId'), etag: childText(object, 'ETag'), unknown }
}

async function deleteOne(
  x: Exchange,
  bucket: Bucket,
  { key, versionId, etag, unknown }: AskedDelete,
): Promise<{ error: boolean; element: XmlChildren }> {
  const refused = (code: string, message: string): { error: true; element: XmlChildren } => ({
    error: true,
    element: { Key: key, VersionId: versionId, Code: code, Message: message },
  })
  if (unknown || (etag !== undefined && versionId !== undefined)) {
    return refused('NotImplemented', 'This condition is not implemented.')
  }
  const conditional = etag !== undefined && !x.settings.ignoreConditions.includes('write')
  try {
    if (versionId !== undefined) checkUnlocked(x, bucket, key, versionId)
    else if (conditional) writeCondition({ 'if-match': etag }, key, bucket.objects.get(key))
  } catch (error) {
    if (error instanceof S3Error) return refused(error.code, error.message)
    throw error
  }
  if (versionId === undefined) {
    const marker = await x.store.delete(bucket, key)
    const made = marker === undefined ? {} : { DeleteMarker: true, DeleteMarkerVersionId: marker.versionId }
    return { error: false, element: { Key: key, ...made } }
  }
  const gone = await x.store.deleteVersion(bucket, key, versionId)
  if (gone === undefined && versionId !== 'null')
    return refused('NoSuchVersion', 'The specified version does not exist.')
  const marker = gone !== undefined && isMarker(gone)
  const was = marker ? { DeleteMarker: true, DeleteMarkerVersionId: versionId } : {}
  return { error: false, element: { Key: key, VersionId: versionId, ...was } }
}
