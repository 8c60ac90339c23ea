import type { FileHandle } from 'node:fs/promises'
import assert from 'node:assert/strict'
import { chmod, mkdir, open, readFile, stat, symlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { describe, it } from 'node:test'
import { pathToFileURL } from 'node:url'

import { download } from '../../src/index.js'
import type { DownloadHandle } from '../../src/index.js'
import { checkDestination } from '../../src/client/download-target.js'
import { runtime as browser } from '../../src/runtime/browser.js'
import { code } from '../support/errors.js'
import { Bucket, pattern, put, world } from '../support/world.js'
import { folder, PART, part } from './download-support.js'

const w = await world()
const f = folder(w)
const plaintext = pattern(3 * PART + 777)
const client = w.client()
const Key = 'object'
await put(client, Key, plaintext)
const input = { Bucket, Key }
const parts = { partSize: PART }

describe('the destination of a download', () => {
  it('is a path or a file: URL; a link is replaced; permissions are kept', async () => {
    const other = join(dirname(f.path), 'other')
    await writeFile(other, 'as it was')
    await symlink(other, f.path)
    await download(client, input, pathToFileURL(f.path), parts)
    assert.equal(await readFile(other, 'utf8'), 'as it was')
    await chmod(f.path, 0o604)
    await put(client, 'second', 'second')
    await download(client, { Bucket, Key: 'second' }, f.path)
    assert.equal(String(await f.content()), 'second')
    assert.equal((await stat(f.path)).mode & 0o777, 0o604)
    assert.deepEqual(await f.names(), ['file', 'other'])
  })

  it('is private as long as nothing is verified', async () => {
    let modes: number[] = []
    const end = w.s3.onRequest(async (request) => {
      if (part(3)(request)) modes = await Promise.all((await f.partial()).map(async (path) => (await stat(path)).mode))
    })
    await f.get(client, Key, { concurrency: 1 })
    end()
    assert.deepEqual(
      modes.map((mode) => mode & 0o777),
      [0o600],
    )
  })

  it('that cannot be is an error before anything is asked for', async () => {
    await mkdir(f.path)
    const wrong: readonly (readonly [unknown, Parameters<typeof code>[0]])[] = [
      [f.path, 'ERR_S3CSE_FILE'],
      [join(f.path, 'missing', 'x'), 'ERR_S3CSE_FILE'],
      [`${f.path}/x/`, 'ERR_S3CSE_FILE'],
      ['/dev/null', 'ERR_S3CSE_FILE'],
      ['', 'ERR_S3CSE_CONFIG'],
      [undefined, 'ERR_S3CSE_CONFIG'],
      [3, 'ERR_S3CSE_CONFIG'],
      [process.stdout, 'ERR_S3CSE_CONFIG'],
      [new URL('https://example.com/file'), 'ERR_S3CSE_CONFIG'],
    ]
    for (const [destination, expected] of wrong) {
      await assert.rejects(download(client, input, destination as string), code(expected))
    }
    assert.equal(w.s3.requests.length, 0)
    assert.deepEqual(await f.names(), ['file'])
  })

  it('needs a runtime with files, which browsers do not have', async () => {
    assert.equal(browser.files, undefined)
    const options = { resume: false, delayedAuthentication: false }
    await assert.rejects(checkDestination(browser.files, f.path, options), code('ERR_S3CSE_CONFIG', /file system/))
  })

  it('that becomes a directory meanwhile is an error, and the partial file goes', async () => {
    const end = w.s3.onRequest(async (request) => {
      if (part(1)(request)) await mkdir(f.path)
    })
    await assert.rejects(f.get(client, Key), code('ERR_S3CSE_FILE', /could not be replaced/))
    end()
    assert.deepEqual(await f.names(), ['file'])
  })
})

describe('a FileHandle as the destination', () => {
  const delayed = { ...parts, delayedAuthentication: true }

  async function withHandle(flags: string, use: (handle: FileHandle) => Promise<void>): Promise<void> {
    const handle = await open(f.path, flags)
    try {
      await use(handle)
      // It is the caller's: still open.
      await handle.stat()
    } finally {
      await handle.close()
    }
  }

  it('is written in place, whatever was there', async () => {
    for (const before of [0, plaintext.length * 2]) {
      await writeFile(f.path, Buffer.alloc(before, 1))
      await withHandle('r+', async (handle) => {
        const result = await download(client, input, handle, delayed)
        assert.equal(result.ContentLength, plaintext.length)
      })
      assert.ok((await f.content()).equals(plaintext))
      assert.deepEqual(await f.names(), ['file'])
    }
    const always = w.client({ delayedAuthentication: true })
    await withHandle('w', async (handle) => {
      await download(always, input, handle, parts)
    })
    assert.ok((await f.content()).equals(plaintext))
  })

  it('needs delayedAuthentication, and cannot be resumed', async () => {
    await writeFile(f.path, 'as it was')
    await withHandle('r+', async (handle) => {
      await assert.rejects(download(client, input, handle), code('ERR_S3CSE_CONFIG', /before that is verified/))
      const always = w.client({ delayedAuthentication: true })
      const never = { delayedAuthentication: false }
      await assert.rejects(download(always, input, handle, never), code('ERR_S3CSE_CONFIG', /verified/))
      const resume = { ...delayed, resume: true }
      await assert.rejects(download(client, input, handle, resume), code('ERR_S3CSE_CONFIG', /resume/))
    })
    assert.equal(w.s3.requests.length, 0)
    assert.equal(String(await f.content()), 'as it was')
  })

  it('is empty after a failure, and untouched if that came before the first byte', async () => {
    await put(client, 'changed', plaintext)
    await w.s3.tamper(Bucket, 'changed', ({ body }) => void (body[5]! ^= 1))
    await withHandle('w+', async (handle) => {
      await handle.write('as it was')
      const missing = download(client, { Bucket, Key: 'missing' }, handle, delayed)
      await assert.rejects(missing, { name: 'NoSuchKey' })
      assert.equal(String(await f.content()), 'as it was')

      const changed = download(client, { Bucket, Key: 'changed' }, handle, delayed)
      await assert.rejects(changed, code('ERR_S3CSE_DECRYPTION_FAILED'))
      assert.equal((await f.content()).length, 0)

      w.s3.fail({ match: part(2), times: 9, status: 403 })
      await assert.rejects(download(client, input, handle, { ...delayed, maxAttempts: 1 }), { name: 'InjectedFault' })
      w.s3.faults.length = 0
      assert.equal((await f.content()).length, 0)

      const controller = new AbortController()
      const { signal } = controller
      const onProgress = () => controller.abort()
      await assert.rejects(download(client, input, handle, { ...delayed, signal, onProgress }), { name: 'AbortError' })
      assert.equal((await f.content()).length, 0)
    })
  })

  it('must not be one that appends', async () => {
    await withHandle('a', async (handle) => {
      await assert.rejects(download(client, input, handle, delayed), code('ERR_S3CSE_CONFIG', /appending/))
    })
    assert.equal((await f.content()).length, 0)
  })

  it('that cannot be written is an error with its cause; that cannot be truncated, one that says what is left', async () => {
    const full = Object.assign(new Error('no space'), { code: 'ENOSPC' })
    /** A handle of which some calls fail. */
    const failing = (handle: FileHandle, calls: Partial<DownloadHandle>): DownloadHandle =>
      Object.assign(Object.create(handle) as FileHandle, {
        write: (...args: Parameters<DownloadHandle['write']>) => handle.write(...args),
        truncate: (length: number) => handle.truncate(length),
        stat: () => handle.stat(),
        ...calls,
      })
    await withHandle('w', async (handle) => {
      let writes = 0
      const write: DownloadHandle['write'] = (data, offset, length, position) =>
        ++writes > 3 ? Promise.reject(full) : handle.write(data, offset, length, position)
      await assert.rejects(download(client, input, failing(handle, { write }), delayed), (error: Error) => {
        code('ERR_S3CSE_FILE', /written \(ENOSPC\)/)(error)
        return error.cause === full
      })
      assert.equal((await f.content()).length, 0)
      writes = 0
      let truncated = 0
      const truncate = (length: number) => (++truncated > 2 ? Promise.reject(full) : handle.truncate(length))
      const both = download(client, input, failing(handle, { write, truncate }), delayed)
      await assert.rejects(both, code('ERR_S3CSE_FILE', /may hold plaintext that was not verified/))
    })
  })
})
