import { isRead, keyKind, kinds } from '../kinds.js'
import type { Peer } from '../peer.js'
import { pythonProgram } from '../python/environment.js'

export const peer: Peer = {
  subject: 'aioboto3',
  version: '15.5.0',
  pinned: true,
  install: () => pythonProgram('aioboto3', 'aioboto3_cse.py', ['aioboto3', 'cryptography']),
  clients: [
    {
      name: 'S3CSE',
      writes: [
        ...kinds('V2', 'GCM', ['kms'], ['metadata']),
        ...kinds('V2', 'CBC', ['kms'], ['metadata']),
        ...kinds('V1', 'CBC', ['AES', 'RSA'], ['metadata']),
      ],
      contexts: ['none'],
      reads: [
        ...kinds('V3', 'GCM', ['AES/GCM', 'RSA-OAEP-SHA1', 'kms+context']),
        ...kinds('V2', 'GCM', ['AES/GCM', 'RSA-OAEP-SHA1', 'kms+context', 'kms']),
        ...kinds('V2', 'CBC', ['kms']),
        ...kinds('V1', 'CBC', ['AES', 'RSA']),
      ],
      readContexts: ['none', 'simple', 'rich', 'unicode'],
      ranges: kinds('V2', 'GCM', ['kms'], ['metadata']),
      departures: [
        {
          name: 'given out as it is stored',
          about: (trial) => isRead(trial) && (trial.kind.format === 'V3' || trial.kind.envelope === 'instruction-file'),
          sign: /the plaintext differs/,
          reason:
            'it knows neither format V3 nor instruction files, and gives out what it does not know as it is stored',
        },
        {
          name: 'wrap not read',
          about: (trial) => isRead(trial) && ['AES/GCM', 'RSA-OAEP-SHA1'].includes(trial.kind.wrap),
          sign: /ValueError|DecryptError/,
          reason: 'it does not look at the name of the wrap, and takes each for AES/ECB or RSA PKCS #1 v1.5',
        },
        {
          name: 'wrong bytes',
          about: ({ op }) => op === 'range',
          sign: /the plaintext differs/,
          reason: 'its ranges are a byte short, and from byte 256 on other bytes than those that were asked for',
        },
        {
          name: 'any KMS key',
          about: ({ op, kind }) => op === 'refuse-wrong-key' && keyKind(kind) === 'kms',
          sign: /it did not refuse/,
          reason: 'it names no key to KMS, so that every key the caller may use opens an object',
        },
        {
          name: 'context not compared',
          about: ({ op }) => op === 'refuse-wrong-context',
          sign: /it did not refuse/,
          reason: 'it takes no encryption context: it hands the stored one to KMS as it is',
        },
        {
          name: 'no switch',
          about: ({ op }) => op === 'refuse-legacy',
          sign: /it did not refuse/,
          reason: 'it has no switch: it always reads them',
        },
        {
          name: 'plaintext passes',
          about: ({ op }) => op === 'refuse-plain',
          sign: /it did not refuse/,
          reason: 'it gives out what has no envelope as if it had been decrypted',
        },
      ],
    },
  ],
}
