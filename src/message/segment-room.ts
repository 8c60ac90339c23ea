import type { Opener } from './opener.js'

/**
 * Memory in which a segment is joined that comes in several chunks, again and again: fresh memory for each of them costs
 * a sixth of what opening it does. `length`: of what is to be read, in bytes. Only where segments are authenticated: what `open` gives is never a view of them then.
 */
export function roomFor(
  { authentication, alignment }: Pick<Opener, 'authentication' | 'alignment'>,
  length: number,
): Uint8Array | undefined {
  // A message says how long its segments are; how much of one can come is what there is to read.
  const most = Math.min(alignment, length)
  return authentication === 'segment' && alignment > 1 && most > 0 ? new Uint8Array(most) : undefined
}
