/** Instruction files: a JSON object that holds the envelope, or what of it does not stay on the object. */

import type { InstructionFile, ObjectMetadata, ObjectName } from '../format.js'
import { dotNetSuffix, envelopeKeys } from './envelope-keys.js'
import { parseJsonObject } from './json-map.js'
import { invalidEnvelope, shown } from './messages.js'

/** In bytes. The largest envelope is a wrapped key of 6 KiB and a context of 8 KiB, whose text may be six times as long. */
export const maxInstructionFileLength: number = 64 * 1024

/**
 * The keys and values of a file. Its text is UTF-8 as it is: nothing in it went through an HTTP header. Throws
 * ERR_S3CSE_ENVELOPE_INVALID for anything but one JSON object of known keys with texts, each once; old files have numbers
 * where the text is one.
 */
export function parseInstructionFile({ suffix, bytes }: InstructionFile, object: ObjectName): Map<string, string> {
  const fail = (problem: string): Error => invalidEnvelope(object, `its instruction file ${problem}`)
  if (bytes.length > maxInstructionFileLength) {
    throw fail(`has ${bytes.length} bytes, more than the ${maxInstructionFileLength} that are read.`)
  }
  const entries = parseJsonObject(decodeUtf8(bytes), maxInstructionFileLength)
  if (entries === undefined) throw fail('is not a JSON object with each key once.')
  const values = new Map<string, string>()
  for (const [name, value] of entries) {
    const row = envelopeKeys.find(({ key, dotNet }) => (suffix === dotNetSuffix ? dotNet : key) === name)
    if (row === undefined) throw fail(`has ${shown(name)}, which is no part of an envelope.`)
    const isNumber = row.numeric === true && Number.isSafeInteger(value)
    if (typeof value !== 'string' && !isNumber) throw fail(`has a ${row.key} that is not text.`)
    values.set(row.key, String(value))
  }
  return values
}

/** Whether there is anything of an envelope in it, and nothing else. */
export function isParsable(file: InstructionFile, object: ObjectName): boolean {
  try {
    return parseInstructionFile(file, object).size > 0
  } catch {
    return false
  }
}

/** Empty, which is no JSON, for what is not UTF-8. */
function decodeUtf8(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return ''
  }
}

/**
 * The text of a file: printable ASCII without blanks, because the C++ client reads up to the first one; in the texts of
 * maps they are escaped once more than JSON would.
 */
export function serialiseInstructionFile(values: ObjectMetadata): string {
  const escaped = Object.entries(values).map(([key, value]) => [key, value.replaceAll(' ', '\\u0020')])
  return JSON.stringify(Object.fromEntries(escaped))
}
