import { buildGo } from '../go/build.js'
import { kinds } from '../kinds.js'
import type { Peer } from '../peer.js'

export const peer: Peer = {
  subject: 'Amazon S3 Encryption Client for Go 4',
  version: '4.0.0',
  pinned: true,
  install: () =>
    buildGo({
      folder: 'client-v4',
      optional: 'github.com/aws/amazon-s3-encryption-client-go/v4',
      sourceVariable: 'S3_CSE_GO_CLIENT_V4',
    }),
  clients: [
    {
      name: 'S3EncryptionClientV4',
      writes: [
        ...kinds('V3', 'GCM', ['kms+context'], ['metadata']),
        ...kinds('V2', 'GCM', ['kms+context'], ['metadata']),
      ],
      reads: [
        ...kinds('V3', 'GCM', ['kms+context']),
        ...kinds('V2', 'GCM', ['kms+context', 'kms']),
        ...kinds('V2', 'CBC', ['kms']),
      ],
      deletes: true,
    },
  ],
}
