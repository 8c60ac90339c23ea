import { buildGo } from '../go/build.js'
import { kinds } from '../kinds.js'
import type { Peer } from '../peer.js'

export const peer: Peer = {
  subject: 'Amazon S3 Encryption Client for Go 3',
  version: '3.2.0',
  pinned: true,
  install: () =>
    buildGo({
      folder: 'client-v3',
      optional: 'github.com/aws/amazon-s3-encryption-client-go/v3',
      sourceVariable: 'S3_CSE_GO_CLIENT_V3',
    }),
  clients: [
    {
      name: 'S3EncryptionClientV3',
      writes: [...kinds('V2', 'GCM', ['kms+context'], ['metadata'])],
      reads: [
        ...kinds('V3', 'GCM', ['kms+context']),
        ...kinds('V2', 'GCM', ['kms+context', 'kms']),
        ...kinds('V2', 'CBC', ['kms']),
      ],
      deletes: true,
      departures: [
        {
          name: 'no commitment policy',
          about: ({ op }) => op === 'refuse-not-committing',
          sign: /it did not refuse/,
          reason: 'it reads V3, but has no setting that demands it',
        },
      ],
    },
  ],
}
