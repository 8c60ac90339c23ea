import type { PeerCommand } from './peer-process.js'
import type { Envelope, Format } from './protocol.js'

/** What an object looks like. */
export interface Kind {
  readonly format: Format
  readonly content: 'GCM' | 'CBC'
  /** As format V2 stores it: AES/GCM, RSA-OAEP-SHA1, kms+context, kms, AESWrap, AES, RSA, RSA/ECB/OAEPWithSHA-256AndMGF1Padding. */
  readonly wrap: string
  readonly envelope: Envelope
}

export type ContextName = 'none' | 'simple' | 'rich' | 'unicode'

/**
 * One thing that is tried with a client; objects that it is given to read or to work on were written by s3-cse, and what
 * it writes is read by s3-cse.
 *
 * write: it puts, s3-cse reads (whole, delayed, ranges, inspect without a key).
 * refused: it puts; s3-cse must not read that with another key, with a flipped bit, with another context, and without
 * the policy and the switches that the kind needs.
 * multipart: as write, with its own multipart upload, more than 16 MiB.
 * read: s3-cse puts, it reads. A size above 16 MiB was written by Upload.
 * range: it reads a range of what s3-cse wrote.
 * suffix-write, suffix-read: an instruction file with another suffix.
 * reencrypt: s3-cse writes, it re-encrypts the instruction file, s3-cse reads it with the new key.
 * rotated: it writes, s3-cse re-encrypts the instruction file or rotates the key, it reads it with the new key.
 * delete: it deletes an object of s3-cse with its instruction file; both must be gone.
 * deleted: s3-cse deletes an object of the client with its instruction file.
 * refuse-…: it must fail to read: with another key, with a flipped bit, with another context, a V2 object where it is set
 * up for V3 only (`format: 'V3'` in the request), an old algorithm without `legacy`, an object that is not encrypted.
 */
export type Op =
  | 'write'
  | 'refused'
  | 'multipart'
  | 'read'
  | 'range'
  | 'suffix-write'
  | 'suffix-read'
  | 'reencrypt'
  | 'rotated'
  | 'delete'
  | 'deleted'
  | 'refuse-wrong-key'
  | 'refuse-flipped-bit'
  | 'refuse-wrong-context'
  | 'refuse-not-committing'
  | 'refuse-legacy'
  | 'refuse-plain'

export interface Trial {
  readonly op: Op
  readonly kind: Kind
  readonly context: ContextName
  /** Bytes of the plaintext. */
  readonly size: number
  /** op range: bytes=a-b */
  readonly range?: string
}

/**
 * What a client does differently. Every trial it is about must fail with an error whose text matches `sign`; if one
 * passes, the list is stale and the run fails. The text is what the program answered (class and message), or that of the
 * matrix: 'the plaintext differs' (also: wrong bytes of a range), 'it did not refuse', 'it did not delete the instruction
 * file', or `s3-cse: ` and code and message of the error on this side. The first departure that is about a trial counts.
 */
export interface Departure {
  /** Short and stable: it stands behind the name of the cell, as 'unicode context'. */
  readonly name: string
  readonly about: (trial: Trial) => boolean
  readonly sign: RegExp
  /** For the table: what it does instead, and why that is not ours. */
  readonly reason: string
}

/** One client, or mode of a client, of a program. What it is not said to do is not tried. */
export interface PeerClient {
  /** What `client` of a request says, as EncryptionV2::Client. */
  readonly name: string
  /** Every kind that it writes. */
  readonly writes: readonly Kind[]
  /**
   * Every kind that s3-cse writes (OUR_KINDS of kinds.ts) for the kinds of keys that it can be given; those that it
   * refuses have a departure. The run fails if one is missing.
   */
  readonly reads: readonly Kind[]
  /** Contexts that objects can be written with at all; default all four. What it cannot take in certain cases is a departure. */
  readonly contexts?: readonly ContextName[] | ((kind: Kind) => readonly ContextName[])
  /** Contexts of objects that it is asked to read; default as `contexts`. */
  readonly readContexts?: readonly ContextName[] | ((kind: Kind) => readonly ContextName[])
  /** Kinds with which it has multipart uploads of its own (`partSize` of a put). */
  readonly multipart?: readonly Kind[]
  /** Kinds of which it can read a range. */
  readonly ranges?: readonly Kind[]
  /** Kinds for which it takes another suffix of instruction files, with a put and with a get. */
  readonly suffixes?: { readonly write?: readonly Kind[]; readonly read?: readonly Kind[] }
  /** Kinds (with instruction files) it can re-encrypt; `suffix` where the new file needs one of its own (without a leading dot). */
  readonly reencrypts?: readonly { readonly kind: Kind; readonly suffix?: string }[]
  /** Its delete removes instruction files. */
  readonly deletes?: boolean
  /** What it does not refuse, or cannot do. */
  readonly departures?: readonly Departure[]
}

export interface Peer {
  /** As its makers write it: 'Amazon S3 Encryption Client for Java'. */
  readonly subject: string
  /** As it is installed: '4.0.1'; a function, called after install(), where it moves by itself. */
  readonly version: string | (() => Promise<string>)
  /** Whether this repository says which version is installed. */
  readonly pinned: boolean
  /** Installs it (through cached()) and says how its program is started, or why it cannot be had here. */
  install(): Promise<PeerCommand | { readonly unavailable: string }>
  readonly clients: readonly PeerClient[]
  /** Requests after which the program is started anew, where a client leaks. */
  readonly requestsPerProcess?: number
}
