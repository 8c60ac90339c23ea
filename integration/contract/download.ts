// download(): whole objects in ranges, into a file that is there only when all of it was verified.
import { Upload } from '@aws-sdk/lib-storage'
import assert from 'node:assert/strict'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'

import { CseError, download } from '../../src/index.js'
import { aesKey, code, pattern, put, readsAll, store, stored, versions } from './stored-objects.js'
import { check } from './support.js'

const MIB = 1024 * 1024
/** 20 MiB and a little, which ends in no part and no block. */
const body = pattern(20 * MIB + 7)
const split = { partSize: MIB, concurrency: 4 }

/** With a directory that is gone afterwards. */
async function inDirectory(act: (file: string, names: () => Promise<string[]>) => Promise<void>): Promise<void> {
  const directory = await mkdtemp(path.join(tmpdir(), 's3-cse-contract-'))
  try {
    await act(path.join(directory, 'file'), async () => (await readdir(directory)).sort())
  } finally {
    await rm(directory, { recursive: true })
  }
}

for (const [version, options] of versions) {
  const what = `download: ${version}`

  check(`${what}: 20 MiB, from one PUT and in parts, as it was`, async (t) => {
    const client = t.client({ ...readsAll, ...options })
    const [whole, parts] = [t.key('whole'), t.key('parts')]
    await put(client, t.Bucket, whole, body, { Metadata: { own: 'a' } })
    await new Upload({ client, params: { Bucket: t.Bucket, Key: parts, Body: body } }).done()
    for (const key of [whole, parts]) {
      await inDirectory(async (file, names) => {
        const seen: number[] = []
        const onProgress = ({ loaded }: { loaded: number }): void => void seen.push(loaded)
        const at = { Bucket: t.Bucket, Key: key }
        const result = await download(t.client(readsAll), at, file, { ...split, onProgress })
        assert.ok((await readFile(file)).equals(body))
        assert.deepEqual([result.ContentLength, result.resumedBytes, seen.at(-1)], [body.length, 0, body.length])
        if (key === whole) assert.deepEqual(result.Metadata, { own: 'a' })
        assert.deepEqual(await names(), ['file'])
      })
    }
  })

  check(`${what}: sizes around nothing, a block and a part`, async (t) => {
    const partSize = 64 * 1024
    for (const length of [0, 1, 15, 16, 17, partSize - 16, partSize - 15, partSize, 3 * partSize + 1]) {
      const key = t.key()
      await put(t.client(options), t.Bucket, key, body.subarray(0, length))
      await inDirectory(async (file) => {
        await download(t.client(readsAll), { Bucket: t.Bucket, Key: key }, file, { partSize })
        assert.ok((await readFile(file)).equals(body.subarray(0, length)), String(length))
      })
    }
  })

  check(`${what}: goes on where it was aborted`, async (t) => {
    const at = { Bucket: t.Bucket, Key: t.key() }
    await put(t.client(options), t.Bucket, at.Key, body)
    await inDirectory(async (file, names) => {
      const controller = new AbortController()
      const onProgress = ({ loaded }: { loaded: number }): void => {
        if (loaded > 8 * MIB) controller.abort()
      }
      const first = download(t.client(readsAll), at, file, {
        ...split,
        resume: true,
        signal: controller.signal,
        onProgress,
      })
      await assert.rejects(first, { name: 'AbortError' })
      const left = await names()
      assert.equal(left.length, 1)
      assert.match(left[0]!, /^\.file\..*\.s3-cse-part$/)
      const { resumedBytes } = await download(t.client(readsAll), at, file, { ...split, resume: true })
      assert.ok(resumedBytes >= 4 * MIB && resumedBytes < body.length, String(resumedBytes))
      assert.ok((await readFile(file)).equals(body))
      assert.deepEqual(await names(), ['file'])
    })
  })

  check(`${what}: another key, or one changed byte, leaves the file that was there before`, async (t) => {
    const at = { Bucket: t.Bucket, Key: t.key() }
    await put(t.client(options), t.Bucket, at.Key, body.subarray(0, 3 * MIB))
    const failed = code('ERR_S3CSE_DECRYPTION_FAILED')
    await inDirectory(async (file, names) => {
      const wrong = t.client({ ...readsAll, keyring: aesKey(99) })
      await assert.rejects(download(wrong, at, file, split), failed)
      assert.deepEqual(await names(), [])
      await writeFile(file, 'before')
      const good = await stored(t, t.Bucket, at.Key)
      for (const place of [0, 2 * MIB, 3 * MIB + 15]) {
        const changed = Buffer.from(good.body)
        changed[place]! ^= 1
        await store(t, t.Bucket, at.Key, { ...good, body: changed })
        await assert.rejects(download(t.client(readsAll), at, file, split), failed)
        assert.equal((await readFile(file)).toString(), 'before')
        assert.deepEqual(await names(), ['file'])
      }
    })
  })

  check(`${what}: an object that is replaced meanwhile is never mixed`, async (t) => {
    const at = { Bucket: t.Bucket, Key: t.key() }
    const client = t.client({ ...readsAll, ...options })
    await put(client, t.Bucket, at.Key, body)
    await inDirectory(async (file, names) => {
      let replacing: Promise<unknown> | undefined
      const reader = t.client(readsAll)
      reader.middlewareStack.add(
        (next) => async (args) => {
          const { Range = '' } = args.input as { Range?: string }
          if (Range !== '' && !Range.startsWith('bytes=0-')) {
            replacing ??= put(client, t.Bucket, at.Key, Buffer.from(body).reverse())
            await replacing
          }
          return next(args)
        },
        { step: 'finalizeRequest', name: 'replace', priority: 'high' },
      )
      await assert.rejects(download(reader, at, file, { ...split, concurrency: 1 }), (error) => {
        assert.ok(error instanceof CseError)
        assert.equal(error.code, 'ERR_S3CSE_RESPONSE_UNEXPECTED')
        return true
      })
      assert.ok(replacing !== undefined)
      assert.deepEqual(await names(), [])
      await download(t.client(readsAll), at, file, split)
      assert.ok((await readFile(file)).equals(Buffer.from(body).reverse()))
    })
  })

  check(`${what}: a version by its id`, async (t) => {
    const Bucket = await t.versionedBucket()
    const Key = t.key()
    const client = t.client({ ...readsAll, ...options })
    const { VersionId } = await put(client, Bucket, Key, body.subarray(0, MIB))
    await put(client, Bucket, Key, 'newer')
    await inDirectory(async (file) => {
      const result = await download(client, { Bucket, Key, VersionId }, file, { partSize: 256 * 1024 })
      assert.ok((await readFile(file)).equals(body.subarray(0, MIB)))
      assert.equal(result.VersionId, VersionId)
    })
  })
}
