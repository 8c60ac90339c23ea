import type { EnvelopeSummary } from '../../src/index.js'

/** What formats of the tests say of their objects. */
export function summaryOfTests(format: string): EnvelopeSummary {
  return {
    format,
    version: '1',
    suite: '',
    contentAlgorithm: '',
    wrapAlgorithm: '',
    keyCommitment: false,
    contextKind: 'encryption context',
    contextKeys: [],
    instructionFile: undefined,
    needs: { commitmentPolicies: [], legacy: { wrapping: false, content: false } },
    context: {},
  }
}
