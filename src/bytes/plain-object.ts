/**
 * Whether a value is an object as a literal makes it, of this realm or another. Maps, Dates, Promises and instances of
 * classes are not: their entries are not where `Object.entries` looks, and they would pass as empty.
 */
export function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (Object.prototype.toString.call(value) !== '[object Object]') return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === null || Object.getPrototypeOf(prototype) === null
}
