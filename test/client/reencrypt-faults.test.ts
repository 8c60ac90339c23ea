// What fails, and what others do, while an object gets a new header.
import { DeleteObjectCommand, HeadObjectCommand } from '@aws-sdk/client-s3'
import type { S3Client } from '@aws-sdk/client-s3'
import assert from 'node:assert/strict'
import { beforeEach, describe, it } from 'node:test'

import { reencrypt } from '../../src/index.js'
import type { ReencryptInput } from '../../src/index.js'
import type { S3Operation, S3Request } from '../../src/testing/index.js'
import { code } from '../support/errors.js'
import { headerFormat, message, recipients } from '../support/header-format.js'
import { runProcess } from '../support/processes.js'
import type { ReencryptJob } from '../support/reencrypt-child.js'
import { isProbe, nothingLeft, versioned } from '../support/rotate.js'
import { Bucket, pattern, put, read, world } from '../support/world.js'
import type { World } from '../support/world.js'

const MiB = 1024 ** 2
const PART = 5 * MiB
const w = await world({ recordBodyBytes: 0 })
const versions = await world({ recordBodyBytes: 0 })
await versioned(versions)

const [old, next] = [recipients([1]), recipients([2])]
const by = (who = old, of: World = w): S3Client => of.client({ keyring: who, format: headerFormat() })
const small = pattern(1000)
const large = pattern(6 * MiB)
const theirs = pattern(2000)

async function putFor(key: string, body: Uint8Array, who = old, of: World = w): Promise<void> {
  await put(of.plain, key, await message(body, who), { Metadata: { a: 'b' } })
}

function reencrypted(client: S3Client, key: string, more: Partial<ReencryptInput> = {}, signal?: AbortSignal) {
  const input = { Bucket, Key: key, to: next, copyPartSize: PART, ...more }
  return reencrypt(client, input, signal === undefined ? {} : { signal })
}

/** Its conditions are known to be kept. */
const probed = by()
for (const body of [small, large]) {
  await putFor('probed', body)
  await reencrypted(probed, 'probed')
}

async function isWhole(key: string, body: Uint8Array, of: World = w): Promise<void> {
  const found = await Promise.any([old, next].map((who) => read(by(who, of), key)))
  assert.ok(found.equals(body), `${key} is something else`)
}

beforeEach(() => {
  for (const { s3 } of [w, versions]) {
    s3.requests.length = 0
    s3.faults.length = 0
  }
})

const places: Readonly<Record<string, readonly S3Operation[]>> = {
  small: ['HeadObject', 'GetObject', 'GetObjectAcl', 'GetObjectTagging', 'PutObject'],
  large: [
    'HeadObject',
    'GetObject',
    'GetObjectTagging',
    'CreateMultipartUpload',
    'UploadPart',
    'UploadPartCopy',
    'CompleteMultipartUpload',
  ],
}

for (const [name, of] of [
  ['without versions', w],
  ['with versions', versions],
] as const) {
  describe(`what somebody writes meanwhile, ${name},`, () => {
    for (const [size, body] of [
      ['small', small],
      ['large', large],
    ] as const) {
      for (const place of places[size] ?? []) {
        it(`stays, and is re-encrypted: at ${place} of a ${size} object`, async () => {
          const key = `race ${size} ${place}`
          await putFor(key, body, old, of)
          let done = false
          const end = of.s3.onRequest(async (r) => {
            if (done || r.key !== key || r.operation !== place) return
            done = true
            await putFor(key, theirs, old, of)
          })
          const { attempts } = await reencrypted(by(old, of), key)
          end()
          assert.ok(done, 'nothing came in between')
          assert.equal(attempts, place === 'HeadObject' ? 1 : 2)
          assert.ok((await read(by(next, of), key)).equals(theirs))
          nothingLeft(of)
        })
      }

      it(`is not written again if it was deleted: ${size}`, async () => {
        const key = `deleted ${size}`
        await putFor(key, body, old, of)
        const last = size === 'small' ? 'PutObject' : 'CompleteMultipartUpload'
        const end = of.s3.onRequest(async (r) => {
          if (r.key === key && r.operation === last) await of.plain.send(new DeleteObjectCommand({ Bucket, Key: key }))
        })
        await assert.rejects(
          reencrypted(by(old, of), key),
          (error: { $metadata?: { httpStatusCode?: number } }) => error.$metadata?.httpStatusCode === 404,
        )
        end()
        await assert.rejects(of.plain.send(new HeadObjectCommand({ Bucket, Key: key })), { name: 'NotFound' })
        nothingLeft(of)
      })
    }
  })
}

describe('an object that is written again and again', () => {
  it('is looked at maxAttempts times', async () => {
    await putFor('busy', small)
    const end = w.s3.onRequest(async (r) => {
      if (r.key === 'busy' && r.operation === 'GetObjectTagging') await putFor('busy', theirs)
    })
    await assert.rejects(reencrypted(by(), 'busy', { maxAttempts: 3 }), { name: 'PreconditionFailed' })
    end()
    assert.equal(w.s3.requests.filter((r) => r.key === 'busy' && r.operation === 'GetObjectTagging').length, 3)
    await isWhole('busy', theirs)
  })
})

describe('an object that is emptied meanwhile', () => {
  it('is not taken for what was sent', async () => {
    await putFor('emptied', small)
    let done = false
    const end = w.s3.onRequest(async (r) => {
      if (done || r.key !== 'emptied' || r.operation !== 'PutObject' || r.headers['if-match'] === undefined) return
      done = true
      await put(w.plain, 'emptied', '')
    })
    await assert.rejects(reencrypted(by(), 'emptied'), code('ERR_S3CSE_NOT_ENCRYPTED'))
    end()
    assert.equal((await w.stored('emptied')).body.length, 0)
  })
})

describe('a fault', () => {
  for (const operation of ['UploadPart', 'UploadPartCopy', 'CompleteMultipartUpload', 'GetObjectTagging'] as const) {
    it(`of ${operation} leaves the object, and no upload`, async () => {
      const key = `fails ${operation}`
      await putFor(key, large)
      const before = await w.stored(key)
      w.s3.fail({ match: (r) => r.operation === operation && r.key === key, status: 400, code: 'InvalidRequest' })
      await assert.rejects(reencrypted(by(), key), { name: 'InvalidRequest' })
      assert.deepEqual(await w.stored(key), before)
      nothingLeft(w)
    })
  }

  const isBody = (r: S3Request) => r.operation === 'GetObject' && !(r.headers.range ?? '').startsWith('bytes=0-')

  it('in the middle of the download is asked for again', async () => {
    await putFor('reset', large)
    w.s3.fail({ match: isBody, reset: { afterResponseBytes: MiB }, times: 2 })
    await reencrypted(by(), 'reset')
    assert.deepEqual(w.s3.faults, [])
    assert.ok((await read(by(next), 'reset')).equals(large))
  })

  it('in the middle of each download is one, and the object stays', async () => {
    await putFor('resets', large)
    const before = await w.stored('resets')
    w.s3.fail({ match: isBody, reset: { afterResponseBytes: MiB }, times: 100 })
    await assert.rejects(reencrypted(by(), 'resets'))
    assert.deepEqual(await w.stored('resets'), before)
    assert.equal(w.s3.requests.filter(isBody).length, 3)
    nothingLeft(w)
  })

  it('a server that ignores ranges is not taken for one that has answered', async () => {
    await putFor('ranges', large)
    const before = await w.stored('ranges')
    w.s3.fail({ match: isBody, status: 200, headers: { 'content-range': undefined }, times: 100 })
    await assert.rejects(reencrypted(by(), 'ranges'), code('ERR_S3CSE_RESPONSE_UNEXPECTED', /ignores Range/))
    assert.deepEqual(await w.stored('ranges'), before)
    nothingLeft(w)
  })

  for (const [operation, body] of [
    ['PutObject', small],
    ['CompleteMultipartUpload', large],
  ] as const) {
    it(`409 of ${operation} is a conflict, and it is looked at again`, async () => {
      const key = `conflict ${operation}`
      await putFor(key, body)
      const match = (r: S3Request) => r.operation === operation && r.key === key
      w.s3.fail({ match, status: 409, code: 'ConditionalRequestConflict', times: 2 })
      assert.equal((await reencrypted(by(), key)).attempts, 3)
      assert.ok((await read(by(next), key)).equals(body))
      nothingLeft(w)
    })
  }

  it('a body that is shorter than its header says is not stored', async () => {
    await putFor('short', large)
    const before = await w.stored('short')
    w.s3.fail({ match: isBody, truncateBody: MiB, times: 100 })
    await assert.rejects(reencrypted(by(), 'short'))
    assert.deepEqual(await w.stored('short'), before)
    nothingLeft(w)
  })

  for (const [operation, body] of [
    ['PutObject', small],
    ['CompleteMultipartUpload', large],
  ] as const) {
    for (const times of [1, 3]) {
      it(`the answer to ${operation} is lost ${times} times`, async () => {
        const key = `lost ${operation} ${times}`
        await putFor(key, body)
        w.s3.fail({
          match: (r) => r.operation === operation && r.key === key,
          reset: { afterResponseBytes: 0 },
          times,
        })
        const result = await reencrypted(by(), key).catch((error: unknown) => error as Error)
        const { etag, metadata } = await w.stored(key)
        // The SDK sends it three times, and then says that it has no answer.
        if (times === 1) assert.deepEqual((result as { ETag?: string }).ETag, etag)
        else assert.ok(result instanceof Error)
        assert.ok((await read(by(next), key)).equals(body))
        assert.equal(metadata.a, 'b')
        nothingLeft(w)
      })
    }
  }
})

describe('an abort', () => {
  for (const [size, body] of [
    ['small', small],
    ['large', large],
  ] as const) {
    for (const operation of places[size] ?? []) {
      it(`at ${operation} of a ${size} object ends it, and leaves no upload`, async () => {
        const key = `aborted ${size} ${operation}`
        await putFor(key, body)
        const abort = new AbortController()
        const end = w.s3.onRequest(async (r) => {
          if (r.operation !== operation || r.key !== key || abort.signal.aborted) return
          abort.abort()
          await new Promise((resolve) => setTimeout(resolve, 50))
        })
        await assert.rejects(reencrypted(probed, key, {}, abort.signal), { name: 'AbortError' })
        await new Promise((resolve) => setTimeout(resolve, 200))
        end()
        await isWhole(key, body)
        nothingLeft(w)
      })
    }
  }

  it('that was before sends nothing', async () => {
    await putFor('gone', small)
    const client = by()
    w.s3.requests.length = 0
    await assert.rejects(reencrypted(client, 'gone', {}, AbortSignal.abort()), { name: 'AbortError' })
    assert.deepEqual(w.s3.requests, [])
  })
})

describe('a server that ignores conditions', () => {
  for (const ignores of ['write', 'copy-source'] as const) {
    it(`of ${ignores} is found out, and told that nobody writes meanwhile`, async () => {
      const of = await world({ recordBodyBytes: 0, ignoreConditions: [ignores] })
      for (const [key, body] of [
        ['small', small],
        ['large', large],
      ] as const) {
        // (Of a small one nothing is copied.)
        if (ignores === 'copy-source' && key === 'small') continue
        await putFor(key, body, old, of)
        const before = await of.stored(key)
        const refused = code('ERR_S3CSE_ROTATION', /ignores the condition .*allowUnconditional/)
        await assert.rejects(reencrypted(by(old, of), key), refused)
        assert.deepEqual(await of.stored(key), before)
        await reencrypted(by(old, of), key, { allowUnconditional: true })
        assert.ok((await read(by(next, of), key)).equals(body))
        nothingLeft(of)
      }
    })
  }

  it('and shows no ETag is refused', async () => {
    await putFor('no etag', small)
    const match = (r: S3Request) => r.operation === 'HeadObject'
    w.s3.fail({ match, headers: { etag: undefined } })
    await assert.rejects(reencrypted(by(), 'no etag'), code('ERR_S3CSE_ROTATION', /no ETag/))
  })
})

describe('a process is killed', () => {
  /** At its request `at`, counted from 0, which is not carried out. Returns its requests. */
  async function killedAt(key: string, at: number): Promise<readonly S3Request[]> {
    const seen: S3Request[] = []
    let kill: (() => void) | undefined
    let closed: (() => void) | undefined
    const died = new Promise<void>((resolve) => (closed = resolve))
    const end = w.s3.onRequest(async (request) => {
      if (request.headers['user-agent']?.includes(`job/${encodeURIComponent(key)}`) !== true) return
      if (seen.push(request) !== at + 1) return
      kill?.()
      await died
      throw new Error('killed')
    })
    const job: ReencryptJob = { config: w.s3.clientConfig, bucket: Bucket, key, copyPartSize: PART }
    const { signal, status, errors } = await runProcess('reencrypt-child', job, (child) => {
      kill = () => child.kill('SIGKILL')
      child.once('close', () => closed?.())
      return Promise.resolve()
    })
    end()
    if (seen.length > at) assert.ok(signal === 'SIGKILL' || status !== 0, errors)
    else assert.equal(status, 0, errors)
    return seen
  }

  it('at every second of its requests: the object is the old or the new one, and the next process does it', async () => {
    await putFor('kill-all', large)
    const requests = await killedAt('kill-all', Infinity)
    assert.ok(requests.length > 8, 'there are too few requests')
    assert.ok((await read(by(next), 'kill-all')).equals(large))
    for (const [at, { operation }] of requests.entries()) {
      if (at % 2 > 0 && operation !== 'CompleteMultipartUpload') continue
      const key = `kill-${at}-${operation}`
      await putFor(key, large)
      await killedAt(key, at)
      await new Promise((resolve) => setTimeout(resolve, 20))
      await isWhole(key, large)
      await reencrypted(by(), key)
      assert.ok((await read(by(next), key)).equals(large))
    }
    assert.deepEqual(
      w.s3.keys(Bucket).filter((key) => isProbe({ key })),
      [],
    )
  })
})
