import { configError } from '../../errors.js'
import { esdkAlgorithm } from '../../keyrings/esdk-keys.js'
import { commitmentPolicies } from '../commitment.js'
import type { Format } from '../format.js'
import { callersContext } from './context.js'
import { notForEsdk } from './open.js'
import type { EsdkSettings } from './options.js'

/** Throws ERR_S3CSE_CONFIG if keyring, policy and context cannot work together. */
export function checkRequest(
  { keyring, commitmentPolicy, encryptionContext }: Parameters<Format['check']>[0],
  settings: EsdkSettings,
): void {
  const given: unknown = keyring
  const { wrap, unwrap, algorithms, sharesDataKeys } = (given ?? {}) as Record<string, unknown>
  if (typeof wrap !== 'function' || typeof unwrap !== 'function') {
    throw configError('keyring has to be an object with the methods wrap and unwrap.')
  }
  if (!commitmentPolicies.includes(commitmentPolicy)) throw configError('commitmentPolicy has to be one of the three.')
  if (algorithms !== undefined && !(Array.isArray(algorithms) && algorithms.includes(esdkAlgorithm))) throw notForEsdk()
  if (encryptionContext !== undefined) callersContext(encryptionContext)
  const suite = settings.suiteFor(commitmentPolicy)
  if (sharesDataKeys === true && suite.kdf === undefined) {
    throw configError(
      `The keyring gives one data key for several messages, and ${suite.name} encrypts each with the data key itself: the frames of two messages would have the same IVs under one key, and nothing would be secret or authentic any more. Use a suite with HKDF.`,
    )
  }
}
