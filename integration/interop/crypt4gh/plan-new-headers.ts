import { Buffer } from 'node:buffer'
import { rearrange, reencrypt } from 's3-cse'
import { plaintext } from '../inputs.js'
import { headerLengthOf } from './layout.js'
import { encryptHere, rearrangeHere, reencryptHeaderHere, reencryptHere } from './library.js'
import { askIt, itRefuses, newPlace } from './meeting.js'
import type { Meeting } from './meeting.js'
import { clientOf, putHere, storedBytes } from './objects.js'
import type { PlannedFile } from './peer.js'
import { keyringOf } from './people.js'
import { itReads, refuse, SEGMENT, SIZES } from './reads.js'

const MIB = 1024 * 1024

/** What s3-cse makes of its own with another header, it reads. */
export const planNewHeaders = (): PlannedFile[] => [...reencrypted(), ...rearranged()]

function reencrypted(): PlannedFile[] {
  const asObject = [false, true].flatMap((trim) =>
    SIZES.map((size) => ({
      cell: `objects re-encrypted here, read by it: ${trim ? 'others left out' : 'others kept'}`,
      details: `${size} bytes`,
      attempt: async (m: Meeting): Promise<void> => {
        const place = newPlace(m)
        const wanted = plaintext(size, place)
        await putHere(clientOf(m, 'ada', ['ada', 'ben']), 'PutObject', place, wanted)
        const to = keyringOf(m.people, 'ada', ['cem', 'dan'])
        await reencrypt(clientOf(m, 'ada'), { ...place, to, trim })
        await checkReencrypted(m, await storedBytes(m, place), wanted, trim)
      },
    })),
  )
  const asFile = [false, true].flatMap((trim) =>
    SIZES.map((size) => ({
      cell: `files re-encrypted here, read by it: ${trim ? 'others left out' : 'others kept'}`,
      details: `${size} bytes`,
      attempt: async (m: Meeting): Promise<void> => {
        const wanted = plaintext(size, newPlace(m))
        const file = await encryptHere(m, 'encryptStream', 'ada', ['ada', 'ben'], wanted)
        await checkReencrypted(m, await reencryptHere(m, file, 'ada', ['cem', 'dan'], trim), wanted, trim)
      },
    })),
  )
  const headers = [0, SEGMENT, 200_000].map((size) => ({
    cell: 'headers re-encrypted here, read by it',
    details: `${size} bytes`,
    attempt: async (m: Meeting): Promise<void> => {
      const wanted = plaintext(size, newPlace(m))
      const file = await encryptHere(m, 'encrypt', 'ada', ['ada', 'ben'], wanted)
      const length = headerLengthOf(file)
      const header = await reencryptHeaderHere(m, file.subarray(0, length), 'ada', ['cem', 'dan'])
      await checkReencrypted(m, Buffer.concat([header, file.subarray(length)]), wanted, false)
    },
  }))
  return [...asObject, ...asFile, ...headers]
}

async function checkReencrypted(m: Meeting, file: Uint8Array, wanted: Uint8Array, trim: boolean): Promise<void> {
  await itReads(m, file, trim ? ['cem', 'dan'] : ['cem', 'dan', 'ben'], wanted)
  for (const gone of trim ? (['ada', 'ben'] as const) : (['ada'] as const)) {
    await itRefuses(m, askIt(m, 'decrypt-file', file, { by: gone }))
    await refuse(m, file, gone, 'ERR_S3CSE_DECRYPTION_FAILED')
  }
}

const PARTS: readonly (readonly [size: number, start: number, end: number])[] = [
  [200_000, 0, 1],
  [200_000, 10, 60],
  [200_000, 0, SEGMENT],
  [200_000, SEGMENT, 2 * SEGMENT],
  [200_000, SEGMENT - 1, SEGMENT + 1],
  [200_000, 150_000, 200_000],
  [20 * MIB, 70_000, 19 * MIB + 5],
]

function rearranged(): PlannedFile[] {
  return PARTS.flatMap(([size, start, end]) => {
    const details = `${start} to ${end} of ${size}`
    const check = async (m: Meeting, file: Uint8Array, wanted: Uint8Array): Promise<void> => {
      await itReads(m, file, ['ada'], wanted)
      await itRefuses(m, askIt(m, 'decrypt-file', file, { by: 'ben' }))
    }
    return [
      {
        cell: 'parts of objects made here, read by it',
        details,
        attempt: async (m: Meeting): Promise<void> => {
          const [whole, part] = [newPlace(m), newPlace(m)]
          const bytes = plaintext(size, whole)
          await putHere(clientOf(m, 'ada', ['ada', 'ben']), 'PutObject', whole, bytes)
          await rearrange(clientOf(m, 'ada'), { ...part, CopySource: { ...whole }, start, end })
          await check(m, await storedBytes(m, part), bytes.subarray(start, end))
        },
      },
      {
        cell: 'parts of files made here, read by it',
        details,
        attempt: async (m: Meeting): Promise<void> => {
          const bytes = plaintext(size, newPlace(m))
          const file = await encryptHere(m, 'encrypt', 'ada', ['ada', 'ben'], bytes)
          await check(m, await rearrangeHere(m, file, 'ada', [start, end]), bytes.subarray(start, end))
        },
      },
      {
        cell: 'parts of parts made here, read by it',
        details,
        attempt: async (m: Meeting): Promise<void> => {
          const bytes = plaintext(size, newPlace(m))
          const file = await encryptHere(m, 'encrypt', 'ada', ['ada', 'ben'], bytes)
          const once = await rearrangeHere(m, file, 'ada', [start, end])
          const inner = [Math.floor((end - start) / 3), end - start] as const
          const twice = await rearrangeHere(m, once, 'ada', inner)
          await check(m, twice, bytes.subarray(start, end).subarray(...inner))
        },
      },
    ]
  })
}
