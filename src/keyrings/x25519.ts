import { runtime } from '#runtime'
import { crypt4ghRuntime } from '#runtime/crypt4gh'
import { throwIfAborted } from '../bytes/abort.js'
import { parseX25519PublicKey } from '../crypto/x25519-public-key.js'
import { configError } from '../errors.js'
import { crypt4ghAlgorithm } from './crypt4gh-keys.js'
import type { DataKey, EncryptedDataKey, Keyring, UnwrapRequest, WrapRequest, WrapResult } from './keyring.js'
import { isBytes, takeList, takeOptions } from './options.js'
import { consistsOf } from './readers.js'
import {
  newKeyPair,
  openPacket,
  PACKET_NONCE_LENGTH,
  packetKey,
  sealPacket,
  X25519_KEY_LENGTH,
  type X25519KeyPair,
} from './x25519-packet.js'

/** An X25519 public key: 32 bytes, or the text of a file that has one, Crypt4GH's or an `ssh-ed25519` line of OpenSSH. */
export type X25519PublicKey = Uint8Array | string

/** An X25519 secret key: 32 bytes, or what has them as `secretKey`, as `readSecretKey` and `generateKeyPair` give it. */
export type X25519SecretKey = Uint8Array | { readonly secretKey: Uint8Array }

/** The options of `x25519Keyring`: recipients, a secret key, or both. */
export interface X25519KeyringOptions {
  /** Who can read what is written. The writer only where he is among them. Default: the owner of `secretKey`. */
  readonly recipients?: readonly X25519PublicKey[] | undefined
  /** Opens what is read. What is written is sent under it as well, which recipients can check; see `sender`. Default: none, and then nothing can be read. */
  readonly secretKey?: X25519SecretKey | undefined
  /** Others that open what is read. Default: none. */
  readonly additionalSecretKeys?: readonly X25519SecretKey[] | undefined
  /** Who may have written what is read, one or several: packets of others are not opened. Default: anybody, since a recipient's public key is all that it takes to write for him. */
  readonly senderPublicKey?: X25519PublicKey | readonly X25519PublicKey[] | undefined
  /**
   * What is written is sent under `secretKey` ('own'), so that recipients can tell the sender, and whoever gets that key
   * can read it; or under a fresh key for each message, which is then forgotten ('fresh'). Default: 'own' where there is a
   * `secretKey`.
   */
  readonly sender?: 'own' | 'fresh' | undefined
}

const owner = 'x25519Keyring'
const provider = 'x25519'

/**
 * Recipients of Crypt4GH messages, by their X25519 keys: each header packet is encrypted for each recipient with
 * X25519, BLAKE2b and ChaCha20-Poly1305 (GA4GH Crypt4GH 1.0, section 3.2). For `crypt4gh()` only; other formats refuse it
 * at set-up.
 *
 * @throws CseError `ERR_S3CSE_CONFIG` for no key at all, an unknown option, or what is no key; when something is written,
 * for a recipient's key of small order, with which everybody could read; when something is read, for no secret key.
 */
export function x25519Keyring(options: X25519KeyringOptions): Keyring {
  const taken = takeOptions<X25519KeyringOptions>(owner, options, {
    recipients: 'optional',
    secretKey: 'optional',
    additionalSecretKeys: 'optional',
    senderPublicKey: 'optional',
    sender: 'optional',
  })
  const own = taken.secretKey === undefined ? undefined : secretKeyOf('secretKey', taken.secretKey)
  const more = takeList(`${owner}: additionalSecretKeys`, taken.additionalSecretKeys, (key) =>
    secretKeyOf('additionalSecretKeys', key),
  )
  const recipients =
    taken.recipients === undefined
      ? undefined
      : distinct(takeList(`${owner}: recipients`, taken.recipients, (key) => publicKeyOf('recipients', key)))
  if (recipients?.length === 0) throw configError(`${owner}: recipients is empty, so that nobody could read`)
  if (own === undefined && recipients === undefined && more.length === 0) {
    throw configError(`${owner}: give recipients to write for, a secretKey to read with, or both`)
  }
  const senders = sendersOf(taken.senderPublicKey)
  const { sender = own === undefined ? 'fresh' : 'own' } = taken
  if ((sender as unknown) !== 'own' && (sender as unknown) !== 'fresh') {
    throw configError(`${owner}: sender must be 'own' or 'fresh'`)
  }
  if (sender === 'own' && own === undefined) throw configError(`${owner}: sender 'own' needs a secretKey`)
  const secrets = own === undefined ? more : [own, ...more]
  let pairs: Promise<readonly X25519KeyPair[]> | undefined
  const keyPairs = (): Promise<readonly X25519KeyPair[]> =>
    (pairs ??= Promise.all(
      secrets.map(async (secretKey) => ({ secretKey, publicKey: await crypt4ghRuntime.x25519PublicKey(secretKey) })),
    ))

  const keyring: Keyring = Object.freeze({
    algorithms: Object.freeze([crypt4ghAlgorithm]),

    async wrap({
      dataKey: content,
      nonce: given,
      foundFrom,
      suite,
      context,
      signal,
    }: WrapRequest): Promise<WrapResult> {
      if (suite.format !== 'crypt4gh' || content === undefined) throw notForOthers()
      if (given !== undefined && given.length !== PACKET_NONCE_LENGTH)
        throw configError(`${owner}: a nonce has 12 bytes`)
      const [first] = await keyPairs()
      if (recipients === undefined && own === undefined) throw configError(`${owner}: no recipients to write for`)
      const readers = recipients ?? [(first as X25519KeyPair).publicKey]
      const writer = sender === 'own' ? (first as X25519KeyPair) : await newKeyPair()
      // The key between two people is always the same one; a fresh sender's is for this content only.
      const isFree = sender === 'fresh' || foundFrom === undefined || runtime.equal(foundFrom, writer.publicKey)
      const nonce = isFree ? given : undefined
      try {
        const encryptedDataKeys: EncryptedDataKey[] = []
        for (const reader of readers) {
          throwIfAborted(signal)
          const key = await packetKey(writer, { reader, writer: writer.publicKey }, reader)
          if (key === undefined) {
            throw configError(`${owner}: a recipient's public key is of small order: everybody could read`)
          }
          try {
            const ciphertext = await sealPacket(key, nonce ?? runtime.randomBytes(PACKET_NONCE_LENGTH), content)
            encryptedDataKeys.push({
              algorithm: crypt4ghAlgorithm,
              provider,
              info: writer.publicKey.slice(),
              ciphertext,
            })
          } finally {
            key.fill(0)
          }
        }
        return { dataKey: Uint8Array.from(content), encryptedDataKeys, context }
      } finally {
        if (sender === 'fresh') writer.secretKey.fill(0)
      }
    },

    async unwrap({ encryptedDataKeys, suite, signal }: UnwrapRequest): Promise<DataKey | undefined> {
      if (suite.format !== 'crypt4gh') throw notForOthers()
      if (secrets.length === 0) throw configError(`${owner}: there is no secretKey to read with`)
      for (const { algorithm, info: writer, ciphertext } of encryptedDataKeys) {
        if (algorithm !== crypt4ghAlgorithm || writer.length !== X25519_KEY_LENGTH) continue
        // Before anything is done with a key.
        if (senders !== undefined && !senders.some((one) => runtime.equal(one, writer))) continue
        for (const pair of await keyPairs()) {
          throwIfAborted(signal)
          const key = await packetKey(pair, { reader: pair.publicKey, writer }, writer)
          if (key === undefined) continue
          try {
            const content = await openPacket(key, ciphertext)
            if (content !== undefined) return content
          } finally {
            key.fill(0)
          }
        }
      }
      return undefined
    },
  } satisfies Keyring)
  if (secrets.length > 1) {
    const { senderPublicKey } = taken
    consistsOf(
      keyring,
      secrets.map((secretKey) => x25519Keyring({ secretKey, senderPublicKey })),
    )
  }
  return keyring
}

function notForOthers(): Error {
  return configError(`${owner} is for crypt4gh() only: other formats do not have recipients of this kind`)
}

function sendersOf(given: X25519KeyringOptions['senderPublicKey']): readonly Uint8Array[] | undefined {
  if (given === undefined) return undefined
  const list: readonly X25519PublicKey[] = Array.isArray(given)
    ? (given as readonly X25519PublicKey[])
    : [given as X25519PublicKey]
  if (list.length === 0) throw configError(`${owner}: senderPublicKey is empty, so that nothing could be read`)
  return list.map((key) => publicKeyOf('senderPublicKey', key))
}

function publicKeyOf(option: string, key: unknown): Uint8Array {
  if (isBytes(key)) {
    if (key.length === X25519_KEY_LENGTH) return Uint8Array.from(key)
    throw configError(`${owner}: a public key in ${option} has 32 bytes, not ${key.length}`)
  }
  if (typeof key !== 'string') {
    throw configError(
      `${owner}: ${option} must be public keys: Uint8Arrays of 32 bytes, or the text of public key files`,
    )
  }
  const parsed = parseX25519PublicKey(key)
  if (typeof parsed === 'string') throw configError(`${owner}: a public key in ${option} is none: ${parsed}`)
  return parsed
}

function secretKeyOf(option: string, given: unknown): Uint8Array {
  const key: unknown = isBytes(given) ? given : (given as { secretKey?: unknown } | undefined)?.secretKey
  if (isBytes(key) && key.length === X25519_KEY_LENGTH) return Uint8Array.from(key)
  throw configError(
    `${owner}: ${option} takes secret keys of 32 bytes, or what readSecretKey gave: the text of a key file has to be read first`,
  )
}

/** Two packets for one reader would be the same one twice. */
function distinct(keys: readonly Uint8Array[]): readonly Uint8Array[] {
  return keys.filter((key, index) => !keys.slice(0, index).some((other) => runtime.equal(key, other)))
}
