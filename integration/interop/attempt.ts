import {
  CopyObjectCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  PutObjectCommand,
} from '@aws-sdk/client-s3'
import type { S3Client } from '@aws-sdk/client-s3'
import { readFile, rm } from 'node:fs/promises'
import path from 'node:path'
import { reEncryptInstructionFile, rotateKey } from 's3-cse'
import { contextOf, NEW_CONTEXT, OTHER_CONTEXT, PART_SIZE, plaintext } from './inputs.js'
import type { Inputs } from './inputs.js'
import { isLegacy, keyKind } from './kinds.js'
import { expectSame, get, keyringOf, needs, put, view, writing } from './ours.js'
import type { Opening, Ours, Place } from './ours.js'
import type { Kind, PeerClient, Trial } from './peer.js'
import type { ClientSettings, Format } from './protocol.js'
import { readHere, refuseHere } from './read-here.js'
import { PeerError } from './session.js'
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

const SUFFIX = '.other'
const INSTRUCTION = '.instruction'

/** Tries one thing; rejects with what the other side threw, or with what is wrong. */
export async function attempt(m: Meeting, trial: Trial): Promise<void> {
  const { op, kind } = trial
  const opening = { key: m.inputs.key(keyKind(kind)), context: contextOf(trial.context) }
  const wanted = plaintext(trial.size)
  if (op === 'write' || op === 'multipart' || op === 'suffix-write') {
    const place = newPlace(m)
    const suffix = op === 'suffix-write' ? { suffix: SUFFIX } : {}
    await theirPut(m, trial, place, opening, { ...suffix, ...(op === 'multipart' ? { partSize: PART_SIZE } : {}) })
    await readHere(m.ours, kind, place, opening, wanted, suffix.suffix)
  } else if (op === 'refused') {
    const place = newPlace(m)
    await theirPut(m, trial, place, opening)
    const other = { ...opening, key: m.inputs.key(keyKind(kind), 'second') }
    await refuseHere(m.ours, kind, place, opening, other, wanted, () => flipped(m, trial, place))
  } else if (op === 'read' || op === 'range') {
    const place = await writtenHere(m, trial, opening)
    await theirGet(m, trial, place, opening)
  } else if (op === 'suffix-read') {
    const place = newPlace(m)
    await put(m.ours, kind, place, opening, trial.size, SUFFIX)
    await theirGet(m, trial, place, opening, { suffix: SUFFIX })
  } else if (op === 'reencrypt') {
    await reencrypt(m, trial, opening)
  } else if (op === 'rotated') {
    await rotated(m, trial, opening)
  } else if (op === 'delete' || op === 'deleted') {
    await deleted(m, trial, opening)
  } else {
    await refuse(m, trial, opening)
  }
}

function newPlace(m: Meeting): Place {
  m.number += 1
  return { Bucket: m.bucket, Key: `${m.client.name.replaceAll(/[^A-Za-z0-9]+/g, '-')}/${m.number}` }
}

function writtenHere(m: Meeting, { kind, context, size }: Trial, opening: Opening): Promise<Place> {
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

const settingsOf = (m: Meeting, kind: Kind, { key, context }: Opening): ClientSettings => ({
  ...kind,
  client: m.client.name,
  wrappingKey: key,
  context,
})

async function theirPut(
  m: Meeting,
  { kind, size }: Trial,
  { Bucket, Key }: Place,
  opening: Opening,
  more: { readonly partSize?: number; readonly suffix?: string } = {},
): Promise<void> {
  const file = m.inputs.file(size)
  await m.session.ask({ op: 'put', bucket: Bucket, key: Key, ...settingsOf(m, kind, opening), file, ...more })
}

/** It reads; rejects if that is not what was written. */
async function theirGet(
  m: Meeting,
  { kind, size, range }: Trial,
  { Bucket, Key }: Place,
  opening: Opening,
  more: { readonly suffix?: string; readonly legacy?: boolean; readonly format?: Format } = {},
): Promise<void> {
  m.number += 1
  const file = path.join(m.inputs.directory, `read-${m.bucket}-${m.number}`)
  const legacy = isLegacy(kind)
  const ranged = range === undefined ? {} : { range }
  try {
    const settings = settingsOf(m, kind, opening)
    await m.session.ask({ op: 'get', bucket: Bucket, key: Key, ...settings, file, legacy, ...ranged, ...more })
    const [, start = '0', end = String(size)] = /^bytes=(\d+)-(\d+)$/.exec(range ?? '') ?? []
    expectSame(await readFile(file), plaintext(size).subarray(Number(start), Number(end) + 1))
  } finally {
    await rm(file, { force: true })
  }
}

async function refuse(m: Meeting, trial: Trial, opening: Opening): Promise<void> {
  const { op, kind } = trial
  const place = await writtenHere(m, trial, opening)
  const reads = {
    'refuse-wrong-key': () => theirGet(m, trial, place, { ...opening, key: m.inputs.key(keyKind(kind), 'second') }),
    'refuse-flipped-bit': async () => theirGet(m, trial, await flipped(m, trial, place), opening),
    'refuse-wrong-context': () => theirGet(m, trial, place, { ...opening, context: OTHER_CONTEXT }),
    'refuse-not-committing': () => theirGet(m, trial, place, opening, { format: 'V3' }),
    'refuse-legacy': () => theirGet(m, trial, place, opening, { legacy: false }),
    'refuse-plain': async () => theirGet(m, trial, await plain(m, trial), opening),
  }
  const error: unknown = await reads[op as keyof typeof reads]().then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  if (error instanceof PeerError) return
  // Nothing authenticates CBC: another key, or other bytes, may as well give garbage.
  if (kind.content === 'CBC' && error instanceof Error && error.message.startsWith('the plaintext differs')) return
  throw error instanceof Error ? new Error(`it did not refuse: ${error.message}`) : new Error('it did not refuse')
}

async function plain(m: Meeting, { size }: Trial): Promise<Place> {
  const place = newPlace(m)
  await m.ours.s3.send(new PutObjectCommand({ ...place, Body: plaintext(size) }))
  return place
}

/** A copy with one bit changed: in CBC the one before the last byte of the padding, which is always seen. */
async function flipped(m: Meeting, { kind }: Trial, from: Place): Promise<Place> {
  const place = newPlace(m)
  const { Body, Metadata = {} } = await m.ours.s3.send(new GetObjectCommand({ ...from }))
  const bytes = (await Body?.transformToByteArray()) ?? new Uint8Array()
  const at = kind.content === 'CBC' ? bytes.length - 17 : 0
  bytes[at] = (bytes[at] ?? 0) ^ 1
  if (kind.envelope === 'instruction-file') {
    const CopySource = `${from.Bucket}/${from.Key}${INSTRUCTION}`
    await m.ours.s3.send(new CopyObjectCommand({ ...place, Key: place.Key + INSTRUCTION, CopySource }))
  }
  await m.ours.s3.send(new PutObjectCommand({ ...place, Body: bytes, Metadata }))
  return place
}

async function reencrypt(m: Meeting, trial: Trial, opening: Opening): Promise<void> {
  const { kind } = trial
  const { suffix } = m.client.reencrypts?.find((each) => each.kind === kind) ?? {}
  const place = newPlace(m)
  await put(m.ours, kind, place, opening, trial.size)
  const renewed = { key: m.inputs.key(keyKind(kind), 'second'), context: NEW_CONTEXT }
  const to = { wrappingKey: renewed.key, context: renewed.context, ...(suffix === undefined ? {} : { suffix }) }
  const settings = settingsOf(m, kind, opening)
  await m.session.ask({ op: 'reencrypt', bucket: place.Bucket, key: place.Key, ...settings, to })
  const options = suffix === undefined ? {} : { instructionFileSuffix: `.${suffix}` }
  const wanted = plaintext(trial.size)
  expectSame(await get(view(m.ours, renewed, needs(kind)), place, options), wanted)
  // The file of the old key stays where the new one has a name of its own.
  if (suffix !== undefined) expectSame(await get(view(m.ours, opening, needs(kind)), place), wanted)
}

async function rotated(m: Meeting, trial: Trial, opening: Opening): Promise<void> {
  const { kind } = trial
  const place = newPlace(m)
  await theirPut(m, trial, place, opening)
  const isBare = Object.keys(opening.context).length === 0
  const renewed = { key: m.inputs.key(keyKind(kind), 'second'), context: isBare ? {} : NEW_CONTEXT }
  const client = view(m.ours, opening, { ...needs(kind), ...writing(kind) })
  const context = renewed.key.kind === 'kms' ? { encryptionContext: renewed.context } : {}
  const input = { ...place, to: keyringOf(m.ours, renewed), ...context }
  await (kind.envelope === 'metadata' ? rotateKey(client, input) : reEncryptInstructionFile(client, input))
  expectSame(await get(view(m.ours, renewed, needs(kind)), place), plaintext(trial.size))
  await theirGet(m, trial, place, renewed)
}

async function deleted(m: Meeting, trial: Trial, opening: Opening): Promise<void> {
  const place = newPlace(m)
  const file = { ...place, Key: place.Key + INSTRUCTION }
  const server = trial.op === 'delete' ? m.ours.s3 : m.ours.strict
  if (trial.op === 'delete') {
    await put(m.ours, trial.kind, place, opening, trial.size)
    const settings = settingsOf(m, trial.kind, opening)
    await m.session.ask({ op: 'delete', bucket: place.Bucket, key: place.Key, ...settings })
  } else {
    await theirPut(m, trial, place, opening)
    for (const each of [place, file]) await copyStored(m, each)
    const client = view({ ...m.ours, s3: server }, opening, { instructionFile: { delete: true } })
    await client.send(new DeleteObjectCommand({ ...place }))
  }
  if (await exists(server, place)) throw new Error('it did not delete the object')
  if (await exists(server, file)) throw new Error('it did not delete the instruction file')
}

/** As it is stored, to the server that knows conditions. */
async function copyStored({ ours }: Meeting, place: Place): Promise<void> {
  const { Body, Metadata, ContentType } = await ours.s3.send(new GetObjectCommand({ ...place }))
  const stored = { Body: (await Body?.transformToByteArray()) ?? new Uint8Array(), Metadata, ContentType }
  await ours.strict.send(new PutObjectCommand({ ...place, ...stored }))
}

async function exists(s3: S3Client, place: Place): Promise<boolean> {
  return s3.send(new HeadObjectCommand({ ...place })).then(
    () => true,
    (error: unknown) => {
      if ((error as { name?: string }).name === 'NotFound') return false
      throw error
    },
  )
}
