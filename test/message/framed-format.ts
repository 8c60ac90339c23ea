import type { Format } from '../../src/formats/format.js'
import type { Opener } from '../../src/message/opener.js'
import { summaryOfTests } from '../support/summary.js'
import { framedRangeOpener, framedSealer } from './framed.js'

/** The metadata by which the framed test format is recognised. */
export const FRAMED_METADATA: Readonly<Record<string, string>> = { 'x-framed': '1' }

/** The stored bytes of a plaintext. */
export function framed(plaintext: Uint8Array): Buffer {
  return framedSealer().sealWhole(plaintext) as Buffer
}

/** A format for reading, as a client takes it. Only for tests. */
export function framedFormat(changes: Partial<Format> = {}, opener: () => Opener = framedRangeOpener): Format {
  return {
    name: 'framed',
    reservedKeys: new Set(Object.keys(FRAMED_METADATA)),
    authenticatedRanges: true,
    check: () => undefined,
    seal: () => Promise.reject(new Error('this format is read only')),
    recognise(metadata) {
      if (metadata['x-framed'] === undefined) return undefined
      return {
        summary: summaryOfTests('framed'),
        plaintextLength: (sealedLength) => opener().plaintextLength(sealedLength),
        open: async () => opener(),
      }
    },
    ...changes,
  }
}
