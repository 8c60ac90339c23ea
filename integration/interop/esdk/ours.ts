import { GetObjectCommand, HeadObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3'
import type { S3Client } from '@aws-sdk/client-s3'
import { Upload } from '@aws-sdk/lib-storage'
import { encryptedView, encryptionInfo } from 's3-cse'
import type { EncryptionOptions } from 's3-cse'
import { esdk } from 's3-cse/esdk'
import type { EsdkOptions } from 's3-cse/esdk'
import { PART_SIZE } from '../inputs.js'
import { expectRefusal, expectSame, get } from '../ours.js'
import type { Place } from '../ours.js'
import { contextOf, REQUIRED } from './contexts.js'
import type { KeyList, MessageKeys } from './keys.js'
import type { MessageTrial } from './peer.js'
import { commits, isSigned } from './suites.js'

const NEVER_VERIFIED = { rangesWithoutSignature: true } as const

/** What reading a trial's message needs, and nothing more. */
export function optionsOf(
  { suite, context, required = false }: MessageTrial,
  more: EsdkOptions = {},
): Omit<EncryptionOptions, 'keyring'> {
  const pairs = contextOf(context, required)
  return {
    format: esdk({
      ...(required ? { requiredEncryptionContextKeys: [REQUIRED] } : {}),
      algorithmSuite: suite,
      ...more,
    }),
    ...(commits(suite) ? {} : { commitmentPolicy: 'FORBID_ENCRYPT_ALLOW_DECRYPT' }),
    ...(Object.keys(pairs).length > 0 ? { encryptionContext: pairs } : {}),
  }
}

/** Writes an object as s3-cse does. */
export async function putHere(
  s3: S3Client,
  keys: MessageKeys,
  trial: MessageTrial,
  list: KeyList,
  place: Place,
  Body: Uint8Array,
): Promise<void> {
  const options = optionsOf(trial, { frameLength: trial.frameLength })
  const client = encryptedView(s3, { keyring: keys.keyring(list, 'write'), ...options })
  if (trial.written === 'Upload') {
    await new Upload({ client, params: { ...place, Body }, partSize: PART_SIZE }).done()
    return
  }
  await client.send(new PutObjectCommand({ ...place, Body }))
}

/** Reads a message that somebody else stored, in every way. */
export async function readMessage(
  s3: S3Client,
  keys: MessageKeys,
  trial: MessageTrial,
  list: KeyList,
  place: Place,
  wanted: Uint8Array,
): Promise<void> {
  const { suite, frameLength, context } = trial
  const keyring = keys.keyring(list, 'read')
  const client = encryptedView(s3, { keyring, ...optionsOf(trial) })
  const output = await client.send(new GetObjectCommand({ ...place }))
  expectSame((await output.Body?.transformToByteArray()) ?? new Uint8Array(), wanted)
  const { status, authentication, envelope } = encryptionInfo(output) ?? {}
  if (status !== 'encrypted' || authentication !== 'verified' || envelope?.suite !== suite) {
    throw new Error(`it is read as ${String(status)}, ${String(authentication)}, ${String(envelope?.suite)}`)
  }
  const { ContentLength } = await client.send(new HeadObjectCommand({ ...place }))
  // The end of a signed message, and the start of a body without frames, are not looked at for this.
  const isTold = frameLength > 0 && !isSigned(suite)
  if (ContentLength !== wanted.length && (isTold || ContentLength !== undefined))
    throw new Error(`HeadObject: ${String(ContentLength)} bytes`)
  // A context belongs to the format that objects are written in, where raw keys have none.
  if (list.length === 1 && context === 'none' && trial.required !== true) {
    const beside = { ...(commits(suite) ? {} : { commitmentPolicy: 'REQUIRE_ENCRYPT_ALLOW_DECRYPT' as const }) }
    expectSame(await get(encryptedView(s3, { keyring, alsoRead: [esdk()], ...beside }), place), wanted)
  }
  if (wanted.length === 0) return
  const Range = 'bytes=0-0'
  if (frameLength === 0 || isSigned(suite)) {
    await expectRefusal('a range', () => get(client, place, { Range }), 'ERR_S3CSE_RANGE_REFUSED')
  }
  if (frameLength === 0) {
    expectSame(await get(client, place, { Range, rangeReads: 'whole-object' }), wanted.subarray(0, 1))
    return
  }
  const options = optionsOf(trial, isSigned(suite) ? NEVER_VERIFIED : {})
  await readRanges(encryptedView(s3, { keyring, ...options }), place, wanted)
}

/** The first byte, the last, over the ends of frames, and all of it. */
async function readRanges(client: S3Client, place: Place, wanted: Uint8Array): Promise<void> {
  const { length } = wanted
  const third = Math.floor(length / 3)
  const ranges: readonly (readonly [range: string, start: number, end: number])[] = [
    ['bytes=0-0', 0, 1],
    ['bytes=-1', length - 1, length],
    [`bytes=${third}-${2 * third}`, third, 2 * third + 1],
    [`bytes=${third}-${length + 100}`, third, length],
  ]
  for (const [Range, start, end] of ranges) {
    const { Body, ContentRange } = await client.send(new GetObjectCommand({ ...place, Range }))
    const said = `bytes ${start}-${end - 1}/${length}`
    if (ContentRange !== said) throw new Error(`${Range}: ${String(ContentRange)} instead of ${said}`)
    expectSame((await Body?.transformToByteArray()) ?? new Uint8Array(), wanted.subarray(start, end))
  }
}
