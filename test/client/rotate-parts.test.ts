// Objects that are copied in parts, as those above 5 GiB have to be.
import { PutObjectCommand } from '@aws-sdk/client-s3'
import assert from 'node:assert/strict'
import { beforeEach, describe, it } from 'node:test'

import { rotateKey } from '../../src/index.js'
import { isProbe, newKey, nothingLeft, oldKey, opensOnly, putOld, rotate, versioned } from '../support/rotate.js'
import { Bucket, pattern, put, read, world } from '../support/world.js'
import type { World } from '../support/world.js'

const MiB = 1024 ** 2
const PART = 5 * MiB
const inParts = { copyInPartsAbove: PART, copyPartSize: PART }
const unversioned = await world({ recordBodyBytes: 0 })
const versions = await world({ recordBodyBytes: 0 })
await versioned(versions)

const own = (w: World, operation: string) => w.s3.requests.filter((r) => r.operation === operation && !isProbe(r))

for (const [name, w] of [
  ['without versions', unversioned],
  ['with versions', versions],
] as const) {
  describe(name, () => {
    beforeEach(() => {
      w.s3.requests.length = 0
      w.s3.faults.length = 0
    })

    for (const [length, lengths] of [
      [2 * PART - 16, [PART, PART]],
      [2 * PART - 15, [PART, PART, 1]],
      [3 * PART - 20, [PART, PART, PART - 4]],
    ] as const) {
      it(`${length + 16} stored bytes are copied in exactly ${lengths.length} parts, each pinned`, async () => {
        const key = `exact ${length}`
        const body = pattern(length)
        const client = await putOld(w, key, body)
        const { etag, versionId } = await w.stored(key)
        const { outcome, ETag } = await rotate(client, key, inParts)
        assert.equal(outcome, 'metadata')
        const parts = own(w, 'UploadPartCopy').sort((a, b) => Number(a.query.partNumber) - Number(b.query.partNumber))
        let at = 0
        assert.deepEqual(
          parts.map(({ headers }) => headers['x-amz-copy-source-range']),
          lengths.map((one) => `bytes=${at}-${(at += one) - 1}`),
        )
        const source = `${Bucket}/${encodeURIComponent(key)}${w === versions ? `?versionId=${versionId}` : ''}`
        for (const { headers } of parts) {
          assert.equal(headers['x-amz-copy-source-if-match'], etag)
          assert.equal(headers['x-amz-copy-source'], source)
        }
        assert.deepEqual(
          own(w, 'CompleteMultipartUpload').map(({ headers }) => headers['if-match']),
          [etag],
        )
        const stored = await w.stored(key)
        assert.equal(stored.etag, ETag)
        assert.deepEqual(stored.partSizes, lengths)
        await opensOnly(w, key, body)
        nothingLeft(w)
        assert.equal((await rotate(client, key, inParts)).outcome, 'unchanged')
      })
    }

    it('of the length that the option names it is one copy', async () => {
      const client = await putOld(w, 'one', pattern(PART - 16))
      await rotate(client, 'one', inParts)
      assert.equal(own(w, 'UploadPartCopy').length, 0)
      assert.equal(own(w, 'CopyObject').length, 1)
    })

    for (const place of ['CreateMultipartUpload', 'UploadPartCopy', 'copy read', 'CompleteMultipartUpload'] as const) {
      for (const by of ['new', 'old'] as const) {
        it(`somebody with the ${by} key writes at ${place}: theirs stays, and nothing else`, async () => {
          const key = `${place} ${by}`
          const client = await putOld(w, key, pattern(PART + 1))
          let count = 0
          const act = async (r: { operation: string; key: string | undefined }) => {
            if (r.key !== key || isProbe(r) || (place !== 'copy read' && r.operation !== place)) return
            if (++count === (place === 'UploadPartCopy' ? 2 : 1))
              await put(w.client({ keyring: by === 'new' ? newKey : oldKey }), key, 'theirs')
          }
          const end = place === 'copy read' ? w.s3.onCopy(act) : w.s3.onRequest(act)
          const { outcome, attempts } = await rotate(client, key, inParts)
          end()
          assert.deepEqual([outcome, attempts], [by === 'new' ? 'unchanged' : 'metadata', 2])
          await opensOnly(w, key, 'theirs')
          nothingLeft(w)
        })
      }
    }

    for (const operation of [
      'UploadPartCopy',
      'CompleteMultipartUpload',
      'GetObjectTagging',
      'GetObjectAcl',
    ] as const) {
      it(`where ${operation} fails the object stays, and the upload does not`, async () => {
        const key = `fails ${operation}`
        const client = await putOld(w, key, pattern(PART + 1))
        const before = await w.stored(key)
        w.s3.fail({ match: (r) => r.operation === operation && r.key === key, status: 400, code: 'InvalidRequest' })
        await assert.rejects(rotate(client, key, inParts), { name: 'InvalidRequest' })
        assert.deepEqual(await w.stored(key), before)
        nothingLeft(w)
      })
    }

    for (const operation of [
      'HeadObject',
      'GetObjectAcl',
      'GetObjectTagging',
      'CreateMultipartUpload',
      'UploadPartCopy',
      'CompleteMultipartUpload',
    ] as const) {
      it(`is aborted at ${operation}`, async () => {
        const key = `aborted ${operation}`
        const body = pattern(PART + 1)
        const client = await putOld(w, key, body)
        await rotate(await putOld(w, 'probed', body), 'probed', inParts)
        const abort = new AbortController()
        const end = w.s3.onRequest(async (r) => {
          if (r.operation !== operation || r.key !== key || abort.signal.aborted) return
          abort.abort()
          await new Promise((resolve) => setTimeout(resolve, 50))
          throw new Error('aborted')
        })
        const input = { Bucket, Key: key, to: newKey, ...inParts }
        await assert.rejects(rotateKey(client, input, { signal: abort.signal }), { name: 'AbortError' })
        await new Promise((resolve) => setTimeout(resolve, 150))
        end()
        const found = await Promise.any([oldKey, newKey].map((keyring) => read(w.client({ keyring }), key)))
        assert.ok(found.equals(body))
        // (An upload whose id has not been told cannot be aborted.)
        if (operation !== 'CreateMultipartUpload') nothingLeft(w)
        await rotate(client, key, inParts)
        await opensOnly(w, key, body)
        for (const { key: of, uploadId } of w.s3.uploads(Bucket)) {
          const { AbortMultipartUploadCommand } = await import('@aws-sdk/client-s3')
          await w.plain.send(new AbortMultipartUploadCommand({ Bucket, Key: of, UploadId: uploadId }))
        }
      })
    }

    it('an answer to Complete that is lost is asked for again', async () => {
      const body = pattern(PART + 1)
      const client = await putOld(w, 'lost', body)
      w.s3.fail({
        match: (r) => r.operation === 'CompleteMultipartUpload' && r.key === 'lost',
        reset: { afterResponseBytes: 0 },
      })
      assert.equal((await rotate(client, 'lost', inParts)).outcome, 'metadata')
      await opensOnly(w, 'lost', body)
      nothingLeft(w)
    })
  })
}

it('an object from an upload in parts is one as well', async () => {
  const w = unversioned
  const client = w.client({ keyring: oldKey })
  await client.send(new PutObjectCommand({ Bucket, Key: 'again', Body: pattern(PART + 1), Metadata: { a: 'b' } }))
  await rotate(client, 'again', inParts)
  await rotate(client, 'again', { ...inParts, from: { keyring: newKey }, to: oldKey })
  await opensOnly(w, 'again', pattern(PART + 1), { by: oldKey, not: newKey })
  assert.equal((await w.stored('again')).metadata.a, 'b')
})
