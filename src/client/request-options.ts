import type { PutObjectCommandInput } from '@aws-sdk/client-s3'

import { configError, CseError } from '../errors.js'
import type { Context, Keyring } from '../keyrings/keyring.js'
import { boundContext } from './binding.js'
import {
  booleanOption,
  byteCount,
  contextOption,
  keyringOption,
  onlyMembers,
  rangeReadsOption,
  suffixOption,
} from './option-values.js'
import { emitterFor } from './events.js'
import type { RangeReads, Settings } from './options.js'
import { timedKeyring } from './timed.js'

/** What may differ from request to request. Everything else is the client's. */
export interface RequestOptions {
  /** Replaces the client's encryption context for this object. */
  readonly encryptionContext?: Context | undefined
  /** Replaces the client's keyring for this object. */
  readonly keyring?: Keyring | undefined
  /** Replaces the client's setting for this GetObject. */
  readonly delayedAuthentication?: boolean | undefined
  /** Replaces the client's setting for this GetObject. */
  readonly rangeReads?: RangeReads | undefined
  /** Replaces the client's `instructionFile.suffix` for this object: for a second file with the key of somebody else, for example. */
  readonly instructionFileSuffix?: string | undefined
  /**
   * For a multipart upload: every part but the last has exactly this many bytes of plaintext, at least 5 MiB. Parts may
   * then be sent in any order and from several processes. Default: where a part begins is known when those before it
   * were sent.
   */
  readonly partSize?: number | undefined
  /**
   * Of the whole object's plaintext, in bytes, for a multipart upload whose length is known when it is created: another
   * length is an error (ERR_S3CSE_BODY_LENGTH) when it is completed. With `crypt4gh()` the end of the message is then
   * bound to its data key. Default: not known.
   */
  readonly plaintextLength?: number | undefined
  /**
   * For a multipart upload that another process may have to go on with after a crash: given to CreateMultipartUpload, or
   * to `importUpload` by whoever goes on. See SaveUpload. CreateMultipartUpload then asks the keyring to unwrap the data
   * key once, and fails with ERR_S3CSE_UPLOAD_STATE where it cannot and there is no `stateKey`.
   */
  readonly saveUpload?: SaveUpload | undefined
  /** 32 random bytes under which the saved state is encrypted, for principals that may encrypt but not decrypt. Who has the state and this key can decrypt the object. Default: who can unwrap the object's data key can import the state. */
  readonly stateKey?: Uint8Array | undefined
}

/**
 * Appends a piece of an upload's state where it survives a crash, and only then resolves: bytes leave as soon as it has.
 * All pieces one after the other are the `state` for `importUpload`. It is called for one piece at a time. What it throws
 * fails the request that the piece was for, and can be tried again: the next piece says everything once more.
 *
 * ```ts
 * const file = await open('upload.state', 'a', 0o600)
 * const saveUpload = async (text: string) => {
 *   await file.appendFile(text)
 *   await file.datasync() // Without this a power failure may take back what was said.
 * }
 * ```
 *
 * Keep the state where only uploaders can write. An old state together with a changed source encrypts other bytes with
 * the same keystream, which shows both to whoever sees the two ciphertexts: never restore it from a backup, never share
 * it between two uploads, and let nobody upload with a copy.
 */
export type SaveUpload = (text: string) => Promise<void> | void

/** What PutObject takes as a Body on an encrypting client: more than the bare SDK does. */
export type EncryptableBody =
  | PutObjectCommandInput['Body']
  | ArrayBuffer
  | SharedArrayBuffer
  | ArrayBufferView
  | Blob
  | ReadableStream
  | AsyncIterable<Uint8Array | string>

interface Encryptable {
  readonly Bucket?: string | undefined
  readonly Key?: string | undefined
  readonly Body?: EncryptableBody
}

/** The input as the SDK's commands take it. */
export type SdkInput<I> = I extends { Body?: unknown } ? Omit<I, 'Body'> & Pick<PutObjectCommandInput, 'Body'> : I

/** Bytes of a part of a multipart upload but the last (S3 User Guide, "Amazon S3 multipart upload limits"). */
export const MIN_PART: number = 5 * 1024 ** 2
export const MAX_PART: number = 5 * 1024 ** 3
const STATE_KEY_LENGTH = 32

// Shared between copies of the package: a request that was prepared with one must not lose its options in another.
const OPTIONS: unique symbol = Symbol.for('s3-cse.request-options')

/**
 * Adds options of one request to a command's input, and lets Body be an ArrayBuffer, a view, a Blob, a web stream or an
 * async iterable. They ride under a symbol, which the SDK does not send, and survive `{ ...params }` in lib-storage.
 *
 * It encrypts nothing by itself: on a client without `addEncryption` the options are ignored.
 *
 * Throws ERR_S3CSE_CONFIG for an unknown option or a wrong value.
 */
export function requestOptions<I extends Encryptable>(input: I, options: RequestOptions): SdkInput<I> {
  const given = onlyMembers(
    options,
    [
      'encryptionContext',
      'keyring',
      'delayedAuthentication',
      'rangeReads',
      'instructionFileSuffix',
      'partSize',
      'plaintextLength',
      'saveUpload',
      'stateKey',
    ],
    'requestOptions',
  )
  const checked: RequestOptions = Object.freeze({
    encryptionContext: given.encryptionContext === undefined ? undefined : contextOption(given.encryptionContext),
    keyring: given.keyring === undefined ? undefined : keyringOption(given.keyring),
    delayedAuthentication:
      given.delayedAuthentication === undefined
        ? undefined
        : booleanOption(given.delayedAuthentication, 'delayedAuthentication'),
    rangeReads: given.rangeReads === undefined ? undefined : rangeReadsOption(given.rangeReads),
    instructionFileSuffix:
      given.instructionFileSuffix === undefined
        ? undefined
        : suffixOption(given.instructionFileSuffix, 'instructionFileSuffix'),
    partSize: given.partSize === undefined ? undefined : partSizeOption(given.partSize),
    plaintextLength:
      given.plaintextLength === undefined ? undefined : byteCount(given.plaintextLength, 'plaintextLength', 0),
    saveUpload: saveOption(given.saveUpload, 'saveUpload'),
    stateKey: stateKeyOption(given.stateKey),
  })
  return { ...input, [OPTIONS]: checked } as unknown as SdkInput<I>
}

/** ERR_S3CSE_BODY_LENGTH unless the plaintext is as long as was said. */
export function checkPlaintextLength({ plaintextLength }: RequestSettings, length: number): void {
  if (plaintextLength === undefined || plaintextLength === length) return
  throw new CseError(
    'ERR_S3CSE_BODY_LENGTH',
    `plaintextLength says ${plaintextLength} bytes, but there are ${length} of plaintext; nothing was stored.`,
  )
}

export function isPartSize(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= MIN_PART && value <= MAX_PART
}

function partSizeOption(value: unknown): number {
  if (isPartSize(value)) return value
  throw configError(`partSize must be a whole number of bytes from ${MIN_PART} to ${MAX_PART}`)
}

export function saveOption(value: unknown, name: string): SaveUpload | undefined {
  if (value === undefined || typeof value === 'function') return value as SaveUpload | undefined
  throw configError(`${name} must be a function that appends a piece of text`)
}

/** A copy, so that the caller can wipe the original. */
export function stateKeyOption(value: unknown): Uint8Array | undefined {
  if (value === undefined) return undefined
  if (value instanceof Uint8Array && value.length === STATE_KEY_LENGTH) return Uint8Array.from(value)
  throw configError(`stateKey must be a Uint8Array of ${STATE_KEY_LENGTH} bytes`)
}

/** The choices that hold for one request. */
export interface RequestSettings {
  readonly keyring: Keyring
  readonly encryptionContext: Context
  readonly delayedAuthentication: boolean
  readonly rangeReads: RangeReads
  readonly instructionFileSuffix: string
  readonly partSize: number | undefined
  readonly plaintextLength: number | undefined
  readonly saveUpload: SaveUpload | undefined
  readonly stateKey: Uint8Array | undefined
}

const NO_CONTEXT: Context = Object.freeze(Object.create(null) as Context)

function optionsOf(input: object): RequestOptions {
  return (input as { [OPTIONS]?: RequestOptions })[OPTIONS] ?? {}
}

/** Those that an input was given. */
export function requestOptionNames(input: object): string[] {
  return Object.entries(optionsOf(input)).flatMap(([name, value]) => (value === undefined ? [] : [name]))
}

/** Client's and request's options together, checked again where the request brings its own. */
export function requestSettings(settings: Settings, input: object, bucket: string, key: string): RequestSettings {
  const options = optionsOf(input)
  const keyring = options.keyring ?? settings.keyring
  const common = settings.encryptionContext
  let context = options.encryptionContext
  if (context === undefined && common !== undefined) {
    context = typeof common === 'function' ? contextOption(common({ Bucket: bucket, Key: key })) : common
  }
  if (settings.bind !== undefined) context = boundContext(settings.bind, context ?? NO_CONTEXT, bucket, key)
  if (options.keyring !== undefined || options.encryptionContext !== undefined || typeof common === 'function') {
    const { format, commitmentPolicy } = settings
    const request = { keyring, commitmentPolicy, encryptionContext: context }
    if (format.checkRequest === undefined) format.check(request)
    else format.checkRequest(request)
  }
  return {
    keyring: timedKeyring(keyring, emitterFor(settings.observer, { bucket, key })),
    encryptionContext: context ?? NO_CONTEXT,
    delayedAuthentication: options.delayedAuthentication ?? settings.delayedAuthentication,
    rangeReads: options.rangeReads ?? settings.rangeReads,
    instructionFileSuffix: suffixOf(settings, input),
    partSize: options.partSize,
    plaintextLength: options.plaintextLength,
    saveUpload: options.saveUpload,
    stateKey: options.stateKey,
  }
}

export function suffixOf(settings: Settings, input: object): string {
  return optionsOf(input).instructionFileSuffix ?? settings.instructionFile.suffix
}

export function partSizeOf(input: object): number | undefined {
  return optionsOf(input).partSize
}

export function hasSaveUpload(input: object): boolean {
  return optionsOf(input).saveUpload !== undefined
}

/** Bucket and key of an input. Throws ERR_S3CSE_CONFIG where they are missing, as the SDK would later. */
export function objectName(input: Readonly<Record<string, unknown>>): { bucket: string; key: string } {
  // (From callers without types.)
  const { Bucket: bucket, Key: key } = (input as typeof input | null | undefined) ?? {}
  if (typeof bucket !== 'string' || bucket === '' || typeof key !== 'string' || key === '') {
    throw configError('Bucket and Key must be given, as strings that are not empty')
  }
  return { bucket, key }
}
