import type { Opener } from './opener.js'

/** The opener of a message that begins `before` bytes behind the start of what is stored: they count as header. */
export function shiftedOpener(opener: Opener, before: number): Opener {
  const lastLength = opener.lastLength?.bind(opener)
  const absorb = opener.absorb?.bind(opener)
  const hash = opener.hash?.bind(opener)
  const join = opener.join?.bind(opener)
  const matches = opener.matches?.bind(opener)
  const absorbPlaintext = opener.absorbPlaintext?.bind(opener)
  const stream = opener.stream?.bind(opener)
  const verify = opener.verify?.bind(opener)
  return {
    headerLength: before + opener.headerLength,
    trailerLength: opener.trailerLength,
    authentication: opener.authentication,
    alignment: opener.alignment,
    plaintextLength: (sealedLength) => opener.plaintextLength(sealedLength - before),
    extent(start, end) {
      const found = opener.extent(start, end)
      return { start: found.start + before, end: found.end + before, offset: found.offset }
    },
    openWhole: (sealed) => opener.openWhole(sealed.subarray(before)),
    open: (at, sealed, last, into) => opener.open(at - before, sealed, last, into),
    ...(lastLength && { lastLength: (sealedLength: number) => lastLength(sealedLength - before) }),
    ...(absorb && { absorb: (at: number, sealed: Uint8Array) => absorb(at - before, sealed) }),
    ...(hash && { hash: (at: number, sealed: Uint8Array) => hash(at - before, sealed) }),
    ...(join && { join: (at: number, length: number, state: Uint8Array) => join(at - before, length, state) }),
    ...(matches && {
      matches: (state: Uint8Array, at: number, sealed: Uint8Array) => matches(state, at - before, sealed),
    }),
    ...(absorbPlaintext && { absorbPlaintext }),
    ...(stream && { stream }),
    ...(verify && { verify: (sealedLength: number, trailer: Uint8Array) => verify(sealedLength - before, trailer) }),
    destroy: () => opener.destroy(),
  }
}
