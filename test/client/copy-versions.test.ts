// CopyObject with instruction files in a bucket with versions.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { DeleteObjectCommand } from '@aws-sdk/client-s3'
import type { S3Client } from '@aws-sdk/client-s3'

import { aesKeyring } from '../../src/index.js'
import type { EncryptionOptions } from '../../src/index.js'
import { code } from '../support/errors.js'
import { Bucket, put } from '../support/world.js'
import { crash, file, names, v2, versionIds, write } from './instruction-support.js'
import { answered, before, copy, copyWorld, exists, fileText, readFrom, REPLACE, sourceOf } from './copy-support.js'

const w = await copyWorld()
await w.versioning()
const bounded = { timeout: 60_000 }
const name = names()
const kinds: readonly [version: string, options: Partial<EncryptionOptions>][] = [
  ['V3', {}],
  ['V2', v2],
]
const directives = [
  ['COPY', {}],
  ['REPLACE', { ...REPLACE, Metadata: { own: 'new' } }],
] as const

/** Three versions of an object, ten seconds apart; the oldest first. */
async function history(writer: S3Client): Promise<{ key: string; ids: string[] }> {
  const key = name()
  const ids: string[] = []
  for (const text of ['first', 'second', 'third']) {
    w.clock += 10
    ids.push((await put(writer, key, text)).VersionId!)
  }
  return { key, ids }
}

for (const [version, options] of kinds) {
  const writer = w.client({ ...options, ...write })
  const client = w.client(options)
  for (const [what, directive] of directives) {
    describe(`${version}, ${what}`, bounded, () => {
      it('an old version takes the file that belongs to it', async () => {
        const { key, ids } = await history(writer)
        for (const [at, text] of ['first', 'second', 'third'].entries()) {
          const to = name()
          const CopySource = sourceOf(key, { versionId: ids[at]! })
          await copy(client, '', to, { ...directive, CopySource })
          assert.equal(await readFrom(client, to), text)
          assert.equal((await versionIds(w, file(to))).length, 1)
        }
      })

      it('an old version onto itself puts its file in front again', async () => {
        const { key, ids } = await history(writer)
        w.clock += 10
        const CopySource = sourceOf(key, { versionId: ids[0]! })
        await copy(client, '', key, { ...directive, CopySource })
        assert.equal(await readFrom(client, key), 'first')
        assert.equal((await versionIds(w, file(key))).length, 4)
        // Those in between are still there.
        for (const [at, text] of ['first', 'second', 'third'].entries()) {
          assert.equal(await readFrom(client, key, { VersionId: ids[at] }), text)
        }
      })

      it('the copy fails: the new version of the file is removed, and no other', async () => {
        const [{ key }, { key: to }] = [await history(writer), await history(writer)]
        const versions = await versionIds(w, file(to))
        w.fail('CopyObject', to, { status: 403 })
        await assert.rejects(copy(w.once(options), key, to, directive), answered(403))
        assert.deepEqual(await versionIds(w, file(to)), versions)
        assert.equal(await readFrom(client, to), 'third')
      })

      it('over an object with a file, without overwrite', async () => {
        const [{ key }, { key: to }] = [await history(writer), await history(writer)]
        w.clock += 10
        await copy(client, key, to, directive)
        assert.equal(await readFrom(client, to), 'third')
        assert.equal(await fileText(w, to), await fileText(w, key))
      })

      it('a writer is between its file and its object: the object and the file it had', async () => {
        const { key } = await history(writer)
        const to = name()
        w.clock += 10
        before(w, 'PutObject', key, async () => {
          await copy(client, key, to, directive)
        })
        await put(writer, key, 'fourth')
        assert.equal(await readFrom(client, to), 'third')
        assert.equal(await readFrom(client, key), 'fourth')
      })

      it('the same, and the writer writes another version of the format', async () => {
        const { key } = await history(writer)
        const to = name()
        const another = w.client({ ...(version === 'V3' ? v2 : {}), ...write })
        w.clock += 10
        before(w, 'PutObject', key, async () => {
          await copy(client, key, to, directive)
        })
        await put(another, key, 'fourth')
        assert.equal(await readFrom(client, to), 'third')
        assert.equal(await readFrom(another, key), 'fourth')
      })

      it('a file of somebody else in front', async () => {
        const { key } = await history(writer)
        const to = name()
        w.clock += 10
        await crash(w, key, options)
        await copy(client, key, to, directive)
        assert.equal(await readFrom(client, to), 'third')
      })

      it('which file belongs to an old version cannot be seen without its key: an error, no copy without one', async () => {
        const { key, ids } = await history(writer)
        const to = name()
        const stranger = w.client({ ...options, keyring: aesKeyring({ wrappingKey: new Uint8Array(32).fill(9) }) })
        const CopySource = sourceOf(key, { versionId: ids[0]! })
        await assert.rejects(copy(stranger, '', to, { ...directive, CopySource }), code('ERR_S3CSE_DECRYPTION_FAILED'))
        assert.deepEqual([await exists(w, to), await exists(w, file(to))], [false, false])
      })

      it('object and file are deleted: the old version is copied with its file', async () => {
        const { key, ids } = await history(writer)
        const to = name()
        await w.client({ ...options, ...write }).send(new DeleteObjectCommand({ Bucket, Key: key }))
        assert.equal(await exists(w, file(key)), false)
        await copy(client, '', to, { ...directive, CopySource: sourceOf(key, { versionId: ids[1]! }) })
        assert.equal(await readFrom(client, to), 'second')
        await assert.rejects(copy(client, key, name(), directive), answered(404, 'NoSuchKey'))
      })
    })
  }
}
