import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { resultsDirectory } from '../support/results.js'
import { FAULTS } from './faults.js'
import type { Tally } from './tally.js'
import type { PhaseReport } from './world.js'

const MIB = 1024 * 1024
/**
 * Memory may be so much higher in the last third of a phase than in the first. What objects hold shows a leak; what is
 * resident moves with the allocator, and with what a phase does first and last.
 */
const GROWTH_SHARE = 0.2
const RESIDENT_GROWTH_BYTES = 128 * MIB
const HELD_GROWTH_BYTES = 16 * MIB

/** With fewer looks than these, a third is chance. */
const LEAST_LOOKS = 12

/** What is wrong with what the operations did. */
export function faultsIn(tally: Tally): string[] {
  const succeeded = (operation: string): number => tally.succeeded.get(operation) ?? 0
  return [
    ...tally.corrupted.map((what) => `corrupted: ${what}`),
    ...tally.lost.map((what) => `lost: ${what}`),
    ...tally.problems,
    ...[...tally.demanded]
      .filter(([operation, least]) => succeeded(operation) < least)
      .map(([operation, least]) => `${operation} succeeded ${succeeded(operation)} times, not ${least}`),
  ]
}

/** Everything for which the run fails. */
export function faultsOf(report: PhaseReport): string[] {
  const { tally, socketsLeft, descriptorsGrown, filesLeft, usage, proxy, kindsOfFaults } = report
  const { rssFirst, rssLast, heldFirst, heldLast } = usage
  const grown = rssLast - rssFirst
  const held = heldLast - heldFirst
  const judged = usage.looks >= LEAST_LOOKS
  const injected = FAULTS.filter((fault) => proxy.faults[fault] > 0)
  return [
    ...faultsIn(tally),
    ...(injected.length < kindsOfFaults
      ? [`${injected.length} kinds of faults were injected, not ${kindsOfFaults}: ${injected.join(', ') || 'none'}`]
      : []),
    ...(socketsLeft > 0 ? [`${socketsLeft} sockets are left`] : []),
    ...(descriptorsGrown > 0 ? [`${descriptorsGrown} more file descriptors than before`] : []),
    ...(filesLeft.length > 0 ? [`files are left: ${filesLeft.join(', ')}`] : []),
    ...(judged && grown > Math.max(RESIDENT_GROWTH_BYTES, GROWTH_SHARE * rssFirst)
      ? [`memory grew by ${mib(grown)}`]
      : []),
    ...(judged && held > Math.max(HELD_GROWTH_BYTES, GROWTH_SHARE * heldFirst)
      ? [`what the garbage collector holds grew by ${mib(held)}`]
      : []),
  ]
}

export function writeReport(reports: readonly PhaseReport[]): void {
  const text = markdown(reports)
  mkdirSync(resultsDirectory, { recursive: true })
  writeFileSync(path.join(resultsDirectory, 'load.md'), text)
  console.log(`\n${text}`)
}

function markdown(reports: readonly PhaseReport[]): string {
  const columns: readonly (readonly [string, (report: PhaseReport) => string])[] = [
    ['seconds', ({ seconds }) => seconds.toFixed(0)],
    ['operations', ({ tally }) => `${sum(tally.operations)}`],
    ['succeeded', ({ tally }) => `${sum(tally.succeeded)}`],
    ['failures seen by the caller', ({ tally }) => `${sum(tally.failures)}`],
    ['retries of the SDK', ({ retries }) => `${retries}`],
    ['requests', ({ proxy }) => `${proxy.requests}`],
    ['faults injected', ({ proxy }) => `${Object.values(proxy.faults).reduce((total, count) => total + count, 0)}`],
    ['corrupted', ({ tally }) => `${tally.corrupted.length}`],
    ['lost', ({ tally }) => `${tally.lost.length}`],
    ['sockets: most in use, left', ({ usage, socketsLeft }) => `${usage.mostSockets}, ${socketsLeft}`],
    ['descriptors: most, grown', (report) => `${report.usage.mostDescriptors}, ${report.descriptorsGrown}`],
    ['files left', ({ filesLeft }) => `${filesLeft.length}`],
    ['looks at memory', ({ usage }) => `${usage.looks}${usage.looks < LEAST_LOOKS ? ' (not judged)' : ''}`],
    ['memory: first third, last third', ({ usage }) => `${mib(usage.rssFirst)}, ${mib(usage.rssLast)}`],
    ['of it held by objects', ({ usage }) => `${mib(usage.heldFirst)}, ${mib(usage.heldLast)}`],
  ]
  const row = (cells: readonly string[]): string => `| ${cells.join(' | ')} |\n`
  let text = row(['phase', ...columns.map(([name]) => name)]) + row(['---', ...columns.map(() => '---:')])
  for (const report of reports) text += row([report.name, ...columns.map(([, cell]) => cell(report))])
  for (const { name, tally, proxy } of reports) {
    text += `\n**${name}**\n\n`
    text += list('operations', tally.operations)
    text += list('succeeded', tally.succeeded)
    if (tally.absent.size > 0) text += list('rightly found nothing', tally.absent)
    text += list('failures', tally.failures)
    text += list('faults', new Map(Object.entries(proxy.faults)))
    if (proxy.upstreamErrors > 0) text += `- connections that the server broke: ${proxy.upstreamErrors}\n`
  }
  return text
}

function list(title: string, counts: ReadonlyMap<string, number>): string {
  const entries = [...counts].sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1))
  return `- ${title}: ${entries.map(([name, count]) => `${name} ${count}`).join('; ') || 'none'}\n`
}

function sum(counts: ReadonlyMap<string, number>): number {
  return [...counts.values()].reduce((total, count) => total + count, 0)
}

function mib(bytes: number): string {
  return `${Math.round(bytes / MIB)} MiB`
}
