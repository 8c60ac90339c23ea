// RenameObject in directory buckets.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { DeleteObjectCommand, PutObjectCommand, RenameObjectCommand } from '@aws-sdk/client-s3'
import type { RenameObjectCommandInput, RenameObjectCommandOutput, S3Client } from '@aws-sdk/client-s3'

import { aesKeyring } from '../../src/index.js'
import type { EncryptionOptions } from '../../src/index.js'
import { kmsKeyring } from '../../src/kms.js'
import { kmsWorld } from '../attacks/support.js'
import { code } from '../support/errors.js'
import { file, LOST, MARK, names, overwrite, v2, write } from './instruction-support.js'
import { answered, before, copyWorld, readFrom } from './copy-support.js'

const Bucket = 'files--use1-az4--x-s3'
const w = await copyWorld({ buckets: [Bucket] })
const bounded = { timeout: 30_000 }
const secret = 'what nobody else may read'
const name = names()
const here = { Bucket }

function rename(
  one: S3Client,
  from: string,
  Key: string,
  more: Partial<RenameObjectCommandInput> = {},
): Promise<RenameObjectCommandOutput> {
  const RenameSource = `${Bucket}/${from.split('/').map(encodeURIComponent).join('/')}`
  return one.send(new RenameObjectCommand({ Bucket, Key, RenameSource, ...more }))
}

const put = (one: S3Client, Key: string, Body: string, more: object = {}) =>
  one.send(new PutObjectCommand({ Bucket, Key, Body, ...more }))
const left = async (...keys: string[]): Promise<boolean[]> =>
  Promise.all(keys.map(async (key) => (await w.s3.object(Bucket, key)) !== undefined))
const fileText = async (key: string) => Buffer.from((await w.s3.object(Bucket, file(key)))!.body).toString()

async function stored(options: Partial<EncryptionOptions> = {}): Promise<string> {
  const key = name()
  await put(w.client({ ...options, ...write }), key, secret)
  w.s3.requests.length = 0
  return key
}

for (const [version, options] of [
  ['V3', {}],
  ['V2', v2],
] as const) {
  const client = w.client(options)
  describe(`RenameObject, ${version}`, bounded, () => {
    it('with the envelope in the metadata', async () => {
      const [a, b] = [name(), name()]
      await put(client, a, secret, { Metadata: { own: 'x' } })
      await rename(client, a, b)
      assert.equal(await readFrom(client, b, here), secret)
      assert.deepEqual(await left(a, b, file(b)), [false, true, false])
    })

    it('with a file: that is there before, and goes afterwards', async () => {
      const [a, b] = [await stored(options), name()]
      const text = await fileText(a)
      await rename(client, a, b)
      assert.equal(await readFrom(client, b, here), secret)
      assert.equal(await fileText(b), text)
      assert.deepEqual((await w.s3.object(Bucket, file(b)))?.metadata, { [MARK]: '' })
      assert.deepEqual(await left(a, file(a)), [false, false])
      const changes = w.s3.requests.filter(({ operation }) => /Put|Rename|Delete/.test(operation))
      assert.deepEqual(
        changes.map(({ operation, key }) => `${operation} ${key}`),
        [`PutObject ${file(b)}`, `RenameObject ${b}`, `DeleteObject ${file(a)}`],
      )
    })

    it('a rename that fails leaves everything as it was', async () => {
      for (const fault of [{ status: 403 }, { status: 500 }, { reset: 'before' as const }]) {
        const [a, b] = [await stored(options), name()]
        w.fail('RenameObject', b, fault)
        await assert.rejects(rename(w.once(options), a, b))
        assert.deepEqual(await left(b, file(b)), [false, false])
        assert.equal(await readFrom(client, a, here), secret)
      }
    })

    it('the file cannot be written: nothing is renamed', async () => {
      const [a, b] = [await stored(options), name()]
      w.fail('PutObject', file(b), { status: 403 })
      await assert.rejects(rename(w.once(options), a, b), answered(403))
      assert.deepEqual(w.sent('RenameObject'), [])
      assert.equal(await readFrom(client, a, here), secret)
    })

    it('the old file cannot be deleted: the error says that the object is renamed', async () => {
      const [a, b] = [await stored(options), name()]
      w.fail('DeleteObject', file(a), { status: 403 })
      await assert.rejects(rename(client, a, b), code('ERR_S3CSE_INSTRUCTION_FILE', /was renamed/))
      assert.equal(await readFrom(client, b, here), secret)
    })

    it('another file is in the way', async () => {
      const [a, b] = [await stored(options), await stored(options)]
      await assert.rejects(rename(client, a, b), code('ERR_S3CSE_INSTRUCTION_FILE', /overwrite/))
      assert.equal(await readFrom(client, a, here), secret)
      assert.equal(await readFrom(client, b, here), secret)
      await rename(w.client({ ...options, instructionFile: { overwrite: true } }), a, b)
      assert.equal(await readFrom(client, b, here), secret)
      assert.deepEqual(await left(a, file(a)), [false, false])
    })

    it('a new object at the old name keeps the file it came with', async () => {
      const [a, b] = [await stored(options), name()]
      before(w, 'DeleteObject', file(a), () => put(w.client({ ...options, ...overwrite }), a, 'the second'))
      await rename(client, a, b)
      assert.equal(await readFrom(client, a, here), 'the second')
      assert.equal(await readFrom(client, b, here), secret)
    })

    it('the source is replaced meanwhile: the second one is renamed, with its file', async () => {
      for (const SourceIfMatch of [undefined, '*']) {
        const [a, b] = [await stored(options), name()]
        before(w, 'RenameObject', b, () => put(w.client({ ...options, ...overwrite }), a, 'the second'))
        await rename(client, a, b, SourceIfMatch === undefined ? {} : { SourceIfMatch })
        assert.equal(await readFrom(client, b, here), 'the second')
        assert.deepEqual(await left(a, file(a)), [false, false])
      }
    })

    it('a plain source, replaced by one with a file', async () => {
      const [a, b] = [name(), name()]
      await put(w.plain, a, 'plain')
      before(w, 'RenameObject', b, () => put(w.client({ ...options, ...write }), a, secret))
      await rename(client, a, b)
      assert.equal(await readFrom(client, b, here), secret)
    })
  })
}

describe('RenameObject', bounded, () => {
  const client = w.client()

  it('a writer is between its file and its object: neither object loses its file', async () => {
    const [a, b] = [await stored(), name()]
    let renaming: unknown
    before(w, 'PutObject', a, async () => {
      renaming = await rename(client, a, b).catch((error: unknown) => error)
    })
    await put(w.client(overwrite), a, 'the second')
    assert.ok(code('ERR_S3CSE_DECRYPTION_FAILED')(renaming))
    assert.equal(await readFrom(client, a, here), 'the second')
    assert.deepEqual(await left(b, file(b)), [false, false])
  })

  it('conditions of the caller, as without encryption', async () => {
    const past = new Date('2001-01-01')
    const future = new Date('2100-01-01')
    const cases = (ETag: string): [Partial<RenameObjectCommandInput>, boolean][] => [
      [{ SourceIfMatch: ETag }, true],
      [{ SourceIfMatch: '"other"' }, false],
      [{ SourceIfNoneMatch: ETag }, false],
      [{ SourceIfNoneMatch: '"other"' }, true],
      [{ SourceIfModifiedSince: future }, false],
      [{ SourceIfModifiedSince: past }, true],
      [{ SourceIfUnmodifiedSince: past }, false],
      [{ SourceIfUnmodifiedSince: future }, true],
      [{ DestinationIfNoneMatch: '*' }, true],
      [{ DestinationIfMatch: '"other"' }, false],
    ]
    for (let at = 0; at < cases('').length; at++) {
      const [a, b] = [await stored(), name()]
      const { etag } = (await w.s3.object(Bucket, a))!
      const [conditions, done] = cases(etag)[at]!
      w.s3.requests.length = 0
      if (done) {
        await rename(client, a, b, conditions)
        assert.equal(await readFrom(client, b, here), secret)
      } else {
        await assert.rejects(rename(client, a, b, conditions), (error: Error) =>
          /Precondition|NoSuchKey/.test(error.name),
        )
        assert.equal(w.sent('RenameObject').length, 1)
        assert.deepEqual(await left(a, file(a), b, file(b)), [true, true, false, false], JSON.stringify(conditions))
      }
    }
  })

  it('names: with bucket, without, encoded, a plus sign', async () => {
    for (const [key, RenameSource] of [
      ['one a', 'one%20a'],
      ['two ä', `/${Bucket}/two%20%C3%A4`],
      ['three+x', `${Bucket}/three%2Bx`],
      ['four x', `${Bucket}/four+x`],
    ] as const) {
      await put(w.client(write), key, secret)
      const b = name()
      await rename(client, '', b, { RenameSource })
      assert.equal(await readFrom(client, b, here), secret, key)
      assert.deepEqual(await left(key, file(key)), [false, false], key)
    }
  })

  it('a missing source is S3’s error', async () => {
    await assert.rejects(rename(client, 'nothing', 'b'), answered(404, 'NoSuchKey'))
  })

  it('a lost answer', async () => {
    const [a, b] = [await stored(), name()]
    w.fail('RenameObject', b, LOST)
    await rename(client, a, b)
    assert.equal(await readFrom(client, b, here), secret)
    assert.deepEqual(await left(a, file(a)), [false, false])
  })

  it('a damaged or missing file: as good as the original', async () => {
    const [a, b] = [await stored(), name()]
    await w.plain.send(new DeleteObjectCommand({ Bucket, Key: file(a) }))
    await rename(client, a, b)
    assert.deepEqual(await left(a, b, file(b)), [false, true, false])
  })

  it('the old file goes meanwhile: no error', async () => {
    const [a, b] = [await stored(), name()]
    before(w, 'DeleteObject', file(a), () => w.plain.send(new DeleteObjectCommand({ Bucket, Key: file(a) })))
    await rename(client, a, b)
    assert.equal(await readFrom(client, b, here), secret)
    assert.deepEqual(await left(a, file(a)), [false, false])
  })

  it('access to the file is denied: nothing is renamed', async () => {
    const [a, b] = [await stored(), name()]
    w.fail('GetObject', file(a), { status: 403 })
    await assert.rejects(rename(client, a, b), code('ERR_S3CSE_INSTRUCTION_FILE'))
    assert.deepEqual(w.sent('RenameObject'), [])
  })

  it('instructionFile.read: false renames the object alone', async () => {
    const [a, b] = [await stored(), name()]
    await rename(w.client({ instructionFile: { read: false } }), a, b)
    assert.deepEqual(
      w.log().filter((line) => !line.startsWith('CreateSession')),
      [`RenameObject ${b}`],
    )
    assert.deepEqual(await left(a, file(a), b, file(b)), [false, true, true, false])
  })

  it('without the key a file cannot be seen to fit: nothing is renamed', async () => {
    const [a, b] = [await stored(), name()]
    const stranger = w.client({ keyring: aesKeyring({ wrappingKey: new Uint8Array(32).fill(9) }) })
    await assert.rejects(rename(stranger, a, b), code('ERR_S3CSE_DECRYPTION_FAILED'))
    assert.equal(await readFrom(client, a, here), secret)
  })

  it('bind refuses, before anything is sent', async () => {
    const { client: kms } = await kmsWorld({ keys: ['alias/key'] })
    const bound = w.client({ bind: true, keyring: kmsKeyring({ client: kms, keyId: 'alias/key' }) })
    w.s3.requests.length = 0
    await assert.rejects(rename(bound, 'a', 'b'), code('ERR_S3CSE_UNSUPPORTED_COMMAND', /CopyObject/))
    assert.equal(w.s3.requests.length, 0)
  })
})
