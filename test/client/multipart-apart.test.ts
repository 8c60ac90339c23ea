// Large parts are encrypted by another thread, in the client's own buffers.
import assert from 'node:assert/strict'
import { beforeEach, describe, it } from 'node:test'
import { Upload } from '@aws-sdk/lib-storage'

import { code } from '../support/errors.js'
import { Bucket, read, world } from '../support/world.js'
import { assertStored, begin, MIB, PART, plaintext, recordingKeyring } from './multipart-support.js'

const w = await world({ etag: 'random', verifyPayload: false })
const recording = recordingKeyring()
const client = w.client({ keyring: recording })

beforeEach(() => {
  recording.dataKeys.length = 0
})

describe('parts that are encrypted off the main thread', () => {
  it('are what the caller gave, whose buffer stays as it was', async () => {
    const Body = Buffer.from(plaintext(2 * PART + 3 * MIB + 7))
    await new Upload({ client, params: { Bucket, Key: 'apart', Body }, partSize: PART, queueSize: 4 }).done()
    assert.ok(Body.equals(plaintext(Body.length)))
    await assertStored(w, 'apart', recording.dataKeys[0], Body)
    assert.ok((await read(client, 'apart')).equals(Body))
  })

  it('may come again, with the same bytes only, and beside others', async () => {
    const upload = await begin(client, 'again', {}, { partSize: PART })
    const all = plaintext(3 * PART)
    const part = (number: number): Buffer => all.subarray((number - 1) * PART, number * PART)
    await Promise.all([3, 1, 2].map((number) => upload.part(number, part(number))))
    await upload.part(2, part(2))
    const other = Buffer.from(part(2))
    other[PART - 1]! ^= 1
    await assert.rejects(upload.part(2, other), code('ERR_S3CSE_UPLOAD_STATE', /part 2/i))
    await upload.part(2, part(2))
    await upload.complete()
    await assertStored(w, 'again', recording.dataKeys[0], all)
  })

  it('of unaligned length and place', async () => {
    const size = PART + 5
    const upload = await begin(client, 'odd', {}, { partSize: size })
    const all = plaintext(2 * size + 9)
    for (const number of [2, 3, 1]) await upload.part(number, all.subarray((number - 1) * size, number * size))
    await upload.complete()
    await assertStored(w, 'odd', recording.dataKeys[0], all)
  })
})
