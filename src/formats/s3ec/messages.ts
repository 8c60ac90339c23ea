import { CseError } from '../../errors.js'
import type { ObjectName } from '../format.js'
import { nameOf } from '../names.js'

export { nameOf, shown } from '../names.js'

/** ERR_S3CSE_ENVELOPE_INVALID with the object's name and what is wrong with its envelope. */
export function invalidEnvelope(object: ObjectName, problem: string): CseError {
  return new CseError('ERR_S3CSE_ENVELOPE_INVALID', `The envelope of ${nameOf(object)} is not valid: ${problem}`)
}
