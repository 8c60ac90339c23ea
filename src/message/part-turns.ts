import { uploadState } from './multipart-types.js'
import type { PartTable } from './part-table.js'
import { partWaits } from './part-waits.js'
import type { PartWaits, PartWaitsOptions } from './part-waits.js'

/** Whose turn it is, where a part is encrypted after those below it. */
export interface PartTurns extends Pick<PartWaits, 'check' | 'close'> {
  /** Waits until all parts below were encrypted to their end. Rejects with ERR_S3CSE_UPLOAD_STATE after `maxWait`, with the abort's error, or when closed. */
  turn(number: number, signal?: AbortSignal): Promise<void>
}

export interface PartTurnsOptions extends PartWaitsOptions {
  readonly table: PartTable
}

export function partTurns({ table, ...options }: PartTurnsOptions): PartTurns {
  const { maxWait } = options
  const waits = partWaits(options)
  /** Part 1 to this one are complete. */
  let complete = 0
  const reached = (number: number): true | undefined => {
    while (table.get(complete + 1)?.complete === true) complete++
    return complete >= number - 1 ? true : undefined
  }
  return {
    async turn(number, signal) {
      await waits.until(
        () => reached(number),
        () =>
          uploadState(
            `Part ${number} waited ${maxWait} ms for part ${complete + 1}: this format encrypts in order. Send part ${complete + 1} first.`,
          ),
        signal,
      )
    },
    check: () => waits.check(),
    close: (error) => waits.close(error),
  }
}
