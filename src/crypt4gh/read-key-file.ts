import { crypt4ghRuntime } from '#runtime/crypt4gh'
import { isBytes } from '../bytes/is-bytes.js'
import { MAX_KEY_FILE_LENGTH, parsePem } from '../bytes/pem.js'
import { parseX25519PublicKey } from '../crypto/x25519-public-key.js'
import { configError } from '../errors.js'
import { takeOptions } from '../keyrings/options.js'
import { C4GH_MAGIC, openC4ghKey, parseC4ghKey } from './c4gh-key.js'
import { startsWith } from './fields.js'
import { checkDerivation, type KeyFileKdf } from './key-derivation.js'
import { keyFileError } from './key-file-error.js'
import type { KeyPair } from './key-pair.js'
import { OPENSSH_MAGIC, openOpensshKey, parseOpensshKey } from './openssh-key.js'
import { askPassphrase, type PassphraseSource } from './passphrase.js'

/** The options of `readSecretKey`. */
export interface ReadSecretKeyOptions {
  /** Default: none, which opens files that are not encrypted. A function is called only for files that are. */
  readonly passphrase?: PassphraseSource | undefined
  /** The most rounds of key derivation that a file may ask for. Default: 10,000 of bcrypt (about a minute for each 32 bytes), 10,000,000 of PBKDF2. scrypt has a fixed cost. */
  readonly maxRounds?: number | undefined
}

/** A secret key with what else its file says. Whoever got it wipes `secretKey` when it is not needed any more. */
export interface SecretKeyFile extends KeyPair {
  readonly comment: string | undefined
  readonly kind: 'crypt4gh' | 'openssh'
  /** `none` for a file that is not encrypted, and so has no passphrase. */
  readonly kdf: KeyFileKdf | 'none'
  /** By the name in the file: `chacha20_poly1305`, `aes256-ctr`, `none`. */
  readonly cipher: string
}

const NOTHING = new Uint8Array(0)

/**
 * The X25519 public key, 32 bytes, of a file's content: Crypt4GH's (`CRYPT4GH PUBLIC KEY`), or a line of OpenSSH with an
 * `ssh-ed25519` key, which is converted.
 *
 * @throws CseError `ERR_S3CSE_KEY_FILE` for anything else, and for keys of small order; `ERR_S3CSE_CONFIG` for what is not text or bytes.
 */
export async function readPublicKey(file: string | Uint8Array): Promise<Uint8Array> {
  const key = parseX25519PublicKey(textOf('readPublicKey', file))
  if (typeof key === 'string') throw keyFileError(`This is not a file with a public key: ${key}.`)
  return key
}

/**
 * The X25519 secret key of a file's content: Crypt4GH's own (1.0 section 4.2), with any label, or OpenSSH's with an Ed25519
 * key, which is converted. What OpenSSH encrypts with is read (`aes…-ctr`, `aes…-cbc`, `aes…-gcm@openssh.com`,
 * `chacha20-poly1305@openssh.com`, `3des-cbc` on Node only).
 *
 * @throws CseError `ERR_S3CSE_KEY_FILE` for what is no such file, asks for more than `maxRounds`, or does not open: a wrong
 * passphrase and a changed file are one error. `ERR_S3CSE_CONFIG` for wrong options, no passphrase for an encrypted file,
 * or a cipher that the runtime lacks.
 */
export async function readSecretKey(
  file: string | Uint8Array,
  options: ReadSecretKeyOptions = {},
): Promise<SecretKeyFile> {
  const owner = 'readSecretKey'
  const { passphrase, maxRounds } = takeOptions(owner, options, { passphrase: 'optional', maxRounds: 'optional' })
  if (maxRounds !== undefined && !(Number.isSafeInteger(maxRounds) && maxRounds > 0)) {
    throw configError(`${owner}: maxRounds must be an integer above 0`)
  }
  const pem = parsePem(textOf(owner, file))
  if (typeof pem === 'string') throw keyFileError(`This is not a file with a secret key: ${pem}.`)
  const { bytes, label } = pem
  try {
    if (startsWith(bytes, C4GH_MAGIC)) return await readC4gh(owner, bytes, passphrase, maxRounds)
    if (startsWith(bytes, OPENSSH_MAGIC)) return await readOpenssh(owner, bytes, passphrase, maxRounds)
    throw keyFileError(`This is a ${label}, not a secret key of Crypt4GH or OpenSSH.`)
  } finally {
    bytes.fill(0)
  }
}

async function readC4gh(
  owner: string,
  bytes: Uint8Array,
  source: PassphraseSource | undefined,
  maxRounds: number | undefined,
): Promise<SecretKeyFile> {
  const key = parseC4ghKey(bytes)
  const { derivation, comment, cipher } = key
  if (derivation !== undefined) checkDerivation(derivation, maxRounds)
  const passphrase = derivation === undefined ? NOTHING : await askPassphrase(owner, source)
  try {
    const secretKey = await openC4ghKey(key, passphrase)
    const publicKey = await crypt4ghRuntime.x25519PublicKey(secretKey)
    return { secretKey, publicKey, comment, kind: 'crypt4gh', kdf: derivation?.kdf ?? 'none', cipher }
  } finally {
    passphrase.fill(0)
  }
}

async function readOpenssh(
  owner: string,
  bytes: Uint8Array,
  source: PassphraseSource | undefined,
  maxRounds: number | undefined,
): Promise<SecretKeyFile> {
  const key = parseOpensshKey(bytes)
  const { encryption, publicKey, cipherName: cipher } = key
  if (encryption !== undefined) {
    checkDerivation(encryption.derivation, maxRounds)
    await encryption.cipher.check()
  }
  const passphrase = encryption === undefined ? NOTHING : await askPassphrase(owner, source)
  try {
    const { secretKey, comment } = await openOpensshKey(key, passphrase)
    return { secretKey, publicKey, comment, kind: 'openssh', kdf: encryption?.derivation.kdf ?? 'none', cipher }
  } finally {
    passphrase.fill(0)
  }
}

function textOf(owner: string, file: unknown): string {
  if (typeof file === 'string') return file
  if (!isBytes(file)) throw configError(`${owner}: the content of a file is needed: a string or a Uint8Array`)
  if (file.length > MAX_KEY_FILE_LENGTH) throw keyFileError(`A key file has at most ${MAX_KEY_FILE_LENGTH} bytes.`)
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(file)
  } catch {
    throw keyFileError('This is not a key file: it is not text.')
  }
}
