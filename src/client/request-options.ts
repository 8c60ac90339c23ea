import type { PutObjectCommandInput } from '@aws-sdk/client-s3'

import { configError } from '../errors.js'
import type { Context, Keyring } from '../keyrings/keyring.js'
import { booleanOption, contextOption, keyringOption, onlyMembers } from './options.js'
import type { Settings } from './options.js'

/** What may differ from request to request. Everything else is the client's. */
export interface RequestOptions {
  /** Replaces the client's encryption context for this object. */
  readonly encryptionContext?: Context | undefined
  /** Replaces the client's keyring for this object. */
  readonly keyring?: Keyring | undefined
  /** Replaces the client's setting for this GetObject. */
  readonly delayedAuthentication?: boolean | undefined
}

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
  const given = onlyMembers(options, ['encryptionContext', 'keyring', 'delayedAuthentication'], 'requestOptions')
  const checked: RequestOptions = Object.freeze({
    encryptionContext: given.encryptionContext === undefined ? undefined : contextOption(given.encryptionContext),
    keyring: given.keyring === undefined ? undefined : keyringOption(given.keyring),
    delayedAuthentication:
      given.delayedAuthentication === undefined
        ? undefined
        : booleanOption(given.delayedAuthentication, 'delayedAuthentication'),
  })
  return { ...input, [OPTIONS]: checked } as unknown as SdkInput<I>
}

/** The choices that hold for one request. */
export interface RequestSettings {
  readonly keyring: Keyring
  readonly encryptionContext: Context
  readonly delayedAuthentication: boolean
}

const NO_CONTEXT: Context = Object.freeze(Object.create(null) as Context)

/** Client's and request's options together, checked again where the request brings its own. */
export function requestSettings(settings: Settings, input: object, bucket: string, key: string): RequestSettings {
  const options = (input as { [OPTIONS]?: RequestOptions })[OPTIONS] ?? {}
  const keyring = options.keyring ?? settings.keyring
  const common = settings.encryptionContext
  let context = options.encryptionContext
  if (context === undefined && common !== undefined) {
    context = typeof common === 'function' ? contextOption(common({ Bucket: bucket, Key: key })) : common
  }
  if (options.keyring !== undefined || options.encryptionContext !== undefined || typeof common === 'function') {
    const { format, commitmentPolicy } = settings
    format.check({ keyring, commitmentPolicy, encryptionContext: context })
  }
  return {
    keyring,
    encryptionContext: context ?? NO_CONTEXT,
    delayedAuthentication: options.delayedAuthentication ?? settings.delayedAuthentication,
  }
}

/** Bucket and key of an input. Throws ERR_S3CSE_CONFIG where they are missing, as the SDK would later. */
export function objectName(input: Readonly<Record<string, unknown>>): { bucket: string; key: string } {
  const { Bucket: bucket, Key: key } = input
  if (typeof bucket !== 'string' || bucket === '' || typeof key !== 'string' || key === '') {
    throw configError('Bucket and Key must be given, as strings that are not empty')
  }
  return { bucket, key }
}
