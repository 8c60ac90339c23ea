// The server answers a range with another range, length or body. The place in the object decides what bytes decrypt to: nothing is given out under a wrong one, and sockets come back.
import assert from 'node:assert/strict'
import { beforeEach, describe, it } from 'node:test'

import { encryptionInfo } from '../../src/index.js'
import type { CseErrorCode, EncryptionOptions } from '../../src/index.js'
import type { S3Fault } from '../../src/testing/index.js'
import { code } from '../support/errors.js'
import { get, pattern, put, world } from '../support/world.js'
import { assertRefused, outcomeOf } from './support.js'

const w = await world()
const plaintext = pattern(150_000)
const stored = plaintext.length + 16
/** Two sockets for all requests: a test that leaks them runs into its limit. */
const twoSockets = { requestHandler: { httpAgent: { maxSockets: 2 }, socketAcquisitionWarningTimeout: 60_000 } }
const client = w.client({ rangeReads: 'unauthenticated' }, twoSockets)
const bounded = { timeout: 60_000 }

const Range = 'bytes=1000-69999'
/** What is asked for: blocks from 992 on. */
const answer = 'bytes 992-69999/150016'
const unexpected: CseErrorCode = 'ERR_S3CSE_RESPONSE_UNEXPECTED'

const saying = (contentRange: string | undefined, status = 206): S3Fault => ({
  status,
  headers: { 'content-range': contentRange },
})

const lies: readonly [name: string, fault: S3Fault][] = [
  ['206 without Content-Range', saying(undefined)],
  ['200 with Content-Range', saying(answer, 200)],
  ['a range of another place', saying('bytes 1008-70015/150016')],
  ['the plaintext’s range', saying('bytes 1000-69999/150016')],
  ['a range that ends before', saying('bytes 992-69998/150016')],
  ['a range that ends after', saying('bytes 992-70000/150016')],
  ['an object that ends in the range', saying('bytes 992-69999/50000')],
  ['an object that begins after the range', saying('bytes 992-69999/100')],
  ['an object that ends with the range', saying('bytes 992-69999/70000')],
  ['an object of any length', saying('bytes 992-69999/*')],
  ['an object that is too large for a number', saying('bytes 992-69999/99999999999999999999')],
  ['an object without its range', saying('bytes */150016')],
  ['two ranges', saying(`${answer}, bytes 80000-80010/150016`)],
  ['a Content-Range that says nothing', saying('x')],
  ['no Content-Length', { headers: { 'content-length': undefined } }],
  ['a Content-Length of the whole', { headers: { 'content-length': String(stored) } }],
  ['a Content-Length that is one too short', { headers: { 'content-length': '69007' } }],
  ['a Content-Length that is one too long', { headers: { 'content-length': '69009' } }],
  ['a Content-Length of 40 GiB', { headers: { 'content-length': String(40 * 1024 ** 3) } }],
  ['the whole object as a range', { status: 206, headers: { 'content-range': `bytes 0-150015/150016` } }],
]

beforeEach(async () => {
  w.s3.faults.length = 0
  w.s3.requests.length = 0
  await put(w.client(), 'object', plaintext)
})

describe('a lie about a range is an error before anything is decrypted', bounded, () => {
  for (const [name, fault] of lies) {
    it(name, async () => {
      // An object that ends with the range is one that could be: only the length that is clamped to shows it.
      const possible = name === 'an object that ends with the range'
      for (let i = 0; i < 5; i++) {
        w.s3.fail(fault)
        const outcome = await outcomeOf(client, 'object', { Range })
        if (possible) assert.deepEqual(outcome.released, plaintext.subarray(1000, 69_984))
        else assertRefused(outcome, unexpected, name)
        assert.equal(outcome.fromBody, possible)
        assert.equal(w.s3.faults.length, 0)
      }
      const good = await outcomeOf(client, 'object', { Range })
      assert.deepEqual(good.released, plaintext.subarray(1000, 70_000))
    })
  }

  it('no object of the format is as long', async () => {
    for (const total of [2 ** 36 - 15, 2 ** 40]) {
      w.s3.fail(saying(`bytes 992-69999/${total}`))
      assertRefused(await outcomeOf(client, 'object', { Range }), 'ERR_S3CSE_ENVELOPE_INVALID')
    }
  })

  it('maxObjectBytes holds for the whole object, also for a range of it', async () => {
    const limited = w.client({ rangeReads: 'unauthenticated', maxObjectBytes: stored - 1 }, twoSockets)
    for (let i = 0; i < 5; i++) {
      await assert.rejects(get(limited, 'object', { Range }), code('ERR_S3CSE_POLICY', /maxObjectBytes/))
    }
    w.s3.fail(saying('bytes 992-69999/40000000000'))
    const roomy = w.client({ rangeReads: 'unauthenticated', maxObjectBytes: stored }, twoSockets)
    await assert.rejects(get(roomy, 'object', { Range }), code('ERR_S3CSE_POLICY'))
    assert.deepEqual((await outcomeOf(roomy, 'object', { Range })).released, plaintext.subarray(1000, 70_000))
  })
})

describe('a body that is not what its headers say', bounded, () => {
  it('is an error from Body, whatever is missing', async () => {
    for (const bytes of [0, 1, 8, 69_007]) {
      w.s3.fail({ truncateBody: bytes })
      const { released, error, fromBody } = await outcomeOf(client, 'object', { Range })
      assert.ok(error instanceof Error)
      assert.ok(fromBody)
      assert.ok(released.length <= Math.max(0, bytes - 8))
    }
    w.s3.fail({ reset: { afterResponseBytes: 30_000 } })
    const { error } = await outcomeOf(client, 'object', { Range })
    assert.ok(error instanceof Error)
  })
})

describe('a server that ignores Range', bounded, () => {
  const ignoring: S3Fault = { status: 200, headers: { 'content-range': undefined } }
  const readers: readonly [string, Partial<EncryptionOptions>, verified: boolean][] = [
    ['in memory', {}, true],
    ['spooled', { maxBufferedBytes: 0 }, true],
    ['read twice', { maxBufferedBytes: 0, spool: false }, true],
    ['delayed', { delayedAuthentication: true }, false],
  ]
  for (const [name, options, verified] of readers) {
    it(`${name}: the part is given out of the whole object, which is verified`, async () => {
      const reader = w.client({ rangeReads: 'unauthenticated', ...options }, twoSockets)
      // As if the server did not know the header. A second request of a read must not have it.
      reader.middlewareStack.add(
        (next) => (args) => {
          const { headers } = args.request as { headers: Record<string, string> }
          if (headers['if-match'] === undefined) delete headers.range
          return next(args)
        },
        { step: 'build', name: 'noRange' },
      )
      for (const flipped of [false, true]) {
        if (flipped) await w.s3.tamper('bucket', 'object', ({ body }) => void (body[140_000]! ^= 1))
        const outcome = await outcomeOf(reader, 'object', { Range })
        if (flipped) code('ERR_S3CSE_DECRYPTION_FAILED')(outcome.error)
        else assert.equal(outcome.error, undefined)
        const released = flipped && verified ? plaintext.subarray(0, 0) : plaintext.subarray(1000, 70_000)
        assert.deepEqual(outcome.released, released)
      }
      await put(reader, 'object', plaintext)
      const output = await get(reader, 'object', { Range })
      assert.equal(output.ContentRange, 'bytes 1000-69999/150000')
      assert.equal(output.ContentLength, 69_000)
      assert.equal(output.$metadata.httpStatusCode, 206)
      assert.equal(encryptionInfo(output)?.authentication, verified ? 'verified' : 'delayed')
      await output.Body?.transformToByteArray()
      assert.ok(w.s3.requests.every(({ headers }) => headers.range === undefined))
    })
  }

  it('with a part of the object as the whole is an error', async () => {
    for (let i = 0; i < 5; i++) {
      w.s3.fail(ignoring)
      assertRefused(await outcomeOf(client, 'object', { Range }), 'ERR_S3CSE_DECRYPTION_FAILED')
    }
  })
})

describe('a range that was not asked for', bounded, () => {
  it('is an error where the whole object was', async () => {
    const whole = w.client({ rangeReads: 'whole-object' }, twoSockets)
    for (const status of [200, 206]) {
      for (const range of [answer, 'bytes 0-150015/150016']) {
        for (let i = 0; i < 3; i++) {
          w.s3.fail({ status, headers: { 'content-range': range } })
          assertRefused(await outcomeOf(whole, 'object', { Range }), unexpected)
        }
      }
    }
    assert.deepEqual((await outcomeOf(whole, 'object', { Range })).released, plaintext.subarray(1000, 70_000))
  })
})
