import type { S3Client } from '@aws-sdk/client-s3'
import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { describe, it } from 'node:test'

import { DecryptionError } from '../../src/index.js'
import type { DownloadOptions } from '../../src/index.js'
import { Bucket, pattern, put, world } from '../support/world.js'
import { folder, PART, part } from './download-support.js'

const w = await world()
const f = folder(w)
const plaintext = pattern(3 * PART + 777)
const stored = plaintext.length + 16

const versions = [
  ['V2', w.client({ commitmentPolicy: 'FORBID_ENCRYPT_ALLOW_DECRYPT' }), 'x-amz-iv'],
  ['V3', w.client(), 'x-amz-d'],
] as const

/** Nothing of it may be found afterwards, whatever the options are. */
async function refused(client: S3Client, key: string, what: string): Promise<void> {
  const all: DownloadOptions[] = [{}, { concurrency: 1 }, { resume: true }, { delayedAuthentication: true }]
  for (const options of all) {
    await writeFile(f.path, 'as it was')
    await assert.rejects(
      f.get(client, key, options),
      (error) => {
        assert.ok(error instanceof DecryptionError, `${what}: ${String(error)}`)
        assert.ok(!Object.hasOwn(error, 'cause'))
        return true
      },
      what,
    )
    assert.equal(String(await f.content()), 'as it was', what)
    assert.deepEqual(await f.names(), ['file'], what)
  }
}

for (const [version, client, envelope] of versions) {
  describe(`an object that was changed is not put in place (${version})`, () => {
    it('in the first, a middle or the last part, or in its tag', async () => {
      for (const at of [0, PART - 1, PART + 5, 3 * PART, stored - 17, stored - 16, stored - 1]) {
        await put(client, 'changed', plaintext)
        await w.s3.tamper(Bucket, 'changed', ({ body }) => void (body[at]! ^= 128))
        await refused(client, 'changed', `byte ${at}`)
      }
    })

    it('by bytes that are missing, added or moved', async () => {
      const changes: Record<string, (body: Buffer) => Buffer> = {
        'the last byte': (body) => body.subarray(0, -1),
        'the last part': (body) => Buffer.concat([body.subarray(0, 3 * PART - 16), body.subarray(-16)]),
        'one byte more': (body) => Buffer.concat([body, Buffer.alloc(1)]),
        'two parts exchanged': (body) =>
          Buffer.concat([body.subarray(PART, 2 * PART), body.subarray(0, PART), body.subarray(2 * PART)]),
        'the first part twice': (body) => Buffer.concat([body.subarray(0, PART), body]),
        'nothing but a tag': (body) => body.subarray(-16),
      }
      for (const [what, change] of Object.entries(changes)) {
        await put(client, 'changed', plaintext)
        await w.s3.tamper(Bucket, 'changed', ({ body }) => ({ body: change(Buffer.from(body)) }))
        await refused(client, 'changed', what)
      }
    })

    it('in its metadata', async () => {
      await put(client, 'changed', plaintext)
      await w.s3.tamper(Bucket, 'changed', ({ metadata }) => {
        const bytes = Buffer.from(metadata[envelope]!, 'base64')
        bytes[0]! ^= 1
        return { metadata: { ...metadata, [envelope]: bytes.toString('base64') } }
      })
      await refused(client, 'changed', envelope)
    })

    it("by the envelope of another object, or a part of another version's bytes under the same ETag", async () => {
      await put(client, 'object', plaintext)
      await put(client, 'another', plaintext)
      const another = await w.stored('another')
      for (const number of [0, 1, 3]) {
        for (let i = 0; i < 4; i++) {
          w.s3.fail({ match: part(number), body: another.body })
          await assert.rejects(f.get(client, 'object', { resume: i % 2 === 1 }), DecryptionError)
          assert.deepEqual(await f.names(), [])
          assert.deepEqual(w.s3.faults, [])
        }
      }
      await w.s3.tamper(Bucket, 'object', () => ({ metadata: { ...another.metadata } }))
      await refused(client, 'object', 'envelope')
    })

    it('when a part is right in one attempt and wrong in the one that counts', async () => {
      await put(client, 'object', plaintext)
      const { body } = await w.stored('object')
      const wrong = Uint8Array.from(body, (byte, at) => (at === PART + 40_000 ? byte ^ 1 : byte))
      w.s3.fail({ match: part(1), truncateBody: PART - 1 }, { match: part(1), body: wrong })
      await assert.rejects(f.get(client, 'object'), DecryptionError)
      assert.deepEqual(w.s3.faults, [])
      // And the other way round: what was wrong in an attempt that broke off does not count.
      w.s3.fail({ match: part(1), body: wrong, truncateBody: PART - 1 })
      await f.get(client, 'object')
      assert.deepEqual(w.s3.faults, [])
      assert.ok((await f.content()).equals(plaintext))
    })
  })
}
