import type { Suite } from '../../keyrings/keyring.js'
import type { EnvelopeSummary } from '../format.js'
import { factsOf, type Found } from './policy.js'
import { dataKeyLength, formatName, type SuiteRow } from './suites.js'

/** What may be told of an envelope without any key. */
export function summaryOf(found: Found): EnvelopeSummary {
  return Object.freeze({ ...factsOf(found), context: found.context })
}

/** A suite as keyrings see it: wraps are bound to the content algorithm as stored. */
export function suiteForKeyrings(suite: SuiteRow, contentAlgorithm: string, legacyContent: boolean): Suite {
  return Object.freeze({
    id: suite.id,
    format: formatName,
    name: contentAlgorithm,
    keyLength: dataKeyLength,
    ...(suite.derivesKeys && { derivesMessageKeys: true }),
    ...(legacyContent && { keyLengths: keyLengthsOf(suite, legacyContent) }),
  })
}

/** What an unwrapped data key may have, in bytes. */
export function keyLengthsOf({ legacyKeyLengths }: SuiteRow, legacyContent: boolean): readonly number[] {
  return [dataKeyLength, ...(legacyContent ? legacyKeyLengths : [])]
}
