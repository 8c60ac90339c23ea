import { readFile, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { plaintext } from './inputs.js'
import type { Inputs } from './inputs.js'
import { isLegacy } from './kinds.js'
import { expectSame, put } from './ours.js'
import type { Opening, Ours, Place } from './ours.js'
import type { Kind, PeerClient, Trial } from './peer.js'
import type { ClientSettings, Format } from './protocol.js'
import type { Session } from './session.js'

/** Between one client and this side. */
export interface Meeting {
  readonly ours: Ours
  readonly inputs: Inputs
  readonly bucket: string
  readonly client: PeerClient
  readonly session: Session
  /** Objects that were written here, by what they are: each is written once. */
  readonly written: Map<string, Promise<Place>>
  number: number
}

export const INSTRUCTION = '.instruction'

export function newPlace(m: Meeting): Place {
  m.number += 1
  return { Bucket: m.bucket, Key: `${m.client.name.replaceAll(/[^A-Za-z0-9]+/g, '-')}/${m.number}` }
}

export function writtenHere(m: Meeting, { kind, context, size }: Trial, opening: Opening): Promise<Place> {
  const name = JSON.stringify([kind, context, size])
  const make = async (): Promise<Place> => {
    const place = newPlace(m)
    await put(m.ours, kind, place, opening, size)
    return place
  }
  const found = m.written.get(name) ?? make()
  m.written.set(name, found)
  return found
}

export const settingsOf = (m: Meeting, kind: Kind, { key, context }: Opening): ClientSettings => ({
  ...kind,
  client: m.client.name,
  wrappingKey: key,
  context,
})

function newFile(m: Meeting): string {
  m.number += 1
  return path.join(m.inputs.directory, `${m.bucket}-${m.number}`)
}

export async function theirPut(
  m: Meeting,
  { kind, size }: Trial,
  place: Place,
  opening: Opening,
  more: { readonly partSize?: number; readonly suffix?: string } = {},
): Promise<void> {
  const file = newFile(m)
  const { Bucket, Key } = place
  try {
    await writeFile(file, plaintext(size, place))
    await m.session.ask({ op: 'put', bucket: Bucket, key: Key, ...settingsOf(m, kind, opening), file, ...more })
  } finally {
    await rm(file, { force: true })
  }
}

export interface Reading {
  readonly suffix?: string
  readonly legacy?: boolean
  readonly format?: Format
}

/** What it reads. */
export async function theirRead(
  m: Meeting,
  { kind, range }: Trial,
  { Bucket, Key }: Place,
  opening: Opening,
  more: Reading = {},
): Promise<Uint8Array> {
  const file = newFile(m)
  const legacy = isLegacy(kind)
  const ranged = range === undefined ? {} : { range }
  try {
    const settings = settingsOf(m, kind, opening)
    await m.session.ask({ op: 'get', bucket: Bucket, key: Key, ...settings, file, legacy, ...ranged, ...more })
    return await readFile(file)
  } finally {
    await rm(file, { force: true })
  }
}

/** It reads; rejects if that is not what was written. */
export async function theirGet(
  m: Meeting,
  trial: Trial,
  place: Place,
  opening: Opening,
  more: Reading = {},
): Promise<void> {
  const { size, range } = trial
  const [, start = '0', end = String(size)] = /^bytes=(\d+)-(\d+)$/.exec(range ?? '') ?? []
  const wanted = plaintext(size, place).subarray(Number(start), Number(end) + 1)
  expectSame(await theirRead(m, trial, place, opening, more), wanted)
}
