import { Buffer } from 'node:buffer'
import { plaintext } from '../inputs.js'
import { headerLengthOf, SEALED_SEGMENT } from './layout.js'
import { decryptHere } from './library.js'
import { askIt, newPlace } from './meeting.js'
import type { Meeting } from './meeting.js'
import type { Aspect, PlannedFile } from './peer.js'
import { PEOPLE } from './people.js'
import { readHere, refuse, SEGMENT, SIZES } from './reads.js'

type Range = readonly [start: number, end: number | null]
const SIZE = 200_000
const FAILED = 'ERR_S3CSE_DECRYPTION_FAILED'

/** What it writes, s3-cse reads. */
export function planTheirs(): PlannedFile[] {
  return [...encrypted(), ...partsOnly(), ...reencrypted(), ...rearranged()]
}

function encrypted(): PlannedFile[] {
  return SIZES.flatMap((size) =>
    [undefined, 'ada' as const].flatMap((by) =>
      [['ben'] as const, PEOPLE].map((recipients): PlannedFile => ({
        cell: `objects written by it, read here: ${by ? 'with its own key' : 'with a new key'}`,
        details: `${size} bytes for ${recipients.join(', ')}`,
        attempt: async (m) => {
          const wanted = plaintext(size, newPlace(m))
          const file = await askIt(m, 'encrypt-file', wanted, { recipients, ...(by && { by }) })
          for (const each of recipients) await readHere(m, file, each, wanted, 'segment')
        },
      })),
    ),
  )
}

const inWords = ([start, end]: Range): string => `${start} to ${end ?? 'the end'}`

/** A part of what it is given is encrypted, as a file of its own. */
function partsOnly(): PlannedFile[] {
  const attempt =
    (range: Range, commandLine: boolean) =>
    async (m: Meeting): Promise<void> => {
      const whole = plaintext(SIZE, newPlace(m))
      const file = await askIt(m, 'encrypt-file', whole, { recipients: ['ada'], range, commandLine })
      await readHere(m, file, 'ada', whole.subarray(range[0], range[1] ?? SIZE), 'segment')
    }
  const ranges: readonly Range[] = [
    [10, 60],
    [SEGMENT - 6, 140_000],
    [70_000, SIZE],
    [70_000, null],
  ]
  const byLibrary = ranges.map((range) => ({
    cell: 'parts encrypted by it, read here',
    details: inWords(range),
    attempt: attempt(range, false),
  }))
  const asked = (range: Range, about: Aspect): PlannedFile => ({
    cell: 'parts encrypted by its command line, read here',
    details: inWords(range),
    about,
    attempt: attempt(range, true),
  })
  return [
    ...byLibrary,
    asked([10, 60], 'end of a range on the command line'),
    asked([70_000, null], 'range without an end on the command line'),
  ]
}

function reencrypted(): PlannedFile[] {
  const make = async (m: Meeting, wanted: Uint8Array): Promise<Uint8Array> =>
    askIt(m, 'encrypt-file', wanted, { by: 'ada', recipients: ['ada', 'ben'] })
  const whole = [false, true].flatMap((trim) =>
    SIZES.map((size) => ({
      cell: `objects re-encrypted by it, read here: ${trim ? 'others left out' : 'others kept'}`,
      details: `${size} bytes`,
      attempt: async (m: Meeting): Promise<void> => {
        const wanted = plaintext(size, newPlace(m))
        const asked = { by: 'ada', recipients: ['cem', 'dan'], trim } as const
        const file = await askIt(m, 'reencrypt-file', await make(m, wanted), asked)
        for (const each of trim ? (['cem', 'dan'] as const) : (['cem', 'dan', 'ben'] as const)) {
          await readHere(m, file, each, wanted, 'segment')
        }
        await refuse(m, file, 'ada', FAILED)
      },
    })),
  )
  const apart = [0, SEGMENT, SIZE].flatMap((size) => [
    {
      cell: 'headers re-encrypted by it, read here',
      details: `${size} bytes`,
      attempt: async (m: Meeting): Promise<void> => {
        const wanted = plaintext(size, newPlace(m))
        const file = await make(m, wanted)
        const asked = { by: 'ada', recipients: ['cem'], headerOnly: true } as const
        const header = await askIt(m, 'reencrypt-file', file, asked)
        const body = file.subarray(headerLengthOf(file))
        await decryptHere(m, body, 'cem', wanted, { header })
        await readHere(m, Buffer.concat([header, body]), 'cem', wanted, 'segment')
      },
    },
  ])
  return [...whole, ...apart]
}

const PARTS: readonly (readonly [size: number, ...range: Range])[] = [
  [196_708, 0, SEGMENT],
  [196_708, SEGMENT, 2 * SEGMENT],
  [196_708, SEGMENT - 1, SEGMENT + 1],
  [196_708, 70_000, 150_000],
  [196_708, 2 * SEGMENT, 196_708],
  [196_708, 100, null],
  [20 * 1024 * 1024, 70_000, 15_000_000],
]

function rearranged(): PlannedFile[] {
  const trial = (size: number, range: Range, about?: Aspect): PlannedFile => ({
    cell: 'parts of files made by it, read here',
    details: `${inWords(range)} of ${size}`,
    ...(about && { about }),
    attempt: async (m) => {
      const [start, end] = [range[0], range[1] ?? size]
      const whole = plaintext(size, newPlace(m))
      const file = await askIt(m, 'encrypt-file', whole, { recipients: ['ada'] })
      const part = await askIt(m, 'rearrange-file', file, { by: 'ada', range })
      await readHere(m, part, 'ada', whole.subarray(start, end), 'segment')
      const segments = Math.ceil(end / SEGMENT) - Math.floor(start / SEGMENT)
      const most = segments * SEALED_SEGMENT
      const kept = part.length - headerLengthOf(part)
      if (kept > most) throw new Error(`${kept - most} bytes are kept that are not in the range`)
    },
  })
  const once: PlannedFile = {
    cell: 'parts of parts made by it, read here',
    details: '10 to 60 of 70000 to 150000',
    about: 'rearranged once more',
    attempt: async (m) => {
      const whole = plaintext(196_708, newPlace(m))
      const file = await askIt(m, 'encrypt-file', whole, { recipients: ['ada'] })
      const part = await askIt(m, 'rearrange-file', file, { by: 'ada', range: [70_000, 150_000] })
      const inner = await askIt(m, 'rearrange-file', part, { by: 'ada', range: [10, 60] })
      await readHere(m, inner, 'ada', whole.subarray(70_010, 70_060))
    },
  }
  return [
    ...PARTS.map(([size, ...range]) => trial(size, range)),
    trial(196_708, [10, 60], 'rearranged within the first segment'),
    once,
  ]
}
