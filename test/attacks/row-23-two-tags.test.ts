// Two tags under one IV give H, and with it any forgery: the trailer is computed once, and from then on the set of parts is what it is.
import assert from 'node:assert/strict'
import { beforeEach, describe, it } from 'node:test'

import { assertStored, begin, PART, plaintext, recordingKeyring } from '../client/multipart-support.js'
import { code } from '../support/errors.js'
import { world } from '../support/world.js'
import { versions } from './support.js'

const w = await world({ etag: 'random', verifyPayload: false, recordBodyBytes: 8 * 1024 * 1024 })
const first = plaintext(PART)
const second = plaintext(PART + 50).subarray(50)
const short = plaintext(PART + 100).subarray(PART)
const changed = Buffer.from(first)
changed[17]! ^= 1
const refused = code('ERR_S3CSE_UPLOAD_STATE')
const complete = {
  match: ({ operation }: { operation: string }) => operation === 'CompleteMultipartUpload',
  status: 500,
}

beforeEach(() => {
  w.s3.requests.length = 0
  w.s3.faults.length = 0
})

/** What was sent behind `length` bytes of this upload's ciphertext: the ends of all bodies that reach beyond. */
function tags(id: string, length: number): Set<string> {
  const found = new Set<string>()
  for (const { operation, query, body } of w.s3.requests) {
    if (operation !== 'UploadPart' || query.uploadId !== id || body === undefined) continue
    const end = (Number(query.partNumber) - 1) * PART + body.length
    if (end > length) found.add(Buffer.from(body.subarray(-16)).toString('hex'))
  }
  return found
}

for (const [version, commitmentPolicy] of versions) {
  describe(version, () => {
    const recording = recordingKeyring()
    const client = w.client({ keyring: recording, commitmentPolicy }, { maxAttempts: 1 })
    beforeEach(() => {
      recording.dataKeys.length = 0
    })

    it('Complete with a shorter list, and then the full one', async () => {
      const upload = await begin(client, 'shorter', {}, { partSize: PART })
      await upload.part(1, first)
      await upload.part(2, second)
      const [one] = upload.parts()
      await assert.rejects(upload.complete([one!]), refused)
      assert.deepEqual(tags(upload.id, 2 * PART), new Set())
      w.s3.fail(complete)
      await assert.rejects(upload.complete(), { name: 'InternalError' })
      await assert.rejects(upload.complete([one!]), refused)
      await upload.complete()
      assert.equal(tags(upload.id, 2 * PART).size, 1)
      await assertStored(w, 'shorter', recording.dataKeys[0], Buffer.concat([first, second]))
    })

    it('Complete, and then one more part and the longer list', async () => {
      const upload = await begin(client, 'longer', {}, { partSize: PART })
      await upload.part(1, first)
      w.s3.fail(complete)
      await assert.rejects(upload.complete(), { name: 'InternalError' })
      for (const [number, body] of [
        [2, second],
        [2, short],
        [3, short],
      ] as const) {
        await assert.rejects(upload.part(number, body), refused)
      }
      await assert.rejects(
        upload.complete([...upload.parts(), { PartNumber: 2, ETag: '"x"' }, { PartNumber: 3 }]),
        refused,
      )
      await upload.complete()
      assert.equal(tags(upload.id, PART).size, 1)
      await assertStored(w, 'longer', recording.dataKeys[0], first)
    })

    it('a lower part changed after the trailer, which is in the last part, or behind it', async () => {
      for (const last of version === 'V3' ? [short, second] : [short]) {
        recording.dataKeys.length = 0
        const upload = await begin(client, 'changed')
        await upload.part(1, first)
        await upload.part(2, last)
        w.s3.fail(complete)
        await assert.rejects(upload.complete(), { name: 'InternalError' })
        const before = tags(upload.id, PART + last.length)
        assert.equal(before.size, 1)
        await assert.rejects(upload.part(1, changed), refused)
        await assert.rejects(upload.part(1, first.subarray(1)), refused)
        await assert.rejects(upload.part(2, Buffer.from(last).reverse()), refused)
        await upload.part(1, first)
        await upload.part(2, last)
        await upload.complete()
        assert.deepEqual(tags(upload.id, PART + last.length), before)
        await assertStored(w, 'changed', recording.dataKeys[0], Buffer.concat([first, last]))
      }
    })

    it('two completers at once, with different lists, and with a part that comes at the same time', async () => {
      const upload = await begin(client, 'two', {}, { partSize: PART })
      await upload.part(2, short)
      await upload.part(1, first)
      const [one] = upload.parts()
      const results = await Promise.allSettled([
        upload.complete([one!]),
        upload.complete(),
        upload.complete(),
        upload.part(1, changed),
        upload.part(3, second),
      ])
      assert.deepEqual(
        results.map(({ status }) => status),
        ['rejected', 'fulfilled', 'fulfilled', 'rejected', 'rejected'],
      )
      assert.equal(tags(upload.id, PART + short.length).size, 1)
      await assertStored(w, 'two', recording.dataKeys[0], Buffer.concat([first, short]))
    })

    it('a short last part before and after those below it: with the trailer there is one', async () => {
      const upload = await begin(client, 'again', {}, { partSize: PART })
      await upload.part(2, short)
      await upload.part(1, first)
      await upload.part(2, short)
      await upload.part(2, short)
      await upload.complete()
      assert.equal(tags(upload.id, PART + short.length).size, 1)
      await assertStored(w, 'again', recording.dataKeys[0], Buffer.concat([first, short]))
    })
  })
}
