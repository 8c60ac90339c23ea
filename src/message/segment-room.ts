import type { Opener } from './opener.js'

/**
 * Memory in which a segment is joined that comes in several chunks, again and again: fresh memory for each of them costs
 * a sixth of what opening it does. Only where segments are authenticated: what `open` gives is never a view of them then.
 */
export function roomFor({
  authentication,
  alignment,
}: Pick<Opener, 'authentication' | 'alignment'>): Uint8Array | undefined {
  return authentication === 'segment' && alignment > 1 ? new Uint8Array(alignment) : undefined
}
