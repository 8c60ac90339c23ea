import { configError } from '../../errors.js'
import type { Format } from '../format.js'
import { callersContext } from './context.js'
import { reservedKeys } from './envelope-keys.js'
import { recogniseEnvelope } from './open.js'
import { commitmentPolicies } from './policy.js'
import { sealMessage } from './seal.js'
import { formatName } from './summary.js'
import { bindsContext, wrapByName, wraps } from './wraps.js'

/**
 * The format of the Amazon S3 Encryption Clients, with the envelope in the object's metadata. Writes V3
 * (AES-256-GCM with HKDF-SHA-512 and key commitment), or V2 (AES-256-GCM) with `FORBID_ENCRYPT_ALLOW_DECRYPT`. Reads
 * both, as far as the commitment policy allows. V1, CBC content, legacy wraps and envelopes in instruction files are
 * recognised and refused.
 */
export function s3ec(): Format {
  return Object.freeze({ name: formatName, reservedKeys, check, seal: sealMessage, recognise: recogniseEnvelope })
}

function check({ keyring, commitmentPolicy, encryptionContext }: Parameters<Format['check']>[0]): void {
  const { wrap, unwrap, algorithms } = asRecord(keyring)
  if (typeof wrap !== 'function' || typeof unwrap !== 'function') {
    throw configError('keyring has to be an object with the methods wrap and unwrap.')
  }
  if (!commitmentPolicies.includes(commitmentPolicy)) {
    throw configError(`commitmentPolicy has to be one of ${commitmentPolicies.join(', ')}.`)
  }
  const context = encryptionContext === undefined ? {} : callersContext(encryptionContext)
  if (algorithms === undefined) return
  if (!Array.isArray(algorithms)) throw configError("The keyring's algorithms have to be an array of names.")
  const known = algorithms.flatMap((name: unknown) => (typeof name === 'string' ? (wrapByName(name) ?? []) : []))
  if (known.length === 0) {
    const names = wraps.filter(({ status }) => status === 'supported').map(({ name }) => name)
    throw configError(`The keyring fits another format: S3EC has the wrapping algorithms ${names.join(', ')}.`)
  }
  if (Object.keys(context).length > 0 && !known.some(bindsContext)) {
    throw configError(
      'encryptionContext needs a KMS keyring: with raw keys nothing would authenticate it. ' +
        "To label objects, or to choose among keys, give the keyring's materialsDescription.",
    )
  }
}

function asRecord(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
}
