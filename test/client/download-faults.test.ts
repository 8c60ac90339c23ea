import { HeadObjectCommand } from '@aws-sdk/client-s3'
import type { S3Client } from '@aws-sdk/client-s3'
import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { describe, it } from 'node:test'

import { aesKeyring, download } from '../../src/index.js'
import type { DownloadOptions } from '../../src/index.js'
import type { S3Fault, S3Request } from '../../src/testing/index.js'
import { code } from '../support/errors.js'
import { Bucket, pattern, put, world } from '../support/world.js'
import { folder, PART, part, partsOf } from './download-support.js'

const w = await world()
const f = folder(w)
const plaintext = pattern(5 * PART + 777)
const stored = plaintext.length + 16
const client = w.client()
/** One attempt of the SDK, so that what is tried again here is tried by the download. */
const once = w.client({}, { maxAttempts: 1 })
await put(client, 'object', plaintext)
/** More than what fits into the buffers of a connection that nobody reads. */
await put(client, 'large', pattern(4 * 1024 * 1024))

/** Two sockets: a download that leaves one open lets the next wait for ever. */
const twoSockets = {
  maxAttempts: 1,
  requestHandler: { httpAgent: { maxSockets: 2 }, socketAcquisitionWarningTimeout: 60_000 },
}
const bounded = { timeout: 60_000 }

const whole = async () => assert.ok((await f.content()).equals(plaintext))

async function fails(
  reader: S3Client,
  expected: Parameters<typeof assert.rejects>[1] & object,
  options: DownloadOptions = {},
): Promise<void> {
  await writeFile(f.path, 'as it was')
  await assert.rejects(f.get(reader, 'object', options), expected)
  assert.equal(String(await f.content()), 'as it was')
  assert.deepEqual(await f.names(), ['file'])
}

describe('a part whose response breaks off', bounded, () => {
  const breaks: readonly (readonly [string, S3Fault])[] = [
    ['is reset in the middle', { reset: { afterResponseBytes: 30_000 } }],
    ['is reset before anything of it came', { reset: { afterResponseBytes: 0 } }],
    ['ends too early', { truncateBody: 40_000 }],
    ['is answered with an error', { status: 503 }],
  ]
  for (const [what, fault] of breaks) {
    it(`is asked for again if it ${what}, whichever it is`, async () => {
      for (const number of [1, 2, 5]) {
        // The last part is shorter than where the others break.
        const short = number === 5 && 'truncateBody' in fault ? { truncateBody: 100 } : {}
        const shorter = number === 5 && typeof fault.reset === 'object' ? { reset: { afterResponseBytes: 0 } } : {}
        w.s3.requests.length = 0
        w.s3.fail({ match: part(number), times: 2, ...fault, ...short, ...shorter })
        await f.get(once, 'object')
        await whole()
        assert.deepEqual(w.s3.faults, [])
        assert.equal(f.ranges().length, 6 + 2)
      }
    })
  }

  it('is asked for again if it is the first', async () => {
    w.s3.fail({ match: part(0), reset: { afterResponseBytes: 30_000 } })
    await f.get(once, 'object')
    await whole()
    assert.deepEqual(f.ranges(), [`0-${PART - 1}`, ...partsOf(stored)])
    assert.ok(w.s3.requests.some(({ headers }) => headers.range?.startsWith('bytes=0-') && headers['if-match']))
  })

  it('ends the download if it breaks off too often, and so does an error that stays', async () => {
    w.s3.fail({ match: part(3), times: 2, truncateBody: 1000 })
    await fails(once, { message: 'aborted' }, { maxAttempts: 2 })
    assert.deepEqual(w.s3.faults, [])
    w.s3.fail({ match: part(3), times: 3, status: 503 })
    await fails(once, { name: 'SlowDown' })
    assert.deepEqual(w.s3.faults, [])
    w.s3.fail({ match: part(3), times: 1, status: 403, code: 'AccessDenied' })
    await fails(once, { name: 'AccessDenied' })
    assert.equal(w.s3.requests.filter(part(3)).length, 6)
  })

  it('leaves the first error to be thrown when several break off at once', async () => {
    for (let i = 0; i < 5; i++) {
      w.s3.fail({ times: 20, match: ({ headers }) => headers['if-match'] !== undefined, reset: 'before' })
      await fails(
        once,
        (error: Error) =>
          /ECONNRESET|socket hang up/.test(`${(error as { code?: string }).code ?? ''} ${error.message}`),
        {
          maxAttempts: 1,
          concurrency: 6,
        },
      )
      w.s3.faults.length = 0
    }
  })
})

describe('an object that changes while it is downloaded', bounded, () => {
  it('is an error that says so', async () => {
    for (const resume of [false, true]) {
      await put(client, 'changing', plaintext)
      let changed = false
      const end = w.s3.onRequest(async (request) => {
        if (changed || !part(3)(request)) return
        changed = true
        await put(client, 'changing', Buffer.alloc(plaintext.length, 1))
      })
      await assert.rejects(
        f.get(once, 'changing', { concurrency: 1, resume }),
        code('ERR_S3CSE_RESPONSE_UNEXPECTED', /was overwritten while it was downloaded/),
      )
      end()
      assert.ok(changed)
      assert.deepEqual(await f.names(), [])
    }
  })

  it('is an error too where the server does not look at If-Match', async () => {
    w.s3.fail({ match: part(2), headers: { etag: '"another"' } })
    await fails(once, code('ERR_S3CSE_RESPONSE_UNEXPECTED', /overwritten/))
  })
})

describe('an answer that is not what was asked for', bounded, () => {
  const total = String(stored)
  const lies: readonly (readonly [string, S3Fault])[] = [
    ['another place', { headers: { 'content-range': `bytes ${PART}-${2 * PART - 1}/${total}` } }],
    ['another end', { headers: { 'content-range': `bytes ${2 * PART}-${3 * PART}/${total}` } }],
    [
      'another length of the object',
      { headers: { 'content-range': `bytes ${2 * PART}-${3 * PART - 1}/${stored + 1}` } },
    ],
    ['an unknown length of the object', { headers: { 'content-range': `bytes ${2 * PART}-${3 * PART - 1}/*` } }],
    ['no range', { headers: { 'content-range': undefined } }],
    ['200 in place of 206', { status: 200 }],
    ['a shorter body', { headers: { 'content-length': String(PART - 1) } }],
    ['a longer body', { headers: { 'content-length': String(PART + 1) } }],
    ['no length', { headers: { 'content-length': undefined } }],
  ]
  it('is refused at once, in the middle', async () => {
    const limited = w.client({}, twoSockets)
    for (const [what, fault] of lies) {
      w.s3.requests.length = 0
      w.s3.fail({ match: part(2), ...fault })
      await fails(limited, code('ERR_S3CSE_RESPONSE_UNEXPECTED'), { concurrency: 1 })
      assert.equal(f.ranges().length, 3, what)
    }
  })

  it('is refused at once, at the beginning', async () => {
    const limited = w.client({}, twoSockets)
    const first: readonly S3Fault[] = [
      { headers: { 'content-range': `bytes 0-${PART - 2}/${total}` } },
      { headers: { 'content-range': `bytes 1-${PART}/${total}` } },
      { headers: { 'content-range': `bytes 0-${PART - 1}/${PART - 1}` } },
      { headers: { 'content-range': `bytes 0-${PART - 1}/99999999999999999999` } },
      { headers: { 'content-range': undefined } },
      { status: 200 },
      { headers: { 'content-length': String(PART + 1) } },
    ]
    for (const fault of first) {
      w.s3.fail({ match: part(0), ...fault })
      await fails(limited, code('ERR_S3CSE_RESPONSE_UNEXPECTED'))
    }
    w.s3.fail({ match: part(0), headers: { etag: undefined } })
    await fails(limited, code('ERR_S3CSE_RESPONSE_UNEXPECTED', /has no ETag/))
    w.s3.requests.length = 0
    w.s3.fail({ match: part(0), headers: { 'content-range': `bytes 0-${PART - 1}/${2 ** 40}` } })
    await fails(limited, code('ERR_S3CSE_ENVELOPE_INVALID'))
    assert.equal(f.ranges().length, 1)
  })
})

describe('a download that fails or is aborted gives its sockets back', bounded, () => {
  const slow: S3Fault = { times: 100, chunkBytes: 1000, pauseMs: 10 }
  const limited = w.client({}, twoSockets)
  const ends = async (options: DownloadOptions, expected: Parameters<typeof assert.rejects>[1] & object) => {
    for (let i = 0; i < 3; i++) {
      w.s3.fail(slow)
      await fails(limited, expected, options)
      w.s3.faults.length = 0
    }
    await f.get(limited, 'object')
    await whole()
  }

  it('whenever that is', async () => {
    const aborted = { name: 'AbortError' }
    await fails(limited, aborted, { signal: AbortSignal.abort() })
    assert.equal(w.s3.requests.length, 0)
    // While the first request is sent, while the first body comes, and while there are several.
    for (const wanted of [1, 2, 4]) {
      const controller = new AbortController()
      let asked = 0
      const end = w.s3.onRequest(() => {
        if (++asked === wanted) setTimeout(() => controller.abort(), 5)
      })
      if (wanted < 4) w.s3.fail(slow)
      else w.s3.fail({ ...slow, match: ({ headers }) => Number(/=(\d+)/.exec(headers.range ?? '')?.[1]) >= 2 * PART })
      await fails(limited, aborted, { signal: controller.signal })
      end()
      w.s3.faults.length = 0
    }
    await f.get(limited, 'object')
    await whole()
  })

  it('also where the object is refused, or the place is lost, when the first answer is there', async () => {
    const refusing = w.client({ maxObjectBytes: 1 }, twoSockets)
    const without = w.client({ keyring: aesKeyring({ wrappingKey: new Uint8Array(32) }) }, twoSockets)
    for (let i = 0; i < 5; i++) {
      await fails(refusing, code('ERR_S3CSE_POLICY'))
      await fails(without, code('ERR_S3CSE_DECRYPTION_FAILED'))
      const lost = join(dirname(f.path), 'sub')
      await mkdir(lost)
      const end = w.s3.onRequest(() => rm(lost, { recursive: true }))
      const destination = join(lost, 'file')
      const large = { partSize: 8 * 1024 * 1024 }
      await assert.rejects(download(limited, { Bucket, Key: 'large' }, destination, large), code('ERR_S3CSE_FILE'))
      end()
    }
    for (const reader of [refusing, limited]) await reader.send(new HeadObjectCommand({ Bucket, Key: 'object' }))
  })

  it('also where the error comes from the callback, the file or the server', async () => {
    const mine = new Error('mine')
    const onProgress = () => {
      throw mine
    }
    await ends({ onProgress }, mine)
    const wrong: S3Fault = { times: 100, match: part(4), status: 403 }
    for (let i = 0; i < 5; i++) {
      w.s3.fail(wrong, { ...slow, match: (request: S3Request) => !part(0)(request) })
      await fails(limited, { name: 'InjectedFault' })
      w.s3.faults.length = 0
    }
    await f.get(limited, 'object')
    await whole()
  })

  it('after the end the signal is not listened to any more', async () => {
    const controller = new AbortController()
    const { signal } = controller
    await f.get(limited, 'object', { signal })
    assert.equal(getEventListeners(signal, 'abort').length, 0)
    controller.abort()
    await whole()
  })
})
