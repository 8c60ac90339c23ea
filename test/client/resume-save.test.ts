// What an upload needs to be continued is saved before bytes leave: the order of saving and sending, and saving that is slow or fails.
import { AbortMultipartUploadCommand } from '@aws-sdk/client-s3'
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { Readable } from 'node:stream'
import { beforeEach, describe, it } from 'node:test'
import { setImmediate, setTimeout } from 'node:timers/promises'

import { importUpload, requestOptions } from '../../src/index.js'
import { code } from '../support/errors.js'
import {
  bytesSent,
  complete,
  completed,
  create,
  finish,
  log,
  MiB,
  partsSent,
  PART,
  send,
  source,
  until,
} from '../support/resume.js'
import type { Log, Name } from '../support/resume.js'
import { Bucket, put, read, world } from '../support/world.js'

const w = await world({ recordBodyBytes: 0, verifyPayload: false, etag: 'random' })
const parts = source(PART, PART, 1000)

beforeEach(() => {
  w.s3.requests.length = 0
  w.s3.faults.length = 0
})

/** A log whose saves wait until they are let through, or fail. */
function gated(): Log & { waiting: (() => void)[]; fail: Error | undefined; open: boolean } {
  const saved = log()
  const gate = {
    ...saved,
    get text() {
      return saved.text
    },
    waiting: [] as (() => void)[],
    fail: undefined as Error | undefined,
    open: true,
    async save(text: string) {
      if (!gate.open) await new Promise<void>((resolve) => gate.waiting.push(resolve))
      if (gate.fail !== undefined) throw gate.fail
      await saved.save(text)
    },
  }
  return gate
}

const operations = () => w.s3.requests.map(({ operation }) => operation)

/** Long enough for a request to arrive that is not held back. */
const aWhile = () => setTimeout(150)

const continued = async (name: Name, saved: Pick<Log, 'text'>, bodies = parts) => {
  const client = w.client()
  await finish(client, await importUpload(client, { Bucket, Key: name.Key }, saved.text), bodies)
}

describe('bytes leave after what was recorded of them is saved', () => {
  it('of a part in memory, and of the trailer', async () => {
    const client = w.client()
    const saved = gated()
    const name = await create(client, 'slow', { saveUpload: saved.save })
    const Parts = []
    for (const [index, part] of parts.entries()) {
      w.s3.requests.length = 0
      saved.open = false
      const sending = send(client, name, index + 1, part)
      // The last one has the trailer, which is recorded before it is made.
      for (let held = index === 2 ? 2 : 1; held > 0; held--) {
        await until(() => saved.waiting.length === 1)
        await aWhile()
        assert.deepEqual(operations(), [])
        saved.waiting.shift()?.()
      }
      // What was stored is recorded afterwards.
      await until(() => saved.waiting.length === 1)
      assert.deepEqual(operations(), ['UploadPart'])
      saved.open = true
      saved.waiting.shift()?.()
      Parts.push(completed(index + 1, await sending))
    }
    await complete(client, name, Parts)
    assert.ok((await read(client, 'slow')).equals(Buffer.concat(parts)))
  })

  it('of a part that is a stream, slice by slice', async () => {
    const client = w.client()
    const saved = gated()
    const name = await create(client, 'slow-stream', { saveUpload: saved.save })
    saved.open = false
    const sending = send(client, name, 1, Readable.from([parts[0]]), { ContentLength: PART })
    for (let slice = 0; slice < 5; slice++) {
      await until(() => saved.waiting.length === 1)
      await setTimeout(30)
      assert.ok(bytesSent(w.s3) <= slice * MiB, `${bytesSent(w.s3)} bytes of ${slice} slices`)
      saved.waiting.shift()?.()
    }
    await until(() => saved.waiting.length === 1)
    assert.equal(bytesSent(w.s3), PART)
    saved.waiting.shift()?.()
    await sending
  })

  it('of the trailer that has a part of its own, and that part before Complete', async () => {
    const client = w.client()
    const saved = gated()
    const name = await create(client, 'slow-own', { saveUpload: saved.save })
    const Parts = [completed(1, await send(client, name, 1, parts[0]))]
    w.s3.requests.length = 0
    saved.open = false
    const completing = complete(client, name, Parts)
    const steps = [[], ['UploadPart'], ['UploadPart', 'CompleteMultipartUpload']]
    for (const step of steps.slice(0, 2)) {
      await until(() => saved.waiting.length === 1)
      await aWhile()
      assert.deepEqual(operations(), step)
      saved.waiting.shift()?.()
    }
    await completing
    assert.deepEqual(operations(), steps[2])
  })

  it('one piece after the other, whatever is sent at the same time', async () => {
    const client = w.client()
    const saved = log()
    let running = 0
    const saveUpload = async (text: string) => {
      assert.equal(running++, 0)
      await setImmediate()
      await saved.save(text)
      running--
    }
    const name = await create(client, 'parallel', { saveUpload })
    await Promise.all(parts.map((part, index) => send(client, name, index + 1, part)))
    await continued(name, saved)
  })
})

describe('a save that fails', () => {
  const failures: readonly [how: string, save: () => Promise<void> | void][] = [
    ['rejects', () => Promise.reject(new Error('disk full'))],
    [
      'throws',
      () => {
        throw new Error('disk full')
      },
    ],
  ]
  for (const [how, failing] of failures) {
    it(`(it ${how}) lets nothing of the part leave, and the next one says everything`, async () => {
      const client = w.client()
      const saved = log()
      const state = { fails: false }
      const name = await create(client, how, {
        saveUpload: (text) => (state.fails ? failing() : saved.save(text)),
      })
      await send(client, name, 1, parts[0])
      w.s3.requests.length = 0
      state.fails = true
      await assert.rejects(send(client, name, 2, parts[1]), { message: 'disk full' })
      await assert.rejects(send(client, name, 3, parts[2]), { message: 'disk full' })
      await assert.rejects(complete(client, name, []), code('ERR_S3CSE_UPLOAD_STATE'))
      assert.deepEqual(operations(), [])
      // Whoever goes on now knows of part 1 only, and nothing else has left.
      assert.equal((await importUpload(w.client(), { Bucket, Key: how }, saved.text)).Parts.length, 1)

      state.fails = false
      const before = saved.saves.length
      await send(client, name, 2, parts[1])
      assert.match(saved.saves[before]!, /^\n\{/)
      assert.deepEqual(partsSent(w.s3), [2])
      await continued(name, saved)
    })
  }

  it('half way leaves a line that is not counted', async () => {
    const client = w.client()
    const saved = log()
    let fails = false
    const name = await create(client, 'torn', {
      saveUpload(text) {
        saved.save(fails ? text.slice(0, text.length / 2) : text) as undefined
        if (fails) throw new Error('disk full')
      },
    })
    await send(client, name, 1, parts[0])
    // One line torn, and after it the texts that say everything again, torn as well.
    fails = true
    for (let attempt = 0; attempt < 3; attempt++) {
      await assert.rejects(send(client, name, 2, parts[1]), { message: 'disk full' })
      assert.equal((await importUpload(w.client(), { Bucket, Key: 'torn' }, saved.text)).Parts.length, 1)
    }
    fails = false
    await send(client, name, 2, parts[1])
    await continued(name, saved)
  })

  it('of what was stored fails the request, and the part is sent again', async () => {
    const client = w.client()
    const saved = gated()
    const name = await create(client, 'stored', { saveUpload: saved.save })
    saved.open = false
    const sending = send(client, name, 1, parts[0])
    await until(() => saved.waiting.length === 1)
    saved.waiting.shift()?.()
    await until(() => saved.waiting.length === 1)
    saved.fail = new Error('disk full')
    saved.waiting.shift()?.()
    await assert.rejects(sending, { message: 'disk full' })
    saved.fail = undefined
    saved.open = true
    assert.deepEqual((await importUpload(w.client(), { Bucket, Key: 'stored' }, saved.text)).Parts, [])
    await send(client, name, 1, parts[0])
    await continued(name, saved)
  })

  it('in the middle of a stream ends the request there', async () => {
    const client = w.client()
    const saved = log()
    let left = 3
    const name = await create(client, 'stream', {
      saveUpload: (text) => (left-- > 0 ? saved.save(text) : Promise.reject(new Error('disk full'))),
    })
    const sending = send(client, name, 1, Readable.from([parts[0]]), { ContentLength: PART })
    await assert.rejects(sending, { message: 'disk full' })
    await aWhile()
    assert.ok(bytesSent(w.s3) <= 2 * MiB, String(bytesSent(w.s3)))
    left = Infinity
    await send(client, name, 1, Readable.from([parts[0]]), { ContentLength: PART })
    await continued(name, saved)
  })

  it('of the trailer lets none leave, and can be tried again', async () => {
    const client = w.client()
    const saved = gated()
    const name = await create(client, 'trailer', { saveUpload: saved.save })
    const Parts = [completed(1, await send(client, name, 1, parts[0]))]
    w.s3.requests.length = 0
    saved.fail = new Error('disk full')
    await assert.rejects(complete(client, name, Parts), { message: 'disk full' })
    assert.deepEqual(operations(), [])
    saved.fail = undefined
    await complete(client, name, Parts)
    assert.ok((await read(client, 'trailer')).equals(parts[0]!))
    // The state knows of the end as well.
    const other = w.client()
    const imported = await importUpload(other, { Bucket, Key: 'trailer' }, saved.text)
    await assert.rejects(send(other, imported, 2, parts[1]), code('ERR_S3CSE_UPLOAD_STATE', /being completed/))
  })

  it('at the beginning leaves no upload behind', async () => {
    for (const saveUpload of [
      () => Promise.reject(new Error('disk full')),
      () => {
        throw new Error('disk full')
      },
    ]) {
      await assert.rejects(create(w.client(), 'none', { saveUpload }), { message: 'disk full' })
      assert.deepEqual(operations(), ['CreateMultipartUpload', 'AbortMultipartUpload'])
      w.s3.requests.length = 0
    }
    assert.equal(w.s3.uploads(Bucket).filter(({ key }) => key === 'none').length, 0)
    // What the caller has to know is why; whether the upload could be aborted is not that.
    w.s3.fail({ status: 403, match: ({ operation }) => operation === 'AbortMultipartUpload' })
    const saveUpload = () => Promise.reject(new Error('disk full'))
    await assert.rejects(create(w.client(), 'denied', { saveUpload }), { message: 'disk full' })
  })

  it('at an import leaves the upload to the next one', async () => {
    const client = w.client()
    const saved = log()
    const name = await create(client, 'import', { saveUpload: saved.save })
    await send(client, name, 1, parts[0])
    const other = w.client()
    const saveUpload = () => Promise.reject(new Error('disk full'))
    const importing = importUpload(other, { Bucket, Key: 'import' }, saved.text, { saveUpload })
    await assert.rejects(importing, { message: 'disk full' })
    await assert.rejects(send(other, name, 2, parts[1]), code('ERR_S3CSE_UPLOAD_STATE'))
    await finish(other, await importUpload(other, { Bucket, Key: 'import' }, saved.text), parts)
  })
})

describe('saving ends with the upload', () => {
  it('that was aborted while a piece was being saved', async () => {
    const client = w.client()
    const saved = gated()
    const name = await create(client, 'aborted', { saveUpload: saved.save, stateKey: randomBytes(32) })
    saved.open = false
    const sending = [send(client, name, 1, parts[0]), send(client, name, 2, parts[1])]
    const failed = Promise.all(sending.map((one) => assert.rejects(one, code('ERR_S3CSE_UPLOAD_STATE'))))
    await until(() => saved.waiting.length === 1)
    await client.send(new AbortMultipartUploadCommand(name))
    const before = saved.saves.length
    saved.open = true
    saved.waiting.shift()?.()
    await failed
    // The piece that was on its way, and none that has nothing to say any more.
    assert.ok(saved.saves.length <= before + 1)
    assert.deepEqual(partsSent(w.s3), [])
  })
})

describe('options', () => {
  it('of uploads are ignored by requests that are none', async () => {
    const saved = log()
    const options = { saveUpload: saved.save, stateKey: randomBytes(32), partSize: PART }
    const client = w.client()
    await put(client, 'no-upload', 'abc', requestOptions({}, options))
    assert.equal((await read(client, 'no-upload')).toString(), 'abc')
    assert.deepEqual(saved.saves, [])
  })

  it('are checked', async () => {
    const wrong: readonly [options: object, message: RegExp][] = [
      [{ saveUpload: 'file.state' }, /saveUpload must be a function/],
      [{ stateKey: new Uint8Array(16), saveUpload: () => undefined }, /32 bytes/],
      [{ stateKey: 'x'.repeat(32), saveUpload: () => undefined }, /32 bytes/],
    ]
    for (const [options, message] of wrong) {
      assert.throws(() => requestOptions({ Bucket, Key: 'a' }, options), code('ERR_S3CSE_CONFIG', message))
    }
    const creating = create(w.client(), 'a', { stateKey: randomBytes(32) })
    await assert.rejects(creating, code('ERR_S3CSE_CONFIG', /stateKey encrypts what saveUpload saves/))
    assert.deepEqual(operations(), [])
  })
})
