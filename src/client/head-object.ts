import type { CseError } from '../errors.js'
import type { ObjectMetadata } from '../formats/format.js'
import { setInfo, showPlaintext } from './info.js'
import type { Settings } from './options.js'
import { refuseRanges } from './range-request.js'
import { objectName } from './request-options.js'
import type { Args, Next, Result } from './sdk.js'

/** Shows the plaintext's length and the caller's metadata. Never fails because of what an envelope looks like. */
export async function headObject(args: Args, next: Next, settings: Settings): Promise<Result> {
  const { bucket, key } = objectName(args.input)
  refuseRanges(args.input)
  const result = await next(args)
  const { output } = result
  const { format } = settings
  try {
    const envelope = format.recognise((output.Metadata ?? {}) as ObjectMetadata, { bucket, key })
    if (envelope === undefined) {
      setInfo(output, { status: 'plain', metadata: {}, checksums: {} })
      return result
    }
    const stored = output.ContentLength
    const length = typeof stored === 'number' ? envelope.plaintextLength(stored) : undefined
    showPlaintext(output, { envelope, reserved: format.reservedKeys, length })
  } catch (error) {
    // By its code: a format of another copy of this package has other classes.
    const { code, message } = error as Partial<CseError>
    if (code?.startsWith('ERR_S3CSE_') !== true) throw error
    setInfo(output, { status: 'unknown', metadata: {}, checksums: {}, problem: message ?? code })
  }
  return result
}
