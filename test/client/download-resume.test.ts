import { DeleteObjectCommand } from '@aws-sdk/client-s3'
import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { chmod, open, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { describe, it } from 'node:test'

import { DecryptionError } from '../../src/index.js'
import type { DownloadOptions } from '../../src/index.js'
import { encodeRecord } from '../../src/client/download-record.js'
import type { DownloadRecord } from '../../src/client/download-record.js'
import { Bucket, pattern, put, world } from '../support/world.js'
import { folder, PART, part, partsOf } from './download-support.js'

const w = await world()
const f = folder(w)
const plaintext = pattern(5 * PART + 777)
const stored = plaintext.length + 16
const client = w.client({}, { maxAttempts: 1 })
const v2 = w.client({ commitmentPolicy: 'FORBID_ENCRYPT_ALLOW_DECRYPT' }, { maxAttempts: 1 })
await put(client, 'object', plaintext)
await put(v2, 'object-v2', plaintext)

const resume: DownloadOptions = { resume: true }
const breaking: DownloadOptions = { ...resume, concurrency: 1, maxAttempts: 1 }

/** Leaves a partial file with the parts before `number`. Returns its path. */
async function broken(number: number, key = 'object', reader = client): Promise<string> {
  w.s3.fail({ match: part(number), truncateBody: 100 })
  await assert.rejects(f.get(reader, key, breaking), { message: 'aborted' })
  w.s3.requests.length = 0
  const [file = '', ...more] = await f.partial()
  assert.ok(file !== '' && more.length === 0)
  return file
}

async function completes(
  expected: readonly string[],
  options: DownloadOptions = resume,
  key = 'object',
): Promise<void> {
  const result = await f.get(key === 'object-v2' ? v2 : client, key, options)
  assert.ok((await f.content()).equals(plaintext))
  assert.deepEqual(f.ranges(), expected)
  assert.deepEqual(await f.names(), ['file'])
  const asked = expected.reduce((sum, range) => sum + Number(range.split('-')[1]) + 1 - parseInt(range), 0)
  assert.equal(result.resumedBytes, stored - Math.max(asked, 16))
  w.s3.requests.length = 0
}

const all = partsOf(stored)

describe('a download that is resumed', () => {
  for (const key of ['object', 'object-v2']) {
    it(`asks only for the parts that are missing (${key})`, async () => {
      for (const number of [1, 3, 5]) {
        await broken(number, key, key === 'object' ? client : v2)
        await completes(partsOf(stored, number), resume, key)
      }
    })
  }

  it('has parts missing anywhere, and reports what is there as loaded', async () => {
    let waiting: (() => void) | undefined
    const others = new Promise<void>((resolve) => (waiting = resolve))
    let asked = 0
    const end = w.s3.onRequest(async (request) => {
      if (part(1)(request)) await others
      else if (++asked === 5) setTimeout(() => waiting?.(), 100)
    })
    w.s3.fail({ match: part(1), status: 403 })
    await assert.rejects(f.get(client, 'object', { resume: true, concurrency: 2 }), { name: 'InjectedFault' })
    end()
    w.s3.requests.length = 0
    const seen: number[] = []
    const [file = ''] = await f.partial()
    assert.notEqual(file, '')
    const result = await f.get(client, 'object', { ...resume, onProgress: ({ loaded }) => seen.push(loaded) })
    assert.ok((await f.content()).equals(plaintext))
    assert.ok(result.resumedBytes >= 3 * PART)
    assert.equal(f.ranges()[0], all[1])
    assert.equal(seen.at(-1), plaintext.length)
  })

  it('can break again and again, and be aborted', async () => {
    await broken(1)
    await broken(2)
    const controller = new AbortController()
    const end = w.s3.onRequest((request) => {
      if (part(4)(request)) controller.abort()
    })
    await assert.rejects(f.get(client, 'object', { ...breaking, signal: controller.signal }), { name: 'AbortError' })
    end()
    w.s3.requests.length = 0
    assert.equal((await f.partial()).length, 1)
    await completes(partsOf(stored, 4))
  })

  it('asks for the tag alone if everything else is there', async () => {
    await broken(5)
    const file = await broken(5)
    const bytes = await readFile(file)
    bytes.set(plaintext.subarray(5 * PART), 5 * PART)
    await writeFile(
      file,
      Buffer.concat([bytes.subarray(0, plaintext.length), await recordLike({ finished: Uint8Array.of(63) })]),
    )
    const result = await f.get(client, 'object', resume)
    assert.equal(result.resumedBytes, plaintext.length)
    assert.deepEqual(f.ranges(), [`${plaintext.length}-${stored - 1}`])
    assert.ok((await f.content()).equals(plaintext))
  })

  it('keeps its own size of parts', async () => {
    await broken(3)
    await completes(partsOf(stored, 3), { resume: true, partSize: 3 * PART })
  })

  it('leaves a private file that holds no key and no hash, and nothing without the option', async () => {
    const file = await broken(3)
    assert.equal((await stat(file)).mode & 0o777, 0o600)
    const bytes = await readFile(file)
    assert.ok(bytes.subarray(0, 3 * PART).equals(plaintext.subarray(0, 3 * PART)))
    const { etag } = await w.stored('object')
    const json = /\{.*\}/.exec(bytes.subarray(plaintext.length).toString())?.[0] ?? ''
    assert.deepEqual(JSON.parse(json), {
      bucket: Bucket,
      key: 'object',
      etag,
      sealedLength: stored,
      partSize: PART,
      finished: 'Bw==',
    })
    w.s3.fail({ match: part(4), status: 403 })
    await assert.rejects(f.get(client, 'object', { maxAttempts: 1 }), { name: 'InjectedFault' })
    // Of the download without the option nothing stays, and it leaves the other's file alone.
    assert.deepEqual(await f.partial(), [file])
  })

  it('leaves nothing if no part was complete', async () => {
    w.s3.fail({ match: part(0), truncateBody: 100 })
    await assert.rejects(f.get(client, 'object', breaking), { message: 'aborted' })
    assert.deepEqual(await f.names(), [])
  })

  it('is tried again after errors that are not about the object: KMS, network, access', async () => {
    await broken(3)
    const denied = { match: ({ operation }: { operation: string }) => operation === 'HeadObject', status: 403 }
    w.s3.fail(denied)
    await assert.rejects(f.get(client, 'object', resume))
    assert.equal((await f.partial()).length, 1)
    const keyring = { wrap: () => Promise.reject(new Error()), unwrap: () => Promise.reject(new Error('unreachable')) }
    await assert.rejects(f.get(w.client({ keyring }), 'object', resume), { message: 'unreachable' })
    assert.equal((await f.partial()).length, 1)
    w.s3.requests.length = 0
    await completes(partsOf(stored, 3))
  })
})

describe('a partial file that is not what the object is', () => {
  it('by a byte that was changed on the disk: a decryption error, and the next download begins anew', async () => {
    for (const at of [0, PART + 5, 3 * PART - 1]) {
      const file = await broken(3)
      const handle = await open(file, 'r+')
      await handle.write(Uint8Array.of(plaintext[at]! ^ 1), 0, 1, at)
      await handle.close()
      await assert.rejects(f.get(client, 'object', resume), DecryptionError)
      assert.deepEqual(await f.partial(), [])
      w.s3.requests.length = 0
      await completes(all)
    }
  })

  it('because the object was overwritten, is another one or another version is not used', async () => {
    await put(client, 'changing', Buffer.alloc(plaintext.length, 1))
    await broken(3, 'changing')
    await put(client, 'changing', plaintext)
    w.s3.requests.length = 0
    await completes(all, resume, 'changing')

    await broken(3)
    await completes(all, resume, 'changing')

    await broken(3)
    await w.plain.send(new DeleteObjectCommand({ Bucket, Key: 'changing' }))
    await put(client, 'changing', plaintext)
    await broken(3, 'changing')
    await w.plain.send(new DeleteObjectCommand({ Bucket, Key: 'changing' }))
    await assert.rejects(f.get(client, 'changing', resume), { name: 'NoSuchKey' })
    assert.deepEqual(await f.partial(), [])
  })

  it('because other conditions are asked for is not used', async () => {
    await broken(3)
    await assert.rejects(f.get(client, 'object', resume, { IfMatch: '"another"' }), { name: 'PreconditionFailed' })
    w.s3.requests.length = 0
    // The condition may have been the mistake.
    await completes(partsOf(stored, 3))
  })

  it('is not resumed for a plain object, which nothing would verify', async () => {
    const passing = w.client({ passthrough: () => true }, { maxAttempts: 1 })
    await put(w.plain, 'plain', plaintext)
    w.s3.fail({ match: part(3), truncateBody: 100 })
    await assert.rejects(f.get(passing, 'plain', breaking), { message: 'aborted' })
    assert.deepEqual(await f.names(), [])
  })
})

/** The record of a partial file of `object`, with some members changed. */
async function recordLike(change: Partial<DownloadRecord> | Record<string, unknown>): Promise<Uint8Array> {
  const { etag } = await w.stored('object')
  const right: DownloadRecord = {
    bucket: Bucket,
    key: 'object',
    etag,
    versionId: undefined,
    sealedLength: stored,
    partSize: PART,
    finished: Uint8Array.of(7),
  }
  return encodeRecord({ ...right, ...change })
}

describe('a record that somebody else has written', () => {
  const wrong: Record<string, Record<string, unknown>> = {
    'another bucket': { bucket: 'elsewhere' },
    'another key': { key: 'changing' },
    'another ETag': { etag: '"0123456789abcdef0123456789abcdef"' },
    'no ETag': { etag: '' },
    'an ETag that no header can hold': { etag: '"a\r\nx: y"' },
    'a version there is not': { versionId: 'x'.repeat(40) },
    'a version that is no text': { versionId: 3 },
    'another length': { sealedLength: stored - 1 },
    'a length that is none': { sealedLength: -1 },
    'a length that is too long': { sealedLength: 2 ** 40 },
    'a length that is no number': { sealedLength: '1' },
    'parts that are too small': { partSize: 1 },
    'parts that are too large': { partSize: 2 ** 31 },
    'too few bits': { finished: new Uint8Array(0) },
    'too many bits': { finished: new Uint8Array(100_000).fill(255) },
  }
  for (const [what, change] of Object.entries(wrong)) {
    it(`has no effect but that the download begins anew: ${what}`, async () => {
      const file = await broken(3)
      await truncate(file, plaintext.length)
      await writeFile(file, await recordLike(change), { flag: 'a' })
      await completes(all)
    })
  }

  it('is at another place of the file, damaged or cut off', async () => {
    for (const damage of [
      async (file: string) => truncate(file, plaintext.length),
      async (file: string) => truncate(file, (await stat(file)).size - 1),
      async (file: string) => truncate(file, 5),
      async (file: string) => truncate(file, 0),
      async (file: string) => writeFile(file, Buffer.concat([Buffer.alloc(1), await readFile(file)])),
      async (file: string) => {
        const bytes = await readFile(file)
        bytes[plaintext.length + 3]! ^= 1
        await writeFile(file, bytes)
      },
      async (file: string) => {
        const bytes = await readFile(file)
        bytes.write('ffffffff', bytes.length - 16)
        await writeFile(file, bytes)
      },
    ]) {
      await damage(await broken(3))
      await completes(all)
    }
  })

  it('says that parts are there which are not: a decryption error', async () => {
    for (const change of [{ finished: Uint8Array.of(63) }, { partSize: 9 * PART }]) {
      const file = await broken(1)
      await truncate(file, plaintext.length)
      await writeFile(file, await recordLike(change), { flag: 'a' })
      await assert.rejects(f.get(client, 'object', resume), DecryptionError)
      assert.deepEqual(await f.partial(), [])
      w.s3.requests.length = 0
      await completes(all)
    }
  })

  it('in a file that others may write is not used', async () => {
    await chmod(await broken(3), 0o622)
    await f.get(client, 'object', resume)
    assert.deepEqual(f.ranges(), all)
    assert.equal((await f.partial()).length, 1)
  })
})

describe('downloads that are resumed at the same time', () => {
  it('do not take the same file', async () => {
    await broken(3)
    const results = await Promise.all([1, 2, 3].map(() => f.get(client, 'object', resume)))
    assert.ok((await f.content()).equals(plaintext))
    assert.deepEqual(results.map(({ resumedBytes }) => resumedBytes).sort(), [0, 0, 3 * PART])
    assert.deepEqual(await f.names(), ['file'])
  })
})

describe('a process that is killed in the middle of a download', () => {
  const script = (source: string) => `
    import { S3Client } from '@aws-sdk/client-s3'
    import { addEncryption, aesKeyring, download } from ${JSON.stringify(source)}
    const [config, path, partSize] = JSON.parse(process.argv[2]!)
    const keyring = aesKeyring({ wrappingKey: new Uint8Array(32).fill(7) })
    const client = addEncryption(new S3Client(config), { keyring })
    await download(client, { Bucket: 'bucket', Key: 'object' }, path, { partSize, concurrency: 1, resume: true })`

  it('leaves parts that another goes on with', async () => {
    const index = new URL('../../src/index.ts', import.meta.url)
    // Within the package, so that it finds the SDK.
    const file = join(dirname(index.pathname), '..', 'node_modules', `.s3-cse-test-${process.pid}.mts`)
    await writeFile(file, script(index.href))
    try {
      const child = fork(file, [JSON.stringify([w.s3.clientConfig, f.path, PART])], {
        execArgv: ['--no-warnings', '--import', 'tsx', '--conditions', 's3-cse-source'],
      })
      const exit = once(child, 'exit') as Promise<[number | null, string | null]>
      const end = w.s3.onRequest((request) => {
        if (part(4)(request)) child.kill('SIGKILL')
      })
      const [, signal] = await exit
      end()
      assert.equal(signal, 'SIGKILL')
    } finally {
      await rm(file)
    }
    assert.equal((await f.partial()).length, 1)
    assert.deepEqual(f.ranges(), all.slice(0, 5))
    w.s3.requests.length = 0
    await completes(partsOf(stored, 4))
  })
})
