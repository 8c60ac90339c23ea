import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

export const PARTS = ['contract', 'interop', 'runtimes'] as const
export type Part = (typeof PARTS)[number]

/** One thing that was tried with a server, a client or a runtime. */
export interface Cell {
  /** Unique for the subject; what was tried, in the words of the table. */
  readonly name: string
  readonly outcome: 'pass' | 'departure'
  /** For a departure: what the other side does instead, and why that is not ours. */
  readonly reason?: string
  /** How often it was tried, each time in another way; default 1. */
  readonly trials?: number
}

/** What came of running against one server, client or runtime. */
export interface Result {
  readonly part: Part
  /** Its name, as its makers write it. */
  readonly subject: string
  /** Its version, as it says itself. */
  readonly version: string
  /** Whether this repository says which version is installed; others move by themselves. */
  readonly pinned: boolean
  readonly cells: readonly Cell[]
  /** In the words of the table, where it is not the same for all of the part. */
  readonly tried?: string
}

export const resultsDirectory: string = fileURLToPath(new URL('../results/', import.meta.url))

/**
 * Writes a result, over that of an earlier run: the table of what was tried is made from these files. `several`: there
 * are results of other versions of the same subject, which are kept.
 */
export function recordResult(result: Result, { several = false }: { readonly several?: boolean } = {}): void {
  mkdirSync(resultsDirectory, { recursive: true })
  const file = fileOf(result.part, result.subject, ...(several ? [result.version] : []))
  writeFileSync(file, `${JSON.stringify(result, null, 2)}\n`)
}

/** Deletes the result of an earlier run, if there is one: not for a subject with `several`. */
export function deleteResult(part: Part, subject: string): void {
  rmSync(fileOf(part, subject), { force: true })
}

function fileOf(...names: readonly string[]): string {
  const name = names
    .join('-')
    .toLowerCase()
    .replaceAll(/[^a-z0-9.]+/g, '-')
  return path.join(resultsDirectory, `${name}.json`)
}
