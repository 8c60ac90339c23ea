import { CseError } from '../../errors.js'
import type { ObjectName } from '../format.js'
import { nameOf as nameOfObject } from '../names.js'

export { shown } from '../names.js'

/** What a message is called where no object has it. */
export const noObject: ObjectName = Object.freeze({ bucket: '', key: '' })

/** An object, or what is none, as messages name it. */
export function nameOf(object: ObjectName): string {
  return object.bucket === '' ? 'the input' : nameOfObject(object)
}

/** ERR_S3CSE_ENVELOPE_INVALID with the object's name and what is wrong with its header. */
export function invalidMessage(object: ObjectName, problem: string): CseError {
  return new CseError('ERR_S3CSE_ENVELOPE_INVALID', `${nameOf(object)} is no valid message: ${problem}`)
}
