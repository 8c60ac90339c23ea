import type { EsdkSuiteName } from 's3-cse/esdk'
import { LARGE } from '../inputs.js'
import type { Tried } from '../tally.js'
import { CHANGES, isChange } from './changes.js'
import type { Area } from './changes.js'
import { CONTEXTS } from './contexts.js'
import { isMulti, KEYS, membersOf } from './keys.js'
import type { KeysName } from './keys.js'
import type { MessagePeer, MessageTrial, Refusal } from './peer.js'
import { commits, dataKeyLength, isSigned, SUITES } from './suites.js'

/** A trial and the row of the table that it belongs to. */
export interface PlannedMessage extends MessageTrial, Tried {}

const MIB = 1024 * 1024
const FRAMES: readonly number[] = [1024, 4096, 65_536]
const SEVERAL_MIB = 3 * MIB + 7
/** Two frames and a piece of a third. */
const CHANGED = { frameLength: 1024, size: 2500 } as const

const usual = { suite: 'ALG_AES_256_GCM_HKDF_SHA512_COMMIT_KEY', frameLength: 4096, size: 10_000 } as const
const plain = { ...usual, keys: 'raw AES 256', context: 'none' } as const

/** One of each: message version, with and without a signature. */
const CHANGED_SUITES: readonly EsdkSuiteName[] = [
  'ALG_AES_256_GCM_IV12_TAG16_NO_KDF',
  'ALG_AES_256_GCM_IV12_TAG16_HKDF_SHA256',
  'ALG_AES_128_GCM_IV12_TAG16_HKDF_SHA256_ECDSA_P256',
  'ALG_AES_256_GCM_HKDF_SHA512_COMMIT_KEY',
  'ALG_AES_256_GCM_HKDF_SHA512_COMMIT_KEY_ECDSA_P384',
]
/** Data keys of each length, and a signature, whose key is in the context. */
const KEY_SUITES: readonly EsdkSuiteName[] = [
  'ALG_AES_128_GCM_IV12_TAG16_HKDF_SHA256',
  'ALG_AES_192_GCM_IV12_TAG16_NO_KDF',
  'ALG_AES_256_GCM_HKDF_SHA512_COMMIT_KEY',
  'ALG_AES_256_GCM_HKDF_SHA512_COMMIT_KEY_ECDSA_P384',
]

type Row = MessageTrial & { readonly what: string }
const both = (what: string, trial: Omit<MessageTrial, 'op'>): Row[] => [
  { ...trial, what, op: 'write' },
  { ...trial, what, op: 'read' },
]

/** Everything that is tried with one peer. */
export function planMessages({ messages: { unframed, departures } }: MessagePeer): PlannedMessage[] {
  const rows = [
    ...SUITES.flatMap(ofSuite),
    ...unframed.flatMap(withoutFrames),
    ...KEYS.flatMap(ofKeys),
    ...CONTEXTS.flatMap(ofContext),
    ...required(),
    ...changedMessages(),
    ...refusals(),
  ]
  return rows.map(({ what, ...trial }) => ({
    ...trial,
    cell: `${WORDS[trial.op]}: ${what}`,
    departure: departures?.find(({ about }) => about(trial)),
  }))
}

const WORDS: Readonly<Record<MessageTrial['op'], string>> = {
  write: 'messages written by it, read here',
  read: 'messages written here, read by it',
  refused: 'messages written by it, refused here',
  refuse: 'messages written here, refused by it',
}

function ofSuite(suite: EsdkSuiteName): Row[] {
  const sized = FRAMES.flatMap((frameLength) =>
    [0, 1, frameLength - 1, frameLength, frameLength + 1].map((size) => ({ ...plain, suite, frameLength, size })),
  )
  const large = { ...plain, suite, frameLength: 65_536, size: SEVERAL_MIB }
  return [
    ...[...sized, large].flatMap((trial) => both(suite, trial)),
    { ...large, what: `${suite}, in parts`, op: 'read', size: LARGE, written: 'Upload', elsewhere: true },
    ...withoutS3(suite),
  ]
}

function withoutS3(suite: EsdkSuiteName): Row[] {
  return (['encrypt', 'encryptStream'] as const).flatMap((written) =>
    [0, 1024, SEVERAL_MIB].map((size) => {
      const trial = { ...plain, suite, size, frameLength: size === SEVERAL_MIB ? 65_536 : 1024, written }
      return { ...trial, what: `${suite}, ${written}`, op: 'read' }
    }),
  )
}

function withoutFrames(suite: EsdkSuiteName): Row[] {
  return [0, 1, 17, 70_000].map((size) => {
    const trial = { ...plain, suite, size, frameLength: 0 }
    return { ...trial, what: `${suite}, without frames`, op: 'write' }
  })
}

/** LocalStack makes data keys of no other length. */
const isMadeBy = (keys: KeysName, suite: EsdkSuiteName): boolean => keys !== 'KMS' || dataKeyLength(suite) === 32

function ofKeys(keys: KeysName): Row[] {
  const suites = KEY_SUITES.filter((suite) => isMadeBy(keys, suite))
  const context = 'simple'
  const whole = suites.flatMap((suite) => both(keys, { ...usual, suite, keys, context, elsewhere: true }))
  if (!isMulti(keys)) return whole
  const alone = membersOf(keys).flatMap((member) => both(keys, { ...usual, keys, readWith: member, context }))
  return [...whole, ...alone]
}

/** What binds the context itself, what does not, and KMS. */
const CONTEXT_KEYS: readonly KeysName[] = ['raw AES 256', 'raw RSA OAEP_SHA256', 'KMS', 'KMS of s3-cse/testing']

function ofContext(context: MessageTrial['context']): Row[] {
  const suites = [usual.suite, 'ALG_AES_256_GCM_HKDF_SHA512_COMMIT_KEY_ECDSA_P384'] as const
  return CONTEXT_KEYS.flatMap((keys) =>
    suites.flatMap((suite) => both(`context (${context}), ${keys}`, { ...usual, suite, keys, context })),
  )
}

function required(): Row[] {
  const suites: readonly EsdkSuiteName[] = [
    'ALG_AES_256_GCM_IV12_TAG16_HKDF_SHA256',
    usual.suite,
    'ALG_AES_256_GCM_HKDF_SHA512_COMMIT_KEY_ECDSA_P384',
  ]
  return CONTEXT_KEYS.flatMap((keys) =>
    suites.flatMap((suite) =>
      (['none', 'unicode'] as const).flatMap((context) =>
        both(`required context, ${keys}`, { ...usual, suite, keys, context, required: true }),
      ),
    ),
  )
}

const refusedBoth = (what: string, trial: Omit<MessageTrial, 'op'>): Row[] => [
  { ...trial, what, op: 'refused' },
  { ...trial, what, op: 'refuse' },
]

const AREAS: Readonly<Record<Area, string>> = {
  header: 'a changed header',
  frames: 'changed frames',
  end: 'a changed end',
  footer: 'a changed footer',
}

function changedMessages(): Row[] {
  return CHANGED_SUITES.flatMap((suite) =>
    (Object.keys(AREAS) as Area[])
      .filter((area) => area !== 'footer' || isSigned(suite))
      .flatMap((area) =>
        CHANGES[area].flatMap((why) =>
          refusedBoth(`${AREAS[area]}, ${suite}`, { ...plain, ...CHANGED, suite, context: 'simple', why }),
        ),
      ),
  )
}

function refusals(): Row[] {
  const of = (why: Refusal, trial: Partial<MessageTrial> & Pick<MessageTrial, 'keys'>): Row[] =>
    refusedBoth(`${why}, ${trial.keys}`, { ...usual, context: 'simple', why, ...trial })
  const noCommitment = SUITES.filter((suite) => !commits(suite))
  return [
    ...KEYS.flatMap((keys) => of('another key', { keys })),
    ...CONTEXT_KEYS.flatMap((keys) => [
      ...of('another context', { keys }),
      ...of('a required pair that is not given', { keys, required: true }),
      ...of('another value of a required pair', { keys, required: true }),
    ]),
    ...noCommitment.flatMap((suite) => of('no key commitment', { keys: 'raw AES 256', suite })),
    ...of('more encrypted data keys than allowed', { keys: 'multi-keyring of three' }),
  ]
}

/** For messages. */
export function detailsOf({ op, suite, frameLength, size, keys, readWith, context, why }: MessageTrial): string {
  const more = [readWith, isChange(why) ? `changed: ${why}` : why].filter((each) => each !== undefined)
  return [op, suite, `frames of ${frameLength}`, `${size} bytes`, keys, `context ${context}`, ...more].join(', ')
}
