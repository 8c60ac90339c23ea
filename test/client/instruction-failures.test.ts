// Writing object and file where one of the two fails, in a bucket without versions: afterwards the object is readable,
// or what was before is there.
import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { describe, it } from 'node:test'

import { PutObjectCommand } from '@aws-sdk/client-s3'

import { code } from '../support/errors.js'
import { Bucket, get, pattern, put, read } from '../support/world.js'
import {
  LOST,
  file,
  instructionWorld,
  judge,
  names,
  overwrite,
  snapshot,
  stream,
  versions,
  write,
} from './instruction-support.js'

const w = await instructionWorld(undefined)
const old = pattern(50_000)
const fresh = pattern(600_000).subarray(1)
const bounded = { timeout: 30_000 }

const name = names()

function assertNothing(key: string): void {
  assert.deepEqual(
    w.s3.keys(Bucket).filter((one) => one.startsWith(key)),
    [],
  )
}

describe('the file cannot be written', bounded, () => {
  for (const status of [400, 403, 409, 500, 501]) {
    it(`${status}: nothing is stored, the body is destroyed, the next request gets through`, async () => {
      const key = name()
      const client = w.client(write, { maxAttempts: 1, requestHandler: { httpAgent: { maxSockets: 1 } } })
      for (let i = 0; i < 3; i++) {
        const body = stream(fresh)
        w.fail('PutObject', file(key), { status, code: 'Special' })
        await assert.rejects(put(client, key, body, { ContentLength: fresh.length }), { name: 'Special' })
        assert.ok(body.destroyed)
      }
      assert.equal(w.sent('PutObject', key).length, 0)
      assertNothing(key)
      await put(client, key, stream(fresh), { ContentLength: fresh.length })
      assert.deepEqual(await judge(w, key), fresh)
    })
  }

  it('500 once is tried again', async () => {
    const key = name()
    w.fail('PutObject', file(key), { status: 500 })
    await put(w.client(write), key, fresh)
    assert.deepEqual(await judge(w, key), fresh)
  })

  it('aborted: nothing is stored, the body is destroyed', async () => {
    const key = name()
    const ending = new AbortController()
    const unhook = w.s3.onRequest((r) => {
      if (r.operation === 'PutObject') ending.abort()
    })
    const body = stream(fresh)
    const command = new PutObjectCommand({ Bucket, Key: key, Body: body, ContentLength: fresh.length })
    await assert.rejects(w.client(write).send(command, { abortSignal: ending.signal }), { name: 'AbortError' })
    unhook()
    assert.ok(body.destroyed)
    assert.equal(w.sent('PutObject', key).length, 0)
    assertNothing(key)
  })

  it('its answer is lost: the SDK sends it again, and the refusal of that is none', async () => {
    const key = name()
    w.fail('PutObject', file(key), LOST)
    await put(w.client(write), key, fresh)
    const log = w.log().filter((line) => line.startsWith('Put'))
    assert.deepEqual(log, [`PutObject ${file(key)}`, `PutObject ${file(key)}`, `PutObject ${key}`])
    assert.equal(w.sent('PutObject', file(key))[1]?.status, 412)
    assert.deepEqual(await judge(w, key), fresh)
  })

  it('its answer is lost for good: it is taken away', async () => {
    const key = name()
    w.fail('PutObject', file(key), LOST)
    await assert.rejects(put(w.once(write), key, fresh), { code: 'ECONNRESET' })
    assertNothing(key)
  })
})

/** How the request for the object fails, before it is stored. */
const failures = {
  403: { status: 403, code: 'Special' },
  500: { status: 500, code: 'Special' },
  'reset at once': { reset: 'before' },
  'reset in the middle': { reset: { afterRequestBytes: 300_000 } },
} as const

for (const [version, policy] of Object.entries(versions)) {
  describe(`${version}: the object cannot be stored`, bounded, () => {
    for (const [what, fault] of Object.entries(failures)) {
      for (const kind of ['bytes', 'stream'] as const) {
        it(`${what}, ${kind}: nothing is left, and the error is the request’s`, async () => {
          const key = name()
          w.fail('PutObject', key, fault)
          const body = kind === 'bytes' ? fresh : stream(fresh)
          const sending = put(w.once({ ...write, ...policy }), key, body, { ContentLength: fresh.length })
          await assert.rejects(sending, (error: Error & { code?: string }) => {
            assert.ok(error.name === 'Special' || error.code === 'ECONNRESET' || error.code === 'EPIPE', error.stack)
            return true
          })
          assertNothing(key)
          if (kind === 'stream') assert.ok((body as Readable).destroyed)
        })
      }

      it(`${what}, overwriting: what was there is there`, async () => {
        const key = name()
        w.clock += 10
        await put(w.client({ ...write, ...policy }), key, old)
        const before = await snapshot(w, key, file(key))
        w.clock += 10
        w.fail('PutObject', key, fault)
        await assert.rejects(put(w.once({ ...overwrite, ...policy }), key, fresh))
        assert.deepEqual(await snapshot(w, key, file(key)), before)
        assert.deepEqual(await read(w.client(policy), key), old)
      })
    }

    it('all in the same second: what was there is there', async () => {
      const key = name()
      await put(w.client({ ...write, ...policy }), key, old)
      const before = await snapshot(w, key, file(key))
      w.fail('PutObject', key, { status: 403 })
      await assert.rejects(put(w.client({ ...overwrite, ...policy }), key, fresh))
      assert.deepEqual(await snapshot(w, key, file(key)), before)
    })

    for (const seconds of [0, 10]) {
      it(`its answer is lost, ${seconds} s after the file: the object is readable`, async () => {
        const key = name()
        for (const options of [write, overwrite]) {
          const unhook = w.s3.onRequest((r) => {
            if (r.key === key) w.clock += seconds
          })
          w.fail('PutObject', key, LOST)
          await assert.rejects(put(w.once({ ...options, ...policy }), key, fresh), { code: 'ECONNRESET' })
          unhook()
          assert.deepEqual(await judge(w, key), fresh)
        }
      })
    }

    it('nobody can say whether it is stored: the file stays', async () => {
      const key = name()
      w.fail('PutObject', key, LOST)
      w.fail('HeadObject', key, { status: 403 })
      await assert.rejects(put(w.once({ ...write, ...policy }), key, fresh), { code: 'ECONNRESET' })
      assert.deepEqual(await judge(w, key), fresh)
    })

    it('it was aborted in the middle', async () => {
      const key = name()
      const ending = new AbortController()
      let sent = 0
      const body = Readable.from(
        (async function* () {
          for (; sent < 40; sent++) {
            if (sent === 20) ending.abort()
            yield fresh.subarray(0, 15_000)
            await new Promise(setImmediate)
          }
        })(),
      )
      const command = new PutObjectCommand({ Bucket, Key: key, Body: body, ContentLength: 600_000 })
      const client = w.client({ ...write, ...policy })
      await assert.rejects(client.send(command, { abortSignal: ending.signal }), { name: 'AbortError' })
      assert.ok(sent < 40)
      assert.ok(body.destroyed)
      assertNothing(key)
    })

    it('its body is too short, too long, or fails', async () => {
      const key = name()
      const client = w.client({ ...write, ...policy })
      const wrong = code('ERR_S3CSE_BODY_LENGTH')
      await assert.rejects(put(client, key, stream(fresh), { ContentLength: fresh.length + 1 }), wrong)
      assertNothing(key)
      await assert.rejects(put(client, key, stream(fresh), { ContentLength: fresh.length - 1 }), wrong)
      assertNothing(key)
      const failing = Readable.from(
        (async function* () {
          yield fresh.subarray(0, 1000)
          await Promise.resolve()
          throw new RangeError('of the source')
        })(),
      )
      await assert.rejects(put(client, key, failing, { ContentLength: fresh.length }), { message: 'of the source' })
      assertNothing(key)
    })

    it('the file cannot be taken back either: the error is still that of the object', async () => {
      const key = name()
      w.fail('PutObject', key, { status: 403, code: 'Special' })
      w.fail('DeleteObject', file(key), { status: 403, code: 'Other', times: 9 })
      await assert.rejects(put(w.client({ ...write, ...policy }), key, fresh), { name: 'Special' })
    })
  })
}

it('sockets are given back by every failure', bounded, async () => {
  const client = w.client(write, { maxAttempts: 1, requestHandler: { httpAgent: { maxSockets: 2 } } })
  const key = name()
  for (const fault of [...Object.values(failures), LOST]) {
    for (let i = 0; i < 4; i++) {
      const one = `${key}-${i}-${JSON.stringify(fault)}`
      w.fail('PutObject', one, fault)
      await assert.rejects(put(client, one, stream(fresh), { ContentLength: fresh.length }))
    }
  }
  await Promise.all(Array.from({ length: 4 }, (_, i) => put(client, `${key}-good-${i}`, fresh)))
  const { Body } = await get(w.client(), `${key}-good-0`)
  assert.deepEqual(Buffer.from(await Body!.transformToByteArray()), fresh)
})
