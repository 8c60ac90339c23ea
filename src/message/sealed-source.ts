import { joined } from '../bytes/body.js'
import { gatherer } from '../bytes/gather.js'
import { CseError } from '../errors.js'
import type { ByteSource } from '../runtime/runtime.js'
import type { Sealer } from './sealer.js'

/**
 * S3 refuses every aws-chunk below 8 KiB but the last one (InvalidChunkSizeError), and the SDK makes one of each chunk
 * of a stream: pieces are at least this long, in bytes, and the trailer goes with the last one.
 */
const PIECE_LENGTH = 64 * 1024

export interface SealedSourceOptions {
  readonly sealer: Sealer
  readonly plaintext: ByteSource
  /** Declared length of the plaintext in bytes. More or less is an error before the last chunk is given out. */
  readonly length: number
  /** Sees the plaintext as it passes. */
  readonly observe?: (chunk: Uint8Array) => void
  /** Runs before the last chunk is given out; what it throws fails the upload. */
  readonly finish?: () => Promise<void>
}

function lengthError(found: string, declared: number): CseError {
  return new CseError(
    'ERR_S3CSE_BODY_LENGTH',
    `The body is ${found} than its declared length of ${declared} bytes; nothing was stored. Give the right ContentLength, or none to have it measured.`,
  )
}

/** Seals a stream of known length in order. The end is held back until the source has ended where it said. */
export function sealedSource({ sealer, plaintext, length, observe, finish }: SealedSourceOptions): ByteSource {
  const minimum = Math.ceil(PIECE_LENGTH / sealer.alignment) * sealer.alignment
  const pending = gatherer()
  let received = 0
  let sealed = 0
  let state: 'open' | 'ended' | 'cancelled' = 'open'

  async function seal(count: number, last: boolean): Promise<Uint8Array> {
    const parts = sealed === 0 ? [sealer.header] : []
    parts.push(await sealer.seal(sealed, pending.take(count), last))
    sealed += count
    if (last) parts.push(await sealer.trailer(length))
    return joined(...parts)
  }

  async function next(): Promise<Uint8Array | undefined> {
    while (state === 'open') {
      const chunk = await plaintext.next()
      if (chunk === undefined) {
        if (received < length) throw lengthError('shorter', length)
        await finish?.()
        state = 'ended'
        return seal(pending.length, true)
      }
      received += chunk.length
      if (received > length) throw lengthError('longer', length)
      observe?.(chunk)
      pending.push(chunk)
      // The last piece waits for the end of the source: see `length`.
      if (pending.length >= minimum && received < length)
        return seal(pending.length - (pending.length % sealer.alignment), false)
    }
    return undefined
  }

  return {
    next,
    cancel(error) {
      if (state === 'cancelled') return
      state = 'cancelled'
      plaintext.cancel(error)
      sealer.destroy()
    },
  }
}
