import { configError } from '../errors.js'
import { messageClosed } from './gcm-blocks.js'

/** In what way a message is sealed: once whole, or in pieces, and not when its key was wiped. */
export interface MessageUse {
  /** Throws ERR_S3CSE_CONFIG for what would seal it twice. */
  begin(as: 'pieces' | 'whole'): void
  /** Throws ERR_S3CSE_CONFIG after `close`. */
  check(): void
  close(): void
}

export function messageUse(): MessageUse {
  let used: 'pieces' | 'whole' | undefined
  let closed = false
  const check = (): void => {
    if (closed) throw messageClosed()
  }
  return {
    begin(as) {
      check()
      if (used !== undefined && (as === 'whole' || used === 'whole')) {
        throw configError('A message is sealed once: whole, or in pieces.')
      }
      used = as
    },
    check,
    close() {
      closed = true
    },
  }
}
