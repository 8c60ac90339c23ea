import { kinds } from '../kinds.js'
import type { Peer } from '../peer.js'
import { pythonProgram } from '../python/environment.js'

const written = [
  ...kinds('V3', 'GCM', ['kms+context'], ['metadata']),
  ...kinds('V2', 'GCM', ['kms+context'], ['metadata']),
]

export const peer: Peer = {
  subject: 'Amazon S3 Encryption Client for Python',
  version: '4.0.0',
  pinned: true,
  install: () => pythonProgram('s3ec', 's3ec.py', ['amazon-s3-encryption-client-python']),
  clients: [
    {
      name: 'S3EncryptionClient',
      writes: written,
      reads: [
        ...kinds('V3', 'GCM', ['kms+context']),
        ...kinds('V2', 'GCM', ['kms+context', 'kms']),
        ...kinds('V2', 'CBC', ['kms']),
      ],
      multipart: written,
      suffixes: { read: [...kinds('V3', 'GCM', ['kms+context'], ['instruction-file'])] },
      deletes: true,
      departures: [
        {
          name: 'unicode context',
          about: ({ context, kind }) => context === 'unicode' && kind.wrap === 'kms+context',
          sign: /must contain only US-ASCII/,
          reason: 'it takes no context with other than ASCII characters, neither for writing nor for reading',
        },
      ],
    },
  ],
}
