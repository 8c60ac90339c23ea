/** DeleteObject and DeleteObjects. */
import { receiveXml } from './s3-buckets.js'
import { S3Error } from './s3-error.js'
import { xmlAnswer, type Answer, type Exchange } from './s3-exchange.js'
import { checkVersionId, isMarker, markerHeaders } from './s3-history.js'
import type { Bucket } from './s3-store.js'
import { childText, type XmlChildren, type XmlElement } from './s3-xml.js'

const MAX_DELETES = 1000

/** Succeeds as well where there is nothing to delete. */
export async function deleteObject(x: Exchange, bucketName: string, key: string): Promise<Answer> {
  const bucket = x.store.bucket(bucketName)
  const conditional = Object.keys(x.headers).find((name) => name.startsWith('if-') || name.startsWith('x-amz-if-'))
  if (conditional !== undefined) throw new S3Error('NotImplemented', undefined, { details: { Header: conditional } })
  const versionId = x.query.get('versionId')
  if (versionId === undefined) {
    const marker = await x.store.delete(bucket, key)
    return { status: 204, headers: marker === undefined ? {} : markerHeaders(marker) }
  }
  checkVersionId(versionId)
  const gone = await x.store.deleteVersion(bucket, key, versionId)
  const headers = gone !== undefined && isMarker(gone) ? markerHeaders(gone) : { 'x-amz-version-id': versionId }
  return { status: 204, headers }
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
  readonly conditional: boolean
}

function askedDelete(object: XmlElement): AskedDelete {
  const key = childText(object, 'Key')
  if (key === undefined || key === '') throw new S3Error('MalformedXML')
  const conditional = object.children.some((child) => child.name !== 'Key' && child.name !== 'VersionId')
  return { key, versionId: childText(object, 'VersionId'), conditional }
}

async function deleteOne(
  x: Exchange,
  bucket: Bucket,
  { key, versionId, conditional }: AskedDelete,
): Promise<{ error: boolean; element: XmlChildren }> {
  const refused = (code: string, message: string): { error: true; element: XmlChildren } => ({
    error: true,
    element: { Key: key, VersionId: versionId, Code: code, Message: message },
  })
  if (conditional) return refused('NotImplemented', 'Conditions are not implemented.')
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
