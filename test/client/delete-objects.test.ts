// DeleteObjects of objects with instruction files.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { DeleteObjectsCommand } from '@aws-sdk/client-s3'
import type { DeleteObjectsCommandOutput, ObjectIdentifier, S3Client } from '@aws-sdk/client-s3'

import { code } from '../support/errors.js'
import { Bucket, put } from '../support/world.js'
import { file, MARK, names, versionIds, write } from './instruction-support.js'
import { answered, before, copyWorld, exists, fileText, readFrom, withFile } from './copy-support.js'

const w = await copyWorld()
const bounded = { timeout: 60_000 }
const secret = 'what nobody else may read'
const name = names()
const writer = w.client(write)
const client = w.client({ instructionFile: { delete: true } })

function del(
  one: S3Client,
  keys: readonly (string | ObjectIdentifier)[],
  more: { Quiet?: boolean; bucket?: object } = {},
): Promise<DeleteObjectsCommandOutput> {
  const Objects = keys.map((key) => (typeof key === 'string' ? { Key: key } : key))
  const { Quiet, bucket } = more
  const Delete = { Objects, ...(Quiet === undefined ? {} : { Quiet }) }
  return one.send(new DeleteObjectsCommand({ Bucket, Delete, ...bucket }))
}

async function stored(count: number): Promise<string[]> {
  const keys = Array.from({ length: count }, name)
  for (const key of keys) await withFile(w, writer, key, secret)
  return keys
}

const left = async (keys: readonly string[]): Promise<string[]> => {
  const all = keys.flatMap((key) => [key, file(key)])
  const found = await Promise.all(all.map((key) => exists(w, key)))
  return all.filter((_, at) => found[at])
}

describe('DeleteObjects', bounded, () => {
  it('objects with files, without, and what is something else', async () => {
    const keys = await stored(3)
    const [plain, neighbour] = [name(), name()]
    for (const key of [plain, neighbour]) await put(w.client(), key, secret)
    await put(w.plain, file(neighbour), 'somebody’s own')
    w.s3.requests.length = 0
    const { Deleted, Errors } = await del(client, [...keys, plain, neighbour])
    assert.deepEqual(
      Deleted?.map(({ Key }) => Key),
      [...keys, plain, neighbour],
    )
    assert.equal(Errors, undefined)
    assert.deepEqual(await left([...keys, plain, neighbour]), [file(neighbour)])
    assert.equal(w.sent('DeleteObjects').length, 2)
    assert.equal(w.sent('GetObject').length, 5)
    const second = Buffer.from(w.sent('DeleteObjects')[1]!.body!).toString()
    assert.equal(second.match(/<ETag>/g)?.length, 3)
    assert.ok(!second.includes(file(neighbour)))
  })

  it('with write only, and not with delete: false', async () => {
    const [a, b] = await stored(2)
    await del(w.client({ instructionFile: { write: true, delete: false } }), [a!])
    assert.deepEqual(await left([a!]), [file(a!)])
    assert.equal(w.s3.requests.length, 1)
    await del(writer, [b!])
    assert.deepEqual(await left([b!]), [])
  })

  it('Quiet: nothing but errors', async () => {
    const keys = await stored(2)
    const { Deleted, Errors } = await del(client, keys, { Quiet: true })
    assert.deepEqual([Deleted, Errors], [undefined, undefined])
    assert.deepEqual(await left(keys), [])
  })

  it('1,000 objects with 1,000 files, at most 16 looked at at a time', async () => {
    const [first] = await stored(1)
    const text = (await fileText(w, first!))!
    const keys = Array.from({ length: 1000 }, (_, at) => `many-${at}`)
    for (const key of keys) {
      await w.s3.put(Bucket, key, { body: 'x' })
      await w.s3.put(Bucket, file(key), { body: text, metadata: { [MARK]: '' } })
    }
    w.s3.requests.length = 0
    let [busy, most] = [0, 0]
    const end = w.s3.onRequest(async (r) => {
      if (r.operation !== 'GetObject') return
      most = Math.max(most, ++busy)
      await new Promise(setImmediate)
      busy--
    })
    const { Deleted, Errors } = await del(client, keys)
    end()
    assert.deepEqual([Deleted?.length, Errors], [1000, undefined])
    assert.equal(w.sent('DeleteObjects').length, 2)
    assert.ok(most <= 16 && most > 1, String(most))
    assert.ok(!w.s3.keys(Bucket).some((key) => key.startsWith('many-')))
  })

  it('duplicates, and a list that names an object and its file', async () => {
    const keys = await stored(2)
    const { Deleted, Errors } = await del(client, [keys[0]!, keys[0]!, file(keys[1]!), keys[1]!])
    assert.deepEqual([Deleted?.length, Errors], [4, undefined])
    assert.deepEqual(await left(keys), [])
    assert.equal(w.sent('GetObject', file(keys[0]!)).length, 1)
  })

  it('errors for single keys: their files stay', async () => {
    const [a, b, c] = (await stored(3)) as [string, string, string]
    const { Deleted, Errors } = await del(client, [a, { Key: b, ETag: '"other"' }, c])
    assert.deepEqual(
      Deleted?.map(({ Key }) => Key),
      [a, c],
    )
    assert.deepEqual(
      Errors?.map(({ Key, Code }) => [Key, Code]),
      [[b, 'PreconditionFailed']],
    )
    assert.equal(await readFrom(client, b), secret)
    assert.deepEqual(await left([a, b, c]), [b, file(b)])
  })

  it('the same key twice, with an error for one: its file stays', async () => {
    const [a] = (await stored(1)) as [string]
    const { Errors } = await del(client, [{ Key: a, ETag: '"other"' }, a])
    assert.deepEqual(
      Errors?.map(({ Key }) => Key),
      [a],
    )
    assert.deepEqual(await left([a]), [file(a)])
  })

  it('a writer who stores an object anew between the steps keeps his file', async () => {
    const keys = await stored(3)
    let requests = 0
    const end = w.s3.onRequest(async (r) => {
      if (r.operation !== 'DeleteObjects' || ++requests !== 2) return
      end()
      await put(w.client({ instructionFile: { write: true, overwrite: true } }), keys[1]!, 'the second')
    })
    const { Errors } = await del(client, keys)
    assert.equal(Errors, undefined)
    assert.equal(await readFrom(client, keys[1]!), 'the second')
    assert.deepEqual(await left(keys), [keys[1]!, file(keys[1]!)])
  })

  it('a file that goes meanwhile is no error', async () => {
    const keys = await stored(2)
    let requests = 0
    const end = w.s3.onRequest(async (r) => {
      if (r.operation !== 'DeleteObjects' || ++requests !== 2) return
      end()
      await del(w.plain, [file(keys[0]!)])
    })
    assert.equal((await del(client, keys)).Errors, undefined)
    assert.deepEqual(await left(keys), [])
  })

  it('the list as it was when the command was sent', async () => {
    const [a, b] = (await stored(2)) as [string, string]
    const Objects: ObjectIdentifier[] = [{ Key: a }]
    const deleting = client.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects } }))
    Objects[0]!.Key = b
    Objects.push({ Key: b })
    await deleting
    assert.deepEqual(await left([a, b]), [b, file(b)])
  })

  it('denied access: nothing is deleted', async () => {
    const keys = await stored(3)
    w.fail('GetObject', file(keys[1]!), { status: 403 })
    await assert.rejects(del(client, keys), code('ERR_S3CSE_INSTRUCTION_FILE', /Nothing was deleted/))
    w.fail('GetObject', file(keys[2]!), { status: 500, times: 5 })
    await assert.rejects(del(client, keys), answered(500))
    assert.deepEqual(w.sent('DeleteObjects'), [])
    assert.equal((await left(keys)).length, 6)
  })

  it('the request fails: the files stay', async () => {
    const keys = await stored(2)
    w.s3.fail({ match: (r) => r.operation === 'DeleteObjects', status: 403 })
    await assert.rejects(del(client, keys), answered(403))
    assert.equal((await left(keys)).length, 4)
    await assert.rejects(del(client, []), answered(400))
  })

  it('the request for the files fails: says so, and can be done once more', async () => {
    const keys = await stored(2)
    let requests = 0
    const end = w.s3.onRequest((r) => {
      if (r.operation === 'DeleteObjects' && ++requests === 1) {
        w.s3.fail({ match: (one) => one.operation === 'DeleteObjects' && one !== r, status: 403 })
      }
    })
    const { Deleted, Errors } = await del(client, keys)
    end()
    assert.equal(Deleted?.length, 2)
    assert.deepEqual(
      Errors?.map(({ Key, Code }) => [Key, Code]),
      keys.map((key) => [file(key), 'InjectedFault']),
    )
    assert.deepEqual(
      await left(keys),
      keys.map((key) => file(key)),
    )
    await del(client, keys)
    assert.deepEqual(await left(keys), [])
  })

  it('an abort while files are looked for: nothing is deleted', async () => {
    const keys = await stored(20)
    const abort = new AbortController()
    before(w, 'GetObject', file(keys[18]!), () => {
      abort.abort()
      return Promise.resolve()
    })
    const Delete = { Objects: keys.map((Key) => ({ Key })) }
    await assert.rejects(client.send(new DeleteObjectsCommand({ Bucket, Delete }), { abortSignal: abort.signal }), {
      name: 'AbortError',
    })
    assert.deepEqual(w.sent('DeleteObjects'), [])
  })

  it('what the caller asks for goes with every request', async () => {
    const keys = await stored(1)
    const bucket = { ExpectedBucketOwner: '123456789012', RequestPayer: 'requester', ChecksumAlgorithm: 'SHA256' }
    await del(client, keys, { bucket })
    assert.equal(w.s3.requests.length, 4)
    for (const { headers, operation } of w.s3.requests) {
      assert.equal(headers['x-amz-expected-bucket-owner'], '123456789012')
      assert.equal(headers['x-amz-request-payer'], 'requester')
      assert.equal(headers['x-amz-checksum-sha256'] !== undefined, operation === 'DeleteObjects')
    }
  })
})

describe('DeleteObjects, versions', bounded, () => {
  it('markers without a version; by VersionId no file', async () => {
    const v = await copyWorld()
    await v.versioning()
    const one = v.client(write)
    const [a, b] = [name(), name()]
    await put(one, a, secret)
    const { VersionId } = await put(one, b, secret)
    v.s3.requests.length = 0
    const { Deleted } = await del(one, [a, { Key: b, VersionId }])
    assert.deepEqual(
      Deleted?.map(({ DeleteMarker }) => DeleteMarker),
      [true, undefined],
    )
    assert.deepEqual([await exists(v, file(a)), await exists(v, file(b))], [false, true])
    assert.equal((await versionIds(v, file(a))).length, 1)
    assert.equal(v.sent('GetObject', file(b)).length, 0)
    const marker = Deleted[0]!.DeleteMarkerVersionId!
    await del(one, [{ Key: a, VersionId: marker }])
    assert.equal(await readFrom(one, a), secret)
  })
})
