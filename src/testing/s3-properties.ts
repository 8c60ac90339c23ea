/** What an object has beside its bytes: described by the headers of its upload, changed later by commands of their own. */
import { grantsOf } from './s3-acl.js'
import { restoreHeaders } from './s3-archive.js'
import type { Exchange } from './s3-exchange.js'
import { lockHeaders, lockOf } from './s3-lock.js'
import { metadataOf, rejectUnsupported, systemHeaders } from './s3-metadata.js'
import { customerKey } from './s3-ssec.js'
import type { Bucket, Described, Entry } from './s3-store.js'
import { taggingOf } from './s3-tags.js'

/** What PutObject, CreateMultipartUpload and CopyObject say of the object that they make. */
export function describedBy(x: Exchange, bucket: Bucket): Described {
  rejectUnsupported(x.headers)
  return {
    metadata: metadataOf(x.headers),
    headers: systemHeaders(x.headers),
    customerKey: customerKey(x.headers),
    tags: taggingOf(x.headers),
    grants: grantsOf(x.headers, bucket),
    lock: lockOf(x.headers, bucket, x.settings.now),
  }
}

/** What GetObject and HeadObject tell of it beside the stored headers. */
export function propertyHeaders(entry: Entry, now: () => Date): Record<string, string> {
  const tags = Object.keys(entry.tags ?? {}).length
  return {
    ...(tags === 0 ? {} : { 'x-amz-tagging-count': String(tags) }),
    ...lockHeaders(entry.lock),
    ...restoreHeaders(entry, now),
  }
}
