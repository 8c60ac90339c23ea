import type { S3Client } from '@aws-sdk/client-s3'
import { readFile, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import type { Unnumbered } from '../peer-process.js'
import type { Crypt4ghRequest } from '../protocol.js'
import { PeerError } from '../session.js'
import type { Session } from '../session.js'
import type { Crypt4ghPeer } from './peer.js'
import { hex } from './people.js'
import type { People, Person } from './people.js'

/** Between one implementation and this side. */
export interface Meeting {
  /** Without encryption. */
  readonly s3: S3Client
  readonly bucket: string
  readonly people: People
  readonly session: Session
  readonly peer: Crypt4ghPeer
  /** For what the program reads and writes. */
  readonly directory: string
  number: number
}

export interface Place {
  readonly Bucket: string
  readonly Key: string
}

export function newPlace(m: Meeting): Place {
  m.number += 1
  return { Bucket: m.bucket, Key: `files/${m.number}` }
}

/** Files for a request, deleted afterwards. */
export async function withFiles<T>(
  m: Meeting,
  names: readonly string[],
  use: (files: readonly string[]) => Promise<T>,
): Promise<T> {
  m.number += 1
  const files = names.map((name) => path.join(m.directory, `${m.bucket}-${m.number}-${name}`))
  try {
    return await use(files)
  } finally {
    for (const file of files) await rm(file, { force: true })
  }
}

type Op = Crypt4ghRequest['op']
export type Asked = Omit<Unnumbered<Crypt4ghRequest>, 'op' | 'from' | 'to' | 'secretKey' | 'recipients' | 'sender'> & {
  /** Who writes or reads. */
  readonly by?: Person
  readonly recipients?: readonly Person[]
  readonly sender?: Person
}

/** What the program makes of bytes. */
export async function askIt(m: Meeting, op: Op, bytes: Uint8Array, asked: Asked): Promise<Uint8Array> {
  const { by, recipients, sender, ...more } = asked
  return withFiles(m, ['from', 'to'], async ([from = '', to = '']) => {
    await writeFile(from, bytes)
    await m.session.ask({
      ...{ op, from, to },
      ...(by && { secretKey: hex(m.people[by].secretKey) }),
      ...(recipients && { recipients: recipients.map((each) => hex(m.people[each].publicKey)) }),
      ...(sender && { sender: hex(m.people[sender].publicKey) }),
      ...more,
    })
    return await readFile(to)
  })
}

/** Resolves if it refuses. */
export async function itRefuses(m: Meeting, asking: Promise<unknown>): Promise<void> {
  const refused = await asking.then(
    () => false,
    (error: unknown) => {
      if (!(error instanceof PeerError)) throw error
      if (m.peer.crypt4gh.refusals.test(error.message)) return true
      throw new Error(`it failed, but that is no refusal: ${error.message}`)
    },
  )
  if (!refused) throw new Error('it did not refuse')
}
