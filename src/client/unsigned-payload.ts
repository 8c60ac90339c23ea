import type { HandlerExecutionContext } from '@smithy/types'

import type { Args, Next, Result } from './sdk.js'

interface Request {
  readonly protocol?: string
  readonly headers?: Record<string, string>
  readonly body?: unknown
}

const commands = new Set(['PutObjectCommand', 'UploadPartCommand'])

/**
 * Keeps the SDK from hashing a body that is in memory for the signature (Signature Version 4, UNSIGNED-PAYLOAD), where
 * TLS protects it on its way. Streams are sent that way in any case, with their checksum as trailer.
 */
export const unsignedPayloadMiddleware =
  (next: Next, context: HandlerExecutionContext) =>
  (args: Args): Promise<Result> => {
    const { protocol, headers, body } = args.request as Request
    if (commands.has(context.commandName ?? '') && protocol === 'https:' && body instanceof Uint8Array) {
      if (headers !== undefined) headers['x-amz-content-sha256'] ??= 'UNSIGNED-PAYLOAD'
    }
    return next(args)
  }
