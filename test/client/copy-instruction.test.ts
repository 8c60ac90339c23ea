// CopyObject of objects whose envelope is in an instruction file, without versions.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { CopyObjectCommand, DeleteObjectCommand, GetObjectTaggingCommand } from '@aws-sdk/client-s3'
import type { CopyObjectCommandInput } from '@aws-sdk/client-s3'

import { encryptionInfo, requestOptions, s3ec } from '../../src/index.js'
import type { EncryptionOptions } from '../../src/index.js'
import { code } from '../support/errors.js'
import { Bucket, put } from '../support/world.js'
import { file, LOST, MARK, names, overwrite, snapshot, v2, write } from './instruction-support.js'
import {
  answered,
  before,
  copy,
  copyWorld,
  exists,
  fileText,
  head,
  other,
  readFrom,
  REPLACE,
  sourceOf,
  storedMetadata,
  withFile,
} from './copy-support.js'

const w = await copyWorld()
const bounded = { timeout: 30_000 }
const secret = 'what nobody else may read'
const name = names()
const kinds: readonly [version: string, options: Partial<EncryptionOptions>][] = [
  ['V3', {}],
  ['V2', v2],
  [
    'V1',
    {
      commitmentPolicy: 'FORBID_ENCRYPT_ALLOW_DECRYPT',
      format: s3ec({ insecureLegacyWriting: 'V1-CBC' }),
      legacy: { wrapping: true, content: true },
    },
  ],
]
const directives = [
  ['COPY', {}],
  ['REPLACE', { ...REPLACE, Metadata: { own: 'new' } }],
] as const

for (const [version, options] of kinds) {
  const writer = w.client({ ...options, instructionFile: { write: true } })
  const client = w.client(options)
  const source = async (): Promise<string> => {
    const key = name()
    await withFile(w, writer, key, secret)
    return key
  }

  for (const [what, directive] of directives) {
    describe(`${version}, ${what}: the file goes along`, bounded, () => {
      it('to another key, another bucket, and from there on', async () => {
        const [a, b, c] = [await source(), name(), name()]
        const output = await copy(client, a, b, directive)
        assert.equal(encryptionInfo(output)?.envelope?.instructionFile, file(b))
        assert.equal(await fileText(w, b), await fileText(w, a))
        assert.deepEqual(await storedMetadata(w, file(b)), { [MARK]: '' })
        assert.equal(await readFrom(client, b), secret)
        assert.deepEqual((await head(client, b)).Metadata, what === 'COPY' ? {} : { own: 'new' })
        await copy(client, a, c, { ...directive, Bucket: other })
        assert.equal(await readFrom(client, c, { Bucket: other }), secret)
        await copy(client, '', a, { ...directive, CopySource: sourceOf(c, { bucket: other }) })
        assert.equal(await readFrom(client, a), secret)
      })

      it('before the object, under the condition that there is none', async () => {
        const [a, b] = [await source(), name()]
        w.s3.requests.length = 0
        await copy(client, a, b, directive)
        assert.deepEqual(
          w.log().filter((line) => /Put|Copy/.test(line)),
          [`PutObject ${file(b)}`, `CopyObject ${b}`],
        )
        assert.equal(w.sent('PutObject')[0]?.headers['if-none-match'], '*')
      })

      it('onto itself: object and file stay', async () => {
        const a = await source()
        const text = await fileText(w, a)
        w.s3.requests.length = 0
        await copy(client, a, a, { ...directive, StorageClass: 'STANDARD_IA' })
        assert.equal(await fileText(w, a), text)
        assert.deepEqual(w.sent('PutObject'), [])
        assert.equal(await readFrom(client, a), secret)
      })

      it('with the ACL, tags and storage class that the copy gets, but for archives', async () => {
        const [a, b] = [await source(), name()]
        const given = { ACL: 'public-read', TaggingDirective: 'REPLACE', Tagging: 'x=y' } as const
        await copy(client, a, b, { ...directive, ...given, StorageClass: 'STANDARD_IA' })
        const stored = await w.stored(file(b))
        assert.equal(stored.grants.length, 2)
        assert.equal(stored.headers['x-amz-storage-class'], 'STANDARD_IA')
        const { TagSet } = await w.plain.send(new GetObjectTaggingCommand({ Bucket, Key: file(b) }))
        assert.deepEqual(TagSet, [{ Key: 'x', Value: 'y' }])
        const c = name()
        await copy(client, a, c, { ...directive, StorageClass: 'GLACIER' })
        assert.equal((await w.stored(file(c))).headers['x-amz-storage-class'], undefined)
      })

      it('under a suffix of the client, or of the request', async () => {
        const own = w.client({ ...options, instructionFile: { write: true, suffix: '.own' } })
        const [a, b, c] = [name(), name(), name()]
        await withFile(w, own, a, secret, '.own')
        await copy(own, a, b, directive)
        assert.equal(await readFrom(own, b), secret)
        assert.equal(await exists(w, file(b)), false)
        const input = { Bucket, Key: c, CopySource: sourceOf(a), ...directive }
        await client.send(
          new CopyObjectCommand(requestOptions<CopyObjectCommandInput>(input, { instructionFileSuffix: '.own' })),
        )
        assert.equal(await readFrom(own, c), secret)
      })

      it('not with read: false', async () => {
        const [a, b] = [await source(), name()]
        const blind = w.client({ ...options, instructionFile: { read: false } })
        w.s3.requests.length = 0
        if (version === 'V3' && what === 'REPLACE') {
          await assert.rejects(copy(blind, a, b, directive), code('ERR_S3CSE_ENVELOPE_INVALID'))
          return
        }
        await copy(blind, a, b, directive)
        assert.deepEqual(w.log().at(-1), `CopyObject ${b}`)
        assert.deepEqual(w.sent('GetObject'), [])
        assert.equal(await exists(w, file(b)), false)
      })
    })

    describe(`${version}, ${what}: a file that is there already`, bounded, () => {
      it('the same one stays, whatever becomes of the copy', async () => {
        const [a, b] = [await source(), name()]
        await copy(client, a, b, directive)
        const there = await snapshot(w, b, file(b))
        w.fail('CopyObject', b, { status: 403 })
        await assert.rejects(copy(w.once(options), a, b, directive), answered(403))
        assert.deepEqual(await snapshot(w, b, file(b)), there)
        await copy(client, a, b, directive)
        assert.equal(await readFrom(client, b), secret)
      })

      it('another one is not replaced, unless overwrite says so', async () => {
        const [a, b] = [await source(), await source()]
        const there = await snapshot(w, b, file(b))
        await assert.rejects(copy(client, a, b, directive), code('ERR_S3CSE_INSTRUCTION_FILE', /overwrite/))
        assert.deepEqual(await snapshot(w, b, file(b)), there)
        await copy(w.client({ ...options, instructionFile: { overwrite: true } }), a, b, directive)
        assert.equal(await fileText(w, b), await fileText(w, a))
        assert.equal(await readFrom(client, b), secret)
      })

      it('with overwrite, and the copy fails: the one that was there is there again', async () => {
        const [a, b] = [await source(), await source()]
        const there = await snapshot(w, b, file(b))
        w.clock += 5
        w.fail('CopyObject', b, { status: 403 })
        await assert.rejects(copy(w.once({ ...options, ...overwrite }), a, b, directive), answered(403))
        assert.deepEqual(await snapshot(w, b, file(b)), there)
      })

      it('what is no instruction file is never replaced', async () => {
        const [a, b] = [await source(), name()]
        await put(w.plain, file(b), 'somebody’s own')
        for (const one of [client, w.client({ ...options, ...overwrite })]) {
          await assert.rejects(copy(one, a, b, directive), code('ERR_S3CSE_INSTRUCTION_FILE'))
        }
        assert.equal(await fileText(w, b), 'somebody’s own')
        assert.equal(await exists(w, b), false)
        await put(w.plain, file(b), 'x'.repeat(70_000))
        await assert.rejects(
          copy(w.client({ ...options, ...overwrite }), a, b, directive),
          code('ERR_S3CSE_INSTRUCTION_FILE', /another object/),
        )
      })

      it('IfNoneMatch: the 412 of S3', async () => {
        const [a, b] = [await source(), await source()]
        const there = await snapshot(w, b, file(b))
        await assert.rejects(copy(client, a, b, { ...directive, IfNoneMatch: '*' }), answered(412))
        assert.deepEqual(await snapshot(w, b, file(b)), there)
        const c = name()
        await copy(client, a, c, { ...directive, IfNoneMatch: '*' })
        assert.equal(await readFrom(client, c), secret)
      })
    })

    describe(`${version}, ${what}: failures`, bounded, () => {
      it('of the copy: the file is taken back', async () => {
        for (const fault of [{ status: 403 }, { status: 500 }, { reset: 'before' as const }]) {
          const [a, b] = [await source(), name()]
          w.fail('CopyObject', b, fault)
          await assert.rejects(copy(w.once(options), a, b, directive))
          assert.equal(w.sent('PutObject', file(b)).length, 1)
          assert.equal(await exists(w, file(b)), false)
        }
      })

      it('an error after a 200, as S3 sends it when a copy fails late', async () => {
        const [a, b] = [await source(), name()]
        w.fail('CopyObject', b, { status: 200, code: 'InternalError' })
        await assert.rejects(copy(w.once(options), a, b, directive))
        if (await exists(w, b)) assert.equal(await readFrom(client, b), secret)
        else assert.equal(await exists(w, file(b)), false)
      })

      it('a lost answer of the copy: object and file are there', async () => {
        const [a, b] = [await source(), name()]
        w.fail('CopyObject', b, LOST)
        await assert.rejects(copy(w.once(options), a, b, directive))
        assert.equal(await readFrom(client, b), secret)
        const c = name()
        w.fail('CopyObject', c, LOST)
        await copy(client, a, c, directive)
        assert.equal(await readFrom(client, c), secret)
      })

      it('of the file’s write: nothing is copied', async () => {
        for (const status of [403, 500, 503]) {
          const [a, b] = [await source(), name()]
          w.fail('PutObject', file(b), { status })
          await assert.rejects(copy(w.once(options), a, b, directive), answered(status))
          assert.deepEqual([await exists(w, b), await exists(w, file(b))], [false, false])
          assert.deepEqual(w.sent('CopyObject', b), [])
        }
        const [a, b] = [await source(), name()]
        w.fail('PutObject', file(b), LOST)
        await copy(client, a, b, directive)
        assert.equal(await readFrom(client, b), secret)
      })

      it('of the file’s read: nothing is copied, and never without its file', async () => {
        for (const fault of [{ status: 403 }, { status: 500 }, { reset: 'before' as const }, { truncateBody: 20 }]) {
          const [a, b] = [await source(), name()]
          w.fail('GetObject', file(a), fault)
          await assert.rejects(copy(w.once(options), a, b, directive), (error: unknown) =>
            'status' in fault && fault.status === 403 ? code('ERR_S3CSE_INSTRUCTION_FILE')(error) : true,
          )
          assert.deepEqual([await exists(w, b), await exists(w, file(b))], [false, false])
        }
      })

      it('of the look at the destination: 403 is nobody’s business, all else is an error', async () => {
        const [a, b, c] = [await source(), name(), name()]
        w.fail('GetObject', file(b), { status: 403 })
        await copy(w.once(options), a, b, directive)
        assert.equal(await readFrom(client, b), secret)
        w.fail('GetObject', file(c), { status: 500 })
        await assert.rejects(copy(w.once(options), a, c, directive), answered(500))
        assert.equal(await exists(w, c), false)
      })

      it('the source is replaced meanwhile: the file of the first try does not stay', async () => {
        const [a, b] = [await source(), name()]
        before(w, 'CopyObject', b, () => put(w.client({ ...options, ...overwrite }), a, 'the second'))
        await copy(client, a, b, directive)
        assert.equal(await readFrom(client, b), 'the second')
        assert.equal(await fileText(w, b), await fileText(w, a))
      })

      it('the file’s name would be too long', async () => {
        const a = await source()
        const long = 'k'.repeat(1020)
        await assert.rejects(copy(client, a, long, directive), code('ERR_S3CSE_INSTRUCTION_FILE', /1,024/))
        assert.equal(await exists(w, long), false)
      })
    })
  }
}

describe('files that do not fit', bounded, () => {
  const client = w.client()
  const writer = w.client(write)

  it('a missing file: COPY is as good as the original, REPLACE is refused', async () => {
    const [a, b] = [name(), name()]
    await withFile(w, writer, a, secret)
    await w.plain.send(new DeleteObjectCommand({ Bucket, Key: file(a) }))
    await copy(client, a, b)
    assert.deepEqual(await storedMetadata(w, b), await storedMetadata(w, a))
    await assert.rejects(copy(client, a, name(), REPLACE), code('ERR_S3CSE_ENVELOPE_INVALID'))
  })

  it('a damaged file', async () => {
    const [a, b] = [name(), name()]
    await withFile(w, writer, a, secret)
    await put(w.plain, file(a), '{', { Metadata: { [MARK]: '' } })
    await copy(client, a, b)
    assert.equal(await exists(w, file(b)), false)
    await assert.rejects(copy(client, a, name(), REPLACE), code('ERR_S3CSE_ENVELOPE_INVALID'))
  })

  it('another object’s file: it is not carried on', async () => {
    for (const directive of [{}, REPLACE]) {
      const [a, b, c] = [name(), name(), name()]
      await withFile(w, writer, a, secret)
      await withFile(w, writer, b, 'other')
      await put(w.plain, file(a), (await fileText(w, b))!, { Metadata: { [MARK]: '' } })
      await assert.rejects(copy(client, a, c, directive), code('ERR_S3CSE_DECRYPTION_FAILED'))
      assert.deepEqual([await exists(w, c), await exists(w, file(c))], [false, false])
    }
  })

  it('a plain object beside something that has the name of its file', async () => {
    const [a, b] = [name(), name()]
    await put(w.plain, a, 'plain')
    await put(w.plain, file(a), 'somebody’s own')
    await copy(client, a, b)
    assert.equal(await readFrom(w.plain, b), 'plain')
    assert.equal(await exists(w, file(b)), false)
  })
})
