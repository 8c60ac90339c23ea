import { GetObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3'
import type { S3Client } from '@aws-sdk/client-s3'
import { readFile, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { plaintext } from '../inputs.js'
import type { Inputs } from '../inputs.js'
import { expectSame } from '../ours.js'
import type { Ours, Place } from '../ours.js'
import type { MessageRequest } from '../protocol.js'
import { PeerError } from '../session.js'
import type { Session } from '../session.js'
import { changed, isChange } from './changes.js'
import { contextOf, REQUIRED } from './contexts.js'
import { decryptHere, messageHere } from './functions.js'
import type { KeyList, MessageKeys } from './keys.js'
import { putHere, readMessage } from './ours.js'
import type { MessagePeer, MessageTrial } from './peer.js'
import { refusedSettings, refuseMessage } from './refuse.js'
import { commits } from './suites.js'

/** Between one implementation and this side. */
export interface MessageMeeting {
  readonly ours: Pick<Ours, 's3' | 'strict'>
  readonly inputs: Inputs
  readonly keys: MessageKeys
  readonly bucket: string
  readonly session: Session
  readonly peer: MessagePeer
  number: number
}

/** Tries one thing; rejects with what the other side threw, or with what is wrong. */
export async function attemptMessage(m: MessageMeeting, trial: MessageTrial): Promise<void> {
  const { op, why, size } = trial
  const s3 = trial.elsewhere === true ? m.ours.s3 : m.ours.strict
  m.number += 1
  const place = { Bucket: m.bucket, Key: `messages/${m.number}` }
  const wanted = plaintext(size, place)
  const list = m.keys.list(trial.keys)
  const readers = m.keys.list(trial.readWith ?? trial.keys)
  if (op === 'write' || op === 'refused') {
    const message = await ask(m, 'encrypt', trial, wanted, { keys: list })
    const stored = isChange(why) ? changed(why, message, size) : message
    await s3.send(new PutObjectCommand({ ...place, Body: stored }))
    if (why !== undefined) {
      await refuseMessage(s3, m.keys, { ...trial, why }, place, stored)
      return
    }
    await readMessage(s3, m.keys, trial, readers, place, wanted)
    await decryptHere(m.keys, trial, readers, stored, wanted)
    return
  }
  const message = await ourMessage(m, s3, trial, list, place, wanted)
  if (why === undefined) {
    expectSame(await ask(m, 'decrypt', trial, message, { keys: readers }), wanted)
    return
  }
  const given = isChange(why) ? changed(why, message, size) : message
  const read = await ask(m, 'decrypt', trial, given, { keys: list, ...refusedSettings(m.keys, trial, why) }).catch(
    (error: unknown) => {
      if (!(error instanceof PeerError)) throw error
      if (!m.peer.messages.refusals.test(error.message)) {
        throw new Error(`it failed, but that is no refusal: ${error.message}`)
      }
    },
  )
  if (read === undefined) return
  expectSame(read, wanted)
  throw new Error('it did not refuse')
}

async function ourMessage(
  { keys }: MessageMeeting,
  s3: S3Client,
  trial: MessageTrial,
  list: KeyList,
  place: Place,
  wanted: Uint8Array,
): Promise<Uint8Array> {
  const { written } = trial
  if (written === 'encrypt' || written === 'encryptStream') return messageHere(keys, trial, list, wanted)
  await putHere(s3, keys, trial, list, place, wanted)
  const { Body } = await s3.send(new GetObjectCommand({ ...place }))
  return (await Body?.transformToByteArray()) ?? new Uint8Array()
}

/** It makes or opens a message. */
async function ask(
  m: MessageMeeting,
  op: MessageRequest['op'],
  { suite, frameLength, context, required = false }: MessageTrial,
  bytes: Uint8Array,
  more: Partial<MessageRequest> & Pick<MessageRequest, 'keys'>,
): Promise<Uint8Array> {
  m.number += 1
  const [from, to] = ['from', 'to'].map((name) => path.join(m.inputs.directory, `${m.bucket}-${m.number}-${name}`))
  if (from === undefined || to === undefined) throw new Error('no files')
  try {
    await writeFile(from, bytes)
    await m.session.ask({
      ...{ op, from, to, suite, frameLength },
      context: contextOf(context, required),
      required: required ? [REQUIRED] : [],
      policy: commits(suite) ? 'REQUIRE_ENCRYPT_REQUIRE_DECRYPT' : 'FORBID_ENCRYPT_ALLOW_DECRYPT',
      ...more,
    })
    return await readFile(to)
  } finally {
    await rm(from, { force: true })
    await rm(to, { force: true })
  }
}
