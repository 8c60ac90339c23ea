import { buildJava } from '../java/build.js'
import { CURRENT_WRAPS, isRead, kinds, OUR_KINDS } from '../kinds.js'
import type { Peer } from '../peer.js'
import { unicodeHeaders } from './java-s3ec-4.js'

const written = kinds('V2', 'GCM', CURRENT_WRAPS)
const inFiles = written.filter(({ envelope }) => envelope === 'instruction-file')

export const peer: Peer = {
  subject: 'Amazon S3 Encryption Client for Java 3',
  version: '3.5.0',
  pinned: true,
  install: () => buildJava(['s3ec-3', 's3ec', 'common']),
  clients: [
    {
      name: 'S3EncryptionClient',
      writes: written,
      reads: OUR_KINDS,
      multipart: written,
      ranges: OUR_KINDS.filter(({ format }) => format !== 'V3'),
      suffixes: { read: inFiles },
      reencrypts: inFiles
        .filter(({ wrap }) => !wrap.startsWith('kms'))
        .map((kind) => (kind.wrap.startsWith('RSA') ? { kind, suffix: 'partner' } : { kind })),
      deletes: true,
      departures: [
        {
          name: 'unknown format',
          about: (trial) => trial.kind.format === 'V3' && isRead(trial),
          sign: /while fetching Instruction File|Could not find the encrypted data key/,
          reason: 'its releases before 4 do not know the format with key commitment',
        },
        unicodeHeaders,
      ],
    },
  ],
}
