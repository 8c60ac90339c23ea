// A part of an object's plaintext as an object of its own, made of stored bytes.
import assert from 'node:assert/strict'
import type { S3Client } from '@aws-sdk/client-s3'
import { beforeEach, describe, it } from 'node:test'

import { NotEncryptedError, rearrange } from '../../src/index.js'
import type { RearrangeInput } from '../../src/index.js'
import type { S3Request } from '../../src/testing/index.js'
import { code } from '../support/errors.js'
import { headerFormat, message, recipients, SEALED, SEGMENT } from '../support/header-format.js'
import { isProbe, nothingLeft, versioned } from '../support/rotate.js'
import { Bucket, get, pattern, put, read, world } from '../support/world.js'
import type { World } from '../support/world.js'

const MiB = 1024 ** 2
const PART = 5 * MiB
const w = await world({ recordBodyBytes: 0 })
const versions = await world({ recordBodyBytes: 0 })
await versioned(versions)

const [old, next] = [recipients([1]), recipients([2])]
const by = (who = old, of: World = w): S3Client => of.client({ keyring: who, format: headerFormat() })
const body = pattern(12 * MiB + 99)

async function putFor(key: string, bytes: Uint8Array, more: object = {}, of: World = w): Promise<void> {
  await put(of.plain, key, await message(bytes, old), more)
}

function rearranged(key: string, from: string, more: Partial<RearrangeInput> = {}, client: S3Client = by()) {
  const CopySource = { Bucket, Key: from }
  return rearrange(client, { Bucket, Key: key, CopySource, to: next, copyPartSize: PART, ...more })
}

async function reads(key: string, bytes: Uint8Array, who = next, of: World = w): Promise<void> {
  assert.ok((await read(by(who, of), key)).equals(bytes), `${key} is something else`)
}

const own = (of: World, operation: string): S3Request[] =>
  of.s3.requests.filter((r) => r.operation === operation && !isProbe(r))

beforeEach(() => {
  for (const { s3 } of [w, versions]) {
    s3.requests.length = 0
    s3.faults.length = 0
  }
})

describe('rearrange', () => {
  it('a small part is what is read of it, and one PutObject', async () => {
    await putFor('source', body)
    const before = await w.stored('source')
    w.s3.requests.length = 0
    const result = await rearranged('small', 'source', { start: SEGMENT, end: 3 * SEGMENT })
    assert.deepEqual(
      [result.outcome, result.plaintextLength, result.bytesMoved, result.bytesCopied, result.attempts],
      ['rearranged', 2 * SEGMENT, 2 * SEALED, 0, 1],
    )
    const [putting] = own(w, 'PutObject')
    assert.ok(putting !== undefined, 'nothing was put')
    assert.equal(putting.headers['if-none-match'], '*')
    assert.equal(own(w, 'GetObject').length, 2)
    assert.ok(own(w, 'GetObject').every(({ headers }) => headers['if-match'] === before.etag))
    await reads('small', body.subarray(SEGMENT, 3 * SEGMENT))
    assert.deepEqual(await w.stored('source'), before)
    assert.equal(result.ETag, (await w.stored('small')).etag)
  })

  for (const [name, of] of [
    ['without versions', w],
    ['with versions', versions],
  ] as const) {
    it(`of a large part all but the first 5 MiB is copied by S3, ${name}`, async () => {
      await putFor('source', body, {}, of)
      const { etag, versionId } = await of.stored('source')
      // Of another one than the current one, where that is possible.
      const VersionId = of === versions ? versionId : undefined
      if (VersionId !== undefined) await putFor('source', pattern(10), {}, of)
      const CopySource = { Bucket, Key: 'source', ...(VersionId !== undefined && { VersionId }) }
      of.s3.requests.length = 0
      const result = await rearranged('large', 'source', { CopySource, start: SEGMENT }, by(old, of))
      const { partSizes, body: stored } = await of.stored('large')
      assert.deepEqual(partSizes, [PART, PART, stored.length - 2 * PART])
      assert.equal(result.bytesCopied, stored.length - PART)
      for (const { headers } of own(of, 'UploadPartCopy')) {
        assert.equal(headers['x-amz-copy-source-if-match'], etag)
        assert.equal(
          headers['x-amz-copy-source'],
          `${Bucket}/source${VersionId === undefined ? '' : `?versionId=${VersionId}`}`,
        )
      }
      assert.deepEqual(
        own(of, 'CompleteMultipartUpload').map(({ headers }) => headers['if-none-match']),
        ['*'],
      )
      await reads('large', body.subarray(SEGMENT), next, of)
      nothingLeft(of)
    })
  }

  it('to the client’s own keyring and all of it, where nothing else is said', async () => {
    await putFor('defaults', pattern(1000))
    const { plaintextLength } = await rearrange(by(), {
      Bucket,
      Key: 'all',
      CopySource: { Bucket, Key: 'defaults' },
    })
    assert.equal(plaintextLength, 1000)
    await reads('all', pattern(1000), old)
  })

  it('takes along what CopyObject does, and nothing where that is said', async () => {
    const more = {
      Metadata: { a: 'b' },
      ContentType: 'text/x',
      Tagging: 'c=d',
      ACL: 'public-read',
      StorageClass: 'STANDARD_IA',
    }
    await putFor('described', pattern(1000), more)
    await rearranged('with', 'described')
    await rearranged('without', 'described', { metadata: 'none', StorageClass: 'GLACIER_IR' })
    const [taken, none] = [await w.stored('with'), await w.stored('without')]
    assert.deepEqual(taken.metadata, { a: 'b', 'header-plaintext': '1000' })
    assert.deepEqual([taken.headers['content-type'], taken.tags], ['text/x', { c: 'd' }])
    assert.equal(taken.headers['x-amz-storage-class'], undefined)
    assert.notDeepEqual(taken.grants, (await w.stored('described')).grants)
    assert.deepEqual(none.metadata, { 'header-plaintext': '1000' })
    assert.deepEqual(none.tags, {})
    assert.notEqual(none.headers['content-type'], 'text/x')
    assert.equal(none.headers['x-amz-storage-class'], 'GLACIER_IR')
  })

  it('from one SSE-C key to another', async () => {
    const key = (byte: number) => Buffer.alloc(32, byte).toString('base64')
    const sse = { SSECustomerAlgorithm: 'AES256', SSECustomerKey: key(1) }
    await putFor('sse', body, sse)
    const to = { SSECustomerAlgorithm: 'AES256', SSECustomerKey: key(2) }
    for (const end of [SEGMENT, undefined]) {
      await rearranged(`sse ${end}`, 'sse', {
        CopySourceSSECustomerAlgorithm: 'AES256',
        CopySourceSSECustomerKey: key(1),
        ...to,
        ...(end !== undefined && { end }),
      })
      const { Body } = await get(by(next), `sse ${end}`, to)
      assert.ok(body.subarray(0, end).equals((await Body?.transformToByteArray()) ?? new Uint8Array()))
    }
  })
})

describe('an object at the destination', () => {
  for (const [size, end] of [
    ['small', SEGMENT],
    ['large', undefined],
  ] as const) {
    const more = end === undefined ? {} : { end }
    it(`stays, and is not waited for: ${size}`, async () => {
      await putFor('source', body)
      await put(w.plain, `there ${size}`, 'theirs')
      const before = await w.stored(`there ${size}`)
      await assert.rejects(rearranged(`there ${size}`, 'source', more), { name: 'PreconditionFailed' })
      assert.equal(
        own(w, size === 'small' ? 'PutObject' : 'CompleteMultipartUpload').filter(
          (r) => r.headers['if-none-match'] === '*',
        ).length,
        1,
      )
      assert.deepEqual(await w.stored(`there ${size}`), before)
      nothingLeft(w)
      await rearranged(`there ${size}`, 'source', { ...more, overwrite: true })
      await reads(`there ${size}`, body.subarray(0, end))
    })

    it(`stays that comes meanwhile: ${size}`, async () => {
      await putFor('source', body)
      const key = `comes ${size}`
      const end = w.s3.onRequest(async (r) => {
        if (
          r.key === key &&
          /^(PutObject|CompleteMultipartUpload)$/.test(r.operation) &&
          r.headers['if-none-match'] === '*'
        )
          await put(w.plain, key, 'theirs')
      })
      await assert.rejects(rearranged(key, 'source', more), { name: 'PreconditionFailed' })
      end()
      assert.equal(Buffer.from((await w.stored(key)).body).toString(), 'theirs')
      nothingLeft(w)
    })

    it(`is this one where the answer was lost: ${size}`, async () => {
      await putFor('source', body)
      const key = `lost ${size}`
      w.s3.fail({
        match: (r) => r.key === key && /^(PutObject|CompleteMultipartUpload)$/.test(r.operation),
        reset: { afterResponseBytes: 0 },
      })
      const { ETag } = await rearranged(key, 'source', more)
      assert.equal(ETag, (await w.stored(key)).etag)
      await reads(key, body.subarray(0, more.end))
      nothingLeft(w)
    })
  }

  it('may be one that is not shown to who writes: the error is that of the write', async () => {
    await putFor('source', body)
    await put(w.plain, 'hidden', 'theirs')
    w.s3.fail({ match: (r) => r.operation === 'HeadObject' && r.key === 'hidden', status: 403, times: 100 })
    await assert.rejects(rearranged('hidden', 'source', { end: SEGMENT }), { name: 'PreconditionFailed' })
  })

  it('that is the source is replaced by a part of itself, if it is what was looked at', async () => {
    await putFor('itself', body)
    let raced = false
    const end = w.s3.onRequest(async (r) => {
      if (raced || r.key !== 'itself' || r.operation !== 'CompleteMultipartUpload') return
      raced = true
      await putFor('itself', pattern(2 * SEGMENT))
    })
    const { attempts } = await rearranged('itself', 'itself', { overwrite: true, start: SEGMENT })
    end()
    assert.equal(attempts, 2)
    await reads('itself', pattern(2 * SEGMENT).subarray(SEGMENT))
    nothingLeft(w)
  })
})

describe('a source that is replaced meanwhile', () => {
  for (const place of ['GetObject', 'UploadPartCopy'] as const) {
    it(`at ${place}: the part is one of the new object`, async () => {
      const key = `replaced ${place}`
      await putFor(key, body)
      const theirs = pattern(7 * MiB)
      let raced = false
      const end = w.s3.onRequest(async (r) => {
        const isIt = r.operation === place && (r.key === key || r.key === `of ${key}`)
        if (raced || !isIt) return
        raced = true
        await putFor(key, theirs)
      })
      const { attempts } = await rearranged(`of ${key}`, key, { start: SEGMENT })
      end()
      assert.deepEqual([raced, attempts], [true, 2])
      await reads(`of ${key}`, theirs.subarray(SEGMENT))
      nothingLeft(w)
    })
  }
})

describe('what cannot be rearranged', () => {
  it('is archived', async () => {
    await putFor('archived', pattern(10), { StorageClass: 'GLACIER' })
    w.s3.requests.length = 0
    await assert.rejects(rearranged('x', 'archived'), code('ERR_S3CSE_ROTATION', /archived/))
    assert.equal(own(w, 'GetObject').length, 0)
  })

  it('is an object without an envelope, or of another format', async () => {
    await put(w.plain, 'plain', 'plain')
    await assert.rejects(rearranged('x', 'plain'), (error) => error instanceof NotEncryptedError)
    const client = w.client()
    await put(client, 's3ec', 'body')
    await assert.rejects(
      rearrange(client, { Bucket, Key: 'x', CopySource: { Bucket, Key: 's3ec' } }),
      code('ERR_S3CSE_ROTATION', /its format \(s3ec\) has no header.*rearrange/),
    )
  })

  it('is one under another key', async () => {
    await putFor('wrong', pattern(10))
    await assert.rejects(rearranged('x', 'wrong', {}, by(next)), code('ERR_S3CSE_DECRYPTION_FAILED'))
    await rearranged('right', 'wrong', { from: { keyring: old } }, by(next))
    await reads('right', pattern(10))
  })

  it('is a range behind the end', async () => {
    await putFor('behind', pattern(10))
    await assert.rejects(rearranged('x', 'behind', { start: SEGMENT }), code('ERR_S3CSE_CONFIG'))
  })

  const wrong: Readonly<Record<string, object>> = {
    'no source': { CopySource: undefined },
    'a source as text': { CopySource: `${Bucket}/a` },
    'a source without a key': { CopySource: { Bucket } },
    'a version that is none': { CopySource: { Bucket, Key: 'a', VersionId: '' } },
    'an empty range': { start: 5, end: 5 },
    'a negative start': { start: -1 },
    'half a byte': { end: 0.5 },
    'an unknown member': { Range: 'bytes=0-1' },
    'metadata of another name': { metadata: 'replace' },
    'overwrite of another type': { overwrite: 1 },
  }
  for (const [what, more] of Object.entries(wrong)) {
    it(`is asked for with ${what}`, async () => {
      const client = by()
      w.s3.requests.length = 0
      await assert.rejects(rearranged('x', 'any', more, client), code('ERR_S3CSE_CONFIG'))
      assert.deepEqual(w.s3.requests, [])
    })
  }

  it('on a server that ignores conditions, unless nobody writes meanwhile', async () => {
    const of = await world({ recordBodyBytes: 0, ignoreConditions: ['write', 'copy-source'] })
    await putFor('source', body, {}, of)
    for (const end of [SEGMENT, 12 * MiB]) {
      const refused = code('ERR_S3CSE_ROTATION', /ignores the condition/)
      await assert.rejects(rearranged(`to ${end}`, 'source', { end }, by(old, of)), refused)
      assert.deepEqual(of.s3.keys(Bucket), ['source', ...(end === SEGMENT ? [] : [`to ${SEGMENT}`])])
      await rearranged(`to ${end}`, 'source', { end, allowUnconditional: true }, by(old, of))
      await reads(`to ${end}`, body.subarray(0, end), next, of)
    }
    nothingLeft(of)
  })
})
