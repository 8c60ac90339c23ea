// New headers for objects whose header is in the body: what is requested, what is kept, who reads afterwards.
import { CopyObjectCommand, GetObjectCommand } from '@aws-sdk/client-s3'
import type { S3Client } from '@aws-sdk/client-s3'
import assert from 'node:assert/strict'
import { beforeEach, describe, it } from 'node:test'

import { inspect, NotEncryptedError, reencrypt, rotateKey } from '../../src/index.js'
import type { Keyring, ReencryptInput } from '../../src/index.js'
import type { S3Request } from '../../src/testing/index.js'
import { code } from '../support/errors.js'
import { headerFormat, message, recipients, SEALED } from '../support/header-format.js'
import { isProbe, nothingLeft, operations, properties, versioned } from '../support/rotate.js'
import { Bucket, get, keyring, pattern, put, read, world } from '../support/world.js'
import type { World } from '../support/world.js'

const MiB = 1024 ** 2
const PART = 5 * MiB
const w = await world({ recordBodyBytes: 0 })
const versions = await world({ recordBodyBytes: 0 })
await versioned(versions)

const [old, next, other] = [recipients([1]), recipients([2]), recipients([3])]
const by = (who: Keyring, newHeaderLength?: number, of: World = w): S3Client =>
  of.client({ keyring: who, format: headerFormat(newHeaderLength) })
const inParts = { copyPartSize: PART }

async function putFor(key: string, body: Uint8Array, who: Keyring = old, more: object = {}, of: World = w) {
  await put(of.plain, key, await message(body, who), more)
}

function reencrypted(key: string, more: Partial<ReencryptInput> = {}, client: S3Client = by(old)) {
  return reencrypt(client, { Bucket, Key: key, to: next, ...more })
}

async function reads(key: string, who: Keyring, body: Uint8Array, of: World = w): Promise<void> {
  assert.ok((await read(by(who, 0, of), key)).equals(body), `${key} is something else`)
}

async function readsNot(key: string, who: Keyring, of: World = w): Promise<void> {
  await assert.rejects(read(by(who, 0, of), key), code('ERR_S3CSE_DECRYPTION_FAILED'))
}

const own = (of: World, operation: string) => of.s3.requests.filter((r) => r.operation === operation && !isProbe(r))
const downloaded = (requests: readonly S3Request[]) =>
  requests.reduce((sum, { headers }) => {
    const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(headers.range ?? '') ?? []
    return sum + Number(last) + 1 - Number(first)
  }, 0)

beforeEach(() => {
  for (const { s3 } of [w, versions]) {
    s3.requests.length = 0
    s3.faults.length = 0
  }
})

describe('reencrypt', () => {
  it('of a small object is five requests, the body of one of them the whole object', async () => {
    const body = pattern(1000)
    await putFor('small', body)
    const client = by(old)
    await reencrypted('small', {}, client)
    await putFor('small 2', body)
    const etag = (await w.stored('small 2')).etag
    let result: Awaited<ReturnType<typeof reencrypt>> | undefined
    const sent = await operations(w, async () => (result = await reencrypted('small 2', {}, client)))
    assert.deepEqual(sent, ['HeadObject', 'GetObject', 'GetObjectAcl', 'GetObjectTagging', 'PutObject'])
    assert.equal(own(w, 'PutObject')[0]?.headers['if-match'], etag)
    assert.deepEqual(
      { ...result, facts: undefined },
      {
        outcome: 'reencrypted',
        facts: undefined,
        ETag: (await w.stored('small 2')).etag,
        VersionId: undefined,
        attempts: 1,
        bytesCopied: 0,
        bytesMoved: 1028,
      },
    )
    assert.equal(result?.facts.format, 'header')
    await reads('small 2', next, body)
    await readsNot('small 2', old)
    nothingLeft(w)
  })

  it('keeps the packets of others, or trims them', async () => {
    const body = pattern(100)
    for (const trim of [false, true]) {
      const key = `trim ${trim}`
      await putFor(key, body, recipients([1, 3]))
      await reencrypted(key, { trim })
      await reads(key, next, body)
      if (trim) await readsNot(key, other)
      else await reads(key, other, body)
      await readsNot(key, old)
    }
  })

  it('opens with another keyring than the client’s, where that is given', async () => {
    await putFor('from', pattern(10), other)
    await assert.rejects(reencrypted('from'), code('ERR_S3CSE_DECRYPTION_FAILED'))
    await reencrypted('from', { from: { keyring: other } })
    await reads('from', next, pattern(10))
  })

  for (const [of, name] of [
    [w, 'without versions'],
    [versions, 'with versions'],
  ] as const) {
    it(`of a large object downloads 5 MiB and no more, and S3 copies the rest, ${name}`, async () => {
      const body = pattern(18 * MiB + 77)
      await putFor('large', body, old, {}, of)
      const before = await of.stored('large')
      const stored = before.body.length
      const client = by(old, 0, of)
      const { bytesCopied, bytesMoved, ETag, VersionId } = await reencrypted('large', inParts, client)
      const gets = own(of, 'GetObject')
      assert.ok(gets.every(({ headers }) => headers['if-match'] === before.etag))
      assert.ok(downloaded(gets) <= PART + SEALED, `${downloaded(gets)} bytes were downloaded`)
      const after = await of.stored('large')
      assert.equal(bytesCopied + bytesMoved, stored - Buffer.from(before.body).readUInt32BE(6))
      assert.deepEqual(after.partSizes, [PART, PART, PART, after.body.length - 3 * PART])
      const copies = own(of, 'UploadPartCopy')
      assert.equal(copies.length, 3)
      for (const { headers } of copies) {
        assert.equal(headers['x-amz-copy-source-if-match'], before.etag)
        const version = of === versions ? `?versionId=${before.versionId}` : ''
        assert.equal(headers['x-amz-copy-source'], `${Bucket}/large${version}`)
      }
      assert.deepEqual(
        own(of, 'CompleteMultipartUpload').map(({ headers }) => headers['if-match']),
        [before.etag],
      )
      assert.equal(after.etag, ETag)
      assert.equal(VersionId, of === versions ? after.versionId : undefined)
      await reads('large', next, body, of)
      await readsNot('large', old, of)
      nothingLeft(of)
      if (of === versions) {
        // What was before stays what it was.
        const { Body } = await client.send(new GetObjectCommand({ Bucket, Key: 'large', VersionId: before.versionId }))
        assert.ok(body.equals((await Body?.transformToByteArray()) ?? new Uint8Array()))
      }
    })
  }

  // Stored bytes, and the parts that they become.
  for (const [length, parts] of [
    [PART - 1, 0],
    [PART, 0],
    [PART + 1, [PART, 1]],
    [2 * PART, [PART, PART]],
    [2 * PART + 1, [PART, PART, 1]],
  ] as const) {
    it(`of ${length} bytes is ${parts === 0 ? 'one PutObject' : `${parts.length} parts`}`, async () => {
      const key = `boundary ${length}`
      // The last segment is cut, and opened by nobody: only the bytes matter here.
      const bytes = (await message(pattern(2 * PART), old, 1000)).subarray(0, length)
      await put(w.plain, key, bytes)
      w.s3.requests.length = 0
      await reencrypted(key, inParts, by(old, 1000))
      const after = await w.stored(key)
      assert.deepEqual(parts === 0 ? own(w, 'PutObject').length : after.partSizes, parts === 0 ? 1 : parts)
      assert.equal(own(w, 'UploadPartCopy').length, parts === 0 ? 0 : parts.length - 1)
      assert.ok(Buffer.from(after.body.subarray(1000)).equals(bytes.subarray(1000)), 'the body is another one')
      assert.ok(!Buffer.from(after.body.subarray(0, 1000)).equals(bytes.subarray(0, 1000)), 'the header is the old one')
      nothingLeft(w)
    })
  }

  it('of 5 MiB that a longer header makes more than that is one PutObject: S3 copies no range of such a source', async () => {
    const bytes = (await message(pattern(PART), old, 1000)).subarray(0, PART)
    await put(w.plain, 'longer', bytes)
    w.s3.requests.length = 0
    const { bytesMoved, bytesCopied } = await reencrypted('longer', {}, by(old, 9000))
    assert.deepEqual([bytesMoved, bytesCopied], [PART - 1000, 0])
    assert.equal(own(w, 'PutObject').length, 1)
    assert.equal((await w.stored('longer')).body.length, PART + 8000)
  })

  it('a header of more than a part goes with no byte of the body', async () => {
    const body = pattern(6 * MiB)
    await putFor('header', body)
    const { bytesMoved } = await reencrypted('header', {}, by(old, PART + 10))
    assert.equal(bytesMoved, 0)
    assert.equal((await w.stored('header')).partSizes?.[0], PART + 10)
    await reads('header', next, body)
  })
})

describe('an object that is re-encrypted keeps', () => {
  const members = {
    Metadata: { a: 'b' },
    ContentType: 'text/x',
    CacheControl: 'no-cache',
    Tagging: 'c=d&e=%C3%BC',
    ACL: 'public-read',
    StorageClass: 'STANDARD_IA',
    ServerSideEncryption: 'AES256',
  }
  for (const [size, length] of [
    ['small', 100],
    ['large', 7 * MiB],
  ] as const) {
    for (const ChecksumAlgorithm of ['CRC32', 'CRC32C', 'SHA1', 'SHA256', 'CRC64NVME'] as const) {
      it(`all its properties and ${ChecksumAlgorithm}, ${size}`, async () => {
        const key = `${size} ${ChecksumAlgorithm}`
        await putFor(key, pattern(length), old, { ...members, ChecksumAlgorithm })
        const before = await w.stored(key)
        await reencrypted(key, inParts)
        const after = await w.stored(key)
        const about = (stored: typeof before) => {
          const mine = Object.entries(stored.metadata).filter(([name]) => name !== 'header-plaintext')
          return {
            ...(properties(stored) as object),
            own: Object.fromEntries(mine),
            body: undefined,
            checksums: Object.keys(stored.checksums),
          }
        }
        assert.deepEqual(about(after), about(before))
        assert.equal(after.metadata['header-plaintext'], String(length))
        await reads(key, next, pattern(length))
      })
    }

    it(`its SSE-C key, ${size}`, async () => {
      const sse = { SSECustomerAlgorithm: 'AES256', SSECustomerKey: Buffer.alloc(32, 9).toString('base64') }
      const key = `sse-c ${size}`
      await putFor(key, pattern(length), old, sse)
      await reencrypted(key, { ...inParts, ...sse })
      const { Body } = await get(by(next), key, sse)
      assert.ok(pattern(length).equals((await Body?.transformToByteArray()) ?? new Uint8Array()))
      await assert.rejects(get(by(next), key), { name: 'InvalidRequest' })
    })
  }

  it('no checksum where it shows none: it gets what the SDK gives', async () => {
    const body = pattern(7 * MiB)
    await putFor('no checksum', body)
    const headers = { 'x-amz-checksum-crc32': undefined, 'x-amz-checksum-type': undefined }
    w.s3.fail({ match: ({ operation, key }) => operation === 'HeadObject' && key === 'no checksum', headers })
    await reencrypted('no checksum', inParts)
    assert.deepEqual(w.s3.faults, [])
    assert.equal(own(w, 'CreateMultipartUpload')[0]?.headers['x-amz-checksum-type'], undefined)
    await reads('no checksum', next, body)
  })

  it('no ACL where that is not to be read', async () => {
    await putFor('acl', pattern(10), old, { ACL: 'public-read' })
    const sent = await operations(w, () => reencrypted('acl', { acl: 'private' }))
    assert.ok(!sent.includes('GetObjectAcl'), sent.join())
  })
})

describe('what cannot be re-encrypted', () => {
  it('is an object without an envelope', async () => {
    await put(w.plain, 'plain', 'plain')
    await assert.rejects(reencrypted('plain'), (error) => error instanceof NotEncryptedError)
  })

  it('is one of a format without such headers, which is named', async () => {
    const client = w.client()
    await put(client, 's3ec', 'body')
    const before = await w.stored('s3ec')
    await assert.rejects(
      reencrypt(client, { Bucket, Key: 's3ec', to: keyring }),
      code('ERR_S3CSE_ROTATION', /its format \(s3ec\) has no header/),
    )
    assert.deepEqual(await w.stored('s3ec'), before)
  })

  it('is archived', async () => {
    await putFor('archived', pattern(10), old, { StorageClass: 'DEEP_ARCHIVE' })
    await assert.rejects(reencrypted('archived'), code('ERR_S3CSE_ROTATION', /archived/))
    assert.equal(own(w, 'GetObject').length, 0)
  })

  it('is what is not there', async () => {
    await assert.rejects(reencrypted('nothing'), { name: 'NotFound' })
  })

  const wrong: Readonly<Record<string, object>> = {
    'no keyring': { to: {} },
    'an unknown member': { VersionId: 'x' },
    'a keyring as from': { from: old },
    'trim of another type': { trim: 'yes' },
    'parts too small': { copyPartSize: PART - 1 },
    'an acl of another name': { acl: 'public' },
    'no attempts': { maxAttempts: 0 },
  }
  for (const [what, more] of Object.entries(wrong)) {
    it(`is asked for with ${what}`, async () => {
      const client = by(old)
      w.s3.requests.length = 0
      await assert.rejects(reencrypted('any', more, client), code('ERR_S3CSE_CONFIG'))
      assert.deepEqual(w.s3.requests, [])
    })
  }
})

describe('after it', () => {
  it('a range is read of the new object, and the header that was known is forgotten', async () => {
    const body = pattern(200_000)
    await putFor('cached', body, recipients([1, 2]))
    const client = by(old)
    const range = async () =>
      Buffer.from(
        (await (await get(client, 'cached', { Range: 'bytes=70000-70009' })).Body?.transformToByteArray()) ?? [],
      )
    assert.ok((await range()).equals(body.subarray(70_000, 70_010)))
    w.s3.requests.length = 0
    await range()
    assert.equal(w.s3.requests.length, 1, 'the header is not known')
    await reencrypted('cached', { to: recipients([1, 2]) }, client)
    w.s3.requests.length = 0
    assert.ok((await range()).equals(body.subarray(70_000, 70_010)))
    assert.deepEqual(
      w.s3.requests.filter(({ status }) => status === 412),
      [],
    )
  })

  it('inspect says how long it is, and a copy of it is one', async () => {
    await putFor('copied', pattern(1000))
    await reencrypted('copied')
    assert.equal((await inspect(by(next), { Bucket, Key: 'copied' })).plaintextLength, 1000)
    await by(next).send(new CopyObjectCommand({ Bucket, Key: 'copy', CopySource: `${Bucket}/copied` }))
    await reads('copy', next, pattern(1000))
  })
})

describe('rotateKey', () => {
  it('makes a new header for nobody but the new key', async () => {
    const body = pattern(7 * MiB)
    await putFor('rotated', body, recipients([1, 3]))
    const client = by(old)
    const { outcome, ETag } = await rotateKey(client, { Bucket, Key: 'rotated', to: next })
    assert.deepEqual([outcome, ETag], ['header', (await w.stored('rotated')).etag])
    await reads('rotated', next, body)
    for (const who of [old, other]) await readsNot('rotated', who)
    assert.equal((await rotateKey(client, { Bucket, Key: 'rotated', to: next })).outcome, 'unchanged')
    nothingLeft(w)
  })

  it('refuses a key that the old one is among', async () => {
    await putFor('same', pattern(10))
    const before = await w.stored('same')
    const to = recipients([2, 1])
    await assert.rejects(
      rotateKey(by(old), { Bucket, Key: 'same', to }),
      code('ERR_S3CSE_ROTATION', /would open the new header/),
    )
    assert.deepEqual(await w.stored('same'), before)
    assert.equal((await rotateKey(by(old), { Bucket, Key: 'same', to, enforceRotation: false })).outcome, 'header')
  })
})
