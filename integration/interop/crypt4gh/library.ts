import { Buffer } from 'node:buffer'
import {
  decrypt,
  decryptStream,
  encrypt,
  encryptStream,
  openRange,
  rearrange,
  reencrypt,
  reencryptHeader,
} from 's3-cse/crypt4gh'
import { expectRefusal, expectSame } from '../ours.js'
import type { Meeting } from './meeting.js'
import type { Integrity } from './objects.js'
import { keyringOf } from './people.js'
import type { Person } from './people.js'

/** What is handed over at a time: ends of segments fall anywhere. */
const CHUNK = 50_001

async function* chunksOf(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += CHUNK) yield await Promise.resolve(bytes.subarray(at, at + CHUNK))
}

export async function collected(chunks: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const all: Uint8Array[] = []
  for await (const chunk of chunks) all.push(chunk)
  return Buffer.concat(all)
}

export type LibraryWay = 'encrypt' | 'encryptStream' | 'encryptStream, header apart' | 'encryptStream, a part'

/** The part that `encryptStream, a part` encrypts. */
export const partOf = (bytes: Uint8Array): readonly [start: number, end: number] => [
  Math.floor(bytes.length / 3),
  Math.floor((2 * bytes.length) / 3),
]

/** A file that s3-cse makes without S3. */
export async function encryptHere(
  m: Meeting,
  way: LibraryWay,
  by: Person,
  recipients: readonly Person[],
  plaintext: Uint8Array,
): Promise<Uint8Array> {
  const keyring = keyringOf(m.people, by, recipients)
  if (way === 'encrypt') return (await encrypt(plaintext, { keyring })).message
  if (way === 'encryptStream') return collected(encryptStream(chunksOf(plaintext), { keyring }))
  if (way === 'encryptStream, a part') {
    const [start, end] = partOf(plaintext)
    return collected(encryptStream(chunksOf(plaintext), { keyring, start, end }))
  }
  const stream = encryptStream(chunksOf(plaintext), { keyring, detachedHeader: true })
  const body = await collected(stream)
  return Buffer.concat([(await stream.header).bytes, body])
}

/** The same with another header. */
export async function reencryptHere(
  m: Meeting,
  message: Uint8Array,
  by: Person,
  to: readonly Person[],
  trim: boolean,
): Promise<Uint8Array> {
  const options = { keyring: keyringOf(m.people, by), to: keyringOf(m.people, by, to), trim }
  return collected(reencrypt(chunksOf(message), options))
}

/** The header alone, as it is kept by itself. */
export async function reencryptHeaderHere(
  m: Meeting,
  header: Uint8Array,
  by: Person,
  to: readonly Person[],
): Promise<Uint8Array> {
  return reencryptHeader(header, { keyring: keyringOf(m.people, by), to: keyringOf(m.people, by, to) })
}

export async function rearrangeHere(
  m: Meeting,
  message: Uint8Array,
  by: Person,
  [start, end]: readonly [number, number],
): Promise<Uint8Array> {
  return collected(rearrange(message, { keyring: keyringOf(m.people, by), start, end }))
}

/** The file is read by every function that reads one; `header`: where that is apart. */
export async function decryptHere(
  m: Meeting,
  message: Uint8Array,
  by: Person,
  wanted: Uint8Array,
  { integrity, header: apart }: { readonly integrity?: Integrity; readonly header?: Uint8Array } = {},
): Promise<void> {
  const options = { keyring: keyringOf(m.people, by), ...(apart && { header: apart }) }
  const { plaintext, header } = await decrypt(message, options)
  expectSame(plaintext, wanted)
  if (integrity !== undefined && header.integrity !== integrity) throw new Error(`decrypt: ${header.integrity}`)
  expectSame(await collected(decryptStream(chunksOf(message), options)), wanted)
  const third = Math.floor(wanted.length / 3)
  const part = wanted.subarray(third, 2 * third)
  const range = { start: third, end: 2 * third }
  expectSame(await collected(decryptStream(chunksOf(message), { ...options, ...range })), part)
  const reader = await openRange(message, options)
  try {
    if (reader.length !== wanted.length) throw new Error(`openRange: ${reader.length} bytes`)
    expectSame(await reader.read(third, 2 * third), part)
    expectSame(await collected(reader.stream(third)), wanted.subarray(third))
  } finally {
    reader.close()
  }
}

/** Nothing that reads files reads this one. */
export async function refuseHere(
  m: Meeting,
  message: Uint8Array,
  by: Person,
  ...codes: readonly string[]
): Promise<void> {
  const options = { keyring: keyringOf(m.people, by) }
  await expectRefusal('decrypt', () => decrypt(message, options), ...codes)
  await expectRefusal('decryptStream', () => collected(decryptStream(chunksOf(message), options)), ...codes)
  const readAll = async (): Promise<void> => {
    const reader = await openRange(message, options)
    await reader.read(0).finally(() => reader.close())
  }
  await expectRefusal('openRange', readAll, ...codes)
}
