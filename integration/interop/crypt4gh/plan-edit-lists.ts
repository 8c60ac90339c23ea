import { Buffer } from 'node:buffer'
import { plaintext } from '../inputs.js'
import { expectSame } from '../ours.js'
import { decryptHere } from './library.js'
import { askIt, newPlace } from './meeting.js'
import type { Meeting } from './meeting.js'
import type { Aspect, PlannedFile } from './peer.js'
import { readHere, refuse, SEGMENT } from './reads.js'

const FAILED = 'ERR_S3CSE_DECRYPTION_FAILED'

/** What it writes where it is asked for more than its functions give. */
export const planEditLists = (): PlannedFile[] => [...lists(), ...emptySegments()]

/** Of a file of 500,000 bytes. The second is the one in the specification. */
const EDIT_LISTS: readonly (readonly number[])[] = [
  [7],
  [0, 7853, 71_721, 307_929, 51_299, 38],
  [0, 10],
  [100, 200, 300],
  [SEGMENT, 1],
  [0, 1, 0, 1, 0, 1],
  [0, 500_000],
  [200_000, 300_000],
  [10, 0, 10, 5],
  [],
  [0, 0],
]
/** What of it there is not. */
const PAST_THE_END: readonly (readonly string[])[] = [['0', '500001'], ['500001'], ['499999', '1', '1', '5']]
const LARGEST = ['0', String(2n ** 64n - 1n)]

/** What a list keeps: an odd number of lengths ends with one to discard, behind which everything is kept. */
function kept(bytes: Uint8Array, lengths: readonly number[]): Uint8Array {
  if (lengths.length === 0) return bytes
  const pieces: Uint8Array[] = []
  let at = 0
  for (const [index, length] of lengths.entries()) {
    if (index % 2 === 1) pieces.push(bytes.subarray(at, at + length))
    at += length
  }
  if (lengths.length % 2 === 1) pieces.push(bytes.subarray(at))
  return Buffer.concat(pieces)
}

const editedFile = (m: Meeting, editList: readonly string[], bytes: Uint8Array): Promise<Uint8Array> =>
  askIt(m, 'encrypt-file', bytes, { recipients: ['ada'], editList })

function lists(): PlannedFile[] {
  const bytesOf = (m: Meeting): Uint8Array => plaintext(500_000, newPlace(m))
  const read = EDIT_LISTS.map((lengths): PlannedFile => ({
    cell: 'edit lists written by it, read here',
    details: `[${lengths.join(', ')}]`,
    attempt: async (m) => {
      const bytes = bytesOf(m)
      await readHere(m, await editedFile(m, lengths.map(String), bytes), 'ada', kept(bytes, lengths), 'segment')
    },
  }))
  const alike = (lengths: readonly string[], about?: Aspect): PlannedFile => ({
    cell: 'edit lists, the same here as there',
    details: `[${lengths.join(', ')}]`,
    ...(about && { about }),
    attempt: async (m) => {
      const file = await editedFile(m, lengths, bytesOf(m))
      await decryptHere(m, file, 'ada', await askIt(m, 'decrypt-file', file, { by: 'ada' }))
    },
  })
  const refused = [...PAST_THE_END, LARGEST].map((lengths): PlannedFile => ({
    cell: 'edit lists written by it, past the end, refused here',
    details: `[${lengths.join(', ')}]`,
    attempt: async (m) => {
      const file = await editedFile(m, lengths, bytesOf(m))
      await refuse(m, file, 'ada', FAILED)
    },
  }))
  const keepsNothing = (lengths: readonly number[]): boolean =>
    lengths.length === 0 || lengths.some((length, index) => index % 2 === 1 && length === 0)
  return [
    ...read,
    ...EDIT_LISTS.map((lengths) =>
      alike(lengths.map(String), keepsNothing(lengths) ? 'edit list with nothing to keep' : undefined),
    ),
    ...refused,
    ...PAST_THE_END.map((lengths) => alike(lengths, 'edit list past the end')),
    alike(LARGEST, 'length of 64 bits'),
  ]
}

function emptySegments(): PlannedFile[] {
  const make = async (m: Meeting): Promise<readonly [wanted: Uint8Array, file: Uint8Array]> => {
    const wanted = plaintext(SEGMENT, newPlace(m))
    return [wanted, await askIt(m, 'encrypt-file', wanted, { recipients: ['ada'], emptySegment: true })]
  }
  const details = `${SEGMENT} bytes`
  return [
    {
      cell: 'files that end with a segment of no bytes, read here',
      details,
      attempt: async (m) => {
        const [wanted, file] = await make(m)
        await readHere(m, file, 'ada', wanted, 'segment')
      },
    },
    {
      cell: 'files that end with a segment of no bytes, read by it',
      details,
      about: 'empty segment',
      attempt: async (m) => {
        const [wanted, file] = await make(m)
        expectSame(await askIt(m, 'decrypt-file', file, { by: 'ada' }), wanted)
      },
    },
  ]
}
