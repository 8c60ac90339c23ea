/** What a runtime does otherwise than Node, and that it still does. */
import type { Cell } from '../support/results.js'
import type { Outcome } from './control.js'

export interface Departure {
  /** The name of the case. */
  readonly cell: string
  readonly reason: string
  /** What it fails with: another error is not the departure. */
  readonly error: RegExp
}

export const DEPARTURES: Readonly<Record<string, readonly Departure[]>> = {
  Chromium: [
    {
      cell: 'AES keyring: a key of 24 bytes',
      reason:
        'WebCrypto has no AES with keys of 192 bits in Chromium; other keys than of 128 and 256 bits are refused with ERR_S3CSE_CONFIG',
      error: /^ERR_S3CSE_CONFIG: This runtime has no AES with keys of 192 bits/,
    },
  ],
}

/** Cells for the table; and what is wrong: failures that are no departure, departures that are gone. */
export function judge(subject: string, outcomes: readonly Outcome[]): { cells: Cell[]; wrong: string[] } {
  const departures = DEPARTURES[subject] ?? []
  const wrong: string[] = []
  const cells = outcomes.map(({ name, error }): Cell => {
    const departure = departures.find(({ cell }) => cell === name)
    if (departure === undefined) {
      if (error !== undefined) wrong.push(`${name}\n${error}`)
      return { name, outcome: 'pass' }
    }
    if (error === undefined) wrong.push(`${name}\nis listed as a departure, but passes`)
    else if (!departure.error.test(error))
      wrong.push(`${name}\nis listed as a departure, but fails otherwise: ${error}`)
    return { name, outcome: 'departure', reason: departure.reason }
  })
  for (const { cell } of departures) {
    if (!outcomes.some(({ name }) => name === cell)) wrong.push(`${cell}\nis listed as a departure, but was not tried`)
  }
  const names = outcomes.map(({ name }) => name)
  const twice = names.filter((name, index) => names.indexOf(name) !== index)
  wrong.push(...twice.map((name) => `${name}\nis there twice`))
  return { cells, wrong }
}
