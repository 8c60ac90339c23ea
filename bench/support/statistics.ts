/** The five numbers of a sample. */
export interface Spread {
  readonly min: number
  readonly lowerQuartile: number
  readonly median: number
  readonly upperQuartile: number
  readonly max: number
}

export function spread(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b)
  // Between neighbours linearly (Hyndman and Fan, type 7).
  const at = (fraction: number): number => {
    const place = fraction * (sorted.length - 1)
    const below = Math.floor(place)
    const low = sorted[below] ?? NaN
    return low + (place - below) * ((sorted[below + 1] ?? low) - low)
  }
  return { min: at(0), lowerQuartile: at(0.25), median: at(0.5), upperQuartile: at(0.75), max: at(1) }
}
