import type { CseError } from '../errors.js'
import { setInfo, showPlaintext } from './info.js'
import { locateEnvelope } from './locate-envelope.js'
import type { Settings } from './options.js'
import { refuseRanges } from './range-request.js'
import { objectName, suffixOf } from './request-options.js'
import type { CommandContext, Result } from './sdk.js'

/** Shows the plaintext's length and the caller's metadata. Never fails because of what an envelope looks like. */
export async function headObject(c: CommandContext, settings: Settings): Promise<Result> {
  const { args, next, client, signal } = c
  const { input } = args
  const object = objectName(input)
  refuseRanges(input)
  const result = await next(args)
  const { output } = result
  const { format, legacy } = settings
  const suffix = suffixOf(settings, input)
  const legacySuffixes = legacy.wrapping && legacy.content
  const locating = { client, settings, input, object, suffix, signal, legacySuffixes, again: false }
  try {
    const envelope = await locateEnvelope(locating, output)
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
