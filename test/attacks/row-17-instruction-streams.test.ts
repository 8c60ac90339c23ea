// A server, or whoever writes the bucket, answers for an instruction file with a body without end, a length that lies, or none. Not much more than the limit is taken, nothing hangs, and every socket is given back.
import { S3Client } from '@aws-sdk/client-s3'
import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, beforeEach, describe, it } from 'node:test'

import { addEncryption, CseError, inspect } from '../../src/index.js'
import type { S3Fault } from '../../src/testing/index.js'
import { Bucket, keyring, pattern, put, world } from '../support/world.js'
import { allOn } from './legacy.js'
import { assertRefused, counting, outcomeOf } from './support.js'

const w = await world()
const plaintext = pattern(64)
const limit = 64 * 1024
const bounded = { timeout: 60_000 }
/** A request that gets no socket waits: a test that leaks them runs into its limit. */
const twoSockets = { requestHandler: { httpAgent: { maxSockets: 2 }, socketAcquisitionWarningTimeout: 60_000 } }

describe('a body without end', bounded, () => {
  let sent = 0
  let open = 0
  let announced: string | undefined
  const pieces = Buffer.alloc(16 * 1024, ' ')

  function endless(response: ServerResponse): void {
    open++
    const timer = setInterval(() => {
      if (response.writableNeedDrain) return
      sent += pieces.length
      response.write(pieces)
    }, 1)
    response.on('close', () => {
      clearInterval(timer)
      open--
    })
  }
  const server = createServer((request, response) => {
    request.resume()
    const isFile = request.url?.includes('.instruction') === true
    if (!isFile) {
      response.writeHead(200, { 'content-length': 16, etag: '"a"' })
      response.end(request.method === 'HEAD' ? undefined : Buffer.alloc(16))
      return
    }
    response.writeHead(200, { etag: '"b"', ...(announced !== undefined && { 'content-length': announced }) })
    endless(response)
  })
  const started = new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const clients: S3Client[] = []
  const make = async (): Promise<S3Client> => {
    await started
    const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    const client = new S3Client({ ...w.s3.clientConfig, ...twoSockets, endpoint, maxAttempts: 1 })
    clients.push(client)
    return addEncryption(client, { keyring, ...allOn })
  }
  after(() => {
    for (const client of clients) client.destroy()
    server.closeAllConnections()
    server.close()
  })

  for (const length of [undefined, String(limit + 1), String(2 ** 30), String(2 ** 52)]) {
    it(`Content-Length ${length ?? 'absent'}: ended at the limit, again and again`, async () => {
      announced = length
      const client = await make()
      for (let i = 0; i < 8; i++) {
        sent = 0
        assertRefused(await outcomeOf(client, 'object'), 'ERR_S3CSE_ENVELOPE_INVALID')
        await Promise.all(Array.from({ length: 3 }, () => outcomeOf(client, 'object')))
        assert.equal((await inspect(client, { Bucket, Key: 'object' })).status, 'unknown')
        // Five requests: what was taken, and what was under way.
        assert.ok(sent < 5 * 16 * limit, `${sent} bytes`)
      }
      // The server learns of it when the connections have ended.
      for (let i = 0; open > 0 && i < 1000; i++) await new Promise((resolve) => setTimeout(resolve, 5))
      assert.equal(open, 0)
    })
  }
})

const file = ({ key }: { key: string | undefined }): boolean => key?.endsWith('.instruction') === true

describe('answers that lie', bounded, () => {
  const asked = counting(keyring)
  const giant = Buffer.alloc(8 * 1024 * 1024, ' ')
  const faults: readonly [name: string, fault: S3Fault][] = [
    ['a giant', { body: giant }],
    ['a giant without a length', { body: giant, headers: { 'content-length': undefined } }],
    ['a giant that says that it is small', { body: giant, headers: { 'content-length': '300' } }],
    ['a giant, drop by drop', { body: giant, chunkBytes: 1024, pauseMs: 1 }],
    ['one byte too much', { body: giant.subarray(0, limit + 1), headers: { 'content-length': undefined } }],
    ['no length', { headers: { 'content-length': undefined } }],
    ['a length that is too small', { headers: { 'content-length': '20' } }],
    ['a length that is a little too large', { headers: { 'content-length': '60000' } }],
    ['a length that is far too large', { headers: { 'content-length': String(2 ** 52) } }],
    ['a length of zero', { headers: { 'content-length': '0' } }],
    ['half of it', { truncateBody: 20 }],
    ['nothing of it', { reset: { afterResponseBytes: 0 } }],
    ['a range', { status: 206, headers: { 'content-range': 'bytes 0-99/100' } }],
    ['a range with another status', { headers: { 'content-range': 'bytes 0-99/100' } }],
    ['an empty body', { body: new Uint8Array(0) }],
    ['an error', { status: 500 }],
    ['no access', { status: 403, code: 'AccessDenied' }],
  ]
  beforeEach(() => {
    w.s3.faults.length = 0
  })

  for (const [name, fault] of faults) {
    it(`${name}: an error, no key is used, and the sockets are given back`, async () => {
      const client = w.client({ keyring: asked, ...allOn }, { ...twoSockets, maxAttempts: 1 })
      const writing = w.client({ instructionFile: { write: true, overwrite: true } })
      await put(writing, 'object', plaintext)
      const before = asked.unwraps()
      w.s3.fail({ ...fault, match: file, times: 1000 })
      const errors: unknown[] = []
      for (let i = 0; i < 6; i++) errors.push((await outcomeOf(client, 'object')).error)
      const many = await Promise.all(Array.from({ length: 6 }, () => outcomeOf(client, 'object')))
      errors.push(...many.map(({ error }) => error))
      for (const error of errors) {
        assert.ok(error instanceof Error, `${name}: it was read`)
        if (error instanceof CseError) assert.match(error.code, /ENVELOPE_INVALID|RESPONSE_UNEXPECTED|INSTRUCTION_FILE/)
      }
      assert.equal(asked.unwraps(), before)
      w.s3.faults.length = 0
      assert.deepEqual((await outcomeOf(client, 'object')).released, plaintext)
    })
  }

  it('the object of such a file holds no socket either: many large ones, read with two', async () => {
    const large = pattern(4 * 1024 * 1024)
    const client = w.client({ keyring: asked, ...allOn }, { ...twoSockets, maxAttempts: 1 })
    await put(w.client({ instructionFile: { write: true, overwrite: true } }), 'large', large)
    const { body } = await w.stored('large.instruction')
    for (const [what, bytes] of [
      ['a giant', giant],
      ['no JSON', Buffer.from('no')],
    ] as const) {
      await w.s3.put(Bucket, 'large.instruction', { body: bytes })
      for (let i = 0; i < 10; i++) assertRefused(await outcomeOf(client, 'large'), 'ERR_S3CSE_ENVELOPE_INVALID', what)
    }
    await w.s3.put(Bucket, 'large.instruction', { body })
    assert.deepEqual((await outcomeOf(client, 'large')).released, large)
  })
})
