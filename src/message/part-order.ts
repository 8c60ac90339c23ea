import { CseError } from '../errors.js'

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

export interface PartOrderOptions {
  /** In bytes; `undefined`: lengths tell. */
  readonly partSize: number | undefined
  /** In milliseconds. */
  readonly maxWait: number
  /** Makes the error for a signal that was aborted. */
  readonly abortError: (signal: AbortSignal) => Error
}

interface Waiting {
  readonly number: number
  settle(offset: number | Error): void
}

export function partOrder({ partSize, maxWait, abortError }: PartOrderOptions): PartOrder {
  const lengths: (number | undefined)[] = []
  /** Offsets of part 1, 2, … as far as they are known: the last one is the end of the last known length. */
  const offsets = [0]
  const waiting = new Set<Waiting>()
  let closed: Error | undefined

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
      for (const one of waiting) {
        const offset = known(one.number)
        if (offset !== undefined) one.settle(offset)
      }
    },
    offset(number, signal) {
      const found = known(number)
      if (closed !== undefined) return Promise.reject(closed)
      if (found !== undefined) return Promise.resolve(found)
      return new Promise((resolve, reject) => {
        const abort = (): void => entry.settle(abortError(signal as AbortSignal))
        const timer = setTimeout(() => entry.settle(tooLate(number)), maxWait)
        const entry: Waiting = {
          number,
          settle(result) {
            clearTimeout(timer)
            waiting.delete(entry)
            signal?.removeEventListener('abort', abort)
            if (typeof result === 'number') resolve(result)
            else reject(result)
          },
        }
        waiting.add(entry)
        signal?.addEventListener('abort', abort, { once: true })
        if (signal?.aborted === true) abort()
      })
    },
    known,
    close(error) {
      closed = error
      for (const one of waiting) one.settle(error)
    },
  }
}
