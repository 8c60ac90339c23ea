import { DeleteObjectCommand, GetObjectCommand, HeadObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3'
import type { S3Client } from '@aws-sdk/client-s3'
import { reEncryptInstructionFile, rotateKey } from 's3-cse'
import { contextOf, NEW_CONTEXT, PART_SIZE, plaintext } from './inputs.js'
import { keyKind } from './kinds.js'
import { INSTRUCTION, newPlace, settingsOf, theirGet, theirPut, writtenHere } from './meeting.js'
import type { Meeting } from './meeting.js'
import { expectSame, get, keyringOf, needs, put, view, writing } from './ours.js'
import type { Opening, Place } from './ours.js'
import type { Trial } from './peer.js'
import { readHere, refuseHere } from './read-here.js'
import { flipped, refuse } from './refuse.js'

const SUFFIX = '.other'

/** Tries one thing; rejects with what the other side threw, or with what is wrong. */
export async function attempt(m: Meeting, trial: Trial): Promise<void> {
  const { op, kind } = trial
  const opening = { key: m.inputs.key(keyKind(kind)), context: contextOf(trial.context) }
  if (op === 'write' || op === 'multipart' || op === 'suffix-write') {
    const place = newPlace(m)
    const suffix = op === 'suffix-write' ? { suffix: SUFFIX } : {}
    await theirPut(m, trial, place, opening, { ...suffix, ...(op === 'multipart' ? { partSize: PART_SIZE } : {}) })
    await readHere(m.ours, kind, place, opening, plaintext(trial.size, place), suffix.suffix)
  } else if (op === 'refused') {
    const place = newPlace(m)
    await theirPut(m, trial, place, opening)
    const other = { ...opening, key: m.inputs.key(keyKind(kind), 'second') }
    const wanted = plaintext(trial.size, place)
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
  const wanted = plaintext(trial.size, place)
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
  expectSame(await get(view(m.ours, renewed, needs(kind)), place), plaintext(trial.size, place))
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
