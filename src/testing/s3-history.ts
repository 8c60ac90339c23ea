/**
 * The versions of a key. `Bucket.objects` has the current objects, `Bucket.older` what lies under them, newest first;
 * where the newest version is a delete marker, it is the first in `older`, and `objects` has nothing.
 */
import { randomBytes } from 'node:crypto'
import { S3Error } from './s3-error.js'
import type { Bucket, Entry, NewEntry } from './s3-store.js'

export interface DeleteMarker {
  readonly versionId: string
  readonly lastModified: Date
  readonly body?: undefined
}

export type Version = Entry | DeleteMarker

export function isMarker(version: Version): version is DeleteMarker {
  return version.body === undefined
}

/** Newest first. */
export function versionsOf(bucket: Bucket, key: string): readonly Version[] {
  const current = bucket.objects.get(key)
  const older = bucket.older.get(key) ?? []
  return current === undefined ? older : [current, ...older]
}

function setVersions(bucket: Bucket, key: string, versions: readonly Version[]): void {
  const [first] = versions
  const current = first === undefined || isMarker(first) ? undefined : first
  const older = current === undefined ? versions : versions.slice(1)
  if (current === undefined) bucket.objects.delete(key)
  else bucket.objects.set(key, current)
  if (older.length === 0) bucket.older.delete(key)
  else bucket.older.set(key, older)
}

/** The versions that went, whose bodies are to be released. */
type Gone = readonly Version[]

/** A new version under an enabled versioning, else the version `null`, which replaces the one before. */
export function addVersion(bucket: Bucket, key: string, entry: NewEntry): { entry: Entry; gone: Gone } {
  const added = { ...entry, versionId: newVersionId(bucket) }
  return { entry: added, gone: push(bucket, key, added) }
}

/** A delete without a version: a delete marker where there are or were versions, and no object any more. */
export function hideKey(
  bucket: Bucket,
  key: string,
  now: () => Date,
): { marker: DeleteMarker | undefined; gone: Gone } {
  if (bucket.versioning === undefined) {
    const gone = versionsOf(bucket, key)
    setVersions(bucket, key, [])
    return { marker: undefined, gone }
  }
  const marker = { versionId: newVersionId(bucket), lastModified: now() }
  return { marker, gone: push(bucket, key, marker) }
}

function push(bucket: Bucket, key: string, version: Version): Gone {
  const before = versionsOf(bucket, key)
  const stays = (one: Version): boolean => one.versionId !== version.versionId
  setVersions(bucket, key, [version, ...before.filter(stays)])
  return before.filter((one) => !stays(one))
}

/** For good; undefined if there is no such version. */
export function removeVersion(bucket: Bucket, key: string, versionId: string): Version | undefined {
  const before = versionsOf(bucket, key)
  const found = before.find((one) => one.versionId === versionId)
  const rest = before.filter((one) => one !== found)
  if (found !== undefined) setVersions(bucket, key, rest)
  return found
}

/** The same version with another content; false if it is not there any more. */
export function changeVersion(bucket: Bucket, key: string, from: Entry, to: Entry): boolean {
  const before = versionsOf(bucket, key)
  if (!before.includes(from)) return false
  const after = before.map((one) => (one === from ? to : one))
  setVersions(bucket, key, after)
  return true
}

function newVersionId(bucket: Bucket): string {
  return bucket.versioning === 'Enabled' ? randomBytes(24).toString('base64url') : 'null'
}

/**
 * The object that a read means. NoSuchKey if there is none, with x-amz-delete-marker where one hides it; NoSuchVersion;
 * MethodNotAllowed for the version of a delete marker; InvalidArgument for what cannot be a version.
 */
export function entryOf(bucket: Bucket, key: string, versionId?: string): Entry {
  const versions = versionsOf(bucket, key)
  if (versionId === undefined) {
    const [current] = versions
    if (current !== undefined && !isMarker(current)) return current
    throw new S3Error('NoSuchKey', undefined, {
      details: { Key: key },
      ...(current === undefined ? {} : { headers: markerHeaders(current) }),
    })
  }
  const version = versions.find((one) => one.versionId === versionId)
  if (version === undefined) {
    checkVersionId(versionId)
    throw new S3Error('NoSuchVersion', undefined, { details: { Key: key, VersionId: versionId } })
  }
  if (!isMarker(version)) return version
  const headers = { ...markerHeaders(version), allow: 'DELETE', 'last-modified': version.lastModified.toUTCString() }
  throw new S3Error('MethodNotAllowed', undefined, {
    details: { Method: 'GET', ResourceType: 'DeleteMarker' },
    headers,
  })
}

export function markerHeaders(marker: DeleteMarker): Record<string, string> {
  return { 'x-amz-delete-marker': 'true', 'x-amz-version-id': marker.versionId }
}

/** InvalidArgument unless it looks like a version of this server. */
export function checkVersionId(versionId: string): void {
  if (versionId === 'null' || /^[\w-]{32}$/.test(versionId)) return
  throw new S3Error('InvalidArgument', 'Invalid version id specified', {
    details: { ArgumentName: 'versionId', ArgumentValue: versionId },
  })
}

/** What answers to a read say about the version: nothing where versioning was never enabled. */
export function versionHeaders(bucket: Bucket, { versionId }: Entry): Record<string, string> {
  return bucket.versioning === undefined ? {} : { 'x-amz-version-id': versionId }
}

/** What answers to a write say about it: the version `null` goes without saying. */
export function writtenVersionHeaders(entry: Entry): Record<string, string> {
  return entry.versionId === 'null' ? {} : { 'x-amz-version-id': entry.versionId }
}
