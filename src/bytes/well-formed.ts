// A pair of surrogates is one code point under the `u` flag; what matches is a lone one.
const loneSurrogate = /\p{Surrogate}/u

/** Whether a text is Unicode that UTF-8 can hold. */
export function isWellFormed(text: string): boolean {
  return !loneSurrogate.test(text)
}
