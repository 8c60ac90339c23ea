import { CseError } from '../../errors.js'
import type { ObjectName } from '../format.js'

/** An object as messages name it. */
export function nameOf(object: ObjectName): string {
  return shown(`${object.bucket}/${object.key}`, 1200)
}

/** A piece of text that came from elsewhere, quoted, in printable ASCII and cut to a length. */
export function shown(text: string, length = 64): string {
  const cut = text.length > length ? `${text.slice(0, length)}…` : text
  return JSON.stringify(cut).replace(/[^ -~…]/gu, '?')
}

/** ERR_S3CSE_ENVELOPE_INVALID with the object's name and what is wrong with its envelope. */
export function invalidEnvelope(object: ObjectName, problem: string): CseError {
  return new CseError('ERR_S3CSE_ENVELOPE_INVALID', `The envelope of ${nameOf(object)} is not valid: ${problem}`)
}
