/** Archived objects (GLACIER, DEEP_ARCHIVE): readable only while a restored copy is there. */
import { receiveXml } from './s3-buckets.js'
import { S3Error } from './s3-error.js'
import type { Answer, Exchange } from './s3-exchange.js'
import { changeObject } from './s3-change.js'
import type { Entry } from './s3-store.js'
import { childText } from './s3-xml.js'

type Archivable = Pick<Entry, 'headers' | 'restoredUntil'>

const ARCHIVES: ReadonlySet<string> = new Set(['GLACIER', 'DEEP_ARCHIVE'])
const DAY_MS = 24 * 60 * 60 * 1000

function archive({ headers }: Archivable): string | undefined {
  const storageClass = headers['x-amz-storage-class'] ?? ''
  return ARCHIVES.has(storageClass) ? storageClass : undefined
}

function isRestored({ restoredUntil }: Archivable, now: () => Date): boolean {
  return restoredUntil !== undefined && restoredUntil > now()
}

/** InvalidObjectState for an archived object that is not restored. */
export function checkReadable(entry: Archivable, now: () => Date): void {
  const storageClass = archive(entry)
  if (storageClass === undefined || isRestored(entry, now)) return
  throw new S3Error('InvalidObjectState', undefined, { details: { StorageClass: storageClass } })
}

export function restoreHeaders(entry: Archivable, now: () => Date): Record<string, string> {
  if (entry.restoredUntil === undefined || !isRestored(entry, now)) return {}
  return { 'x-amz-restore': `ongoing-request="false", expiry-date="${entry.restoredUntil.toUTCString()}"` }
}

/** RestoreObject, which takes hours at S3, and no time here: 202, or 200 where it only makes the copy last longer. */
export async function restoreObject(x: Exchange, bucketName: string, key: string): Promise<Answer> {
  const xml = await receiveXml(x)
  const days = Number(xml?.name === 'RestoreRequest' ? childText(xml, 'Days') : undefined)
  if (!Number.isInteger(days) || days < 1) throw new S3Error('MalformedXML')
  if (xml?.children.some(({ name }) => name === 'SelectParameters' || name === 'OutputLocation') === true) {
    throw new S3Error('NotImplemented')
  }
  const { now } = x.settings
  let status = 202
  const headers = changeObject(x, bucketName, key, (entry) => {
    if (archive(entry) === undefined) {
      throw new S3Error('InvalidObjectState', "Restore is not allowed for the object's current storage class")
    }
    if (isRestored(entry, now)) status = 200
    // (RestoreObject: the time now and so many days, rounded up to the next midnight UTC.)
    return { restoredUntil: new Date(Math.ceil((now().getTime() + days * DAY_MS) / DAY_MS) * DAY_MS) }
  })
  return { status, headers }
}
