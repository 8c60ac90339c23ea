// Envelopes in a file beside the object.
import { CopyObjectCommand, DeleteObjectCommand, DeleteObjectsCommand, GetObjectCommand } from '@aws-sdk/client-s3'
import { HeadObjectCommand } from '@aws-sdk/client-s3'
import { Upload } from '@aws-sdk/lib-storage'
import assert from 'node:assert/strict'

import { encryptionInfo, requestOptions } from '../../src/index.js'
import { file, isSplit, overwrite, write } from './instruction-support.js'
import {
  code,
  exists,
  oddContext,
  pattern,
  put,
  read,
  readsAll,
  stored,
  versions,
  wrappings,
} from './stored-objects.js'
import { check } from './support.js'

for (const [version, options] of versions) {
  const what = `instruction files: ${version}`
  for (const { name, uses, options: wrapping } of wrappings) {
    check(
      `${what} ${name}: written, read, shown, with a map that is hard to store`,
      async (t) => {
        const own = await wrapping(t)
        for (const body of [pattern(0), pattern(1000)]) {
          const key = t.key('unicode ключ + % 🔑')
          await put(t.client({ ...own, ...options, ...write }), t.Bucket, key, body)
          await isSplit(t, t.Bucket, key, version)
          const client = t.client({ ...own, ...readsAll })
          assert.deepEqual(await read(client, t.Bucket, key), body)
          const head = await client.send(new HeadObjectCommand({ Bucket: t.Bucket, Key: key }))
          assert.equal(head.ContentLength, body.length)
          const envelope = encryptionInfo(head)?.envelope
          assert.equal(envelope?.instructionFile, file(key))
          const map: Record<string, string> = { ...envelope.context }
          delete map['aws:x-amz-cek-alg']
          assert.deepEqual(map, oddContext)
        }
      },
      { uses },
    )
  }

  check(`${what}: under a suffix of the request's`, async (t) => {
    const key = t.key()
    const at = { Bucket: t.Bucket, Key: key }
    const client = t.client({ ...options, ...write })
    const other = requestOptions({ ...at }, { instructionFileSuffix: '.envelope' })
    await put(client, t.Bucket, key, 'secret', other)
    await isSplit(t, t.Bucket, key, version, '.envelope')
    assert.equal(await exists(t, t.Bucket, file(key)), false)
    const reader = t.client(readsAll)
    const { Body } = await reader.send(new GetObjectCommand(other))
    assert.equal(await Body!.transformToString(), 'secret')
    const code = version === 'V3' ? 'ERR_S3CSE_ENVELOPE_INVALID' : 'ERR_S3CSE_NOT_ENCRYPTED'
    await assert.rejects(reader.send(new GetObjectCommand(at)), { code })
  })

  check(`${what}: an object is replaced only where that is allowed`, async (t) => {
    const key = t.key()
    await put(t.client({ ...options, ...write }), t.Bucket, key, 'first')
    const first = await stored(t, t.Bucket, file(key))
    const again = put(t.client({ ...options, ...write }), t.Bucket, key, 'second')
    await assert.rejects(again, code('ERR_S3CSE_INSTRUCTION_FILE'))
    assert.deepEqual(await stored(t, t.Bucket, file(key)), first)
    assert.equal((await read(t.client(readsAll), t.Bucket, key)).toString(), 'first')
    await put(t.client({ ...options, ...overwrite }), t.Bucket, key, 'second')
    assert.equal((await read(t.client(readsAll), t.Bucket, key)).toString(), 'second')
    // Back into the metadata.
    await put(t.client(options), t.Bucket, key, 'third')
    assert.equal((await read(t.client(readsAll), t.Bucket, key)).toString(), 'third')
  })

  check(`${what}: what is no instruction file is not replaced`, async (t) => {
    const key = t.key()
    await put(t.plain, t.Bucket, file(key), 'a text of somebody')
    for (const how of [write, overwrite]) {
      const writing = put(t.client({ ...options, ...how }), t.Bucket, key, 'secret')
      await assert.rejects(writing, code('ERR_S3CSE_INSTRUCTION_FILE'))
    }
    assert.equal((await read(t.plain, t.Bucket, file(key))).toString(), 'a text of somebody')
    assert.equal(await exists(t, t.Bucket, key), false)
  })

  check(`${what}: deleted with its object`, async (t) => {
    const client = t.client({ ...options, ...write })
    const keys = [t.key(), t.key(), t.key()]
    for (const key of keys) await put(client, t.Bucket, key, 'secret')
    const [first, ...others] = keys as [string, string, string]
    await client.send(new DeleteObjectCommand({ Bucket: t.Bucket, Key: first }))
    const Objects = others.map((Key) => ({ Key }))
    const { Errors = [] } = await client.send(new DeleteObjectsCommand({ Bucket: t.Bucket, Delete: { Objects } }))
    assert.deepEqual(Errors, [])
    for (const key of keys) {
      assert.deepEqual([await exists(t, t.Bucket, key), await exists(t, t.Bucket, file(key))], [false, false], key)
    }
    // Of somebody else, by its content: it stays.
    const key = t.key()
    await put(t.client(options), t.Bucket, key, 'secret')
    await put(t.plain, t.Bucket, file(key), 'a text of somebody')
    await client.send(new DeleteObjectCommand({ Bucket: t.Bucket, Key: key }))
    assert.deepEqual([await exists(t, t.Bucket, key), await exists(t, t.Bucket, file(key))], [false, true])
  })

  for (const MetadataDirective of ['COPY', 'REPLACE'] as const) {
    check(`${what}: goes along with a copy (${MetadataDirective})`, async (t) => {
      const [from, key] = [t.key('from'), t.key('to')]
      const client = t.client({ ...options, ...write, ...(version === 'V2' ? {} : readsAll) })
      await put(client, t.Bucket, from, 'secret', { Metadata: { own: 'old' } })
      const CopySource = `${t.Bucket}/${encodeURIComponent(from)}`
      const Metadata = MetadataDirective === 'COPY' ? undefined : { own: 'new' }
      const copy = { Bucket: t.Bucket, Key: key, CopySource, MetadataDirective, ...(Metadata && { Metadata }) }
      await client.send(new CopyObjectCommand(copy))
      await isSplit(t, t.Bucket, key, version)
      assert.deepEqual((await stored(t, t.Bucket, file(key))).body, (await stored(t, t.Bucket, file(from))).body)
      const output = await t.client(readsAll).send(new GetObjectCommand({ Bucket: t.Bucket, Key: key }))
      assert.deepEqual(output.Metadata, Metadata ?? { own: 'old' })
      assert.equal(await output.Body!.transformToString(), 'secret')
    })
  }

  check(`${what}: of a multipart upload`, async (t) => {
    const key = t.key()
    const body = pattern(6 * 1024 * 1024 + 3)
    const client = t.client({ ...options, ...write })
    await new Upload({ client, params: { Bucket: t.Bucket, Key: key, Body: body } }).done()
    await isSplit(t, t.Bucket, key, version)
    const { ETag } = await t.plain.send(new HeadObjectCommand({ Bucket: t.Bucket, Key: key }))
    assert.match(ETag!, /-2"$/)
    assert.ok((await read(t.client(readsAll), t.Bucket, key)).equals(body))
  })
}
