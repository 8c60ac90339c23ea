// Ranges of one version of an object, and of objects that cannot be decrypted from a place in the middle.
import assert from 'node:assert/strict'
import { beforeEach, describe, it } from 'node:test'
import { DeleteObjectCommand, PutBucketVersioningCommand } from '@aws-sdk/client-s3'

import type { EncryptionOptions } from '../../src/index.js'
import { counting, versions } from '../attacks/support.js'
import { code } from '../support/errors.js'
import { Bucket, get, keyring, pattern, put, world } from '../support/world.js'

const w = await world()
await w.plain.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration: { Status: 'Enabled' } }))
const old = pattern(200)
const young = Buffer.from(pattern(300).map((byte) => byte ^ 255))

const modes: readonly [name: string, options: Partial<EncryptionOptions>][] = [
  ['unauthenticated', { rangeReads: 'unauthenticated' }],
  ['whole object', { rangeReads: 'whole-object' }],
  ['whole object, read twice', { rangeReads: 'whole-object', maxBufferedBytes: 0, spool: false }],
  ['whole object, delayed', { rangeReads: 'whole-object', delayedAuthentication: true }],
]

beforeEach(() => {
  w.s3.requests.length = 0
})

describe('a range of one version', () => {
  for (const [version, commitmentPolicy] of versions) {
    for (const [mode, options] of modes) {
      it(`${version}, ${mode}`, async () => {
        const client = w.client({ commitmentPolicy, ...options })
        const first = await put(client, 'object', old)
        const second = await put(client, 'object', young)
        await client.send(new DeleteObjectCommand({ Bucket, Key: 'object' }))
        assert.ok(first.VersionId !== undefined && first.VersionId !== second.VersionId)
        w.s3.requests.length = 0
        for (const [{ VersionId, ETag }, bytes] of [
          [first, old],
          [second, young],
        ] as const) {
          const size = bytes.length
          for (const [Range, start, end] of [
            ['bytes=20-30', 20, 31],
            ['bytes=190-', 190, size],
            ['bytes=-5', size - 5, size],
            ['bytes=0-1000', 0, size],
          ] as const) {
            const output = await get(client, 'object', { VersionId, Range, IfMatch: ETag })
            assert.deepEqual(
              Buffer.from(await output.Body!.transformToByteArray()),
              Buffer.from(bytes.subarray(start, end)),
            )
            assert.equal(output.VersionId, VersionId)
            assert.equal(output.ContentRange, `bytes ${start}-${end - 1}/${size}`)
          }
          // Just past the end, where S3 has the tag, and far past it, where S3 answers itself.
          for (const Range of [`bytes=${size}-`, `bytes=${size + 100}-`]) {
            const unsatisfiable = { name: 'InvalidRange', ActualObjectSize: String(size), RangeRequested: Range }
            await assert.rejects(get(client, 'object', { VersionId, Range }), unsatisfiable)
          }
        }
        const asked = w.s3.requests.map(({ query }) => query.versionId)
        assert.ok(asked.length > 0 && asked.every((id) => id !== undefined))
        await assert.rejects(get(client, 'object', { Range: 'bytes=0-5' }), { name: 'NoSuchKey' })
        const other = { VersionId: first.VersionId, Range: 'bytes=0-5', IfMatch: second.ETag }
        await assert.rejects(get(client, 'object', other), { name: 'PreconditionFailed' })
      })
    }
  }

  it('that another one replaces between the two reads stays the first', async () => {
    const client = w.client({ rangeReads: 'whole-object', maxBufferedBytes: 0, spool: false })
    await put(client, 'replaced', old)
    let gets = 0
    const off = w.s3.onRequest(async ({ operation }) => {
      if (operation === 'GetObject' && ++gets === 2) await put(w.plain, 'replaced', 'something else')
    })
    const output = await get(client, 'replaced', { Range: 'bytes=20-30' })
    assert.deepEqual(Buffer.from(await output.Body!.transformToByteArray()), old.subarray(20, 31))
    off()
    assert.equal(gets, 2)
  })
})

describe('a range of CBC content', () => {
  for (const [mode, options] of modes) {
    it(`${mode}: is refused like the whole object, and no key is unwrapped`, async () => {
      const writer = w.client({ commitmentPolicy: 'FORBID_ENCRYPT_ALLOW_DECRYPT' })
      await put(writer, 'gcm', old)
      const { metadata } = await w.stored('gcm')
      const cbc: Record<string, string> = {
        ...metadata,
        'x-amz-cek-alg': 'AES/CBC/PKCS5Padding',
        'x-amz-wrap-alg': 'AESWrap',
        'x-amz-iv': Buffer.alloc(16, 1).toString('base64'),
      }
      delete cbc['x-amz-tag-len']
      await w.s3.put(Bucket, 'cbc', { body: pattern(208), metadata: cbc })
      for (const commitmentPolicy of ['FORBID_ENCRYPT_ALLOW_DECRYPT', 'REQUIRE_ENCRYPT_ALLOW_DECRYPT'] as const) {
        const counted = counting(keyring)
        const reader = w.client({ commitmentPolicy, keyring: counted, ...options })
        const legacy = code('ERR_S3CSE_LEGACY_DISABLED', /CBC/)
        await assert.rejects(get(reader, 'cbc'), legacy)
        for (const Range of ['bytes=0-5', 'bytes=190-300', 'bytes=40-', 'bytes=-5', 'bytes=200-207', 'garbage']) {
          await assert.rejects(get(reader, 'cbc', { Range }), legacy, Range)
        }
        // How long the plaintext is says only its padding: no 416 of ours, and none with a length.
        const behind = get(reader, 'cbc', { Range: 'bytes=208-' })
        if (mode !== 'unauthenticated') await assert.rejects(behind, legacy)
        else {
          await assert.rejects(behind, (error: Error) => {
            assert.equal(error.name, 'InvalidRange')
            assert.equal('ActualObjectSize' in error, false)
            return true
          })
        }
        assert.equal(counted.unwraps(), 0)
      }
    })
  }
})
