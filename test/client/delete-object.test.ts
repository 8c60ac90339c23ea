// DeleteObject of objects with instruction files.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { DeleteObjectCommand, HeadBucketCommand, ListObjectVersionsCommand } from '@aws-sdk/client-s3'
import type { DeleteObjectCommandInput, DeleteObjectCommandOutput, S3Client } from '@aws-sdk/client-s3'

import { addEncryption, requestOptions } from '../../src/index.js'
import type { EncryptionOptions } from '../../src/index.js'
import { framedFormat } from '../message/framed-format.js'
import { code } from '../support/errors.js'
import { Bucket, keyring, put } from '../support/world.js'
import { file, MARK, names, overwrite, v2, versionIds, write } from './instruction-support.js'
import { answered, before, copyWorld, exists, fileText, readFrom, withFile } from './copy-support.js'

const w = await copyWorld()
const bounded = { timeout: 30_000 }
const secret = 'what nobody else may read'
const name = names()
const deleting: Partial<EncryptionOptions> = { instructionFile: { delete: true } }
const client = w.client(deleting)

function del(
  one: S3Client,
  Key: string,
  more: Partial<DeleteObjectCommandInput> = {},
): Promise<DeleteObjectCommandOutput> {
  return one.send(new DeleteObjectCommand({ Bucket, Key, ...more }))
}

async function stored(options: Partial<EncryptionOptions> = {}): Promise<string> {
  const key = name()
  await withFile(w, w.client({ ...options, ...write }), key, secret)
  return key
}

describe('the option instructionFile.delete', bounded, () => {
  it('is as write, if it is not set', async () => {
    const cases: [options: EncryptionOptions['instructionFile'], deletes: boolean][] = [
      [undefined, false],
      [{ write: true }, true],
      [{ delete: true }, true],
      [{ write: true, delete: false }, false],
      [{ delete: true, read: false }, true],
    ]
    for (const [instructionFile, deletes] of cases) {
      const key = await stored()
      await del(w.client({ instructionFile }), key)
      const left = [await exists(w, key), await exists(w, file(key))]
      assert.deepEqual(left, [false, !deletes], JSON.stringify(instructionFile))
      if (!deletes) assert.equal(w.sent('GetObject', file(key)).length, 0)
    }
  })

  it('is checked at set-up', () => {
    const given =
      (instructionFile: object, more: object = {}) =>
      () =>
        addEncryption(w.client(), { keyring, instructionFile, ...more })
    const fresh =
      (instructionFile: object, more: object = {}) =>
      () =>
        w.client({ instructionFile, ...more })
    assert.throws(fresh({ delete: 'yes' }), code('ERR_S3CSE_CONFIG', /instructionFile\.delete/))
    assert.throws(fresh({ delete: 1 }), code('ERR_S3CSE_CONFIG', /instructionFile\.delete/))
    assert.throws(fresh({ deletes: true }), code('ERR_S3CSE_CONFIG', /unknown option/))
    assert.throws(fresh({ delete: true }, { format: framedFormat() }), code('ERR_S3CSE_CONFIG', /no instruction files/))
    assert.throws(given({}), code('ERR_S3CSE_ALREADY_ENCRYPTING'))
  })
})

describe('DeleteObject', bounded, () => {
  for (const [version, options] of [
    ['V3', {}],
    ['V2', v2],
  ] as const) {
    it(`${version}: the object, then its file, pinned to what was looked at`, async () => {
      const key = await stored(options)
      const { etag } = await w.stored(file(key))
      await del(client, key)
      assert.deepEqual(w.log(), [
        `GetObject ${file(key)}`,
        `DeleteObject ${key}`,
        `DeleteObject ${file(key)}`,
        `HeadObject ${key}`,
      ])
      assert.equal(w.sent('DeleteObject', file(key))[0]?.headers['if-match'], etag)
      assert.deepEqual([await exists(w, key), await exists(w, file(key))], [false, false])
    })
  }

  it('a file by its mark alone, and by its contents alone', async () => {
    const [marked, meant] = [await stored(), await stored()]
    await put(w.plain, file(marked), 'not readable any more', { Metadata: { [MARK]: '' } })
    await put(w.plain, file(meant), (await fileText(w, meant))!)
    for (const key of [marked, meant]) {
      await del(client, key)
      assert.equal(await exists(w, file(key)), false)
    }
  })

  it('what is something else at the file’s name stays', async () => {
    const others = ['text', '{}', '[]', '{"x-amz-w":1,"other":"x"}', '{"note":"x"}', 'x'.repeat(70_000), '']
    for (const text of others) {
      const key = name()
      await put(w.client(), key, secret)
      await put(w.plain, file(key), text)
      await del(client, key)
      assert.deepEqual([await exists(w, key), await exists(w, file(key))], [false, true], text.slice(0, 30))
    }
    const key = name()
    await put(w.client(), key, secret)
    await put(w.client(), file(key), 'an encrypted object of that name')
    await del(client, key)
    assert.equal(await readFrom(client, file(key)), 'an encrypted object of that name')
  })

  it('an object without a file costs one request more', async () => {
    const key = name()
    await put(w.client(), key, secret)
    w.s3.requests.length = 0
    await del(client, key)
    assert.deepEqual(w.log(), [`GetObject ${file(key)}`, `DeleteObject ${key}`])
  })

  it('a suffix of the client, and of the request', async () => {
    const [a, b] = [name(), name()]
    const own = w.client({ instructionFile: { write: true, suffix: '.own' } })
    for (const key of [a, b]) await withFile(w, own, key, secret, '.own')
    await put(w.plain, file(a), '{"x-amz-3":"x"}', { Metadata: { [MARK]: '' } })
    await del(own, a)
    assert.deepEqual([await exists(w, file(a, '.own')), await exists(w, file(a))], [false, true])
    const input = { Bucket, Key: b }
    await client.send(new DeleteObjectCommand(requestOptions(input, { instructionFileSuffix: '.own' })))
    assert.equal(await exists(w, file(b, '.own')), false)
  })

  it('what the caller asks for goes with every request', async () => {
    const key = await stored()
    await del(client, key, { ExpectedBucketOwner: '123456789012', RequestPayer: 'requester' })
    assert.equal(w.s3.requests.length, 4)
    for (const { headers } of w.s3.requests) {
      assert.equal(headers['x-amz-expected-bucket-owner'], '123456789012')
      assert.equal(headers['x-amz-request-payer'], 'requester')
    }
  })

  it('deletes the file that is left where the object is gone already', async () => {
    const key = await stored()
    await del(w.plain, key)
    await del(client, key)
    assert.equal(await exists(w, file(key)), false)
  })

  it('a condition of the caller that fails leaves both', async () => {
    const key = await stored()
    await assert.rejects(del(client, key, { IfMatch: '"other"' }), answered(412))
    assert.equal(await readFrom(client, key), secret)
    await del(client, key, { IfMatch: (await w.stored(key)).etag })
    assert.deepEqual([await exists(w, key), await exists(w, file(key))], [false, false])
  })

  it('a writer who stores the object anew between the steps keeps his file', async () => {
    for (const at of ['object', 'file'] as const) {
      const key = await stored()
      before(w, 'DeleteObject', at === 'object' ? key : file(key), () => put(w.client(overwrite), key, 'the second'))
      await del(client, key)
      assert.equal(await exists(w, file(key)), true, at)
      if (at === 'file') assert.equal(await readFrom(client, key), 'the second')
    }
  })

  it('the object cannot be deleted: the file stays', async () => {
    const key = await stored()
    for (const fault of [{ status: 403 }, { status: 500 }, { reset: 'before' as const }]) {
      w.fail('DeleteObject', key, fault)
      await assert.rejects(del(w.once(deleting), key))
      assert.equal(await readFrom(client, key), secret)
    }
  })

  it('the file cannot be looked at: nothing is deleted', async () => {
    const key = await stored()
    w.fail('GetObject', file(key), { status: 403 })
    await assert.rejects(del(client, key), code('ERR_S3CSE_INSTRUCTION_FILE', /Nothing was deleted.*ListBucket/))
    for (const fault of [{ status: 500 }, { reset: 'before' as const }, { truncateBody: 5 }]) {
      w.fail('GetObject', file(key), fault)
      await assert.rejects(del(w.once(deleting), key))
    }
    assert.deepEqual(w.sent('DeleteObject'), [])
    assert.equal(await readFrom(client, key), secret)
  })

  it('the file cannot be deleted: says so, and can be done once more', async () => {
    for (const fault of [{ status: 403 }, { status: 500 }, { reset: 'before' as const }]) {
      const key = await stored()
      w.fail('DeleteObject', file(key), fault)
      await assert.rejects(del(w.once(deleting), key), (error: unknown) => {
        code('ERR_S3CSE_INSTRUCTION_FILE', /once more/)(error)
        return (error as Error).cause instanceof Error
      })
      assert.deepEqual([await exists(w, key), await exists(w, file(key))], [false, true])
      await del(client, key)
      assert.equal(await exists(w, file(key)), false)
    }
  })

  it('a lost answer is no error: what is gone is gone', async () => {
    const key = await stored()
    w.fail('DeleteObject', file(key), { reset: { afterResponseBytes: 0 } })
    await del(client, key)
    assert.equal(await exists(w, file(key)), false)
  })

  it('an abort while the file is being deleted is an abort', async () => {
    const key = await stored()
    const abort = new AbortController()
    before(w, 'DeleteObject', file(key), async () => abort.abort())
    const command = new DeleteObjectCommand({ Bucket, Key: key })
    await assert.rejects(client.send(command, { abortSignal: abort.signal }), { name: 'AbortError' })
  })

  it('a file without an ETag stays: nothing says that it is the one that was looked at', async () => {
    const key = await stored()
    w.fail('GetObject', file(key), { headers: { etag: undefined } })
    await del(client, key)
    assert.deepEqual([await exists(w, key), await exists(w, file(key))], [false, true])
  })

  it('an abort in between sends nothing more', async () => {
    const key = await stored()
    const abort = new AbortController()
    before(w, 'GetObject', file(key), () => {
      abort.abort()
      return Promise.resolve()
    })
    await assert.rejects(client.send(new DeleteObjectCommand({ Bucket, Key: key }), { abortSignal: abort.signal }), {
      name: 'AbortError',
    })
    assert.deepEqual(w.sent('DeleteObject'), [])
  })

  it('of a file itself, and of nothing', async () => {
    const key = await stored()
    await del(client, file(key))
    assert.deepEqual([await exists(w, key), await exists(w, file(key))], [true, false])
    await del(client, name())
    await assert.rejects(client.send(new DeleteObjectCommand({ Bucket, Key: '' })))
    await client.send(new HeadBucketCommand({ Bucket }))
  })
})

describe('DeleteObject, versions', bounded, () => {
  it('delete markers for both; taken away again, the object is there with its file', async () => {
    const v = await copyWorld()
    await v.versioning()
    for (const options of [{}, v2]) {
      const one = v.client({ ...options, ...write })
      const key = name()
      await put(one, key, secret)
      const object = await del(one, key)
      assert.equal(object.DeleteMarker, true)
      assert.deepEqual([await exists(v, key), await exists(v, file(key))], [false, false])
      assert.equal((await versionIds(v, file(key))).length, 1)
      await del(one, key, { VersionId: object.VersionId })
      // V3 finds the file behind its marker; V2 does not know that there was one.
      if (options === v2) {
        await assert.rejects(readFrom(one, key), code('ERR_S3CSE_NOT_ENCRYPTED'))
        await v.plain.send(new DeleteObjectCommand({ Bucket, Key: file(key), VersionId: await marker(v, file(key)) }))
      }
      assert.equal(await readFrom(one, key), secret)
    }
  })

  it('by VersionId never touches a file', async () => {
    const v = await copyWorld()
    await v.versioning()
    const one = v.client(write)
    const key = name()
    const first = await put(one, key, 'first')
    const second = await put(one, key, 'second')
    v.s3.requests.length = 0
    await del(one, key, { VersionId: first.VersionId })
    await del(one, key, { VersionId: second.VersionId })
    assert.deepEqual(v.log(), [`DeleteObject ${key}`, `DeleteObject ${key}`])
    assert.equal((await versionIds(v, file(key))).length, 2)
  })
})

async function marker(v: typeof w, key: string): Promise<string> {
  const { DeleteMarkers = [] } = await v.plain.send(new ListObjectVersionsCommand({ Bucket, Prefix: key }))
  return DeleteMarkers[0]!.VersionId!
}
