import { CseError } from '../errors.js'

const mismatches = new WeakSet()

/** Whether an error says that what was read does not belong together, which may be a matter of time. */
export function isFileMismatch(error: unknown): boolean {
  return typeof error === 'object' && error !== null && mismatches.has(error)
}

export function markMismatch(error: CseError): void {
  mismatches.add(error)
}

/** An object and its instruction file, or two parts of it, were not read as they belong together. */
export function fileMismatch(message: string): CseError {
  const error = new CseError('ERR_S3CSE_RESPONSE_UNEXPECTED', message)
  mismatches.add(error)
  return error
}
