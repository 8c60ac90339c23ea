import type { CommitmentPolicy, ObjectFacts } from '../errors.js'
import type { Context, Keyring } from '../keyrings/keyring.js'
import type { Opener } from '../message/opener.js'
import type { PositionalSealer, Sealer } from '../message/sealer.js'

export type { CommitmentPolicy } from '../errors.js'

/** What is stored beside the body: metadata keys (without `x-amz-meta-`, lower case) to values. */
export type ObjectMetadata = Readonly<Record<string, string>>

/** Where an object is, for messages. */
export interface ObjectName {
  readonly bucket: string
  readonly key: string
}

/** What a reader may learn about an object's envelope without any key. */
export interface EnvelopeSummary extends ObjectFacts {
  /**
   * Of formats whose segments need not be bound to their place: 'ordered' where their order and the end of the message
   * are authenticated, 'segment' where each is by itself only. Known when the key has been used; absent for other formats.
   */
  readonly integrity?: 'segment' | 'ordered'
  /** The stored encryption context (KMS) or materials description, as stored: not authenticated before the key is unwrapped. */
  readonly context: Context
}

/** A file beside the object that has (a part of) its envelope, as read from storage. */
export interface InstructionFile {
  /** The object's key and the suffix. */
  readonly key: string
  readonly suffix: string
  readonly bytes: Uint8Array
}

/** What a format does with instruction files. */
export interface InstructionFiles {
  /** In bytes: longer ones are not read. */
  readonly maxLength: number
  /** Suffixes of clients that had another than everybody else; their files are read where legacy wraps and content are. */
  readonly legacySuffixes: readonly string[]
  /**
   * Whether the envelope is in a file: 'needed' where the metadata shows that, 'possible' where nothing of an envelope is
   * there (of a plain object either), `undefined` where it is complete. Throws ERR_S3CSE_ENVELOPE_INVALID. Pure.
   */
  wanted(metadata: ObjectMetadata, object: ObjectName): 'needed' | 'possible' | undefined
  /** Throws ERR_S3CSE_ENVELOPE_INVALID. Pure. */
  recognise(metadata: ObjectMetadata, file: InstructionFile, object: ObjectName): Envelope
  /** Whether that is what it is, by the user metadata that it has or by its contents: something else may be stored there. */
  isInstructionFile(file: InstructionFile, metadata: ObjectMetadata, object: ObjectName): boolean
  /** Divides a whole envelope, as `seal` made it. */
  split(metadata: ObjectMetadata): SplitEnvelope
}

/** An envelope divided between its object and an instruction file. */
export interface SplitEnvelope {
  /** What stays on the object. */
  readonly object: ObjectMetadata
  /** The file's contents and user metadata. */
  readonly file: { readonly text: string; readonly metadata: ObjectMetadata }
}

/** The stored bytes of an object, for a format whose envelope is among them. */
export interface StoredBytes {
  /** How many there are; `undefined` where that is known at their end only. */
  readonly length: number | undefined
  /** The first `count` bytes, or all where there are fewer. What was asked for before may be asked for again, and more. */
  start(count: number): Promise<Uint8Array>
  /** The last `count` bytes, or all where there are fewer. Absent: they are read in order. */
  end?(count: number): Promise<Uint8Array>
}

/** A recognised envelope. */
export interface Envelope {
  /** Where `inBody` is set: of what is known so far, which is a hint until `open` has resolved. */
  readonly summary: EnvelopeSummary
  /** The envelope is at the start of the stored bytes: `open` needs `stored`, and what is known before is a hint. Default: false. */
  readonly inBody?: boolean
  /** Plaintext length for a stored length in bytes; `undefined` where only the key can tell. Throws ERR_S3CSE_ENVELOPE_INVALID for an impossible one. */
  plaintextLength(sealedLength: number): number | undefined
  /**
   * Checks policy, wrap and context (in this order, before any key is used), unwraps the data key, checks the key
   * commitment, and gives the opener. Throws PolicyError, ENVELOPE_INVALID, CONTEXT_MISMATCH, DecryptionError.
   */
  open(request: OpenRequest): Promise<Opener>
  /**
   * The same checks, and then a sealer that goes on with this message: for a multipart upload that is continued. With
   * `key` (what `exportKey` gave) no keyring is asked. Absent where the format cannot do that.
   */
  resume?(request: OpenRequest & { readonly key?: Uint8Array }): Promise<PositionalSealer>
  /**
   * The same checks, and then the data key wrapped anew; everything else of the envelope stays, and so does the body.
   * Throws ERR_S3CSE_ROTATION where that cannot be. Absent where the format cannot do that.
   */
  rewrap?(request: RewrapEnvelopeRequest): Promise<RewrappedEnvelope>
  /**
   * The same checks, and then a new header for other recipients; the stored body stays as it is. For envelopes in the
   * body (`stored` is needed). Throws as `open`. Absent where the format cannot do that.
   */
  reencrypt?(request: ReencryptRequest): Promise<NewHeader>
  /**
   * The same, for a part of the plaintext: of the stored body what holds it stays. Throws as `open`, and
   * ERR_S3CSE_CONFIG for a range that is not in the plaintext.
   */
  rearrange?(request: RearrangeRequest): Promise<NewHeader>
}

/** What a new header needs. */
export interface ReencryptRequest extends OpenRequest {
  /** The keyring that writes it: for its recipients. */
  readonly to: Keyring
  /** Packets of the old header that the keyring cannot open are left out. Default: false, they stay. */
  readonly trim?: boolean
}

/** What a new header for a part of the plaintext needs. */
export interface RearrangeRequest extends OpenRequest {
  readonly to: Keyring
  /** Plaintext [start, end), in bytes; `end` behind the last byte means the last byte. */
  readonly start: number
  readonly end: number
}

/** A new message made of a new header and of bytes that are stored: header ‖ stored [from, to). */
export interface NewHeader {
  readonly header: Uint8Array
  readonly from: number
  readonly to: number
  /** To be merged into the new object's user metadata. */
  readonly metadata: ObjectMetadata
  readonly summary: EnvelopeSummary
  /** Of the new message, in bytes. */
  readonly plaintextLength: number
}

/** What a new wrap of an envelope needs. */
export interface RewrapEnvelopeRequest extends OpenRequest {
  /** Keyring and caller's context of the new wrap. */
  readonly to: { readonly keyring: Keyring; readonly encryptionContext: Context }
  /** A new wrap that the old key opens as well is an error (ERR_S3CSE_ROTATION). */
  readonly enforceRotation: boolean
  /** The data key stays inside the key service, where that can wrap it anew. */
  readonly reEncrypt: boolean
}

/** An envelope with a new wrap. */
export interface RewrappedEnvelope {
  /** The whole envelope, as `seal` gives it. */
  readonly metadata: ObjectMetadata
  readonly summary: EnvelopeSummary
  /** Whether the data key stayed inside the key service. */
  readonly reEncrypted: boolean
}

export interface SealRequest {
  readonly keyring: Keyring
  readonly commitmentPolicy: CommitmentPolicy
  readonly encryptionContext: Context
  /** The pieces will come in order, from 0 on, which a runtime may do faster. Default: false, any order. */
  readonly ordered?: boolean
  /** Of the plaintext, in bytes, where it is known. */
  readonly plaintextLength?: number
  readonly signal?: AbortSignal
}

export interface OpenRequest {
  readonly keyring: Keyring
  readonly commitmentPolicy: CommitmentPolicy
  /** Old algorithms that may be read. Default: none. */
  readonly legacy?: { readonly wrapping: boolean; readonly content: boolean }
  readonly encryptionContext: Context
  readonly object: ObjectName
  /** Needed where the envelope is in the body. */
  readonly stored?: StoredBytes
  /** Only a part of the message is to be opened. Default: false, all of it. */
  readonly ranges?: boolean
  readonly signal?: AbortSignal
}

export interface Sealed {
  readonly sealer: Sealer
  /** To be merged into the object's user metadata. */
  readonly metadata: ObjectMetadata
  /** What `recognise` needs for an upload that is continued, where that is more than `metadata`. */
  readonly resumption?: ObjectMetadata
  readonly summary: EnvelopeSummary
}

/** What a format does with envelopes in the body. */
export interface BodyEnvelopes {
  /** So many of the first bytes show whether it is one. */
  readonly startLength: number
  /** For objects whose metadata show no envelope: `undefined` where the body begins with none. Throws ERR_S3CSE_ENVELOPE_INVALID. Pure. */
  recognise(start: Uint8Array, object: ObjectName): Envelope | undefined
}

/** How object and envelope look. One format writes; detection over metadata chooses the one that reads. */
export interface Format {
  readonly name: string
  /** Metadata keys (lower case) that belong to this format's envelopes, and that a caller may not set. */
  readonly reservedKeys: ReadonlySet<string>
  /** Absent: the format has none. */
  readonly instructionFiles?: InstructionFiles
  /** Absent: envelopes are never in the body. */
  readonly bodyEnvelopes?: BodyEnvelopes
  /** Whether the authentication of all of its openers is 'segment', so that a Range is authenticated by itself. Default: false. */
  readonly authenticatedRanges?: boolean
  /** Throws ERR_S3CSE_CONFIG if keyring, policy and context cannot work together: called when the client is set up, and for each request that brings its own. */
  check(request: { keyring: Keyring; commitmentPolicy: CommitmentPolicy; encryptionContext: Context | undefined }): void
  /** The same for one request, where that may be less. Default: `check`. */
  checkRequest?(request: Parameters<Format['check']>[0]): void
  /** Asks the keyring for a data key, and gives the envelope for it and what encrypts the message. */
  seal(request: SealRequest): Promise<Sealed>
  /** `undefined`: no envelope of this format in the metadata. Throws ERR_S3CSE_ENVELOPE_INVALID for a damaged or mixed one. Pure. */
  recognise(metadata: ObjectMetadata, object: ObjectName): Envelope | undefined
}
