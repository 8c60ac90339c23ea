/** What node:crypto allocates for a result that is copied on is memory outside the heap, of which each GiB costs dozens of full collections. */

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
