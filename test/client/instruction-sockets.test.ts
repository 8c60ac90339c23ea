import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { Readable } from 'node:stream'
import { after, describe, it } from 'node:test'

import { HeadObjectCommand, PutBucketVersioningCommand } from '@aws-sdk/client-s3'

import { download } from '../../src/index.js'
import { Bucket, get, pattern, put, world } from '../support/world.js'

/** As many reads as there are sockets would wait for each other for ever if each held one while it asks for its file. */
const w = await world()
const sockets = () => ({ requestHandler: { httpAgent: { maxSockets: 2 } } })
const bounded = { timeout: 60_000 }
const directory = await mkdtemp(path.join(tmpdir(), 's3-cse-sockets-'))
after(() => rm(directory, { recursive: true, force: true }))

for (const size of [100, 64 * 1024, 300_000, 3_000_000]) {
  describe(`${size} bytes, more reads than sockets`, bounded, () => {
    const many = async (one: () => Promise<Uint8Array | undefined>): Promise<void> => {
      for (const bytes of await Promise.all(Array.from({ length: 8 }, one))) {
        assert.ok(Buffer.from(bytes ?? []).equals(pattern(size)))
      }
    }
    it('of objects with instruction files', async () => {
      await put(w.client({ instructionFile: { write: true } }), `read-${size}`, pattern(size))
      const client = w.client({}, sockets())
      await many(async () => (await get(client, `read-${size}`)).Body?.transformToByteArray())
    })

    it('of plain objects, which might have one', async () => {
      await put(w.plain, 'plain', pattern(size), { Metadata: { color: 'red' } })
      const client = w.client({ passthrough: ({ Metadata }) => Metadata.color === 'red' }, sockets())
      await many(async () => {
        const output = await get(client, 'plain')
        assert.equal(output.ContentLength, size)
        return output.Body?.transformToByteArray()
      })
      // Some that are refused, and some whose Body is thrown away.
      const strict = w.client({}, sockets())
      const refused = await Promise.all(
        Array.from({ length: 8 }, () => get(strict, 'plain').catch((error: unknown) => (error as Error).name)),
      )
      assert.deepEqual(
        refused,
        Array.from({ length: 8 }, () => 'NotEncryptedError'),
      )
      for (let i = 0; i < 5; i++) ((await get(client, 'plain')).Body as Readable).destroy()
      await client.send(new HeadObjectCommand({ Bucket, Key: 'plain' }))
    })

    it('of downloads', async () => {
      await put(w.client({ instructionFile: { write: true } }), `loaded-${size}`, pattern(size))
      const client = w.client({}, sockets())
      let count = 0
      await many(async () => {
        const file = path.join(directory, `${size}-${count++}`)
        await download(client, { Bucket, Key: `loaded-${size}` }, file, { partSize: 100_000 })
        return readFile(file)
      })
    })
  })
}

describe('an old version, whose file is looked for among several, with one socket', bounded, () => {
  for (const [version, commitmentPolicy] of [
    ['V2', 'FORBID_ENCRYPT_ALLOW_DECRYPT'],
    ['V3', 'REQUIRE_ENCRYPT_REQUIRE_DECRYPT'],
  ] as const) {
    for (const size of [1000, 300_000]) {
      it(`${version}, ${size} bytes`, async () => {
        // All in one second: nothing but the key itself tells the files apart.
        const now = new Date()
        const versioned = await world({ now: () => now })
        const enabled = { Bucket, VersioningConfiguration: { Status: 'Enabled' } } as const
        await versioned.plain.send(new PutBucketVersioningCommand(enabled))
        const writer = versioned.client({ commitmentPolicy, instructionFile: { write: true } })
        const ids: (string | undefined)[] = []
        const bodies = [pattern(size), pattern(size).reverse(), pattern(size + 1)]
        for (const body of bodies) ids.push((await put(writer, 'old', body)).VersionId)
        const reader = versioned.client({ commitmentPolicy }, { requestHandler: { httpAgent: { maxSockets: 1 } } })
        for (const [i, VersionId] of ids.entries()) {
          const { Body } = await get(reader, 'old', { VersionId })
          assert.ok(Buffer.from((await Body?.transformToByteArray()) ?? []).equals(bodies[i]!))
          const file = path.join(directory, `${version}-${size}-${i}`)
          await download(reader, { Bucket, Key: 'old', VersionId }, file)
          assert.ok((await readFile(file)).equals(bodies[i]!))
        }
        // Who may not read versions of the file gets the current one.
        versioned.s3.fail({
          match: ({ key, query }) => key === 'old.instruction' && query.versionId !== undefined,
          status: 403,
          code: 'AccessDenied',
          times: 100,
        })
        const { Body } = await get(reader, 'old', { VersionId: ids[2] })
        assert.equal((await Body?.transformToByteArray())?.length, size + 1)
      })
    }
  }
})
