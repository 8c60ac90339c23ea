import { kmsFailure } from './kms-error.js'

/** A request's JSON document. */
export type KmsInput = Readonly<Record<string, unknown>>

/** What KMS allows in an encryption context, keys and values together, in bytes. */
const maximumContext = 8192

function member(input: KmsInput, name: string): unknown {
  // `null` is how JSON clients may say that a member is absent.
  return Object.hasOwn(input, name) ? (input[name] ?? undefined) : undefined
}

export function optionalString(input: KmsInput, name: string): string | undefined {
  const value = member(input, name)
  if (value !== undefined && typeof value !== 'string') throw serialization(name, 'a string')
  return value
}

export function requiredString(input: KmsInput, name: string): string {
  const value = optionalString(input, name)
  if (value === undefined) throw missing(name)
  if (value === '' || value.length > 2048) {
    throw validation(`Value at '${name}' failed to satisfy constraint: length between 1 and 2048`)
  }
  return value
}

/** One of the values that KMS's model lists. */
export function optionalEnum<T extends string>(input: KmsInput, name: string, values: readonly T[]): T | undefined {
  const value = optionalString(input, name)
  if (value === undefined) return undefined
  const found = values.find((known) => known === value)
  if (found === undefined) throw validation(`Value at '${name}' must be one of [${values.join(', ')}]`)
  return found
}

export function optionalBoolean(input: KmsInput, name: string): boolean {
  const value = member(input, name)
  if (value !== undefined && typeof value !== 'boolean') throw serialization(name, 'a boolean')
  return value ?? false
}

export function optionalInteger(input: KmsInput, name: string, low: number, high: number): number | undefined {
  const value = member(input, name)
  if (value === undefined) return undefined
  if (typeof value !== 'number' || !Number.isInteger(value)) throw serialization(name, 'an integer')
  if (value < low || value > high) throw validation(`Value at '${name}' must be between ${low} and ${high}`)
  return value
}

export function requiredBlob(input: KmsInput, name: string, maximum: number): Uint8Array {
  const value = optionalString(input, name)
  if (value === undefined) throw missing(name)
  const bytes = Buffer.from(value, 'base64')
  if (bytes.toString('base64') !== value) throw serialization(name, 'base64')
  if (bytes.length === 0 || bytes.length > maximum) {
    throw validation(`Value at '${name}' failed to satisfy constraint: length between 1 and ${maximum}`)
  }
  return new Uint8Array(bytes)
}

/** As a list of pairs: an object would treat some names in a way of its own. */
export function encryptionContext(input: KmsInput, name: string): readonly (readonly [string, string])[] {
  const value = member(input, name)
  if (value === undefined) return []
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw serialization(name, 'a map')
  }
  let size = 0
  const pairs = Object.entries(value as Record<string, unknown>).map(([key, text]): readonly [string, string] => {
    if (typeof text !== 'string') throw serialization(name, 'a map of strings')
    if (key === '') throw validation(`Value at '${name}' failed to satisfy constraint: empty key`)
    size += Buffer.byteLength(key) + Buffer.byteLength(text)
    return [key, text]
  })
  if (size > maximumContext) throw validation(`${name} must have at most ${maximumContext} bytes`)
  return pairs
}

export function requiredStrings(input: KmsInput, name: string): readonly string[] {
  const value = member(input, name)
  if (value === undefined) throw validation(`${name} must not be null`)
  if (!Array.isArray(value) || !value.every((entry) => typeof entry === 'string')) {
    throw serialization(name, 'a list of strings')
  }
  return value
}

/** At most ten; they grant nothing here, because this KMS denies nothing. */
export function checkGrantTokens(input: KmsInput): void {
  const value = member(input, 'GrantTokens')
  if (value === undefined) return
  if (!Array.isArray(value) || value.some((token) => typeof token !== 'string')) {
    throw serialization('GrantTokens', 'a list of strings')
  }
  if (value.length > 10) throw validation("Value at 'GrantTokens' must have at most 10 members")
}

export function validation(message: string): Error {
  return kmsFailure('ValidationException', `1 validation error detected: ${message}`)
}

function missing(name: string): Error {
  return validation(`Value null at '${name}' failed to satisfy constraint: Member must not be null`)
}

function serialization(name: string, wanted: string): Error {
  return kmsFailure('SerializationException', `${name} must be ${wanted}`)
}
