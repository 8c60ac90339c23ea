import { configError, type CseError } from '../errors.js'
import { MAX_CONTEXT_LENGTH } from './context-bytes.js'

/** What encrypted data keys of the AWS Encryption SDK have for an algorithm: their messages store none. */
export const esdkAlgorithm = 'esdk'

/** ERR_S3CSE_CONFIG */
export function contextTooLong(): CseError {
  return configError(`The encryption context takes more than ${MAX_CONTEXT_LENGTH} bytes.`)
}
