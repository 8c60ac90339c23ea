import { markdownTable } from '../support/report.js'
import { GIB, inMiB, MIB, sizeName } from '../support/units.js'
import { JUDGED_SIZE, type Figures } from './judge.js'
import type { Results } from './measure.js'
import { MEMORY } from './rows.js'

const two = (value: number): string => value.toFixed(2)
const one = (value: number): string => value.toFixed(1)
const whole = (value: number): string => value.toFixed(0)

export function printResults(results: Results, figures: readonly Figures[]): void {
  const { size, operations, pace, rows } = results
  const runs = rows[0]?.pairs.length ?? 0
  const network = pace === undefined ? '' : `, network of ${pace / 1e6} MB/s`
  const times = operations === 1 ? '' : `, ${operations} operations each`
  console.log(`\n### ${sizeName(size)}${network} (medians of ${runs} runs${times})\n`)
  console.log(pace === undefined ? speedTable(size, figures) : pacedTable(figures))
  if (pace === undefined) console.log(`\n${costTable(size, figures)}`)
  for (const { row, exceeded } of figures) {
    for (const reason of exceeded) console.log(`\nEXCEEDED: ${row.name}: ${reason}.`)
  }
}

function speedTable(size: number, figures: readonly Figures[]): string {
  const limited = size === JUDGED_SIZE
  const lines = figures.map(({ row, ratio, plainRate, encryptedRate }) => [
    row.name,
    two(ratio.median),
    `${two(ratio.lowerQuartile)} to ${two(ratio.upperQuartile)}`,
    ...(limited
      ? [row.wall === undefined ? '-' : two(row.wall.limit), row.wall === undefined ? '-' : two(row.wall.aim)]
      : []),
    rate(plainRate),
    rate(encryptedRate),
  ])
  const limits = limited ? ['limit', 'aim'] : []
  return markdownTable(['wall time', 'ratio', 'quartiles', ...limits, 'plain MB/s', 'encrypted MB/s'], lines)
}

const rate = (value: number): string => (value < 100 ? one(value) : whole(value))

function costTable(size: number, figures: readonly Figures[]): string {
  const limited = size === JUDGED_SIZE
  // Of small objects the bytes cost nothing beside the request.
  const [unit, factor] = size < MIB ? ['ms', (1000 * size) / GIB] : ['s/GiB', 1]
  const cpu = (value: number): string => (value * factor).toFixed(size < MIB ? 3 : 2)
  const lines = figures.map((f) => [
    f.row.name,
    cpu(f.plainCpu),
    cpu(f.encryptedCpu),
    cpu(f.added.median),
    `${cpu(f.added.lowerQuartile)} to ${cpu(f.added.upperQuartile)}`,
    ...(limited ? [cpu(f.allowed), f.row.cpu.aim === undefined ? '-' : cpu(f.row.cpu.aim * f.gcm)] : []),
    inMiB(f.plainPeak),
    inMiB(f.encryptedPeak),
    one(f.plainLoop),
    one(f.encryptedLoop),
    ...(limited ? [f.row.loop === true ? one(f.allowedLoop) : '-'] : []),
  ])
  const limits = limited ? ['limit', 'aim'] : []
  const head = [`CPU ${unit}`, 'plain', 'encrypted', 'added', 'quartiles', ...limits]
  const rest = ['plain MiB', 'encrypted MiB', 'plain loop ms', 'encrypted loop ms', ...(limited ? ['limit'] : [])]
  const raw = figures.slice(0, 1).map(({ gcmAlone, file }) => {
    const beside = figures.map(({ gcm }) => gcm)
    return (
      `\nThe bare cipher: ${two(gcmAlone)} CPU s/GiB alone, ${two(Math.min(...beside))} to ${two(Math.max(...beside))} beside a ` +
      `plain client; a file written and read: ${two(file)}.` +
      (limited ? ` Memory over the plain client's: at most ${inMiB(MEMORY.limit)} MiB, aim ${inMiB(MEMORY.aim)}.` : '')
    )
  })
  return [markdownTable([...head, ...rest], lines), ...raw].join('\n')
}

function pacedTable(figures: readonly Figures[]): string {
  const lines = figures.map(({ row, ratio, plainRate, encryptedRate }) => [
    row.name,
    two(ratio.median),
    `${two(ratio.lowerQuartile)} to ${two(ratio.upperQuartile)}`,
    row.paced === undefined ? '-' : two(row.paced),
    rate(plainRate),
    rate(encryptedRate),
  ])
  return markdownTable(['wall time', 'ratio', 'quartiles', 'limit', 'plain MB/s', 'encrypted MB/s'], lines)
}

export const EXPLANATION = `
Ratio: time of the plain client in parts of the encrypting one's, of neighbouring runs; 1 is equal speed. MB: 10^6 bytes of
plaintext. CPU: user and system time of the client process, server apart. MiB: largest resident memory. Loop: delay of the
event loop, 99th percentile at a resolution of 1 ms.
Bodies of streams are made as they are read, in new chunks of 64 KiB that are copied from one; what is read is counted
and dropped: the same on both sides. Uploads go to a server that checks and drops them, reads come from its page cache.
At limited speed Upload is given a buffer: to join the parts of a stream takes the plain client longer than to send them.
Download: the plain client pipes one GetObject to a file, which is not synchronised with the disk; download() does that.
Payload not signed: the encrypting client alone, as the option unsignedPayload does on https; the plain client signs.`
