import type { S3Client } from '@aws-sdk/client-s3'
import type { HandlerExecutionContext } from '@smithy/types'

import type { RunningDigest } from '../bytes/crc.js'

export { abortError, throwIfAborted, untilAborted } from '../bytes/abort.js'

/**
 * What this library uses of a client's resolved configuration and of the middleware protocol, in one place. The SDK's
 * own packages are not imported at run time: what is needed of them stands in the client's configuration.
 */

export type Input = Readonly<Record<string, unknown>>
export type Output = Record<string, unknown>

export interface Args {
  readonly input: Input
  readonly request?: unknown
}

export interface Result {
  readonly response: unknown
  readonly output: Output
}

export type Next = (args: Args) => Promise<Result>

/** A digest as the SDK's configuration provides it. */
export type SdkHashConstructor = new () => RunningDigest

export interface ClientConfig {
  readonly requestHandler: object & { readonly metadata?: { readonly handlerProtocol?: string } }
  readonly sdkStreamMixin: (stream: unknown) => unknown
  readonly checksumAlgorithms?: Readonly<Record<string, SdkHashConstructor | undefined>>
  readonly md5?: SdkHashConstructor
  readonly sha1?: SdkHashConstructor
  readonly sha256?: SdkHashConstructor
}

/** What a command is handled with. */
export interface CommandContext {
  readonly client: S3Client
  readonly args: Args
  readonly next: Next
  readonly config: ClientConfig
  readonly signal: AbortSignal | undefined
}

export function configOf(client: S3Client): ClientConfig {
  return client.config as unknown as ClientConfig
}

/** The signal of `send(command, { abortSignal })`; older, listener-less signals are not passed on. */
export function signalOf(context: HandlerExecutionContext): AbortSignal | undefined {
  const smithy = context.__smithy_context as { abortSignal?: Partial<AbortSignal> } | undefined
  const signal = smithy?.abortSignal
  return typeof signal?.addEventListener === 'function' ? (signal as AbortSignal) : undefined
}

/** HTTP status of a response, or of an error that the SDK has made of one. */
export function statusOf(answer: unknown): number | undefined {
  const { $metadata } = (answer ?? {}) as { $metadata?: { httpStatusCode?: number } }
  return $metadata?.httpStatusCode
}

/** The second argument of `send`. */
export function sendOptions(signal: AbortSignal | undefined): { abortSignal?: AbortSignal } {
  return signal === undefined ? {} : { abortSignal: signal }
}

/** Those of an input's members that are named and there. */
export function pick(input: Input, names: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(names.filter((name) => input[name] !== undefined).map((name) => [name, input[name]]))
}

/**
 * Whether the handler can send a Readable. Node's handlers name their protocol; a fetch handler does not, and sends no
 * streams on Node and none without half-duplex support elsewhere.
 */
export function sendsStreams(config: ClientConfig): boolean {
  return typeof config.requestHandler.metadata?.handlerProtocol === 'string'
}

/**
 * A handler that takes bodies from elsewhere than the request (the transfer manager's worker threads read the file
 * themselves): it would send plaintext past this client.
 */
export function replacesBodies(config: ClientConfig): boolean {
  return config.requestHandler.constructor.name === 'WorkerHttpHandler'
}

/** Presigning calls the stack with a bare `{ input }`; a command has members of its own besides. */
export function isPresigning(args: Args): boolean {
  const keys = Object.keys(args)
  return keys.length === 1 && keys[0] === 'input'
}
