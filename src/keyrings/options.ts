import { isPlainObject } from '../bytes/plain-object.js'
import { isWellFormed } from '../bytes/well-formed.js'
import { configError, CseError } from '../errors.js'
import type { MaybePromise } from '../runtime/runtime.js'
import type { Context } from './keyring.js'

export { isBytes } from '../bytes/is-bytes.js'

/**
 * Reads every option once, into a copy. A name that is not known is an error: a misspelt option would otherwise be a
 * default that nobody chose.
 */
export function takeOptions<T extends object>(
  owner: string,
  options: T,
  known: { readonly [K in keyof T]-?: 'required' | 'optional' },
): T {
  const given: unknown = options
  if (typeof given !== 'object' || given === null) throw configError(`${owner}: options must be an object`)
  const names = Object.keys(known)
  for (const name of Object.keys(given)) {
    if (!names.includes(name)) {
      throw configError(`${owner}: unknown option ${JSON.stringify(name)}; known are ${names.join(', ')}`)
    }
  }
  const copy: T = { ...options }
  for (const name of names as (keyof T & string)[]) {
    if (known[name] === 'required' && copy[name] === undefined) throw configError(`${owner}: ${name} is missing`)
  }
  return Object.freeze(copy)
}

/** A frozen copy without a prototype of a map of strings to strings, so that `__proto__` and `constructor` are keys like all others. */
export function takeStringMap(owner: string, value: unknown): Context {
  if (!isPlainObject(value)) {
    throw configError(`${owner} must be an object of strings, as a literal makes it`)
  }
  const copy = Object.create(null) as Record<string, string>
  for (const [name, text] of Object.entries(value)) {
    if (typeof text !== 'string') throw configError(`${owner}: the value of ${JSON.stringify(name)} must be a string`)
    // Half a surrogate pair has no UTF-8 form: writers and key services would each replace it in their own way.
    if (!isWellFormed(name) || !isWellFormed(text)) {
      throw configError(`${owner}: ${JSON.stringify(name)} or its value is not well-formed Unicode`)
    }
    copy[name] = text
  }
  return Object.freeze(copy)
}

/** A copy of an optional list; every element is checked by `take`. */
export function takeList<T, U>(owner: string, value: readonly T[] | undefined, take: (item: T) => U): readonly U[] {
  if (value === undefined) return []
  if (!Array.isArray(value)) throw configError(`${owner} must be an array`)
  return Object.freeze(Array.from(value as readonly T[], take))
}

/** Goes on with a value that may be there already: at once if it is, so that mistakes throw at the call. */
export function andThen<T, U>(value: MaybePromise<T>, next: (value: T) => MaybePromise<U>): MaybePromise<U> {
  return value instanceof Promise ? value.then(next) : next(value)
}

/**
 * Imports a key. Where the runtime answers at once a wrong key throws here; elsewhere the error is kept for the first
 * use.
 */
export function importKey<T>(name: string, make: () => MaybePromise<T>): MaybePromise<T> {
  const fail = (error: unknown): never => {
    throw error instanceof CseError ? error : configError(`${name}: ${explanation(error)}`)
  }
  let key: MaybePromise<T>
  try {
    key = make()
  } catch (error) {
    return fail(error)
  }
  if (!(key instanceof Promise)) return key
  const kept = key.catch(fail)
  kept.catch(() => undefined)
  return kept
}

/** The runtime's own TypeErrors say what was expected; those with a code are the platform's, and may quote the key that they refuse. */
function explanation(error: unknown): string {
  return error instanceof TypeError && !('code' in error) ? error.message : 'the key could not be imported'
}
