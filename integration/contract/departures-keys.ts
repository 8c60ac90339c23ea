/** Of the checks of instruction files, rotation, metadata, tampering and KMS. */
import type { Departure, Departures } from './departures.js'

/** The same for both formats. */
function both(names: readonly string[], departure: Departure): Record<string, Departure> {
  return Object.fromEntries(
    names.flatMap((name) => ['V3', 'V2'].map((version) => [name.replace('V*', version), departure])),
  )
}

const noConditionOfCopies: Departure = {
  reason:
    'ignores If-Match of CopyObject, so that a copy onto itself could overwrite what somebody writes meanwhile; rotateKey finds that out and refuses.',
  sign: /ignores the condition IfMatch/,
}

const contextsRunTogether: Departure = {
  reason:
    'authenticates names and values of an encryption context one behind the other, so that two contexts can be one.',
  sign: /it was read/,
}
const CONFUSED = [
  'kms: V*: the contexts {"ab":"c"} and {"a":"bc"} are two',
  'kms: V*: the contexts {"p":"b","q":"d"} and {"p":"bqd"} are two',
]

const deniesOtherKeys: Departure = {
  reason:
    'answers AccessDeniedException to Decrypt with another key than that of the ciphertext; KMS has IncorrectKeyException.',
  sign: /AccessDeniedException/,
}

const STATES = [
  'kms: V*: a disabled key is said to be disabled',
  'kms: V*: a key that is to be deleted is said to be so',
]

export const s3: Departures = {
  localstack: {
    'large metadata: more than 2 KB of metadata is refused by the server as well': {
      reason: 'stores more than 2 KB of user metadata.',
      sign: /Missing expected rejection/,
    },
    ...both(
      [
        'instruction files: V*: deleted with its object',
        'instruction files: V*: with versions, object and file get a delete marker each',
      ],
      {
        reason: 'does not know If-Match of DeleteObject (501), without which somebody else’s file could be deleted.',
        sign: /the server does not delete under a condition/,
      },
    ),
  },
  versitygw: {
    'rotation: the server keeps the conditions of writes and copies': noConditionOfCopies,
    ...both(
      [
        'rotation: V*: what somebody writes meanwhile is not lost',
        'rotation: V*: an object that is deleted meanwhile stays deleted',
      ],
      noConditionOfCopies,
    ),
    ...both(['rotation: V*: in a bucket with versions, the old version keeps the old key'], {
      reason:
        'changes the metadata of the version that is there where an object is copied onto itself, and makes no new one.',
      sign: /the copy made no new version/,
    }),
    ...both(['rotation: V*: the storage class is kept'], {
      reason: 'has one storage class, STANDARD, whatever a request says.',
      sign: /it was not stored in its class/,
    }),
  },
}

export const kms: Departures = {
  localstack: both(CONFUSED, contextsRunTogether),
  moto: {
    ...both(CONFUSED, contextsRunTogether),
    ...both(
      [
        "kms: V*: another key's object",
        'kms: V*: an alias that points at another key opens no older objects; the key does',
        'tampering: V* KMS: a reader with another key',
        'rotation: V* KMS to KMS: another wrap, the same body; again: unchanged',
        'rotation: V* KMS to KMS without ReEncrypt: another wrap, the same body; again: unchanged',
        'rotation: V*: of an instruction file from KMS to KMS',
      ],
      deniesOtherKeys,
    ),
    ...both(["tampering: V* KMS: the key's name inside the wrapped key, and no ciphertext of KMS's"], {
      reason: 'answers AccessDeniedException to a ciphertext that names no key; KMS has InvalidCiphertextException.',
      sign: /AccessDeniedException/,
    }),
    ...both(STATES, {
      reason: 'lets keys work whatever their state is.',
      sign: /Missing expected rejection/,
    }),
    ...both(['kms: V*: a replica in another region opens the object'], {
      reason: 'does not open with a replica what the primary key has wrapped (AccessDeniedException).',
      sign: /AccessDeniedException/,
    }),
  },
}
