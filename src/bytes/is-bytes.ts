/** By its tag, so that arrays of another realm (jest, vm) pass as well. */
export function isBytes(value: unknown): value is Uint8Array {
  return Object.prototype.toString.call(value) === '[object Uint8Array]'
}
