import { buildJava } from '../java/build.js'
import { CURRENT_WRAPS, kinds, OUR_KINDS } from '../kinds.js'
import type { Departure, Peer } from '../peer.js'

const written = [...kinds('V3', 'GCM', CURRENT_WRAPS), ...kinds('V2', 'GCM', CURRENT_WRAPS)]
const inFiles = written.filter(({ envelope }) => envelope === 'instruction-file')

/** Also with 3.x. A materials description is stored in the same way, but nobody compares it. */
export const unicodeHeaders: Departure = {
  name: 'unicode context',
  about: ({ op, kind, context }) =>
    op === 'write' && context === 'unicode' && kind.wrap === 'kms+context' && kind.envelope === 'metadata',
  sign: /^s3-cse: ERR_S3CSE_CONTEXT_MISMATCH/,
  reason:
    'it puts a context into headers as it is, where its HTTP client replaces what is not Latin-1 by question marks: the context that is stored is another one than KMS was given, and the object cannot be read by any client',
}

export const peer: Peer = {
  subject: 'Amazon S3 Encryption Client for Java 4',
  version: '4.0.1',
  pinned: true,
  install: () => buildJava(['s3ec-4', 's3ec', 'common']),
  clients: [
    {
      name: 'S3EncryptionClient',
      writes: written,
      reads: OUR_KINDS,
      multipart: written,
      ranges: OUR_KINDS,
      suffixes: { read: inFiles },
      reencrypts: inFiles
        .filter(({ wrap }) => !wrap.startsWith('kms'))
        .map((kind) => (kind.wrap.startsWith('RSA') ? { kind, suffix: 'partner' } : { kind })),
      deletes: true,
      departures: [unicodeHeaders],
    },
  ],
}
