import type { MessagePeer } from '../esdk/peer.js'
import { isSigned, SUITES } from '../esdk/suites.js'
import { buildJava } from '../java/build.js'

export const peer: MessagePeer = {
  subject: 'AWS Encryption SDK for Java',
  version: '3.0.2',
  pinned: true,
  install: () => buildJava(['esdk']),
  messages: {
    unframed: SUITES,
    refusals:
      /^(BadCiphertextException|AwsCryptoException|AwsCryptographicMaterialProvidersException|CollectionOfErrors)\b/,
    departures: [
      {
        name: 'not taken',
        about: ({ context }) => context === 'empty value',
        sign: /must be non-empty|Value length must be greater than 0/,
        reason: 'it takes no encryption context with an empty value, neither for writing nor for reading',
      },
      {
        name: 'stored numbers are not looked at',
        about: ({ op, why, suite }) =>
          op === 'refuse' &&
          !isSigned(suite) &&
          (why === 'sequence number' || why === 'sequence number of the final frame'),
        sign: /it did not refuse/,
        reason:
          'it counts frames itself and authenticates that count: a frame in another place is refused, and another number that is stored with a frame is not seen unless the message is signed',
      },
    ],
  },
}
