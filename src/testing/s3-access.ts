/** What tests do with stored objects past S3's interface: look, seed, tamper. */
import { createHash } from 'node:crypto'
import { PRIVATE } from './s3-acl.js'
import { release, retain } from './s3-body.js'
import { checksumOf } from './s3-checksums.js'
import type { Settings } from './s3-exchange.js'
import { sameChecksums } from './s3-faults.js'
import { changeVersion, isMarker, versionsOf } from './s3-history.js'
import { sortedParts } from './s3-pending.js'
import { readBody } from './s3-segments.js'
import { checksumTypeOf, etagFrom, type Entry, type NewEntry, type Store } from './s3-store.js'
import type { S3Server, S3Tampering } from './s3-types.js'

const MAX_READ_BYTES = 1024 ** 3

export function objectAccess(
  store: Store,
  settings: Settings,
): Pick<S3Server, 'object' | 'put' | 'tamper' | 'uploads'> {
  const etagOf = (bytes: Uint8Array): string =>
    etagFrom(settings.etag === 'md5' ? createHash('md5').update(bytes).digest() : undefined)
  const bodyOf = async (bytes: Uint8Array): Promise<Entry['body']> => {
    const writer = await store.writer(bytes.length)
    writer.write(Uint8Array.from(bytes))
    return writer.finish()
  }
  const save = async (bucket: string, key: string, rest: Omit<NewEntry, 'lastModified'>): Promise<void> =>
    store.set(store.bucket(bucket), key, { ...rest, lastModified: settings.now() }).released

  return {
    uploads: (bucket) =>
      [...store.bucket(bucket).uploads.values()].map((upload) => ({
        key: upload.key,
        uploadId: upload.id,
        parts: sortedParts(upload).map(({ number, body, etag }) => ({ number, size: body.size, etag })),
      })),
    async object(bucket, key, versionId) {
      const from = store.buckets.get(bucket)
      const versions = from === undefined ? [] : versionsOf(from, key)
      const entry = versionId === undefined ? versions[0] : versions.find((one) => one.versionId === versionId)
      if (entry === undefined || isMarker(entry)) return undefined
      const body = await bytesOf(entry)
      return {
        body,
        size: body.length,
        metadata: { ...entry.metadata },
        headers: { ...entry.headers },
        tags: { ...entry.tags },
        grants: entry.grants ?? PRIVATE,
        lock: entry.lock,
        restoredUntil: entry.restoredUntil,
        etag: entry.etag,
        checksums: { ...entry.checksums },
        checksumType: checksumTypeOf(entry),
        partSizes: entry.parts?.map((part) => part.size),
        versionId: entry.versionId,
        lastModified: entry.lastModified,
      }
    },
    async put(bucket, key, seed) {
      store.bucket(bucket)
      const bytes =
        typeof seed.body === 'string' ? new TextEncoder().encode(seed.body) : (seed.body ?? new Uint8Array(0))
      await save(bucket, key, {
        body: await bodyOf(bytes),
        etag: etagOf(bytes),
        metadata: lowerCase(seed.metadata ?? {}),
        headers: { 'content-type': 'binary/octet-stream', ...lowerCase(seed.headers ?? {}) },
        tags: { ...seed.tags },
        checksums: settings.verifyPayload ? { crc64nvme: checksumOf('crc64nvme', bytes) } : {},
      })
    },
    async tamper(bucket, key, change, { keepChecksums = false } = {}) {
      const target = store.bucket(bucket)
      const entry = target.objects.get(key)
      if (entry === undefined) throw new Error(`tamper: there is no object ${key} in ${bucket}`)
      const object: S3Tampering = {
        body: await bytesOf(entry),
        metadata: { ...entry.metadata },
        headers: { ...entry.headers },
      }
      const { body, metadata, headers } = { ...object, ...(change(object) ?? object) }
      const changed = { body: await bodyOf(body), metadata: lowerCase(metadata), headers: lowerCase(headers) }
      if (keepChecksums) {
        // (Parts of a body of another length would lie anywhere.)
        const parts = body.length === entry.body.size ? entry.parts : undefined
        const done = changeVersion(target, key, entry, { ...entry, ...changed, parts })
        await release(done ? entry.body : changed.body)
        if (!done) throw new Error(`tamper: ${key} was replaced meanwhile`)
        return
      }
      const { customerKey, tags, grants } = entry
      await save(bucket, key, {
        ...changed,
        customerKey,
        tags,
        grants,
        etag: etagOf(body),
        checksums: sameChecksums(entry.checksums, body),
      })
    },
  }
}

async function bytesOf(entry: Entry): Promise<Uint8Array> {
  if (entry.body.size > MAX_READ_BYTES) throw new RangeError(`the object has ${entry.body.size} bytes, over 1 GiB`)
  const body = retain(entry.body)
  return readBody(body).finally(() => release(body))
}

function lowerCase(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]))
}
