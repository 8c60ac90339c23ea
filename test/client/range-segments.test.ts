import assert from 'node:assert/strict'
import { beforeEach, describe, it } from 'node:test'

import { encryptionInfo } from '../../src/index.js'
import type { EncryptionOptions } from '../../src/index.js'
import { framed, FRAMED_METADATA, framedFormat } from '../message/framed-format.js'
import { FRAME, framedOpener, framedRangeOpener, HEADER } from '../message/framed.js'
import { code } from '../support/errors.js'
import { Bucket, bodyOf, get, pattern, world } from '../support/world.js'

const w = await world()
const LENGTH = 200_500
const plaintext = pattern(LENGTH)
const SEALED_FRAME = FRAME + 16
const twoSockets = { requestHandler: { httpAgent: { maxSockets: 2 }, socketAcquisitionWarningTimeout: 60_000 } }
const client = (options: Partial<EncryptionOptions> = {}) =>
  w.client({ format: framedFormat(), ...options }, twoSockets)
const bounded = { timeout: 60_000 }

const ranges = (): (string | undefined)[] => w.s3.requests.map(({ headers }) => headers.range)

beforeEach(async () => {
  w.s3.faults.length = 0
  await w.s3.put(Bucket, 'framed', { body: framed(plaintext), metadata: FRAMED_METADATA })
  w.s3.requests.length = 0
})

async function read(options: Partial<EncryptionOptions>, Range: string) {
  const output = await get(client(options), 'framed', { Range })
  const bytes = Buffer.from(await output.Body!.transformToByteArray())
  return { bytes, ContentRange: output.ContentRange, length: output.ContentLength, info: encryptionInfo(output) }
}

describe('ranges of a format that authenticates segments', bounded, () => {
  for (const rangeReads of ['reject', 'unauthenticated', 'whole-object'] as const) {
    it(`are verified and need no option: ${rangeReads}`, async () => {
      for (const [Range, start, end] of [
        ['bytes=0-0', 0, 1],
        ['bytes=999-1000', 999, 1001],
        ['bytes=150000-150999', 150_000, 151_000],
        ['bytes=200499-300000', 200_499, LENGTH],
        ['bytes=1234-', 1234, LENGTH],
        ['bytes=-700', LENGTH - 700, LENGTH],
        ['bytes=-9999999', 0, LENGTH],
      ] as const) {
        const { bytes, ContentRange, length, info } = await read({ rangeReads }, Range)
        assert.deepEqual(bytes, plaintext.subarray(start, end), Range)
        assert.equal(ContentRange, `bytes ${start}-${end - 1}/${LENGTH}`)
        assert.equal(length, end - start)
        assert.equal(info?.authentication, 'verified')
      }
      for (const Range of [`bytes=${LENGTH}-`, 'bytes=9999999-', 'bytes=-0']) {
        const unsatisfiable = { name: 'InvalidRange', ActualObjectSize: String(LENGTH), RangeRequested: Range }
        await assert.rejects(read({ rangeReads }, Range), unsatisfiable)
      }
    })
  }

  it('ask again for the frames, and for no more, of the same object', async () => {
    await read({}, 'bytes=150000-150999')
    const start = HEADER.length + 150 * SEALED_FRAME
    assert.deepEqual(ranges(), ['bytes=150000-150999', `bytes=${start}-${start + SEALED_FRAME - 1}`])
    assert.ok(w.s3.requests[1]?.headers['if-match'])
    w.s3.requests.length = 0
    await read({}, 'bytes=0-')
    assert.deepEqual(ranges(), ['bytes=0-'])
  })

  it('hold one socket, also while they ask again', async () => {
    const single = { requestHandler: { httpAgent: { maxSockets: 1 }, socketAcquisitionWarningTimeout: 60_000 } }
    await w.s3.put(Bucket, 'long', { body: framed(pattern(8_000_000)), metadata: FRAMED_METADATA })
    const reader = w.client({ format: framedFormat() }, single)
    for (let i = 0; i < 3; i++) {
      const { Body } = await get(reader, 'long', { Range: 'bytes=100500-7900499' })
      assert.equal((await Body!.transformToByteArray()).length, 7_800_000)
    }
  })

  it('of an object that was overwritten in between are those of the new one', async () => {
    for (const other of [pattern(300_000), pattern(LENGTH).reverse()]) {
      const body = framed(other)
      let gets = 0
      const stop = w.s3.onRequest(async () => {
        if (++gets === 2) await w.s3.put(Bucket, 'framed', { body, metadata: FRAMED_METADATA })
      })
      const found = await get(client(), 'framed', { Range: 'bytes=150000-150999' })
      stop()
      assert.deepEqual(Buffer.from((await found.Body?.transformToByteArray()) ?? []), other.subarray(150_000, 151_000))
      assert.ok(gets > 3)
      await w.s3.put(Bucket, 'framed', { body: framed(plaintext), metadata: FRAMED_METADATA })
    }
  })

  it('whose second answer is a lie are an error, and the socket comes back', async () => {
    const reader = client()
    const second = { match: ({ headers }: { headers: Readonly<Record<string, string>> }) => 'if-match' in headers }
    for (const headers of [
      { 'content-range': `bytes 152408-153423/999999` },
      { 'content-range': undefined },
      { 'content-length': '5' },
    ]) {
      for (let i = 0; i < 5; i++) {
        w.s3.fail({ ...second, headers, ...(headers['content-range'] === undefined && { status: 200 }) })
        const reading = get(reader, 'framed', { Range: 'bytes=150000-150999' })
        await assert.rejects(reading, code('ERR_S3CSE_RESPONSE_UNEXPECTED'))
        assert.equal(w.s3.faults.length, 0)
      }
    }
    w.s3.fail({ ...second, status: 403, code: 'AccessDenied' })
    await assert.rejects(get(reader, 'framed', { Range: 'bytes=150000-150999' }), { name: 'AccessDenied' })
    const { Body } = await get(reader, 'framed', { Range: 'bytes=150000-150999' })
    assert.equal((await Body!.transformToByteArray()).length, 1000)
  })

  it('give out what stands before a frame that was changed, and nothing of it', async () => {
    await w.s3.tamper(Bucket, 'framed', ({ body }) => void (body[HEADER.length + 120 * SEALED_FRAME + 7]! ^= 1))
    const released: Buffer[] = []
    const body = bodyOf(await get(client(), 'framed', { Range: 'bytes=50000-150999' }))
    await assert.rejects(async () => {
      for await (const chunk of body) released.push(chunk as Buffer)
    }, code('ERR_S3CSE_DECRYPTION_FAILED'))
    const got = Buffer.concat(released)
    assert.ok(got.length <= 70_000)
    assert.deepEqual(got, plaintext.subarray(50_000, 50_000 + got.length))
    assert.deepEqual((await read({}, 'bytes=-500')).bytes, plaintext.subarray(-500))
  })

  it('of an object that was cut are an error at its end', async () => {
    await w.s3.tamper(Bucket, 'framed', ({ body }) => ({
      body: body.subarray(0, HEADER.length + 100 * SEALED_FRAME + 28),
    }))
    await assert.rejects(read({}, 'bytes=-500'), code('ERR_S3CSE_DECRYPTION_FAILED'))
    await assert.rejects(read({}, 'bytes=99000-'), code('ERR_S3CSE_DECRYPTION_FAILED'))
  })

  it('with a server that ignores Range come out of the whole object', async () => {
    const reader = client()
    reader.middlewareStack.add(
      (next) => (args) => {
        delete (args.request as { headers: Record<string, string> }).headers.range
        return next(args)
      },
      { step: 'build', name: 'noRange' },
    )
    const output = await get(reader, 'framed', { Range: 'bytes=150000-150999' })
    assert.equal(output.ContentRange, `bytes 150000-150999/${LENGTH}`)
    assert.deepEqual(Buffer.from(await output.Body!.transformToByteArray()), plaintext.subarray(150_000, 151_000))
  })
})

describe('what an opener cannot do is not done', bounded, () => {
  it('a range without authentication stays refused, whatever the format has said', async () => {
    const whole = framedFormat({}, () => ({ ...framedRangeOpener(), authentication: 'whole' }))
    for (let i = 0; i < 5; i++) {
      for (const rangeReads of ['reject', 'whole-object'] as const) {
        const reading = get(client({ format: whole, rangeReads }), 'framed', { Range: 'bytes=0-9' })
        await assert.rejects(reading, code('ERR_S3CSE_RANGE_REFUSED', /rangeReads/))
      }
    }
  })

  it('a format that says nothing of ranges is not asked for them', async () => {
    const silent = framedFormat({ authenticatedRanges: false })
    await assert.rejects(
      get(client({ format: silent }), 'framed', { Range: 'bytes=0-9' }),
      code('ERR_S3CSE_RANGE_REFUSED'),
    )
    assert.deepEqual(ranges(), [])
    const { bytes, info } = await read({ format: silent, rangeReads: 'whole-object' }, 'bytes=150000-150999')
    assert.deepEqual(bytes, plaintext.subarray(150_000, 151_000))
    assert.equal(info?.authentication, 'verified')
    assert.deepEqual(ranges(), [undefined])
  })

  it('a length that only the key can tell is asked of the opener, and a range of an unknown one is refused', async () => {
    const late = framedFormat()
    const format = {
      ...late,
      recognise: (...args: Parameters<typeof late.recognise>) => {
        const envelope = late.recognise(...args)
        return envelope && { ...envelope, plaintextLength: () => undefined }
      },
    }
    const { bytes, ContentRange } = await read({ format }, 'bytes=-10')
    assert.deepEqual(bytes, plaintext.subarray(-10))
    assert.equal(ContentRange, `bytes 200490-200499/${LENGTH}`)
    await assert.rejects(read({ format }, `bytes=${LENGTH}-`), { name: 'InvalidRange' })

    const never = framedFormat({}, () => ({ ...framedOpener(), plaintextLength: () => undefined }))
    for (const rangeReads of ['unauthenticated', 'whole-object'] as const) {
      for (let i = 0; i < 5; i++) {
        const reading = get(client({ format: never, rangeReads }), 'framed', { Range: 'bytes=0-9' })
        await assert.rejects(reading, code('ERR_S3CSE_RANGE_REFUSED', /length/))
      }
    }
  })
})
