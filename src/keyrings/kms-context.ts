import { configError } from '../errors.js'
import type { Context, Suite, UnwrapRequest } from './keyring.js'
import { takeStringMap } from './options.js'

export const kmsAlgorithm = 'kms+context'

/** Binds a wrap to its content algorithm. */
const reservedForSuite = 'aws:x-amz-cek-alg'
/** Older clients store the key's name under it, and every reader takes it out before comparing contexts. */
const reservedForKey = 'kms_cmk_id'

/** The caller's context and the reserved entry. What is returned is sent to KMS and stored with the object. */
export function contextToWrap(owner: string, context: Context, suite: Suite): Context {
  const taken = takeStringMap(`${owner}: the encryption context`, context)
  for (const name of [reservedForSuite, reservedForKey]) {
    if (Object.hasOwn(taken, name))
      throw configError(`${owner}: ${name} is reserved in encryption contexts; leave it out`)
  }
  return takeStringMap(owner, { ...taken, [reservedForSuite]: suite.name })
}

/** Whether the stored context says that the data key is for this suite. KMS then holds the object to what it says. */
export function isBoundToSuite({ context, suite }: UnwrapRequest): boolean {
  return Object.hasOwn(context, reservedForSuite) && context[reservedForSuite] === suite.name
}
