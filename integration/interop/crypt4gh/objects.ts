import { GetObjectCommand, HeadObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3'
import type { S3Client } from '@aws-sdk/client-s3'
import { Upload } from '@aws-sdk/lib-storage'
import { Readable } from 'node:stream'
import { encryptedView, encryptionInfo } from 's3-cse'
import { crypt4gh } from 's3-cse/crypt4gh'
import type { Crypt4ghOptions } from 's3-cse/crypt4gh'
import { PART_SIZE } from '../inputs.js'
import { expectSame, get } from '../ours.js'
import type { Meeting, Place } from './meeting.js'
import { keyringOf } from './people.js'
import type { Person } from './people.js'

export type Integrity = 'segment' | 'ordered'

export const clientOf = (
  m: Meeting,
  by: Person,
  recipients: readonly Person[] = [by],
  options: Crypt4ghOptions = {},
): S3Client => encryptedView(m.s3, { keyring: keyringOf(m.people, by, recipients), format: crypt4gh(options) })

/** What is stored. */
export async function storedBytes(m: Meeting, place: Place): Promise<Uint8Array> {
  return get(m.s3, place)
}

export type ObjectWay = 'PutObject' | 'Upload' | 'Upload of a stream'

/** Ends of parts and of segments are elsewhere. */
const CHUNK = 100_003

/** Writes an object as s3-cse does. */
export async function putHere(client: S3Client, way: ObjectWay, place: Place, bytes: Uint8Array): Promise<void> {
  if (way === 'PutObject') {
    await client.send(new PutObjectCommand({ ...place, Body: bytes }))
    return
  }
  const chunks = function* (): Generator<Uint8Array, void> {
    for (let at = 0; at < bytes.length; at += CHUNK) yield bytes.subarray(at, at + CHUNK)
  }
  const Body = way === 'Upload' ? bytes : Readable.from(chunks(), { objectMode: false })
  await new Upload({ client, params: { ...place, Body }, partSize: PART_SIZE }).done()
}

/** Reads an object that somebody else stored, in every way; `integrity`: as far as it is known what it must be. */
export async function readObject(
  m: Meeting,
  place: Place,
  by: Person,
  wanted: Uint8Array,
  integrity?: Integrity,
): Promise<void> {
  const client = clientOf(m, by)
  const output = await client.send(new GetObjectCommand({ ...place }))
  expectSame((await output.Body?.transformToByteArray()) ?? new Uint8Array(), wanted)
  if (output.ContentLength !== wanted.length) throw new Error(`GetObject: ${String(output.ContentLength)} bytes`)
  const { status, authentication, envelope } = encryptionInfo(output) ?? {}
  const isRight = integrity === undefined || envelope?.integrity === integrity
  if (status !== 'encrypted' || authentication !== 'verified' || !isRight) {
    throw new Error(`it is read as ${String(status)}, ${String(authentication)}, ${String(envelope?.integrity)}`)
  }
  // Without the key nobody knows what an edit list leaves.
  const { ContentLength } = await client.send(new HeadObjectCommand({ ...place }))
  if (ContentLength !== wanted.length && ContentLength !== undefined)
    throw new Error(`HeadObject: ${ContentLength} bytes`)
  if (wanted.length > 0) await readRanges(client, place, wanted)
}

/** The first byte, the last, over the ends of segments, and to the end. */
async function readRanges(client: S3Client, place: Place, wanted: Uint8Array): Promise<void> {
  const { length } = wanted
  const third = Math.floor(length / 3)
  const ranges: readonly (readonly [range: string, start: number, end: number])[] = [
    ['bytes=0-0', 0, 1],
    ['bytes=-1', length - 1, length],
    [`bytes=${third}-${2 * third}`, third, 2 * third + 1],
    [`bytes=${third}-${length + 100}`, third, length],
    ...(length > 65_536 ? [['bytes=65535-65536', 65_535, 65_537] as const] : []),
  ]
  for (const [Range, start, end] of ranges) {
    const { Body, ContentRange } = await client.send(new GetObjectCommand({ ...place, Range }))
    const said = `bytes ${start}-${end - 1}/${length}`
    if (ContentRange !== said) throw new Error(`${Range}: ${String(ContentRange)} instead of ${said}`)
    expectSame((await Body?.transformToByteArray()) ?? new Uint8Array(), wanted.subarray(start, end))
  }
}
