/**
 * What native ciphers cost in memory. What node:crypto allocates for a result is outside the heap: each GiB of it costs
 * dozens of full collections, and page faults.
 */
import process from 'node:process'

interface Transferable {
  transfer?: (length: number) => ArrayBuffer
}

/** Below this length, in bytes, giving back costs more than it saves. */
const WORTH = 16 * 1024

let detach: ((buffer: ArrayBuffer) => void) | undefined

/** Node 20 has no ArrayBuffer.prototype.transfer: what is posted to nobody is gone as well. */
function detacher(): (buffer: ArrayBuffer) => void {
  if ((ArrayBuffer.prototype as Transferable).transfer !== undefined) {
    return (buffer) => void (buffer as Transferable).transfer?.(0)
  }
  const { port1 } = new MessageChannel()
  port1.close()
  return (buffer) => port1.postMessage(undefined, [buffer])
}

/** Gives the memory of bytes back that nobody needs any more, without waiting for the garbage collector. They are empty afterwards. */
export function release({ buffer, byteLength }: Uint8Array): void {
  // A view of a part may share its memory with others.
  if (byteLength < WORTH || byteLength !== buffer.byteLength || !(buffer instanceof ArrayBuffer)) return
  detach ??= detacher()
  detach(buffer)
}

/** Bytes: the most that glibc takes into account (DEFAULT_MMAP_THRESHOLD_MAX), with what it stands in. */
const LARGE = 32 * 1024 * 1024 - 64 * 1024

let kept = false

/**
 * glibc returns memory to the system as soon as 128 KiB of it are free at the end of the heap, and takes it again a
 * moment later, with a page fault for each page: a fifth of what encrypting a stream costs. The limit rises by itself,
 * to 64 MiB at most, when a large block is freed (mallopt(3), M_MMAP_THRESHOLD): one that was never written to will do.
 */
export function keepFreedMemory(): void {
  if (kept) return
  kept = true
  if (process.platform === 'linux') release(new Uint8Array(LARGE))
}
