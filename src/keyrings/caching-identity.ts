import { runtime } from '#runtime'
import { encodeBase64 } from '../bytes/base64.js'
import type { Context, UnwrapRequest, WrapRequest } from './keyring.js'

/**
 * What a data key to write was asked for with. The keyring, its key and its grant tokens are not in it: each caching
 * keyring has one, and a cache of its own. JSON keeps the members apart.
 */
export function writeIdentity({ suite, commitmentPolicy, algorithm, context }: WrapRequest): string {
  const { id, format, name, keyLength } = suite
  return JSON.stringify([id, format, name, keyLength, commitmentPolicy ?? null, algorithm ?? null, sorted(context)])
}

/** The same for a stored data key. A digest, because envelopes come from storage: their length is not ours to keep. */
export async function readIdentity(request: UnwrapRequest): Promise<string> {
  const { suite, commitmentPolicy, context, encryptedDataKeys } = request
  const { id, format, name, keyLength, keyLengths } = suite
  const wrapped = encryptedDataKeys.map(({ algorithm, provider, info, ciphertext }) => [
    algorithm,
    provider,
    encodeBase64(info),
    encodeBase64(ciphertext),
  ])
  const lengths = keyLengths ?? [keyLength]
  const text = JSON.stringify([id, format, name, lengths, commitmentPolicy ?? null, sorted(context), wrapped])
  return encodeBase64(await runtime.digest('SHA-256', new TextEncoder().encode(text)))
}

function sorted(context: Context): [string, string][] {
  return Object.entries(context).sort(([a], [b]) => (a < b ? -1 : 1))
}
