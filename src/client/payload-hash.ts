import type { HandlerExecutionContext } from '@smithy/types'

import { encodeHex } from '../bytes/hex.js'
import type { Args, Next, Result } from './sdk.js'

interface Request {
  readonly protocol?: string
  readonly headers?: Record<string, string>
  readonly body?: unknown
}

const commands = new Set(['PutObjectCommand', 'UploadPartCommand'])

/** By the very object that is sent. */
const known = new WeakMap<Uint8Array, Uint8Array>()

/** Has the SDK not compute the SHA-256 of this body, which is known: it must stay as it is until it was sent. */
export function rememberPayloadHash(body: Uint8Array, sha256: Uint8Array): void {
  known.set(body, sha256)
}

/**
 * Keeps the SDK from hashing a body that is in memory for the signature (Signature Version 4): where its hash is known,
 * or with `unsigned` where TLS protects it on its way (UNSIGNED-PAYLOAD). Streams are sent unsigned in any case, with
 * their checksum as trailer.
 */
type Middleware = (next: Next, context: HandlerExecutionContext) => (args: Args) => Promise<Result>

export function payloadHashMiddleware(unsigned: boolean): Middleware {
  return (next: Next, context: HandlerExecutionContext) =>
    (args: Args): Promise<Result> => {
      const { protocol, headers, body } = args.request as Request
      if (commands.has(context.commandName ?? '') && headers !== undefined && body instanceof Uint8Array) {
        const sha256 = known.get(body)
        const hash = unsigned && protocol === 'https:' ? 'UNSIGNED-PAYLOAD' : sha256 && encodeHex(sha256)
        if (hash !== undefined) headers['x-amz-content-sha256'] ??= hash
      }
      return next(args)
    }
}
