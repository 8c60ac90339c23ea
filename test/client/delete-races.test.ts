// A writer and a deleter of one object with an instruction file, in every order of their requests.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { DeleteObjectCommand, DeleteObjectsCommand } from '@aws-sdk/client-s3'
import type { S3Client } from '@aws-sdk/client-s3'
import type { S3Request } from '../../src/testing/index.js'
import { Bucket, put } from '../support/world.js'
import { copyWorld, exists, readFrom } from './copy-support.js'
import { file } from './instruction-support.js'

const w = await copyWorld()
const write = { instructionFile: { write: true, overwrite: true } } as const
const formats = {
  V3: write,
  V2: { ...write, commitmentPolicy: 'FORBID_ENCRYPT_ALLOW_DECRYPT' },
} as const

const deletions: Readonly<Record<string, (client: S3Client, Key: string) => Promise<unknown>>> = {
  DeleteObject: (client, Key) => client.send(new DeleteObjectCommand({ Bucket, Key })),
  DeleteObjects: (client, Key) => client.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects: [{ Key }] } })),
}

/** Whose turn it is, request by request; who is done passes. */
function turns(order: readonly ('writer' | 'deleter')[]) {
  const rest = [...order]
  const done = new Set<string>()
  const waiting = new Map<string, () => void>()
  const go = (): void => {
    while (rest[0] !== undefined && done.has(rest[0])) rest.shift()
    const [next] = rest
    for (const [who, resume] of waiting) {
      if (next !== undefined && who !== next) continue
      waiting.delete(who)
      if (who === next) rest.shift()
      resume()
      return
    }
  }
  return {
    take: (who: string): Promise<void> =>
      new Promise((resolve) => {
        waiting.set(who, resolve)
        go()
      }),
    end(who: string): void {
      done.add(who)
      go()
    },
  }
}

function* orders(writers: number, deleters: number): Generator<('writer' | 'deleter')[]> {
  if (writers === 0 && deleters === 0) yield []
  if (writers > 0) for (const rest of orders(writers - 1, deleters)) yield ['writer', ...rest]
  if (deleters > 0) for (const rest of orders(writers, deleters - 1)) yield ['deleter', ...rest]
}

for (const [version, options] of Object.entries(formats)) {
  for (const [name, del] of Object.entries(deletions)) {
    describe(`${version}, ${name}`, () => {
      for (const before of [false, true]) {
        it(`an object that is there afterwards is readable; before, there was ${before ? 'one' : 'none'}`, async () => {
          const [writer, deleter] = [w.client(options), w.client(options)]
          let outcomes = 0
          let index = 0
          for (const order of orders(before ? 7 : 3, 4)) {
            // (Of the many orders of the longer one a part is as good.)
            if (before && index % 8 !== 0) {
              index++
              continue
            }
            const key = `race ${version} ${name} ${before ? 'old' : 'new'} ${index++}`
            if (before) await put(writer, key, 'old')
            const turn = turns(order)
            const whose = new WeakMap<S3Client, string>([
              [writer, 'writer'],
              [deleter, 'deleter'],
            ])
            const of = (client: S3Client) => (next: (args: never) => Promise<never>) => async (args: never) => {
              await turn.take(whose.get(client)!)
              return next(args)
            }
            for (const client of [writer, deleter]) {
              client.middlewareStack.add(of(client) as never, {
                name: 'turns',
                step: 'finalizeRequest',
                priority: 'low',
              })
            }
            const requests: S3Request[] = []
            const end = w.s3.onRequest((request) => void requests.push(request))
            const [written] = await Promise.all([
              put(writer, key, 'new')
                .then(
                  () => true,
                  () => false,
                )
                .finally(() => turn.end('writer')),
              del(deleter, key)
                .catch(() => undefined)
                .finally(() => turn.end('deleter')),
            ])
            end()
            for (const client of [writer, deleter]) client.middlewareStack.remove('turns')
            const log = [written, ...requests.map(({ operation, key: at, status }) => `${operation} ${at} ${status}`)]
            if (!(await exists(w, key))) continue
            outcomes++
            assert.ok(await exists(w, file(key)), log.join('\n'))
            const text = await readFrom(w.client(options), key)
            assert.ok(text === 'new' || (!written && text === 'old'), `${text}\n${log.join('\n')}`)
          }
          assert.ok(outcomes > 0)
        })
      }
    })
  }
}
