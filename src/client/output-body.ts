import { runtime } from '#runtime'
import type { Resources } from '../bytes/resources.js'
import type { ByteSource } from '../runtime/runtime.js'
import { abortError } from './sdk.js'
import type { ClientConfig } from './sdk.js'

/** Gives sockets, files and budget of a Body back that was dropped unread or half read. Best effort: when it is collected. */
const dropped = new FinalizationRegistry<Resources>((held) => held.release())

export interface BodyOptions {
  readonly config: ClientConfig
  readonly signal: AbortSignal | undefined
  readonly kind: 'node' | 'web'
  readonly resources: Resources
}

/** A Readable or a ReadableStream with the SDK's methods, by what is used of them here. */
interface OutputStream {
  readonly readableDidRead?: boolean
  destroy?(error: Error): void
  on?(event: 'error', listener: () => void): void
  transformToByteArray?: () => Promise<never>
  transformToString?: () => Promise<never>
}

/** The Body that the caller gets: of the kind that the request handler gave, with the SDK's `transformTo…` methods. */
export function outputBody(source: ByteSource, { config, signal, kind, resources: held }: BodyOptions): unknown {
  const stream = runtime.toStream(source, kind) as OutputStream
  dropped.register(stream, held, held)
  if (signal !== undefined) {
    // A weak reference: a signal that lives long must not keep every Body of its requests.
    const body = new WeakRef(stream)
    const abort = (): void => {
      const error = abortError(signal)
      const target = body.deref()
      if (target?.destroy === undefined) {
        held.release(error)
        return
      }
      // The caller who aborted knows: an unread Body without a listener must not end the process.
      target.on?.('error', () => undefined)
      target.destroy(error)
      // The SDK's methods would wait for ever for a stream that was destroyed before.
      if (target.readableDidRead === false) {
        target.transformToByteArray = target.transformToString = () => Promise.reject(error)
      }
    }
    signal.addEventListener('abort', abort, { once: true })
    held.hold(() => signal.removeEventListener('abort', abort))
  }
  held.hold(() => dropped.unregister(held))
  return config.sdkStreamMixin(stream)
}
