/** Callbacks of tests that an operation waits for. */
import { Disconnected } from './s3-error.js'
import type { S3Request } from './s3-types.js'

type Hook = (request: S3Request) => void | Promise<void>

export interface Hooks {
  /** Returns what ends it. */
  add(hook: Hook): () => void
  /** Rejects with what a hook throws, or with Disconnected when the server ends meanwhile. */
  run(request: S3Request): Promise<void>
}

export function createHooks(signal: AbortSignal): Hooks {
  const hooks = new Set<Hook>()
  const closing = new Promise<never>((_resolve, reject) => {
    signal.addEventListener('abort', () => reject(new Disconnected()))
  })
  closing.catch(() => undefined)
  return {
    add(hook) {
      const own: Hook = (request) => hook(request)
      hooks.add(own)
      return () => void hooks.delete(own)
    },
    async run(request) {
      for (const hook of hooks) await Promise.race([hook(request), closing])
    },
  }
}
