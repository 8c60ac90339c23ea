import { buildJava } from '../java/build.js'
import { CURRENT_WRAPS, isLegacy, isRead, kinds, OUR_KINDS } from '../kinds.js'
import type { Departure, Kind, Peer } from '../peer.js'

const RSA_OLD = 'RSA/ECB/OAEPWithSHA-256AndMGF1Padding'
const isFile = ({ envelope }: Kind): boolean => envelope === 'instruction-file'
const isKms = ({ wrap }: Kind): boolean => wrap.startsWith('kms')

const v1 = kinds('V1', 'CBC', ['AES', 'RSA'])
const encryptionOnly = [...v1, ...kinds('V2', 'CBC', ['kms'])]
const firstGcm = kinds('V2', 'GCM', ['AESWrap', RSA_OLD, 'kms'])
const secondGcm = kinds('V2', 'GCM', CURRENT_WRAPS)
const rawFiles = secondGcm.filter((kind) => isFile(kind) && !isKms(kind)).map((kind) => ({ kind, suffix: 'partner' }))
const ranges = OUR_KINDS.filter(({ format }) => format !== 'V3')
const suffixes = { read: OUR_KINDS.filter(isFile) }

const ofAll: readonly Departure[] = [
  {
    name: 'unknown format',
    about: (trial) => trial.kind.format === 'V3' && isRead(trial),
    sign: /Content encrypting key not found|Instruction file not found|Unencrypted object found/,
    reason: 'it is older than the format with key commitment',
  },
  {
    name: 'unicode context',
    about: ({ op, kind, context }) =>
      op === 'write' && context === 'unicode' && isKms(kind) && kind.envelope === 'metadata',
    sign: /^s3-cse: ERR_S3CSE_CONTEXT_MISMATCH/,
    reason:
      'it puts a context into headers as it is, where its HTTP client replaces what is not Latin-1 by question marks: the context that is stored is another one than KMS was given, and the object cannot be read by any client',
  },
]

const anyKmsKey: Departure = {
  name: 'any KMS key',
  about: ({ op, kind }) => op === 'refuse-wrong-key' && kind.wrap === 'kms',
  sign: /it did not refuse/,
  reason: 'it names no key to KMS, so that every key the caller may use opens an object',
}

const noSwitch: Departure = {
  name: 'always switched on',
  about: ({ op }) => op === 'refuse-legacy',
  sign: /it did not refuse/,
  reason: 'it reads the old algorithms without being asked to; only a strict mode does not',
}

const oldWrap: Departure = {
  name: 'an old wrap',
  about: ({ op }) => op === 'reencrypt',
  sign: /^s3-cse: ERR_S3CSE_LEGACY_DISABLED/,
  reason: `it wraps the data key with algorithms of its own time (AESWrap, ${RSA_OLD}), which have to be switched on here`,
}

const strictV1: Departure = {
  name: 'strict mode',
  about: (trial) => trial.kind.content === 'CBC' && isRead(trial),
  sign: /Missing key-wrap|not encrypted using authenticated encryption/,
  reason: 'its strict mode reads nothing that is not authenticated',
}

const strictV2: Departure = {
  name: 'strict mode',
  about: (trial) => isLegacy(trial.kind) && isRead(trial),
  sign: /Detected key wrap algorithm used with previous version of client|No key wrap algorithm detected/,
  reason: 'its strict mode reads no old algorithms',
}

const usual = { reads: OUR_KINDS, suffixes, deletes: true }

export const peer: Peer = {
  subject: 'AWS SDK for Java 1.x',
  version: '1.12.797',
  pinned: true,
  install: () => buildJava(['legacy', 'common']),
  clients: [
    {
      ...usual,
      name: 'AmazonS3EncryptionClient EncryptionOnly',
      writes: encryptionOnly,
      multipart: encryptionOnly,
      ranges: ranges.filter(({ content }) => content === 'CBC'),
      reencrypts: v1.filter(isFile).map((kind) => ({ kind, suffix: 'partner' })),
      departures: [...ofAll, anyKmsKey, noSwitch],
    },
    {
      ...usual,
      name: 'AmazonS3EncryptionClient AuthenticatedEncryption',
      writes: firstGcm,
      multipart: firstGcm,
      ranges,
      reencrypts: rawFiles,
      departures: [...ofAll, anyKmsKey, noSwitch, oldWrap],
    },
    {
      ...usual,
      name: 'AmazonS3EncryptionClient StrictAuthenticatedEncryption',
      writes: firstGcm,
      departures: [...ofAll, anyKmsKey, strictV1, noSwitch],
    },
    {
      ...usual,
      name: 'AmazonS3EncryptionClientV2 AuthenticatedEncryption',
      writes: secondGcm,
      multipart: secondGcm,
      ranges,
      reencrypts: rawFiles,
      departures: [...ofAll, noSwitch],
    },
    {
      ...usual,
      name: 'AmazonS3EncryptionClientV2 StrictAuthenticatedEncryption',
      writes: secondGcm,
      ranges: secondGcm,
      departures: [...ofAll, strictV2],
    },
  ],
}
