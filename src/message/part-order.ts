import { CseError } from '../errors.js'
import { partWaits } from './part-waits.js'
import type { PartWaitsOptions } from './part-waits.js'

/** Where parts begin. Part n begins where the lengths of 1 to n - 1 say, or at (n - 1) * partSize. */
export interface PartOrder {
  /** Sets the length in bytes of a part; what it was before does not count any more. */
  set(number: number, length: number): void
  /** The offset in bytes, as soon as it is known. Rejects with ERR_S3CSE_UPLOAD_STATE after `maxWait`, with the abort's error, or when closed. */
  offset(number: number, signal?: AbortSignal): Promise<number>
  /** The offset if it is known now. */
  known(number: number): number | undefined
  /** Whoever waits gets this error. */
  close(error: Error): void
}

export interface PartOrderOptions extends PartWaitsOptions {
  /** In bytes; `undefined`: lengths tell. */
  readonly partSize: number | undefined
}

export function partOrder({ partSize, maxWait, abortError }: PartOrderOptions): PartOrder {
  const lengths: (number | undefined)[] = []
  /** Offsets of part 1, 2, … as far as they are known: the last one is the end of the last known length. */
  const offsets = [0]
  const waits = partWaits({ maxWait, abortError })

  const known = (number: number): number | undefined =>
    partSize === undefined ? offsets[number - 1] : (number - 1) * partSize

  function extend(): void {
    for (;;) {
      const length = lengths[offsets.length]
      if (length === undefined) return
      offsets.push((offsets.at(-1) as number) + length)
    }
  }
  const tooLate = (number: number): CseError =>
    new CseError(
      'ERR_S3CSE_UPLOAD_STATE',
      `Part ${number} waited ${maxWait} ms for part ${offsets.length}: where a part begins depends on the lengths of those before it. Send parts in order, or at least at the same time, or name one partSize for all (requestOptions).`,
    )

  return {
    set(number, length) {
      lengths[number] = length
      offsets.length = Math.min(offsets.length, number)
      extend()
      waits.check()
    },
    offset: (number, signal) =>
      waits.until(
        () => known(number),
        () => tooLate(number),
        signal,
      ),
    known,
    close: (error) => waits.close(error),
  }
}
