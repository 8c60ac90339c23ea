import { Buffer } from 'node:buffer'
import { decrypt, x25519Keyring } from 's3-cse/crypt4gh'
import { plaintext } from '../inputs.js'
import { expectRefusal } from '../ours.js'
import { headerLengthOf, SEALED_SEGMENT } from './layout.js'
import { encryptHere } from './library.js'
import { askIt, itRefuses, newPlace } from './meeting.js'
import type { Meeting } from './meeting.js'
import type { Aspect, PlannedFile } from './peer.js'
import { refuse } from './reads.js'

const SIZE = 200_000
const FAILED = 'ERR_S3CSE_DECRYPTION_FAILED'
const INVALID = 'ERR_S3CSE_ENVELOPE_INVALID'

type Change = (file: Uint8Array) => Uint8Array

function flipped(file: Uint8Array, at: number): Uint8Array {
  const changed = Uint8Array.from(file)
  changed[at] = (changed[at] ?? 0) ^ 1
  return changed
}

const segment = (file: Uint8Array, index: number): Uint8Array =>
  file.subarray(headerLengthOf(file)).subarray(index * SEALED_SEGMENT, (index + 1) * SEALED_SEGMENT)

const header = (file: Uint8Array): Uint8Array => file.subarray(0, headerLengthOf(file))

/** What nobody may read, whoever wrote it. */
const CHANGES: Readonly<Record<string, Change>> = {
  'a byte of the magic number': (file) => flipped(file, 0),
  'the version': (file) => flipped(file, 8),
  'method of the packet': (file) => flipped(file, 20),
  'public key of the writer': (file) => flipped(file, 24),
  'nonce of the packet': (file) => flipped(file, 56),
  'content of the packet': (file) => flipped(file, 70),
  'tag of the packet': (file) => flipped(file, headerLengthOf(file) - 1),
  'nonce of a segment': (file) => flipped(file, headerLengthOf(file) + SEALED_SEGMENT),
  'content of a segment': (file) => flipped(file, headerLengthOf(file) + SEALED_SEGMENT + 100),
  'tag of a segment': (file) => flipped(file, headerLengthOf(file) + 2 * SEALED_SEGMENT - 1),
  'tag of the last segment': (file) => flipped(file, file.length - 1),
  'cut off inside of the header': (file) => file.subarray(0, 60),
  'cut off inside of a segment': (file) => file.subarray(0, file.length - 100),
}

/** What the format itself has no protection for, and s3-cse has. */
const UNNOTICED: readonly (readonly [name: string, about: Aspect, change: Change])[] = [
  [
    'segments in another order',
    'order of the segments',
    (file) => Buffer.concat([header(file), segment(file, 1), segment(file, 0), segment(file, 2), segment(file, 3)]),
  ],
  [
    'a segment twice',
    'order of the segments',
    (file) => Buffer.concat([header(file), segment(file, 0), segment(file, 0), segment(file, 2), segment(file, 3)]),
  ],
  [
    'a segment is missing',
    'order of the segments',
    (file) => Buffer.concat([header(file), segment(file, 1), segment(file, 2), segment(file, 3)]),
  ],
  ['the last segment is missing', 'end of the message', (file) => file.subarray(0, -segment(file, 3).length)],
  ['all segments are missing', 'end of the message', header],
]

/** What has to be refused, here and there. */
export function planRefusals(): PlannedFile[] {
  const changed = Object.entries(CHANGES).flatMap(([name, change]) => both(name, change))
  const unnoticed = UNNOTICED.flatMap(([name, about, change]): PlannedFile[] => [
    { cell: 'changed files of s3-cse, refused here', details: name, attempt: refusedHere(ours, change) },
    { cell: 'changed files of s3-cse, refused by it', details: name, about, attempt: refusedThere(ours, change) },
  ])
  return [...changed, ...unnoticed, ...anotherKey(), ...anotherSender()]
}

type Maker = (m: Meeting) => Promise<Uint8Array>
const ours: Maker = (m) => encryptHere(m, 'encryptStream', 'ada', ['ben'], plaintext(SIZE, newPlace(m)))
const theirs: Maker = (m) => askIt(m, 'encrypt-file', plaintext(SIZE, newPlace(m)), { by: 'ada', recipients: ['ben'] })

const refusedHere =
  (make: Maker, change: Change) =>
  async (m: Meeting): Promise<void> => {
    const file = change(await make(m))
    await refuse(m, file, 'ben', FAILED, INVALID)
  }
const refusedThere =
  (make: Maker, change: Change) =>
  async (m: Meeting): Promise<void> =>
    itRefuses(m, askIt(m, 'decrypt-file', change(await make(m)), { by: 'ben' }))

const both = (details: string, change: Change): PlannedFile[] => [
  { cell: 'changed files of it, refused here', details, attempt: refusedHere(theirs, change) },
  { cell: 'changed files of s3-cse, refused here', details, attempt: refusedHere(ours, change) },
  { cell: 'changed files of s3-cse, refused by it', details, attempt: refusedThere(ours, change) },
]

function anotherKey(): PlannedFile[] {
  const details = 'dan'
  return [
    {
      cell: 'files of it for somebody else, refused here',
      details,
      attempt: async (m) => refuse(m, await theirs(m), 'dan', FAILED),
    },
    {
      cell: 'files of s3-cse for somebody else, refused by it',
      details,
      attempt: async (m) => itRefuses(m, askIt(m, 'decrypt-file', await ours(m), { by: 'dan' })),
    },
  ]
}

function anotherSender(): PlannedFile[] {
  const details = 'cem is expected, ada wrote it'
  return [
    {
      cell: 'files of it by another sender, refused here',
      details,
      attempt: async (m) => {
        const { ben, cem } = m.people
        const keyring = x25519Keyring({ secretKey: ben, senderPublicKey: cem.publicKey })
        const file = await theirs(m)
        await expectRefusal('another sender', () => decrypt(file, { keyring }), FAILED)
      },
    },
    {
      cell: 'files of s3-cse by another sender, refused by it',
      details,
      attempt: async (m) => itRefuses(m, askIt(m, 'decrypt-file', await ours(m), { by: 'ben', sender: 'cem' })),
    },
  ]
}
