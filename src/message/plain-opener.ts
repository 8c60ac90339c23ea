import type { Opener } from './opener.js'

/** For objects that are stored as plaintext: every byte is what it is, and nothing is verified. */
export function plainOpener(): Opener {
  return {
    headerLength: 0,
    trailerLength: 0,
    authentication: 'none',
    alignment: 1,
    plaintextLength: (sealedLength) => sealedLength,
    extent: (start, end) => ({ start, end, offset: start }),
    openWhole: (sealed) => sealed,
    open: (_offset, sealed) => sealed,
    destroy: () => undefined,
  }
}
