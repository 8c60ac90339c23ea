// Conditions of the caller, on the source and on the destination, and what comes in between read and copy.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { DeleteObjectCommand } from '@aws-sdk/client-s3'

import { code } from '../support/errors.js'
import { Bucket, put } from '../support/world.js'
import { file, overwrite, v2 } from './instruction-support.js'
import {
  answered,
  before,
  copy,
  copyWorld,
  exists,
  fileText,
  head,
  readFrom,
  REPLACE,
  storedMetadata,
  withFile,
} from './copy-support.js'

const w = await copyWorld()
const client = w.client()
const bounded = { timeout: 30_000 }
const secret = 'what nobody else may read'
const past = new Date('2001-01-01')
const future = new Date('2100-01-01')

describe('conditions on the source', bounded, () => {
  const cases = (ETag: string): [conditions: object, copied: boolean][] => [
    [{ CopySourceIfMatch: ETag }, true],
    [{ CopySourceIfMatch: ETag.replaceAll('"', '') }, true],
    [{ CopySourceIfMatch: '*' }, true],
    [{ CopySourceIfMatch: `"other", ${ETag}` }, true],
    [{ CopySourceIfMatch: '"other"' }, false],
    [{ CopySourceIfNoneMatch: '"other"' }, true],
    [{ CopySourceIfNoneMatch: ETag }, false],
    [{ CopySourceIfNoneMatch: '*' }, false],
    [{ CopySourceIfModifiedSince: past }, true],
    [{ CopySourceIfModifiedSince: future }, false],
    [{ CopySourceIfUnmodifiedSince: future }, true],
    [{ CopySourceIfUnmodifiedSince: past }, false],
    [{ CopySourceIfMatch: ETag, CopySourceIfUnmodifiedSince: past }, true],
    [{ CopySourceIfNoneMatch: ETag, CopySourceIfModifiedSince: past }, false],
    [{ CopySourceIfNoneMatch: '"other"', CopySourceIfModifiedSince: future }, true],
  ]
  for (const directive of [{}, REPLACE]) {
    const what = 'MetadataDirective' in directive ? 'REPLACE' : 'COPY'
    it(`${what}: give what they give without encryption`, async () => {
      for (const [from, one] of [
        ['plain', w.plain],
        ['encrypted', client],
      ] as const) {
        const { ETag } = await put(one, from, secret)
        for (const [at, [conditions, copied]] of cases(ETag!).entries()) {
          const to = `${what}-${from}-${at}`
          for (const copier of [w.plain, client]) {
            if (copier === w.plain && from === 'encrypted') continue
            const copying = copy(copier, from, to, { ...directive, ...conditions })
            if (copied) await copying
            else await assert.rejects(copying, answered(412, 'PreconditionFailed'), JSON.stringify(conditions))
            assert.equal(await exists(w, to), copied, JSON.stringify(conditions))
          }
        }
      }
    })
  }

  it('that fail are told at once: nothing is tried again for ever', async () => {
    await put(client, 'a', secret)
    w.s3.requests.length = 0
    await assert.rejects(copy(client, 'a', 'b', { ...REPLACE, CopySourceIfMatch: '"x"' }), answered(412))
    assert.deepEqual(w.log(), ['HeadObject a', 'CopyObject b', 'HeadObject a'])
  })
})

describe('conditions on the destination', bounded, () => {
  for (const directive of [{}, REPLACE]) {
    it(`${'MetadataDirective' in directive ? 'REPLACE' : 'COPY'}: 412 is the caller's, once`, async () => {
      await put(client, 'a', secret)
      const { ETag } = await put(client, 'there', 'there')
      w.s3.requests.length = 0
      await assert.rejects(copy(client, 'a', 'there', { ...directive, IfNoneMatch: '*' }), answered(412))
      await assert.rejects(copy(client, 'a', 'there', { ...directive, IfMatch: '"x"' }), answered(412))
      assert.equal(w.sent('CopyObject').length, 2)
      assert.equal(await readFrom(client, 'there'), 'there')
      await copy(client, 'a', 'there', { ...directive, IfMatch: ETag })
      assert.equal(await readFrom(client, 'there'), secret)
      const fresh = `fresh-${'MetadataDirective' in directive}`
      await copy(client, 'a', fresh, { ...directive, IfNoneMatch: '*' })
      assert.equal(await readFrom(client, fresh), secret)
    })
  }
})

/** What may be at the source's name, before and after. */
const kinds = {
  plain: { store: (key: string, text: string) => put(w.plain, key, text), read: w.plain },
  metadata: { store: (key: string, text: string) => put(client, key, text), read: client },
  V2: { store: (key: string, text: string) => put(w.client(v2), key, text), read: w.client(v2) },
  file: { store: (key: string, text: string) => put(w.client(overwrite), key, text), read: w.client(overwrite) },
  'V2 file': {
    store: (key: string, text: string) => put(w.client({ ...v2, ...overwrite }), key, text),
    read: w.client({ ...v2, ...overwrite }),
  },
} as const

const any = w.client({ commitmentPolicy: 'REQUIRE_ENCRYPT_ALLOW_DECRYPT', instructionFile: { overwrite: true } })

describe('the source is replaced between read and copy', bounded, () => {
  let count = 0
  for (const [first, from] of Object.entries(kinds)) {
    for (const [second, to] of Object.entries(kinds)) {
      for (const directive of [{}, REPLACE]) {
        const what = 'MetadataDirective' in directive ? 'REPLACE' : 'COPY'
        it(`${what}, ${first} by ${second}: the copy is the second one, whole`, async () => {
          const [a, b] = [`source-${++count}`, `copy-${count}`]
          await from.store(a, 'the first')
          before(w, 'CopyObject', b, async () => {
            await w.plain.send(deletion(file(a)))
            await to.store(a, 'the second')
          })
          await copy(any, a, b, { ...directive })
          const reader = second === 'plain' ? w.plain : any
          // A file of the first try would be taken for the envelope of the second body.
          assert.equal(await readFrom(reader, b), 'the second')
          assert.equal(await exists(w, file(b)), second.includes('file'))
          if (second === 'plain') assert.deepEqual(await storedMetadata(w, b), {})
          assert.equal(w.sent('CopyObject').length, 2)
        })
      }
    }
  }

  it('by a write while the copy is under way: the copy is the first one, whole', async () => {
    for (const key of ['under-way-1', 'under-way-2']) {
      await put(client, key, 'the first')
      const end = w.s3.onCopy(async () => {
        end()
        await put(client, key, 'the second')
      })
      await copy(client, key, `${key}-copy`, key.endsWith('1') ? REPLACE : {})
      assert.equal(await readFrom(client, `${key}-copy`), 'the first')
      assert.equal(await readFrom(client, key), 'the second')
    }
  })

  it('of a source onto itself, while it is written', async () => {
    await put(client, 'self', 'the first')
    before(w, 'CopyObject', 'self', () => put(client, 'self', 'the second'))
    await copy(client, 'self', 'self', { ...REPLACE, Metadata: { own: 'x' } })
    assert.equal(await readFrom(client, 'self'), 'the second')
    assert.deepEqual((await head(client, 'self')).Metadata, { own: 'x' })
  })

  it('again and again: 412 after five tries, and nothing is stored', async () => {
    await put(client, 'busy', '0')
    let writes = 0
    const end = w.s3.onRequest(async (r) => {
      if (r.operation === 'CopyObject') await put(client, 'busy', String(++writes))
    })
    await assert.rejects(copy(client, 'busy', 'never', REPLACE), answered(412, 'PreconditionFailed'))
    end()
    assert.equal(writes, 5)
    assert.equal(await exists(w, 'never'), false)
  })

  it('it appears, or goes, in between', async () => {
    before(w, 'CopyObject', 'appears-copy', () => put(client, 'appears', secret))
    await copy(client, 'appears', 'appears-copy', REPLACE)
    assert.equal(await readFrom(client, 'appears-copy'), secret)

    await put(client, 'goes', secret)
    before(w, 'CopyObject', 'goes-copy', () => w.plain.send(deletion('goes')))
    await assert.rejects(copy(client, 'goes', 'goes-copy', REPLACE), answered(404, 'NoSuchKey'))
  })

  it('a condition of the caller that the second one does not meet', async () => {
    const { ETag } = await put(client, 'cond', 'the first')
    before(w, 'CopyObject', 'cond-copy', () => put(client, 'cond', 'the second'))
    await assert.rejects(copy(client, 'cond', 'cond-copy', { ...REPLACE, CopySourceIfMatch: ETag }), answered(412))
    assert.equal(await exists(w, 'cond-copy'), false)
    before(w, 'CopyObject', 'cond-copy', () => put(client, 'cond', 'the third'))
    await copy(client, 'cond', 'cond-copy', { ...REPLACE, CopySourceIfMatch: '*' })
    assert.equal(await readFrom(client, 'cond-copy'), 'the third')
  })

  it('a lost answer is tried again by the SDK, and gives the copy', async () => {
    await put(client, 'lost', secret)
    w.fail('CopyObject', 'lost-copy', { reset: { afterResponseBytes: 0 } })
    await copy(client, 'lost', 'lost-copy', REPLACE)
    assert.equal(await readFrom(client, 'lost-copy'), secret)
    w.fail('CopyObject', 'lost', { reset: { afterResponseBytes: 0 } })
    await copy(client, 'lost', 'lost', { ...REPLACE, Metadata: { own: 'x' } })
    assert.equal(await readFrom(client, 'lost'), secret)
  })
})

describe('a writer is between its file and its object', bounded, () => {
  for (const directive of [{}, REPLACE]) {
    it(`${'MetadataDirective' in directive ? 'REPLACE' : 'COPY'}: never the new file with the old body`, async () => {
      const key = `between-${'MetadataDirective' in directive}`
      const writer = w.client(overwrite)
      const old = await withFile(w, writer, key, 'the first')
      w.clock += 10
      let copying: Promise<unknown> | undefined
      before(w, 'PutObject', key, async () => {
        assert.notEqual(await fileText(w, key), old)
        copying = copy(any, key, `${key}-copy`, { ...directive }).catch((error: unknown) => error)
        await copying
      })
      await put(writer, key, 'the second')
      const error = await copying
      if (await exists(w, `${key}-copy`)) {
        assert.match(await readFrom(any, `${key}-copy`), /the (first|second)/)
      } else {
        assert.ok(code('ERR_S3CSE_DECRYPTION_FAILED')(error))
        assert.equal(await exists(w, file(`${key}-copy`)), false)
      }
    })
  }
})

function deletion(Key: string) {
  return new DeleteObjectCommand({ Bucket, Key })
}
