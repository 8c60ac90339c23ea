/** Buckets and objects. Entries are immutable and replaced as a whole; nothing here waits between look and change. */
import { randomBytes } from 'node:crypto'
import { mkdtemp, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileWriter, memoryWriter, release, type BodyWriter, type StoredBody } from './s3-body.js'
import { S3Error } from './s3-error.js'
import type { S3Checksums } from './s3-types.js'

export interface Entry {
  readonly body: StoredBody
  /** With quotes. */
  readonly etag: string
  readonly metadata: Readonly<Record<string, string>>
  readonly headers: Readonly<Record<string, string>>
  readonly checksums: S3Checksums
  readonly lastModified: Date
}

export interface Bucket {
  readonly name: string
  readonly created: Date
  readonly objects: Map<string, Entry>
}

export interface Store {
  readonly buckets: Map<string, Bucket>
  /** Throws NoSuchBucket. */
  bucket(name: string): Bucket
  /** A writer for a body of that many bytes. */
  writer(length: number): Promise<BodyWriter>
  /** Takes over the entry's reference to its body and gives up that of the entry it replaces. */
  set(bucket: Bucket, key: string, entry: Entry): Promise<void>
  delete(bucket: Bucket, key: string): Promise<void>
  /** Removes every file. */
  close(): Promise<void>
}

export function createStore(options: { directory: string | undefined; memoryBytes: number }): Store {
  const buckets = new Map<string, Bucket>()
  let directory: Promise<string> | undefined
  let files = 0
  return {
    buckets,
    bucket(name) {
      const bucket = buckets.get(name)
      if (bucket === undefined) throw new S3Error('NoSuchBucket', undefined, { details: { BucketName: name } })
      return bucket
    },
    async writer(length) {
      if (length <= options.memoryBytes) return memoryWriter()
      directory ??= mkdtemp(join(options.directory ?? tmpdir(), 's3-cse-testing-')) // mode 0700
      const file = join(await directory, String(files++))
      return fileWriter(file, await open(file, 'wx', 0o600))
    },
    async set(bucket, key, entry) {
      const previous = bucket.objects.get(key)
      bucket.objects.set(key, entry)
      if (previous !== undefined) await release(previous.body)
    },
    async delete(bucket, key) {
      const previous = bucket.objects.get(key)
      bucket.objects.delete(key)
      if (previous !== undefined) await release(previous.body)
    },
    async close() {
      buckets.clear()
      const made = await directory?.catch(() => undefined)
      if (made !== undefined) await rm(made, { recursive: true, force: true })
    },
  }
}

/** NoSuchKey if it is not there. */
export function entryOf(bucket: Bucket, key: string): Entry {
  const entry = bucket.objects.get(key)
  if (entry === undefined) throw new S3Error('NoSuchKey', undefined, { details: { Key: key } })
  return entry
}

/** S3's order of keys: by their UTF-8 bytes (which is not JavaScript's order beyond U+FFFF). */
export function sortedKeys(bucket: Bucket): string[] {
  return [...bucket.objects.keys()].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
}

/** An ETag from the body's MD5, or a random one of the same form. */
export function etagFrom(md5: Uint8Array | undefined): string {
  return `"${Buffer.from(md5 ?? randomBytes(16)).toString('hex')}"`
}
