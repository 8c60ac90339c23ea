import type { Context, Suite } from '../../keyrings/keyring.js'
import type { EnvelopeSummary } from '../format.js'
import type { Found } from './policy.js'
import { dataKeyLength, type SuiteRow } from './suites.js'

/** The name of this format, towards keyrings too. */
export const formatName = 's3ec'

/** What may be told of an envelope without any key. */
export function summaryOf(found: Found & { readonly context: Context }): EnvelopeSummary {
  return Object.freeze({
    format: formatName,
    version: found.version,
    contentAlgorithm: found.contentAlgorithm,
    wrapAlgorithm: found.wrap.name,
    keyCommitment: found.suite.committing,
    context: found.context,
  })
}

/** A suite as keyrings see it: wraps are bound to the content algorithm as stored. */
export function suiteForKeyrings(suite: SuiteRow, contentAlgorithm: string): Suite {
  return Object.freeze({ id: suite.id, format: formatName, name: contentAlgorithm, keyLength: dataKeyLength })
}
