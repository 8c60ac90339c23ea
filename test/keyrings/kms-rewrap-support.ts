import { inspect } from 'node:util'
import type { Keyring, RewrapRequest, RewrapResult, WrapResult } from '../../src/keyrings/keyring.js'
import { v3 } from './support.js'

/** Asks `to` for a new wrap of what `from` has wrapped, with the changes that a test makes. */
export async function rewrap(
  to: Keyring,
  from: Keyring,
  wrapped: Pick<WrapResult, 'encryptedDataKeys' | 'context'>,
  change: Partial<RewrapRequest> = {},
): Promise<RewrapResult | undefined> {
  const { context, encryptedDataKeys } = wrapped
  if (to.rewrap === undefined) throw new Error(`no rewrap: ${inspect(to)}`)
  return to.rewrap({ suite: v3, from, context, encryptedDataKeys, newContext: {}, ...change })
}
