/**
 * How keys are taken out of blocks whose padding is a secret: whoever can tell one kind of bad block from another, or
 * bad from good, can decrypt. So there are no branches and no indices that depend on the bytes of a block, as far as
 * JavaScript allows that: faults are added up, become a mask, and there is one outcome at the end. What engines make of
 * it is not in our hands, so the wraps that need this are off unless a caller enables them.
 */

/** A key that a block may hold, at a place that depends on its length alone. */
export interface KeyCandidate {
  /** 0 if the block is exactly what holds a key of this length; positive otherwise. Less than 2^31. */
  readonly fault: number
  /** The bytes at that place. */
  readonly bytes: Uint8Array
}

/** A copy of the first candidate without a fault, else of `otherwise`. `undefined` only where there is neither. */
export function chooseKey(candidates: readonly KeyCandidate[], otherwise: Uint8Array): Uint8Array
export function chooseKey(candidates: readonly KeyCandidate[], otherwise: undefined): Uint8Array | undefined
export function chooseKey(
  candidates: readonly KeyCandidate[],
  otherwise: Uint8Array | undefined,
): Uint8Array | undefined {
  const last = otherwise === undefined ? [] : [{ fault: 0, bytes: otherwise }]
  const all = [...candidates, ...last]
  const chosen = new Uint8Array(Math.max(0, ...all.map(({ bytes }) => bytes.length)))
  let length = 0
  let found = 0
  for (const { fault, bytes } of all) {
    const mask = allOnesIfZero(fault) & ~found
    for (let i = 0; i < bytes.length; i++) (chosen[i] as number) |= (bytes[i] as number) & mask
    length |= bytes.length & mask
    found |= mask
  }
  const key = chosen.slice(0, length)
  chosen.fill(0)
  return length === 0 ? undefined : key
}

/** 0 if all bytes of [start, end) are `value`; positive otherwise. */
export function faultUnlessAll(value: number, bytes: Uint8Array, start: number, end: number): number {
  let fault = 0
  for (let i = start; i < end; i++) fault |= (bytes[i] as number) ^ value
  return fault
}

/** 0 if no byte of [start, end) is zero; positive otherwise. */
export function faultIfAnyZero(bytes: Uint8Array, start: number, end: number): number {
  let fault = 0
  for (let i = start; i < end; i++) fault |= ((bytes[i] as number) - 1) >>> 31
  return fault
}

function allOnesIfZero(value: number): number {
  return (value - 1) >> 31
}
