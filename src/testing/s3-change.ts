/** Changes of what an object has beside its bytes, by commands of their own. */
import type { Exchange } from './s3-exchange.js'
import { changeVersion, entryOf, versionHeaders } from './s3-history.js'
import type { Bucket, Entry } from './s3-store.js'

/** The version that a request means, and the headers that name it. */
export function objectOf(
  x: Exchange,
  bucketName: string,
  key: string,
): { bucket: Bucket; entry: Entry; headers: Record<string, string> } {
  const bucket = x.store.bucket(bucketName)
  const entry = entryOf(bucket, key, x.query.get('versionId'))
  return { bucket, entry, headers: versionHeaders(bucket, entry) }
}

/** Changes that version where it is: its ETag, time and place in the history stay. Returns the headers that name it. */
export function changeObject(
  x: Exchange,
  bucketName: string,
  key: string,
  change: (entry: Entry) => Pick<Partial<Entry>, 'tags' | 'grants' | 'lock' | 'restoredUntil'>,
): Record<string, string> {
  const { bucket, entry, headers } = objectOf(x, bucketName, key)
  changeVersion(bucket, key, entry, { ...entry, ...change(entry) })
  return headers
}
