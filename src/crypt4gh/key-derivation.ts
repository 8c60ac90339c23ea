import { keyFileRuntime } from '#runtime/key-files'
import { bcryptPbkdf } from '../crypto/bcrypt-pbkdf.js'
import { keyFileError } from './key-file-error.js'

/** How a passphrase is made into a key, by Crypt4GH's names. */
export type KeyFileKdf = 'scrypt' | 'bcrypt' | 'pbkdf2_hmac_sha256'

interface Kdf {
  /** Default of files that are written; scrypt has a fixed cost instead. */
  readonly rounds: number
  /** The most that is done for a file that says so, unless the caller allows more. */
  readonly maxRounds: number
  readonly derive: (passphrase: Uint8Array, salt: Uint8Array, rounds: number, length: number) => Promise<Uint8Array>
}

const SCRYPT = Object.freeze({ cost: 2 ** 14, blockSize: 8, parallelization: 1 })

const KDFS: Readonly<Record<KeyFileKdf, Kdf>> = Object.freeze({
  scrypt: {
    rounds: 0,
    // The field is there, and is not used.
    maxRounds: Infinity,
    derive: async (passphrase, salt, _rounds, length) => keyFileRuntime.scrypt(passphrase, salt, SCRYPT, length),
  },
  bcrypt: { rounds: 100, maxRounds: 10_000, derive: bcryptPbkdf },
  pbkdf2_hmac_sha256: {
    rounds: 600_000,
    maxRounds: 10_000_000,
    derive: async (passphrase, salt, rounds, length) => keyFileRuntime.pbkdf2(passphrase, salt, rounds, length),
  },
})

/** The parameters of one file. */
export interface Derivation {
  readonly kdf: KeyFileKdf
  readonly rounds: number
  readonly salt: Uint8Array
}

export function isKdf(name: string): name is KeyFileKdf {
  return Object.hasOwn(KDFS, name)
}

export const defaultRounds = (kdf: KeyFileKdf): number => KDFS[kdf].rounds

export const roundsLimit = (kdf: KeyFileKdf): number => KDFS[kdf].maxRounds

/** Before any work: a file may ask for days of it. `maxRounds`: the caller's limit. */
export function checkDerivation({ kdf, rounds, salt }: Derivation, maxRounds: number | undefined): void {
  if (salt.length === 0) throw keyFileError('The key file has no salt for its passphrase.')
  if (kdf === 'scrypt') return
  const limit = maxRounds ?? roundsLimit(kdf)
  if (rounds === 0) throw keyFileError(`The key file asks for 0 rounds of ${kdf}.`)
  if (rounds > limit) {
    throw keyFileError(
      `The key file asks for ${rounds} rounds of ${kdf}, more than ${limit}: set maxRounds if it is a file of yours.`,
    )
  }
}

/** Whoever gets it wipes it. */
export function deriveKey(
  { kdf, rounds, salt }: Derivation,
  passphrase: Uint8Array,
  length: number,
): Promise<Uint8Array> {
  return KDFS[kdf].derive(passphrase, salt, rounds, length)
}
