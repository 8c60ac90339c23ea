import { CseError } from '../errors.js'
import type { ObjectName } from './format.js'

/** What a message is called where no object has it. */
export const noObject: ObjectName = Object.freeze({ bucket: '', key: '' })

/** An object, or what is none, as messages name it. */
export function nameOf({ bucket, key }: ObjectName): string {
  return bucket === '' ? 'the input' : shown(`${bucket}/${key}`, 1200)
}

/** ERR_S3CSE_ENVELOPE_INVALID with the object's name and what is wrong with its header. */
export function invalidMessage(object: ObjectName, problem: string): CseError {
  return new CseError('ERR_S3CSE_ENVELOPE_INVALID', `${nameOf(object)} is no valid message: ${problem}`)
}

/** A piece of text that came from elsewhere, quoted, in printable ASCII and cut to a length. */
export function shown(text: string, length = 64): string {
  const cut = text.length > length ? `${text.slice(0, length)}…` : text
  return JSON.stringify(cut).replace(/[^ -~…]/gu, '?')
}
