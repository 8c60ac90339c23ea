/** Buckets and objects. Entries are immutable and replaced as a whole; nothing here waits between look and change. */
import { randomBytes } from 'node:crypto'
import { mkdtemp, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { discardingWriter, fileWriter, memoryWriter, release, type BodyWriter, type StoredBody } from './s3-body.js'
import { S3Error } from './s3-error.js'
import type { Answer } from './s3-exchange.js'
import { addVersion, hideKey, removeVersion, type DeleteMarker, type Version } from './s3-history.js'
import type { PendingUpload } from './s3-pending.js'
import type { S3Checksums, S3ChecksumType, S3Grant, S3ObjectLock } from './s3-types.js'

export interface Entry {
  readonly versionId: string
  readonly body: StoredBody
  /** With quotes. */
  readonly etag: string
  readonly metadata: Readonly<Record<string, string>>
  readonly headers: Readonly<Record<string, string>>
  readonly checksums: S3Checksums
  /** Default FULL_OBJECT. */
  readonly checksumType?: S3ChecksumType
  /** The parts of a multipart object, in their order. */
  readonly parts?: readonly EntryPart[] | undefined
  /** The multipart upload that it came from. */
  readonly uploadId?: string
  /** SSE-C: the base64 MD5 of the key that reads must bring. */
  readonly customerKey?: string | undefined
  /** Default: none. */
  readonly tags?: Readonly<Record<string, string>> | undefined
  /** The access control list; default: the owner alone. */
  readonly grants?: readonly S3Grant[] | undefined
  readonly lock?: S3ObjectLock | undefined
  /** Of an archived object: until when its restored copy is there. */
  readonly restoredUntil?: Date | undefined
  readonly lastModified: Date
}

/** What is to be stored; it gets its version when it is. */
export type NewEntry = Omit<Entry, 'versionId'>

/** What the headers of an upload or a copy say of the object. */
export type Described = Pick<Entry, 'metadata' | 'headers' | 'customerKey' | 'tags' | 'grants' | 'lock'>

export interface EntryPart {
  readonly size: number
  /** Of the algorithm that CreateMultipartUpload named. */
  readonly checksums: S3Checksums
}

export interface Bucket {
  readonly name: string
  readonly created: Date
  /** The current objects. */
  readonly objects: Map<string, Entry>
  /** See s3-history.ts. */
  readonly older: Map<string, readonly Version[]>
  /** undefined: never enabled. */
  versioning: 'Enabled' | 'Suspended' | undefined
  /** Made for Object Lock. */
  readonly objectLock: boolean
  /** Object ownership BucketOwnerEnforced. */
  readonly aclsDisabled: boolean
  /** By id. */
  readonly uploads: Map<string, PendingUpload>
}

/** A bucket for Object Lock has its versioning enabled, for good. */
export function newBucket(
  name: string,
  created: Date,
  { objectLock = false, aclsDisabled = false }: Partial<Pick<Bucket, 'objectLock' | 'aclsDisabled'>> = {},
): Bucket {
  return {
    name,
    created,
    objects: new Map(),
    older: new Map(),
    versioning: objectLock ? 'Enabled' : undefined,
    objectLock,
    aclsDisabled,
    uploads: new Map(),
  }
}

export interface Completed {
  readonly fingerprint: string
  readonly answer: Answer
}

export interface Store {
  readonly buckets: Map<string, Bucket>
  /** Complete multipart uploads by id: the list that they were completed with, and the answer. */
  readonly completed: Map<string, Completed>
  /** Throws NoSuchBucket. */
  bucket(name: string): Bucket
  /** A writer for a body of that many bytes. */
  writer(length: number): Promise<BodyWriter>
  /** Takes over the entry's reference to its body. `released`: that of the entry that it replaced has been given up. */
  set(bucket: Bucket, key: string, entry: NewEntry): { readonly entry: Entry; readonly released: Promise<void> }
  /** Resolves to the delete marker where versions stay. */
  delete(bucket: Bucket, key: string): Promise<DeleteMarker | undefined>
  /** Resolves to the version that is no more, if there was one. */
  deleteVersion(bucket: Bucket, key: string, versionId: string): Promise<Version | undefined>
  /** Removes every file. */
  close(): Promise<void>
}

export interface StoreOptions {
  readonly directory: string | undefined
  readonly memoryBytes: number
  readonly discardBodies: boolean
  readonly now: () => Date
}

export function createStore(options: StoreOptions): Store {
  const buckets = new Map<string, Bucket>()
  let directory: Promise<string> | undefined
  let files = 0
  return {
    buckets,
    completed: new Map(),
    bucket(name) {
      const bucket = buckets.get(name)
      if (bucket === undefined) throw new S3Error('NoSuchBucket', undefined, { details: { BucketName: name } })
      return bucket
    },
    async writer(length) {
      if (options.discardBodies) return discardingWriter()
      if (length <= options.memoryBytes) return memoryWriter()
      directory ??= mkdtemp(join(options.directory ?? tmpdir(), 's3-cse-testing-')) // mode 0700
      const file = join(await directory, String(files++))
      return fileWriter(file, await open(file, 'wx', 0o600))
    },
    set(bucket, key, entry) {
      const { entry: added, gone } = addVersion(bucket, key, entry)
      return { entry: added, released: releaseAll(gone) }
    },
    async delete(bucket, key) {
      const { marker, gone } = hideKey(bucket, key, options.now)
      await releaseAll(gone)
      return marker
    },
    async deleteVersion(bucket, key, versionId) {
      const gone = removeVersion(bucket, key, versionId)
      if (gone !== undefined) await releaseAll([gone])
      return gone
    },
    async close() {
      buckets.clear()
      const made = await directory?.catch(() => undefined)
      if (made !== undefined) await rm(made, { recursive: true, force: true })
    },
  }
}

async function releaseAll(versions: readonly Version[]): Promise<void> {
  for (const { body } of versions) if (body !== undefined) await release(body)
}

/** S3's order of keys: by their UTF-8 bytes (which is not JavaScript's order beyond U+FFFF). */
export function sortedKeys(bucket: Bucket): string[] {
  return [...bucket.objects.keys()].sort(compareKeys)
}

export function compareKeys(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b))
}

/** undefined where there is no checksum. */
export function checksumTypeOf(entry: Pick<Entry, 'checksums' | 'checksumType'>): S3ChecksumType | undefined {
  return Object.keys(entry.checksums).length > 0 ? (entry.checksumType ?? 'FULL_OBJECT') : undefined
}

/** Whether S3 makes its ETag the MD5 of its bytes: not under a customer's or a KMS key, and not in directory buckets. */
export function hasMd5Etag({ customerKey, headers }: Pick<Entry, 'customerKey' | 'headers'>): boolean {
  return (
    customerKey === undefined &&
    headers['x-amz-server-side-encryption']?.startsWith('aws:kms') !== true &&
    headers['x-amz-storage-class'] !== 'EXPRESS_ONEZONE'
  )
}

/** An ETag from the body's MD5, or a random one of the same form. */
export function etagFrom(md5: Uint8Array | undefined): string {
  return `"${Buffer.from(md5 ?? randomBytes(16)).toString('hex')}"`
}
