import { writePem } from '../bytes/pem.js'
import { isWellFormed } from '../bytes/well-formed.js'
import { isSmallOrder } from '../crypto/ed25519-to-x25519.js'
import { PUBLIC_KEY_LABEL } from '../crypto/x25519-public-key.js'
import { configError } from '../errors.js'
import { takeOptions } from '../keyrings/options.js'
import { encodeC4ghKey } from './c4gh-key.js'
import { defaultRounds, isKdf, roundsLimit, type KeyFileKdf } from './key-derivation.js'
import { checkKey } from './key-pair.js'
import { passphraseBytes, type Passphrase, type PassphraseSource } from './passphrase.js'
import { readSecretKey } from './read-key-file.js'

const SECRET_KEY_LABEL = 'CRYPT4GH PRIVATE KEY'

/** In bytes: with it the file is still one that is read. */
const MAX_COMMENT_LENGTH = 32 * 1024

interface KeyFileOptions {
  /** How the passphrase is made into a key. Default: `scrypt` (N = 2^14, r = 8, p = 1). */
  readonly kdf?: KeyFileKdf | undefined
  /** Of `bcrypt` (default 100, at most 10,000) or `pbkdf2_hmac_sha256` (default 600,000, at most 10,000,000); scrypt has none. */
  readonly rounds?: number | undefined
  /** Stored in the open, in UTF-8: at most 32 KiB. Empty: none. Default: none. */
  readonly comment?: string | undefined
}

/** The options of `writeSecretKey`. */
export interface WriteSecretKeyOptions extends KeyFileOptions {
  /** `null`: the file is not encrypted. */
  readonly passphrase: Passphrase | null
}

/** The options of `changePassphrase`. */
export interface ChangePassphraseOptions extends KeyFileOptions {
  /** What opens the file now. Default: none, for a file that is not encrypted. */
  readonly passphrase?: PassphraseSource | undefined
  /** `null`: the new file is not encrypted. */
  readonly newPassphrase: Passphrase | null
  /** Stored in the open; empty: none. Default: the comment that the file has. */
  readonly comment?: string | undefined
  /** As of `readSecretKey`. */
  readonly maxRounds?: number | undefined
}

/**
 * The text of a file with a public key, for `readPublicKey` and every other tool for Crypt4GH.
 *
 * @throws CseError `ERR_S3CSE_CONFIG` for anything but 32 bytes, and for a key of small order.
 */
export function writePublicKey(publicKey: Uint8Array): string {
  checkKey('writePublicKey', 'the public key', publicKey)
  if (isSmallOrder(publicKey)) throw configError('writePublicKey: the public key is of small order')
  return writePem(PUBLIC_KEY_LABEL, publicKey)
}

/**
 * The text of a file with a secret key (Crypt4GH 1.0 section 4.2), encrypted with ChaCha20-Poly1305 under the passphrase.
 *
 * @throws CseError `ERR_S3CSE_CONFIG` for a key that does not have 32 bytes, no passphrase (`null` has to be said) or an
 * empty one, and other options that are wrong.
 */
export async function writeSecretKey(secretKey: Uint8Array, options: WriteSecretKeyOptions): Promise<string> {
  const owner = 'writeSecretKey'
  const { passphrase, ...rest } = takeOptions<WriteSecretKeyOptions>(owner, options, {
    passphrase: 'required',
    kdf: 'optional',
    rounds: 'optional',
    comment: 'optional',
  })
  checkKey(owner, 'the secret key', secretKey)
  return write(owner, secretKey, 'passphrase', passphrase, rest)
}

/**
 * The text of a file with the same key under another passphrase. It is Crypt4GH's, also where the file is OpenSSH's.
 *
 * @throws CseError what `readSecretKey` and `writeSecretKey` throw; all options are looked at before the file is opened.
 */
export async function changePassphrase(file: string | Uint8Array, options: ChangePassphraseOptions): Promise<string> {
  const owner = 'changePassphrase'
  const { passphrase, newPassphrase, maxRounds, ...rest } = takeOptions<ChangePassphraseOptions>(owner, options, {
    passphrase: 'optional',
    newPassphrase: 'required',
    kdf: 'optional',
    rounds: 'optional',
    comment: 'optional',
    maxRounds: 'optional',
  })
  settingsOf(owner, rest)
  if (newPassphrase !== null) passphraseBytes(owner, 'newPassphrase', newPassphrase).fill(0)
  const { secretKey, comment } = await readSecretKey(file, { passphrase, maxRounds })
  try {
    return await write(owner, secretKey, 'newPassphrase', newPassphrase, { ...rest, comment: rest.comment ?? comment })
  } finally {
    secretKey.fill(0)
  }
}

async function write(
  owner: string,
  secretKey: Uint8Array,
  option: string,
  passphrase: Passphrase | null,
  options: KeyFileOptions,
): Promise<string> {
  const { kdf, rounds, comment } = settingsOf(owner, options)
  const secret = passphrase === null ? undefined : passphraseBytes(owner, option, passphrase)
  const encryption = secret && { passphrase: secret, kdf, rounds }
  const bytes = await encodeC4ghKey(secretKey, encryption, comment).finally(() => secret?.fill(0))
  const text = writePem(SECRET_KEY_LABEL, bytes)
  bytes.fill(0)
  return text
}

interface Settings {
  readonly kdf: KeyFileKdf
  readonly rounds: number
  readonly comment: Uint8Array
}

function settingsOf(owner: string, options: KeyFileOptions): Settings {
  const { kdf = 'scrypt', comment = '' } = options
  if (!isKdf(kdf)) throw configError(`${owner}: kdf must be 'scrypt', 'bcrypt' or 'pbkdf2_hmac_sha256'`)
  const { rounds = defaultRounds(kdf) } = options
  if (kdf === 'scrypt') {
    if (options.rounds !== undefined) throw configError(`${owner}: scrypt has no rounds`)
  } else if (!Number.isInteger(rounds) || rounds < 1 || rounds > roundsLimit(kdf)) {
    throw configError(`${owner}: rounds of ${kdf} must be an integer from 1 to ${roundsLimit(kdf)}`)
  }
  if (typeof (comment as unknown) !== 'string' || !isWellFormed(comment)) {
    throw configError(`${owner}: comment must be well-formed text`)
  }
  const bytes = new TextEncoder().encode(comment)
  if (bytes.length > MAX_COMMENT_LENGTH)
    throw configError(`${owner}: comment has more than ${MAX_COMMENT_LENGTH} bytes`)
  return { kdf, rounds, comment: bytes }
}
