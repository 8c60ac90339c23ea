import { buildGo } from '../go/build.js'
import { isLegacy, isRead, kinds } from '../kinds.js'
import type { Departure, Kind, Peer } from '../peer.js'

const context = kinds('V2', 'GCM', ['kms+context'])
const oldGcm = kinds('V2', 'GCM', ['kms'])
const oldCbc = kinds('V2', 'CBC', ['kms'])
const reads = [...kinds('V3', 'GCM', ['kms+context']), ...context, ...oldGcm, ...oldCbc]
const inFile = ({ envelope }: Kind): boolean => envelope === 'instruction-file'

const noV3: Departure = {
  name: 'no V3',
  about: (trial) => isRead(trial) && trial.kind.format === 'V3',
  sign: /NoSuchKey|InvalidWrapAlgorithmError/,
  reason: 'it is older than format V3 and looks for the members of V2 only',
}
const noComparison: Departure = {
  name: 'context not compared',
  about: ({ op }) => op === 'refuse-wrong-context',
  sign: /it did not refuse/,
  reason: 'its reader takes no encryption context: it hands the stored one to KMS as it is',
}
const anyKey: Departure = {
  name: 'any KMS key',
  about: ({ op }) => op === 'refuse-wrong-key',
  sign: /it did not refuse/,
  reason: 'its reader names no key to KMS, so that every key which the caller may use opens an object',
}
const noSwitch: Departure = {
  name: 'no switch',
  about: ({ op, kind }) => op === 'refuse-legacy' && isLegacy(kind),
  sign: /it did not refuse/,
  reason: 'these are the algorithms of its own writer; there is no switch for them',
}

export const peer: Peer = {
  subject: 'AWS SDK for Go, s3crypto',
  version: '1.55.8',
  pinned: true,
  install: () => buildGo({ folder: 's3crypto' }),
  clients: [
    {
      name: 's3crypto.EncryptionClient',
      writes: [...oldGcm, ...oldCbc],
      reads,
      suffixes: {
        write: [...oldGcm, ...oldCbc].filter(inFile),
        read: [...context, ...oldGcm, ...oldCbc].filter(inFile),
      },
      departures: [noV3, noComparison, anyKey, noSwitch],
    },
    {
      name: 's3crypto.EncryptionClient, NewPKCS7Padder',
      writes: oldCbc,
      reads,
      departures: [noV3, noComparison, anyKey, noSwitch],
    },
    {
      name: 's3crypto.EncryptionClientV2',
      writes: context,
      reads,
      suffixes: { write: context.filter(inFile), read: [...context, ...oldGcm, ...oldCbc].filter(inFile) },
      departures: [noV3, noComparison],
    },
  ],
}
