import type { MessagePeer } from '../esdk/peer.js'
import { SUITES } from '../esdk/suites.js'
import { pythonProgram } from '../python/environment.js'

export const peer: MessagePeer = {
  subject: 'AWS Encryption SDK for Python',
  version: '4.0.7',
  pinned: true,
  install: () => pythonProgram('esdk', 'esdk.py', ['aws-encryption-sdk[MPL]'], [3, 11]),
  messages: {
    unframed: SUITES,
    refusals:
      /^(AWSEncryptionSDKClientError|SerializationError|InvalidTag|InvalidSignature|MasterKeyProviderError|ActionNotAllowedError|MaxEncryptedDataKeysExceeded)\b/,
    departures: [
      {
        name: 'it stops at the end',
        about: ({ op, why }) => op === 'refuse' && why === 'bytes behind the end',
        sign: /it did not refuse/,
        reason: 'what stands behind a message it neither reads nor reports',
      },
    ],
  },
}
