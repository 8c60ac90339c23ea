/** Times two sides of the same operation in turn. */

export interface Sides {
  readonly without: () => Promise<unknown>
  readonly with: () => Promise<unknown>
}

/** About this many bytes go through each side of each operation. */
const BUDGET_BYTES = 500_000_000
const MAX_ROUNDS = 50

/** Rows for a table: operation, without, with, ratio of the two (1 is as fast as without). */
export async function compare(
  size: number,
  operations: Readonly<Record<string, Sides>>,
): Promise<{ rounds: number; rows: string[][] }> {
  const rounds = Math.min(MAX_ROUNDS, Math.max(1, Math.round(BUDGET_BYTES / Math.max(1, size))))
  const taken = Object.entries(operations).map(([name, sides]): Taken => ({ name, sides, without: [], with: [] }))
  // One round more than is counted: the first warms up.
  for (let round = rounds === 1 ? 1 : 0; round <= rounds; round++) {
    for (const one of taken) {
      const order = round % 2 === 0 ? (['without', 'with'] as const) : (['with', 'without'] as const)
      for (const side of order) {
        const begun = performance.now()
        await one.sides[side]()
        if (round > 0) one[side].push(performance.now() - begun)
      }
    }
  }
  const rows = taken.map((one) => {
    const [without, withEncryption] = [median(one.without), median(one.with)]
    return [one.name, rate(size, without), rate(size, withEncryption), (without / withEncryption).toFixed(2)]
  })
  return { rounds, rows }
}

interface Taken {
  readonly name: string
  readonly sides: Sides
  readonly without: number[]
  readonly with: number[]
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length / 2
  return ((sorted[Math.ceil(middle) - 1] as number) + (sorted[Math.floor(middle)] as number)) / 2
}

/** Megabytes (10^6) a second; milliseconds where a request takes hardly longer than its overhead. */
function rate(size: number, milliseconds: number): string {
  return size < 1_000_000 ? `${milliseconds.toFixed(1)} ms` : `${(size / 1000 / milliseconds).toFixed(0)} MB/s`
}
