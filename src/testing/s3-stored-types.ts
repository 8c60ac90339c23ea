/** The public types of what the in-process S3 stores. */

/** The base64 digests that S3 keeps beside an object, by algorithm. */
export type S3Checksums = Readonly<Partial<Record<S3ChecksumAlgorithm, string>>>

/** What the checksum of an object is over: all of its bytes, or the checksums of its parts. */
export type S3ChecksumType = 'FULL_OBJECT' | 'COMPOSITE'

/** The additional checksum algorithms that this server knows. */
export type S3ChecksumAlgorithm = 'crc32' | 'crc32c' | 'crc64nvme' | 'sha1' | 'sha256'

/** One entry of an access control list. */
export interface S3Grant {
  /** A canonical user id, or the URI of a group. */
  readonly grantee: string
  readonly permission: 'FULL_CONTROL' | 'READ' | 'WRITE' | 'READ_ACP' | 'WRITE_ACP'
}

/** Object Lock of a version. `mode` and `retainUntil` come together. */
export interface S3ObjectLock {
  readonly mode?: 'GOVERNANCE' | 'COMPLIANCE'
  readonly retainUntil?: Date
  readonly legalHold?: 'ON' | 'OFF'
}

/** An object as it is stored. */
export interface S3StoredObject {
  readonly body: Uint8Array
  /** Bytes. */
  readonly size: number
  /** User metadata without `x-amz-meta-`, as stored (not as returned: that may be RFC 2047). */
  readonly metadata: Readonly<Record<string, string>>
  /** System headers that GetObject returns, names in lower case: content-type, cache-control, x-amz-storage-class, … */
  readonly headers: Readonly<Record<string, string>>
  readonly tags: Readonly<Record<string, string>>
  /** The access control list. */
  readonly grants: readonly S3Grant[]
  readonly lock: S3ObjectLock | undefined
  /** Until when a restored copy of an archived object is there; undefined where none was asked for. */
  readonly restoredUntil: Date | undefined
  /** With its quotes. */
  readonly etag: string
  readonly checksums: S3Checksums
  /** undefined where there is no checksum. */
  readonly checksumType: S3ChecksumType | undefined
  /** The sizes in bytes of the parts of a multipart object; undefined for another. */
  readonly partSizes: readonly number[] | undefined
  /** `null` where versioning was never enabled. */
  readonly versionId: string
  readonly lastModified: Date
}

/** A multipart upload that is neither complete nor aborted. */
export interface S3PendingUpload {
  readonly key: string
  readonly uploadId: string
  /** In the order of their numbers. */
  readonly parts: readonly S3PendingPart[]
}

/** A part of such an upload. */
export interface S3PendingPart {
  readonly number: number
  /** Bytes. */
  readonly size: number
  /** With its quotes. */
  readonly etag: string
}

/** What `put` seeds. An object with the header `x-amz-storage-class: GLACIER` (or DEEP_ARCHIVE) is archived. */
export interface S3Seed {
  readonly body?: Uint8Array | string
  readonly metadata?: Readonly<Record<string, string>>
  readonly headers?: Readonly<Record<string, string>>
  readonly tags?: Readonly<Record<string, string>>
}

/** What a `tamper` callback may change, in place or by returning the parts that change. */
export interface S3Tampering {
  body: Uint8Array
  metadata: Record<string, string>
  headers: Record<string, string>
}
