// Objects whose instruction file is missing, forbidden, late, cut or nonsense.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { HeadObjectCommand } from '@aws-sdk/client-s3'

import { encryptionInfo } from '../../src/index.js'
import type { S3Fault } from '../../src/testing/index.js'
import { code } from '../support/errors.js'
import { Bucket, get, pattern, read } from '../support/world.js'
import { folder, PART } from './download-support.js'
import { file, instructionWorld, names, narrowClient, v2, written as stored } from './instruction-support.js'

const w = await instructionWorld(undefined)
const to = folder(w)
const bounded = { timeout: 30_000 }
const small = pattern(5000)
const large = pattern(3 * PART + 100)
const sizes = { small, large }

const name = names()

const written = (bytes: Uint8Array, options = {}) => stored(w, name(), bytes, options)

const narrow = (options = {}, maxAttempts = 1) => narrowClient(w, options, maxAttempts)

for (const [size, bytes] of Object.entries(sizes)) {
  describe(`${size} objects`, bounded, () => {
    it('without their file', async () => {
      for (const [key, expected, status] of [
        [await written(bytes), 'ERR_S3CSE_ENVELOPE_INVALID', 'unknown'],
        [await written(bytes, v2), 'ERR_S3CSE_NOT_ENCRYPTED', 'plain'],
      ] as const) {
        const { body, metadata } = await w.stored(key)
        const alone = `${key} alone`
        await w.s3.put(Bucket, alone, { body, metadata })
        const client = narrow(v2)
        for (let i = 0; i < 3; i++) {
          await assert.rejects(get(client, alone), code(expected, /alone\.instruction/))
          await assert.rejects(to.get(client, alone), code(expected))
        }
        const head = await client.send(new HeadObjectCommand({ Bucket, Key: alone }))
        assert.equal(encryptionInfo(head)?.status, status)
        assert.deepEqual(await read(client, key), bytes)
      }
    })

    it('with a file that must not be read', async () => {
      for (const [key, expected] of [
        [await written(bytes), code('ERR_S3CSE_INSTRUCTION_FILE', /S3 denies access.*s3:GetObject/)],
        [await written(bytes, v2), code('ERR_S3CSE_INSTRUCTION_FILE', /s3:ListBucket/)],
      ] as const) {
        const client = narrow(v2)
        const denied = () => w.fail('GetObject', file(key), { status: 403, code: 'AccessDenied' })
        for (let i = 0; i < 3; i++) {
          denied()
          await assert.rejects(get(client, key), expected)
          denied()
          await assert.rejects(to.get(client, key), expected)
        }
        assert.deepEqual(await read(client, key), bytes)
      }
    })

    it('with a file that comes at the second try, or not at all', async () => {
      const key = await written(bytes)
      w.fail('GetObject', file(key), { status: 500 })
      assert.deepEqual(await read(w.client(), key), bytes)
      w.fail('GetObject', file(key), { reset: 'before' })
      assert.deepEqual(await read(w.client(), key), bytes)
      w.fail('GetObject', file(key), { status: 503, times: 9 })
      const client = narrow()
      await assert.rejects(get(client, key), { name: 'SlowDown' })
      w.s3.faults.length = 0
      assert.deepEqual(await read(client, key), bytes)
    })

    const broken: Record<string, Omit<S3Fault, 'match'>> = {
      'breaks off': { truncateBody: 20 },
      'breaks off at once': { truncateBody: 0 },
      'is a range': { headers: { 'content-range': 'bytes 0-9/99' } },
      'is too long': { body: new Uint8Array(64 * 1024 + 1).fill(32) },
      'is longer than it says': { body: new Uint8Array(1024 * 1024), headers: { 'content-length': '100' } },
      'has no length': { body: new Uint8Array(1024 * 1024), headers: { 'content-length': undefined } },
      'has no length, though it is right': { headers: { 'content-length': undefined } },
      'is empty': { body: new Uint8Array(0) },
      'is no JSON': { body: Buffer.from('{"x-amz-3":') },
      'is another’s': { body: Buffer.from('{"x-amz-key-v2":"AA=="}') },
      'has a key twice': {
        body: (stored) => Buffer.from(Buffer.from(stored).toString().replace('{', '{"x-amz-w":"02",')),
      },
      'has a key of the object': {
        body: (stored) => Buffer.from(Buffer.from(stored).toString().replace('{', '{"x-amz-c":"115",')),
      },
      'has an unknown key': {
        body: (stored) => Buffer.from(Buffer.from(stored).toString().replace('{', '{"x-amz-9":"1",')),
      },
    }
    const typed = (error: unknown) => {
      const { code: found, message } = error as { code?: string; message: string }
      const expected = ['ERR_S3CSE_ENVELOPE_INVALID', 'ERR_S3CSE_RESPONSE_UNEXPECTED', 'ECONNRESET']
      assert.ok(expected.includes(found ?? '') || message.startsWith('Checksum mismatch'), message)
      return true
    }
    for (const [what, fault] of Object.entries(broken)) {
      it(`with a file that ${what}`, async () => {
        // Not read to its end, and then found to be too long.
        const rejected = what === 'has no length' ? code('ERR_S3CSE_ENVELOPE_INVALID', /more than the/) : typed
        const key = await written(bytes)
        const client = narrow()
        for (let i = 0; i < 3; i++) {
          w.fail('GetObject', file(key), { ...fault, times: 9 })
          await assert.rejects(get(client, key), rejected)
          await assert.rejects(to.get(client, key), rejected)
          w.s3.faults.length = 0
          assert.deepEqual(await read(client, key), bytes)
        }
      })
    }
  })
}
