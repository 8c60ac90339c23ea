import { PutObjectCommand } from '@aws-sdk/client-s3'
import { expectRefusal, expectSame, get } from '../ours.js'
import { decryptHere, refuseHere } from './library.js'
import { askIt, newPlace } from './meeting.js'
import type { Meeting } from './meeting.js'
import { clientOf, readObject } from './objects.js'
import type { Integrity } from './objects.js'
import type { Person } from './people.js'

const MIB = 1024 * 1024
export const SEGMENT = 65_536
/** Bytes of plaintext. */
export const SIZES: readonly number[] = [0, 1, SEGMENT - 1, SEGMENT, SEGMENT + 1, 200_000, 5 * MIB + 1, 20 * MIB]

/** Each recipient by its own key, the sender pinned. */
export async function itReads(m: Meeting, file: Uint8Array, by: readonly Person[], wanted: Uint8Array): Promise<void> {
  for (const each of by) {
    expectSame(await askIt(m, 'decrypt-file', file, { by: each, sender: 'ada' }), wanted)
  }
}

/** What it stores is read here as an object, and without S3. */
export async function readHere(
  m: Meeting,
  file: Uint8Array,
  by: Person,
  wanted: Uint8Array,
  integrity?: Integrity,
): Promise<void> {
  const place = newPlace(m)
  await m.s3.send(new PutObjectCommand({ ...place, Body: file }))
  await readObject(m, place, by, wanted, integrity)
  await decryptHere(m, file, by, wanted, integrity && { integrity })
}

/** What is stored is refused here as an object, and without S3. */
export async function refuse(m: Meeting, file: Uint8Array, by: Person, ...codes: readonly string[]): Promise<void> {
  const place = newPlace(m)
  await m.s3.send(new PutObjectCommand({ ...place, Body: file }))
  // What does not begin as a file does is an object that is not encrypted.
  await expectRefusal('GetObject', () => get(clientOf(m, by), place), ...codes, 'ERR_S3CSE_NOT_ENCRYPTED')
  await refuseHere(m, file, by, ...codes)
}
