import { getHeapStatistics } from 'node:v8'
import { readFileSync } from 'node:fs'
import fc from 'fast-check'

/** What one property came to. */
export interface Outcome {
  readonly cases: number
  /** How often each kind of answer was given. */
  readonly seen: ReadonlyMap<string, number>
  /** The most that one case took, in bytes. */
  readonly peak: number
  readonly failure: Failure | undefined
}

export interface Failure {
  readonly seed: number
  /** Where the shrunk counterexample is, for fast-check. */
  readonly path: string
  readonly counterexample: string
  readonly error: string
}

export interface Run {
  readonly seed: number
  readonly cases: number
  readonly path?: string
  /** Called before each case. */
  readonly beat?: () => void
}

export interface FuzzProperty {
  readonly name: string
  /** Its part of a campaign, in thousandths of all cases. */
  readonly share: number
  /** The answers that some hundred cases have to give, each of them: what is refused at once tests nothing. */
  readonly expects: readonly string[]
  readonly run: (run: Run) => Promise<Outcome>
  readonly close: () => Promise<void>
}

/** What one case may take, in bytes, garbage included: inputs are up to 100 KiB long, and are held several times. */
const CASE_LIMIT = 16 * 1024 * 1024

const MESSAGE_LENGTH = 3000

interface Definition<T> {
  readonly name: string
  readonly share: number
  readonly expects: readonly string[]
  readonly values: fc.Arbitrary<T>
  readonly close?: () => Promise<void>
  /** Names the kind of answer. Throws what is wrong with any other. */
  readonly check: (value: T) => string | Promise<string>
}

export function fuzz<T>({ values, check, close, ...rest }: Definition<T>): FuzzProperty {
  return { ...rest, run: (run) => runCases(values, check, run), close: close ?? (async () => undefined) }
}

async function runCases<T>(
  values: fc.Arbitrary<T>,
  check: (value: T) => string | Promise<string>,
  { seed, cases, path, beat = () => undefined }: Run,
): Promise<Outcome> {
  const seen = new Map<string, number>()
  let peak = 0
  const property = fc.asyncProperty(values, async (value) => {
    beat()
    const before = usedBytes()
    const answer = await check(value)
    const taken = usedBytes() - before
    seen.set(answer, (seen.get(answer) ?? 0) + 1)
    peak = Math.max(peak, taken)
    if (taken > CASE_LIMIT) throw new Error(`One case took ${taken} bytes of memory.`)
  })
  const details = await fc.check(property, { seed, numRuns: cases, ...(path !== undefined && { path }) })
  return { cases: details.numRuns, seen, peak, failure: details.failed ? failureOf(details) : undefined }
}

function failureOf<T>(details: fc.RunDetails<T>): Failure {
  const { errorInstance, counterexample, counterexamplePath, seed } = details
  const error = errorInstance instanceof Error ? (errorInstance.stack ?? errorInstance.message) : String(errorInstance)
  return {
    seed,
    path: counterexamplePath ?? '',
    counterexample: fc.stringify(counterexample).slice(0, MESSAGE_LENGTH),
    error: error.slice(0, MESSAGE_LENGTH),
  }
}

/** On the heap and beside it. */
export function usedBytes(): number {
  const { used_heap_size: heap, external_memory: external } = getHeapStatistics()
  return heap + external
}

/** A case that has failed once, to be tried again by every run. */
export interface KeptSeed {
  readonly property: string
  readonly seed: number
  readonly path: string
  /** What it was, for readers. */
  readonly counterexample: string
}

export const seedsFile: URL = new URL('seeds.json', import.meta.url)

export function keptSeeds(): KeptSeed[] {
  return JSON.parse(readFileSync(seedsFile, 'utf8')) as KeptSeed[]
}

/** Says everything about a failure. */
export function describeFailure(name: string, { seed, path, counterexample, error }: Failure): string {
  return `${name}: seed ${seed}, path ${path}\n${counterexample}\n${error}`
}
