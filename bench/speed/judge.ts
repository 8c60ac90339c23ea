/** From samples to figures, and from figures to a verdict. */
import type { RawAnswer } from '../subjects/raw.js'
import { spread, type Spread } from '../support/statistics.js'
import { GIB, inMiB } from '../support/units.js'
import { uploads, type Pair, type Results } from './measure.js'
import { LOOP, MEMORY, PACE, type Row } from './rows.js'

/** The limits of the table in rows.ts are for objects of this size. */
export const JUDGED_SIZE: number = GIB

export interface Figures {
  readonly row: Row
  /** Time of the plain client in parts of the encrypting one's: 1 is equal speed, less is slower. */
  readonly ratio: Spread
  /** Of plaintext, 10^6 bytes a second. */
  readonly plainRate: number
  readonly encryptedRate: number
  /** CPU seconds for a GiB. `added`: of neighbours, and its spread. */
  readonly plainCpu: number
  readonly encryptedCpu: number
  readonly added: Spread
  /** What is unavoidable: the cipher alone and beside the same work of a plain client, and a file. */
  readonly gcmAlone: number
  readonly gcm: number
  readonly file: number
  readonly allowed: number
  /** Bytes. */
  readonly plainPeak: number
  readonly encryptedPeak: number
  /** Milliseconds. */
  readonly plainLoop: number
  readonly encryptedLoop: number
  readonly allowedLoop: number
  /** What is beyond its limit, in words. */
  readonly exceeded: readonly string[]
}

export function judge(results: Results): Figures[] {
  const { size, operations, raw, rawBytes, pace } = results
  const gib = (size * operations) / GIB
  const middle = (values: readonly number[]): number => spread(values).median
  const bare = (value: (one: RawAnswer) => number): number => middle(raw.map(value)) / (rawBytes / GIB)
  const file = bare((one) => one.file)
  return results.rows.map(({ row, pairs }) => {
    const of = (value: (pair: Pair) => number): number => middle(pairs.map(value))
    const gcm = bare(({ gcm }) => (uploads(row.operation) ? gcm.upload : gcm.read))
    const plainLoop = of(({ plain }) => plain.loopDelay)
    const figures = {
      row,
      ratio: spread(pairs.map(({ plain, encrypted }) => plain.seconds / encrypted.seconds)),
      plainRate: of(({ plain }) => (size * operations) / 1e6 / plain.seconds),
      encryptedRate: of(({ encrypted }) => (size * operations) / 1e6 / encrypted.seconds),
      plainCpu: of(({ plain }) => plain.cpuSeconds / gib),
      encryptedCpu: of(({ encrypted }) => encrypted.cpuSeconds / gib),
      added: spread(pairs.map(({ plain, encrypted }) => (encrypted.cpuSeconds - plain.cpuSeconds) / gib)),
      gcmAlone: bare(({ gcm }) => gcm.alone),
      gcm,
      file,
      allowed: row.cpu.limit * gcm + (row.spools === true ? file : 0),
      plainPeak: of(({ plain }) => plain.peak),
      encryptedPeak: of(({ encrypted }) => encrypted.peak),
      plainLoop,
      encryptedLoop: of(({ encrypted }) => encrypted.loopDelay),
      allowedLoop: Math.max(LOOP.factor * plainLoop, plainLoop + LOOP.milliseconds),
    }
    const exceeded = size !== JUDGED_SIZE ? [] : pace === undefined ? beyond(figures) : beyondPaced(figures, pace)
    return { ...figures, exceeded }
  })
}

type Unjudged = Omit<Figures, 'exceeded'>

function beyond(f: Unjudged): string[] {
  const { row, ratio, added, allowed } = f
  const found: string[] = []
  if (row.wall !== undefined && !(ratio.median >= row.wall.limit)) {
    found.push(`${ratio.median.toFixed(2)} of the plain throughput, less than ${row.wall.limit}`)
  }
  if (!(added.median <= allowed)) {
    found.push(`${added.median.toFixed(2)} CPU s/GiB more, over ${allowed.toFixed(2)}`)
  }
  const memory = f.encryptedPeak - f.plainPeak
  if (!(memory <= MEMORY.limit)) found.push(`${inMiB(memory)} MiB more, over ${inMiB(MEMORY.limit)}`)
  if (row.loop === true && !(f.encryptedLoop <= f.allowedLoop)) {
    found.push(`event loop delayed by ${f.encryptedLoop.toFixed(1)} ms, over ${f.allowedLoop.toFixed(1)}`)
  }
  return found
}

function beyondPaced({ row, ratio, plainRate }: Unjudged, pace: number): string[] {
  if (row.paced === undefined) return []
  if (!(plainRate * 1e6 >= PACE.bound * pace)) {
    return [`the pace did not bind the plain client (${plainRate.toFixed(0)} of ${pace / 1e6} MB/s): nothing is shown`]
  }
  if (ratio.median >= row.paced) return []
  return [`${ratio.median.toFixed(2)} of the plain throughput at ${pace / 1e6} MB/s, less than ${row.paced}`]
}
