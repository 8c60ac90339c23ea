import type { Outcome } from './control.js'

type Case = readonly [name: string, run: unknown, needs?: 'node' | 'browser']

const suite = async (file: string, name: string): Promise<readonly Case[]> =>
  ((await import(new URL(file, import.meta.url).href)) as Readonly<Record<string, readonly Case[]>>)[name] ?? []

/** The names of the smoke suite's cases for a kind of runtime, read here and not from what a runtime reports. */
export async function caseNames(kind: 'node' | 'browser'): Promise<string[]> {
  const suites = await Promise.all([
    suite('smoke-writes.mjs', 'writes'),
    suite('smoke-reads.mjs', 'reads'),
    suite('smoke-keys.mjs', 'keys'),
  ])
  if (suites.some((cases) => cases.length === 0)) throw new Error('a part of the smoke suite has no cases')
  return suites.flat().flatMap(([name, , needs]) => (needs === undefined || needs === kind ? [name] : []))
}

/** What was reported, and a failure for each case that was not. */
export async function complete(outcomes: readonly Outcome[], kind: 'node' | 'browser'): Promise<Outcome[]> {
  const missing = (await caseNames(kind)).filter((name) => !outcomes.some((outcome) => outcome.name === name))
  return [...outcomes, ...missing.map((name) => ({ name, error: 'was not tried' }))]
}
