import { plaintext } from '../inputs.js'
import { expectSame } from '../ours.js'
import { encryptHere, partOf } from './library.js'
import type { LibraryWay } from './library.js'
import { askIt, newPlace } from './meeting.js'
import { clientOf, putHere, storedBytes } from './objects.js'
import type { ObjectWay } from './objects.js'
import type { PlannedFile } from './peer.js'
import { PEOPLE } from './people.js'
import type { Person } from './people.js'
import { itReads, SEGMENT, SIZES } from './reads.js'

const LARGE: readonly number[] = SIZES.slice(-2)

type Range = readonly [start: number, end: number]
const RANGES: readonly Range[] = [
  [0, 1],
  [10, 60],
  [SEGMENT - 6, SEGMENT + 4],
  [0, SEGMENT],
  [SEGMENT, SEGMENT + 10],
  [100_000, 150_000],
  [199_999, 200_000],
]

/** What s3-cse writes, it reads. */
export function planOurs(): PlannedFile[] {
  return [
    ...(['PutObject', 'Upload', 'Upload of a stream'] as const).flatMap(objects),
    ...(['encrypt', 'encryptStream', 'encryptStream, header apart', 'encryptStream, a part'] as const).flatMap(files),
    ...ranges(),
    methodOne(),
  ]
}

const who = (recipients: readonly Person[]): string => (recipients.length === 1 ? 'one' : String(recipients.length))

function objects(way: ObjectWay): PlannedFile[] {
  const sizes = way === 'PutObject' ? SIZES : LARGE
  return sizes.flatMap((size) =>
    [['ada'] as const, ['ben'] as const, PEOPLE].map((recipients) => ({
      cell: `objects written here, read by it: ${way}, recipients: ${who(recipients)}`,
      details: `${size} bytes for ${recipients.join(', ')}`,
      attempt: async (m) => {
        const place = newPlace(m)
        const wanted = plaintext(size, place)
        await putHere(clientOf(m, 'ada', recipients), way, place, wanted)
        await itReads(m, await storedBytes(m, place), recipients, wanted)
      },
    })),
  )
}

function files(way: LibraryWay): PlannedFile[] {
  return SIZES.map((size) => ({
    cell: `files written here, read by it: ${way}`,
    details: `${size} bytes`,
    attempt: async (m) => {
      const whole = plaintext(size, newPlace(m))
      const wanted = way === 'encryptStream, a part' ? whole.subarray(...partOf(whole)) : whole
      await itReads(m, await encryptHere(m, way, 'ada', ['ben', 'ada'], whole), ['ben', 'ada'], wanted)
    },
  }))
}

function ranges(): PlannedFile[] {
  return RANGES.map((range) => ({
    cell: 'objects written here, a range read by it',
    details: `${range.join(' to ')} of 200000`,
    ...(range[0] < SEGMENT ? {} : { about: 'range behind the first segment' }),
    attempt: async (m) => {
      const place = newPlace(m)
      const wanted = plaintext(200_000, place)
      await putHere(clientOf(m, 'ada'), 'PutObject', place, wanted)
      const read = await askIt(m, 'decrypt-file', await storedBytes(m, place), { by: 'ada', range })
      expectSame(read, wanted.subarray(...range))
    },
  }))
}

function methodOne(): PlannedFile {
  return {
    cell: 'objects written here, read by it: authenticated mode of the draft',
    details: '200000 bytes',
    about: 'data method 1',
    attempt: async (m) => {
      const place = newPlace(m)
      const wanted = plaintext(200_000, place)
      await putHere(clientOf(m, 'ada', ['ada'], { experimentalAuthenticatedMode: 'write' }), 'PutObject', place, wanted)
      await itReads(m, await storedBytes(m, place), ['ada'], wanted)
    },
  }
}
