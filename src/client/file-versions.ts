import { ListObjectVersionsCommand } from '@aws-sdk/client-s3'
import type { ListObjectVersionsCommandInput, ObjectVersion, S3Client } from '@aws-sdk/client-s3'

import type { ObjectName } from '../formats/format.js'
import { asStored } from './internal.js'
import { sendOptions, statusOf } from './sdk.js'
import type { Input } from './sdk.js'

/** How many versions of a file are tried. */
const MAX_TRIED_VERSIONS = 20

/** How many of them are kept for those after the object, if there are any. */
const MAX_NEWER = 5

/** How many are listed for that at most, a thousand at a time. */
const MAX_PAGES = 10

/** Answers of servers and policies that do not let a client list versions. */
const CANNOT_LIST: ReadonlySet<number | undefined> = new Set([400, 403, 405, 501])

export interface VersionsRequest {
  readonly client: S3Client
  readonly input: Input
  readonly object: ObjectName
  /** Of the file. */
  readonly key: string
  /** When the version of the object was stored: of a multipart upload, when that was begun. */
  readonly time: Date
  /** The object comes from a multipart upload, whose file may have been written when it was completed. */
  readonly multipart: boolean
  readonly signal: AbortSignal | undefined
}

/**
 * The versions of a file that may belong to a version of its object, the likeliest first: a file is stored before its
 * object, so the nearest older one; then those before it; then those after it, by whoever has given the object another
 * key. Of a multipart upload, whose object has the time at which it was begun, the nearest newer one comes first.
 * `undefined` where versions cannot be listed.
 */
export async function fileVersions(request: VersionsRequest): Promise<readonly string[] | undefined> {
  const found = await listVersions(request)
  if (found === undefined) return undefined
  // As S3 lists them, the newest first: of two of the same second the later one is the nearer.
  const time = request.time.getTime()
  const older = found.filter(({ stored }) => stored <= time)
  const newer = found.filter(({ stored }) => stored > time).reverse()
  const kept = Math.min(newer.length, Math.max(MAX_NEWER, MAX_TRIED_VERSIONS - older.length))
  const first = request.multipart ? newer.splice(0, 1) : []
  const after = newer.slice(0, kept - first.length)
  return [...first, ...older.slice(0, MAX_TRIED_VERSIONS - kept), ...after].map(({ id }) => id)
}

interface Version {
  readonly id: string
  /** Milliseconds. */
  readonly stored: number
}

async function listVersions(request: VersionsRequest): Promise<readonly Version[] | undefined> {
  const { client, input, object, key, time, signal } = request
  const { RequestPayer, ExpectedBucketOwner } = input as Partial<ListObjectVersionsCommandInput>
  const list = { Bucket: object.bucket, Prefix: key, RequestPayer, ExpectedBucketOwner }
  const options = sendOptions(signal)
  const versions: Version[] = []
  let older = 0
  let markers: { KeyMarker?: string | undefined; VersionIdMarker?: string | undefined } = {}
  for (let page = 0; page < MAX_PAGES; page++) {
    let output
    try {
      output = await client.send(new ListObjectVersionsCommand(asStored({ ...list, ...markers })), options)
    } catch (error) {
      if (page === 0 && CANNOT_LIST.has(statusOf(error))) return undefined
      throw error
    }
    const { Versions = [], IsTruncated, NextKeyMarker, NextVersionIdMarker } = output
    // The name itself is the first of those that begin with it.
    const own = Versions.filter((version) => version.Key === key).flatMap(versionOf)
    versions.push(...own)
    older += own.filter(({ stored }) => stored <= time.getTime()).length
    if (IsTruncated !== true || NextKeyMarker !== key || older >= MAX_TRIED_VERSIONS) break
    markers = { KeyMarker: NextKeyMarker, VersionIdMarker: NextVersionIdMarker }
  }
  return versions
}

function versionOf({ VersionId, LastModified }: ObjectVersion): Version[] {
  return VersionId === undefined ? [] : [{ id: VersionId, stored: LastModified?.getTime() ?? 0 }]
}
