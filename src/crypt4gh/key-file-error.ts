import { CseError } from '../errors.js'

/** `ERR_S3CSE_KEY_FILE`: what can be seen of a file without its passphrase. Never has bytes of the file in its message. */
export function keyFileError(message: string): CseError {
  return new CseError('ERR_S3CSE_KEY_FILE', message)
}

/** One error for everything that fails after a passphrase was used: whoever can change the file must not learn which check refused it. */
export function wrongPassphrase(): CseError {
  return keyFileError('The key file could not be opened: its passphrase is wrong, or the file was changed.')
}
