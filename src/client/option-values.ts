import { isPlainObject } from '../bytes/plain-object.js'
import { isWellFormed } from '../bytes/well-formed.js'
import { configError } from '../errors.js'
import type { Format } from '../formats/format.js'
import type { Context, Keyring } from '../keyrings/keyring.js'
import { commandRules } from './commands.js'
import type { RangeReads, Settings } from './options.js'

/** Values of options, one by one: each function checks one and gives what it means. All throw ERR_S3CSE_CONFIG. */

/** More than the largest S3EC object: 2^36 - 32 bytes and a tag. */
const DEFAULT_SPOOL_BYTES = 64 * 1024 ** 3

const rangeReadsValues: readonly RangeReads[] = ['reject', 'unauthenticated', 'whole-object']

/** Throws for anything that is not an object with these members only: a misspelt option would be a missing defence. */
export function onlyMembers(value: unknown, allowed: readonly string[], what: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw configError(`The options of ${what} must be an object`)
  }
  for (const name of Object.keys(value)) {
    if (!allowed.includes(name))
      throw configError(`${what}: unknown option '${name}'. Known are ${allowed.join(', ')}.`)
  }
  return value as Record<string, unknown>
}

export function byteCount(value: unknown, name: string, fallback: number): number {
  if (value === undefined) return fallback
  if (typeof value !== 'number' || !(value >= 0) || !(Number.isSafeInteger(value) || value === Infinity)) {
    throw configError(`${name} must be a number of bytes, 0 or more`)
  }
  return value
}

export function booleanOption(value: unknown, name: string): boolean {
  if (value === undefined) return false
  if (typeof value !== 'boolean') throw configError(`${name} must be true or false`)
  return value
}

/** The longest time that a timer takes, in milliseconds. */
const MAX_TIMER = 2 ** 31 - 1

export function milliseconds(value: unknown, name: string, fallback: number): number {
  if (value === undefined) return fallback
  if (typeof value !== 'number' || !(value >= 0 && value <= MAX_TIMER)) {
    throw configError(`${name} must be a number of milliseconds, 0 to ${MAX_TIMER}`)
  }
  return value
}

export function rangeReadsOption(value: unknown): RangeReads {
  if (!(rangeReadsValues as readonly unknown[]).includes(value)) {
    throw configError(`rangeReads must be one of ${rangeReadsValues.map((name) => `'${name}'`).join(', ')}`)
  }
  return value as RangeReads
}

export function keyringOption(value: unknown, name = 'keyring'): Keyring {
  const keyring = value as Partial<Keyring> | undefined | null
  if (
    typeof keyring !== 'object' ||
    keyring === null ||
    typeof keyring.wrap !== 'function' ||
    typeof keyring.unwrap !== 'function'
  ) {
    throw configError(
      `${name} must be a keyring: aesKeyring(…), rsaKeyring(…), kmsKeyring(…) of s3-cse/kms, or an object with wrap and unwrap`,
    )
  }
  return value as Keyring
}

/** A frozen copy without a prototype, so that no key can be taken for something inherited. */
export function contextOption(value: unknown): Context {
  if (!isPlainObject(value)) {
    if (value instanceof Promise) value.catch(() => undefined)
    throw configError(
      'encryptionContext must be a plain object of strings, or a function that returns one (at once: it cannot be async)',
    )
  }
  const copy = Object.create(null) as Record<string, string>
  for (const [key, entry] of Object.entries(value)) {
    if (typeof entry !== 'string') throw configError(`encryptionContext: the value of '${key}' must be a string`)
    copy[key] = entry
  }
  return Object.freeze(copy)
}

export function spoolOption(value: unknown): Settings['spool'] {
  if (value === false) return undefined
  const options = onlyMembers(value ?? {}, ['directory', 'maxBytes'], 'spool')
  if (options.directory !== undefined && (typeof options.directory !== 'string' || options.directory === '')) {
    throw configError('spool.directory must be the path of a directory')
  }
  return { directory: options.directory, maxBytes: byteCount(options.maxBytes, 'spool.maxBytes', DEFAULT_SPOOL_BYTES) }
}

export function legacyOption(value: unknown): Settings['legacy'] {
  const { wrapping, content } = onlyMembers(value ?? {}, ['wrapping', 'content'], 'legacy')
  return Object.freeze({
    wrapping: booleanOption(wrapping, 'legacy.wrapping'),
    content: booleanOption(content, 'legacy.content'),
  })
}

/** Of the names of objects, in bytes of UTF-8. */
export const MAX_KEY_BYTES = 1024

export function suffixOption(value: unknown, name: string): string {
  const length = typeof value === 'string' ? new TextEncoder().encode(value).length : 0
  // (Half a surrogate pair cannot be sent.)
  if (length > 0 && length < MAX_KEY_BYTES && isWellFormed(value as string)) return value as string
  throw configError(`${name} must be a text that is not empty and shorter than a key may be`)
}

export function formatOption(value: unknown, name: string): Format {
  const format = (typeof value === 'object' ? value : undefined) as Partial<Format> | null | undefined
  if (typeof format?.seal === 'function' && typeof format.recognise === 'function') return format as Format
  throw configError(`${name} must be a format, such as s3ec() or esdk()`)
}

export function alsoReadOption(value: unknown, writes: Format): readonly Format[] {
  if (value === undefined) return []
  if (!Array.isArray(value)) throw configError('alsoRead must be an array of formats, such as [esdk()]')
  const formats = value.map((entry: unknown) => formatOption(entry, 'alsoRead'))
  const twice = [writes, ...formats].find(({ name }, index, all) => all.findIndex((one) => one.name === name) !== index)
  if (twice === undefined) return Object.freeze(formats)
  throw configError(`alsoRead: the format '${twice.name}' is there already. What it writes, a format reads as well.`)
}

/** `reads`: what is read besides is in it. */
export function instructionFileOption(value: unknown, writes: Format, reads: Format): Settings['instructionFile'] {
  const members = ['read', 'write', 'overwrite', 'delete', 'suffix']
  const { read, write, overwrite, delete: deletes, suffix } = onlyMembers(value ?? {}, members, 'instructionFile')
  const checked = {
    read: read === undefined ? true : booleanOption(read, 'instructionFile.read'),
    write: booleanOption(write, 'instructionFile.write'),
    overwrite: booleanOption(overwrite, 'instructionFile.overwrite'),
    delete: booleanOption(deletes ?? write, 'instructionFile.delete'),
    suffix: suffix === undefined ? '.instruction' : suffixOption(suffix, 'instructionFile.suffix'),
  }
  if (checked.write && !checked.read) {
    throw configError('instructionFile: with write: true and read: false the client could not read what it writes')
  }
  const lacks = checked.write ? writes : reads
  if ((checked.write || checked.delete) && lacks.instructionFiles === undefined) {
    throw configError(
      `instructionFile.${checked.write ? 'write' : 'delete'}: the format '${lacks.name}' has no instruction files`,
    )
  }
  return Object.freeze(checked)
}

export function commandNames(value: unknown): ReadonlySet<string> {
  if (value === undefined) return new Set()
  if (!Array.isArray(value)) throw configError('allowCommands must be an array of command class names')
  for (const name of value as unknown[]) {
    if (typeof name !== 'string' || !name.endsWith('Command')) {
      throw configError("allowCommands takes class names of commands, such as 'PutSomethingCommand'")
    }
    if (commandRules.has(name)) {
      throw configError(
        `allowCommands: ${name} is known; what happens to it is not a matter of options. Send it with a plain client where it is refused.`,
      )
    }
  }
  return new Set(value as string[])
}
