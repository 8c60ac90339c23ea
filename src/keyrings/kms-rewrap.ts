import { DecryptionError, KmsError } from '../errors.js'
import { encryptedKey } from './data-key.js'
import { innermost } from './inner.js'
import type { Context, Keyring, RewrapRequest, RewrapResult } from './keyring.js'
import { isSameKey, parseKmsKeyArn, type KmsKeyArn } from './kms-arn.js'
import {
  isCiphertextBlob,
  maximumGrantTokens,
  reEncrypt,
  unexpected,
  type KmsAccess,
  type KmsClientLike,
} from './kms-client.js'
import { isAboutTheObject } from './kms-errors.js'
import { storedBlob } from './kms-unwrap.js'

/** What a KMS keyring opens wraps with. */
export interface KmsSource {
  readonly client: KmsClientLike
  /** `undefined`: KMS learns it from the ciphertext. */
  readonly keyId: string | undefined
  /** Words for the key, for messages. */
  readonly keyWords: string
  /** Of the key, where its name tells. */
  readonly partition: string | undefined
  readonly region: string | undefined
  readonly GrantTokens?: readonly string[]
  /** Whether this key may be the one that KMS used. */
  readonly accept: (used: KmsKeyArn) => boolean
}

/** The keyring that wraps anew, and the wrap that it is to make. */
export interface KmsDestination extends KmsSource {
  readonly keyId: string
  readonly algorithm: string
  /** What is stored with the object from now on. */
  readonly context: Context
}

const sources = new WeakMap<Keyring, KmsSource>()

export function rememberSource(keyring: Keyring, source: KmsSource): void {
  sources.set(keyring, source)
}

/** ReEncrypt, and what its answer must be; `undefined` where one request cannot reach both keys. */
export async function kmsRewrap(request: RewrapRequest, to: KmsDestination): Promise<RewrapResult | undefined> {
  const from = sources.get(innermost(request.from))
  if (from === undefined || differ(from.partition, to.partition) || differ(from.region, to.region)) return undefined
  const tokens = [...new Set([...(from.GrantTokens ?? []), ...(to.GrantTokens ?? [])])]
  if (tokens.length > maximumGrantTokens || !(await reachTheSame(from.client, to.client))) return undefined
  const blob = storedBlob(request)
  if (blob === undefined) throw new DecryptionError()
  const keyWords = `${from.keyWords} (old) and ${to.keyWords} (new)`
  const access: KmsAccess = { client: to.client, keyWords, signal: request.signal }
  const output = await asked(access, {
    CiphertextBlob: blob,
    ...(from.keyId !== undefined && { SourceKeyId: from.keyId }),
    SourceEncryptionContext: { ...request.context },
    DestinationKeyId: to.keyId,
    DestinationEncryptionContext: { ...to.context },
    ...(tokens.length > 0 && { GrantTokens: tokens }),
  })
  const [old, used] = [parseKmsKeyArn(output.SourceKeyId), parseKmsKeyArn(output.KeyId)]
  if (old === undefined || !from.accept(old)) throw new DecryptionError()
  const made = output.CiphertextBlob
  if (used === undefined || !to.accept(used) || !isCiphertextBlob(made)) {
    throw unexpected(access, 'ReEncrypt', 'for another key, or without a ciphertext')
  }
  return {
    encryptedDataKeys: [encryptedKey(to.algorithm, new Uint8Array(made))],
    context: to.context,
    sameKey: isSameKey(old, used),
  }
}

async function asked(...call: Parameters<typeof reEncrypt>): ReturnType<typeof reEncrypt> {
  try {
    return await reEncrypt(...call)
  } catch (error) {
    if (error instanceof KmsError && isAboutTheObject(error.cause)) throw new DecryptionError()
    throw error
  }
}

function differ(one: string | undefined, other: string | undefined): boolean {
  return one !== undefined && other !== undefined && one !== other
}

/** Whether both clients ask KMS in the same region at the same place. Clients whose settings are not known never do, unless they are one. */
async function reachTheSame(one: KmsClientLike, other: KmsClientLike): Promise<boolean> {
  if (one === other) return true
  try {
    const [a, b] = await Promise.all([placeOf(one), placeOf(other)])
    return a !== undefined && a === b
  } catch {
    // Settings that cannot be read are for the client itself to complain about.
    return false
  }
}

interface ClientConfig {
  readonly region?: unknown
  readonly endpoint?: unknown
}

async function placeOf(client: KmsClientLike): Promise<string | undefined> {
  const config = 'config' in client ? (client.config as ClientConfig | null | undefined) : undefined
  const [region, endpoint] = [await provided(config?.region), urlOf(await provided(config?.endpoint))]
  return typeof region === 'string' && endpoint !== undefined ? `${region} ${endpoint}` : undefined
}

function provided(value: unknown): unknown {
  return typeof value === 'function' ? (value as () => unknown)() : value
}

/** Clients know only a custom endpoint before they need it (the usual one follows from the region). One of another form than theirs is not known. */
function urlOf(endpoint: unknown): string | undefined {
  if (endpoint === undefined) return ''
  if (typeof endpoint !== 'object' || endpoint === null) return undefined
  const { protocol, hostname, port, path } = endpoint as Partial<Record<string, string | number>>
  if (protocol === undefined || hostname === undefined || path === undefined) return undefined
  return new URL(`${protocol}//${hostname}:${port ?? ''}${path}`).href
}
