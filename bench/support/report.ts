/** Results as a Markdown table for people and as JSON for programs. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { availableParallelism, cpus, totalmem } from 'node:os'
import path from 'node:path'
import { resultsDirectory } from './build.js'
import { sizeName } from './units.js'

/** What a result depends on besides the code. */
export function environment(): Readonly<Record<string, string | number>> {
  const require = createRequire(import.meta.url)
  const sdk = JSON.parse(readFileSync(require.resolve('@aws-sdk/client-s3/package.json'), 'utf8')) as {
    version: string
  }
  return {
    date: new Date().toISOString(),
    node: process.version,
    openssl: process.versions.openssl,
    sdk: sdk.version,
    platform: `${process.platform} ${process.arch}`,
    processor: cpus()[0]?.model ?? 'unknown',
    cores: availableParallelism(),
    memory: sizeName(totalmem()),
  }
}

/** The first column to the left, the others to the right. */
export function markdownTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((_, i) => Math.max(3, ...[head, ...rows].map((row) => (row[i] ?? '').length)))
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))).join(' | ')} |`
  const rule = widths.map((width, i) => (i === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`))
  return [line(head), line(rule), ...rows.map(line)].join('\n')
}

/** Writes bench/results/<name>.json and says so. */
export function saveResults(name: string, results: object): void {
  mkdirSync(resultsDirectory, { recursive: true })
  const file = path.join(resultsDirectory, `${name}.json`)
  writeFileSync(file, `${JSON.stringify({ environment: environment(), ...results }, undefined, 2)}\n`)
  console.log(`\n${path.relative(process.cwd(), file)} has the details.`)
}

export function describeEnvironment(): string {
  const { node, sdk, platform, processor, cores } = environment()
  return `Node ${String(node)}, @aws-sdk/client-s3 ${String(sdk)}, ${String(platform)}, ${String(cores)} × ${String(processor)}`
}
