import { fileURLToPath } from 'node:url'
import { command, has } from '../../support/command.js'
import { debianPackages } from '../../support/debian.js'
import { CURRENT_WRAPS, isRead, keyKind, kinds } from '../kinds.js'
import type { Departure, Peer } from '../peer.js'

const program = fileURLToPath(new URL('../ruby/peer.rb', import.meta.url))
const installed = (): Promise<boolean> => has('ruby', '-e', 'require "aws-sdk-s3"; require "aws-sdk-kms"')

const current = kinds('V2', 'GCM', CURRENT_WRAPS)
const legacy = [...kinds('V2', 'CBC', ['kms']), ...kinds('V1', 'CBC', ['AES', 'RSA'])]
const committing = kinds('V3', 'GCM', CURRENT_WRAPS)

const noV3: Departure = {
  name: 'format not known',
  about: (trial) => isRead(trial) && trial.kind.format === 'V3',
  sign: /unable to locate encryption envelope/,
  reason: 'format V3 came with a later version of aws-sdk-s3 than this one',
}
const anyKey: Departure = {
  name: 'any KMS key',
  about: ({ op, kind }) => op === 'refuse-wrong-key' && keyKind(kind) === 'kms',
  sign: /it did not refuse/,
  reason: 'this aws-sdk-kms cannot name the key to KMS, so that every key the caller may use opens an object',
}

export const peer: Peer = {
  subject: 'AWS SDK for Ruby',
  version: async () => (await command('ruby', ['-e', 'require "aws-sdk-s3"; print Aws::S3::GEM_VERSION'])).trim(),
  pinned: false,
  async install() {
    await debianPackages(['ruby-aws-sdk-s3', 'ruby-aws-sdk-kms'], 'the AWS SDK for Ruby', installed)
    return { program: 'ruby', args: [program] }
  },
  clients: [
    {
      name: 'EncryptionV2::Client',
      writes: current,
      reads: [...committing, ...current, ...kinds('V2', 'GCM', ['kms']), ...legacy],
      suffixes: {
        write: kinds('V2', 'GCM', CURRENT_WRAPS, ['instruction-file']),
        read: kinds('V2', 'GCM', CURRENT_WRAPS, ['instruction-file']),
      },
      departures: [noV3, anyKey],
    },
    {
      name: 'Encryption::Client',
      // With KMS it takes none of the caller's.
      contexts: (kind) => (keyKind(kind) === 'kms' ? ['none'] : ['none', 'simple', 'rich', 'unicode']),
      readContexts: ['none', 'simple', 'rich', 'unicode'],
      writes: legacy,
      reads: [...committing, ...current, ...kinds('V2', 'GCM', ['kms']), ...legacy],
      suffixes: {
        write: [
          ...kinds('V2', 'CBC', ['kms'], ['instruction-file']),
          ...kinds('V1', 'CBC', ['AES', 'RSA'], ['instruction-file']),
        ],
      },
      departures: [
        noV3,
        { ...anyKey, reason: 'it names no key to KMS, so that every key the caller may use opens an object' },
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
          reason: 'it is the client of these algorithms, and has no switch for them',
        },
      ],
    },
  ],
}
