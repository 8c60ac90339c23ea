import { configError } from '../errors.js'
import type { Context, Suite, UnwrapRequest } from './keyring.js'
import { takeStringMap } from './options.js'

export const kmsAlgorithm = 'kms+context'
/** Written by first-generation clients: the content algorithm is not in the context. */
export const legacyKmsAlgorithm = 'kms'

/** Binds a wrap to its content algorithm. */
const reservedForSuite = 'aws:x-amz-cek-alg'
/** Older clients store the key's name under it, and every reader takes it out before comparing contexts. */
const reservedForKey = 'kms_cmk_id'

/** The caller's context and the entry that belongs to the wrap. What is returned is sent to KMS and stored with the object. */
export function contextToWrap(
  owner: string,
  context: Context,
  wrap: { readonly algorithm: string; readonly suite: Suite; readonly keyId: string },
): Context {
  const taken = takeStringMap(`${owner}: the encryption context`, context)
  for (const name of [reservedForSuite, reservedForKey]) {
    if (Object.hasOwn(taken, name))
      throw configError(`${owner}: ${name} is reserved in encryption contexts; leave it out`)
  }
  const entry =
    wrap.algorithm === legacyKmsAlgorithm ? { [reservedForKey]: wrap.keyId } : { [reservedForSuite]: wrap.suite.name }
  return takeStringMap(owner, { ...taken, ...entry })
}

/**
 * Whether the stored context lets the data key be used for this suite. KMS then holds the object to what it says. With
 * the legacy wrap it need not say anything (mail stored by SES never does), but what it says counts: an object of today
 * cannot be passed off as an old one to get rid of the binding.
 */
export function fitsSuite({ context, suite }: UnwrapRequest, algorithm: string): boolean {
  if (Object.hasOwn(context, reservedForSuite)) return context[reservedForSuite] === suite.name
  return algorithm === legacyKmsAlgorithm
}
