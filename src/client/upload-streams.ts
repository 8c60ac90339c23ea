import type { Args, Next, Result } from './sdk.js'

/** The members of a Node stream that are used here. */
interface NodeStream {
  readonly errored?: Error | null
  on(event: 'error', listener: (error: Error) => void): unknown
  pipe(destination: NodeStream, options?: { end?: boolean }): NodeStream
  destroy(error?: Error): unknown
}

/** Streams that this client made as request bodies. */
const uploads = new WeakSet()

function isNodeStream(value: unknown): value is NodeStream {
  return typeof value === 'object' && value !== null && typeof (value as NodeStream).pipe === 'function'
}

/**
 * Makes an error of a body that is being sent an error of the request. The SDK pipes the body into the request without
 * listening for its errors: Node would end the process for want of a listener, and `send()` would wait for ever.
 */
function passErrors(body: NodeStream): void {
  const pipe = body.pipe.bind(body)
  body.on('error', () => undefined)
  body.pipe = (destination, options) => {
    if (body.errored) destination.destroy(body.errored)
    body.on('error', (error) => destination.destroy(error))
    return pipe(destination, options)
  }
}

/** Marks a stream as a body to watch. */
export function watchUpload(stream: unknown): void {
  if (!isNodeStream(stream)) return
  uploads.add(stream)
  // It may be destroyed before the SDK has looked at it: a request can fail earlier.
  stream.on('error', () => undefined)
}

/** Runs last before the request handler, where the SDK has wrapped the body in its aws-chunked encoding. */
export const uploadStreamsMiddleware =
  (next: Next) =>
  async (args: Args): Promise<Result> => {
    const source = args.input.Body
    if (isNodeStream(source) && uploads.has(source)) {
      const { body } = args.request as { body?: unknown }
      if (isNodeStream(body)) {
        passErrors(body)
        if (body !== source) source.on('error', (error) => body.destroy(error))
        if (source.errored) body.destroy(source.errored)
      }
    }
    return next(args)
  }
