import { setInfo, showPlaintext } from './info.js'
import { isFileMismatch } from './file-mismatch.js'
import { locateEnvelope } from './locate-envelope.js'
import { problemOf } from './open-object.js'
import type { Settings } from './options.js'
import { refuseRanges } from './range-request.js'
import { objectName } from './request-options.js'
import type { CommandContext, Result } from './sdk.js'

/** Shows the plaintext's length and the caller's metadata. Never fails because of what an envelope looks like. */
export async function headObject(c: CommandContext, settings: Settings, again = false): Promise<Result> {
  const { args, next, client, signal } = c
  const { input } = args
  const object = objectName(input)
  refuseRanges(input)
  const result = await next(args)
  const { output } = result
  const { format } = settings
  try {
    const envelope = await locateEnvelope({ client, settings, input, object, signal, again: false }, output)
    if (envelope === undefined) {
      setInfo(output, { status: 'plain', metadata: {}, checksums: {} })
      return result
    }
    const stored = output.ContentLength
    const length = typeof stored === 'number' ? envelope.plaintextLength(stored) : undefined
    showPlaintext(output, { envelope, reserved: format.reservedKeys, length })
  } catch (error) {
    if (isFileMismatch(error) && !again) return headObject(c, settings, true)
    setInfo(output, { status: 'unknown', metadata: {}, checksums: {}, problem: problemOf(error) })
  }
  return result
}
