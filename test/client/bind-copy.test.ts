// CopyObject by a client that binds: the data key is wrapped for the new place.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { GetObjectTaggingCommand } from '@aws-sdk/client-s3'
import type { HeadObjectCommandOutput, S3Client } from '@aws-sdk/client-s3'

import { encryptionInfo } from '../../src/index.js'
import type { Keyring } from '../../src/index.js'
import { code } from '../support/errors.js'
import { Bucket, put } from '../support/world.js'
import { bindWorld, KEY, LABEL } from './bind-support.js'
import { answered, before, copy, exists, fileText, head, other, readFrom, REPLACE, sourceOf } from './copy-support.js'
import { file, names, v2 } from './instruction-support.js'

const w = await bindWorld()
const bounded = { timeout: 60_000 }
const secret = 'what nobody else may read'
const name = names()
const mismatch = code('ERR_S3CSE_CONTEXT_MISMATCH')
const content = {
  ContentType: 'text/x',
  CacheControl: 'no-store',
  ContentDisposition: 'inline',
  ContentEncoding: 'x-own',
  ContentLanguage: 'de',
  Expires: new Date('2031-05-05T00:00:00Z'),
}
const Metadata = { own: 'value', 'not-ascii': 'ä' }

/** A keyring without ReEncrypt. */
const simple: Keyring = {
  algorithms: w.keyring.algorithms!,
  wrap: (request) => w.keyring.wrap(request),
  unwrap: (request) => w.keyring.unwrap(request),
}

/** But for what is never the same. */
async function shownOf(client: S3Client, key: string): Promise<Partial<HeadObjectCommandOutput>> {
  const shown: Partial<HeadObjectCommandOutput> = await head(client, key)
  delete shown.$metadata
  delete shown.LastModified
  return shown
}

for (const [version, options] of [
  ['V3', {}],
  ['V2', v2],
] as const) {
  describe(version, bounded, () => {
    for (const [what, keyring, calls] of [
      ['ReEncrypt', w.keyring, ['ReEncrypt']],
      ['Decrypt and Encrypt', simple, ['Decrypt', 'Encrypt']],
    ] as const) {
      const client = w.bound({ ...options, keyring })
      it(`COPY by ${what}: everything is kept but the wrap`, async () => {
        const [a, b] = [name(), name()]
        await put(client, a, secret, { ...content, Metadata, Tagging: 'x=y', StorageClass: 'STANDARD_IA' })
        w.asked()
        const output = await copy(client, a, b)
        assert.deepEqual(w.asked(), calls)
        assert.equal(await readFrom(client, b), secret)
        const [shown, source] = [await shownOf(client, b), await shownOf(client, a)]
        assert.deepEqual({ ...shown, StorageClass: source.StorageClass }, source)
        // A storage class is never the source's.
        assert.deepEqual([source.StorageClass, shown.StorageClass], ['STANDARD_IA', undefined])
        const { TagSet } = await w.plain.send(new GetObjectTaggingCommand({ Bucket, Key: b }))
        assert.deepEqual(TagSet, [{ Key: 'x', Value: 'y' }])
        assert.equal(encryptionInfo(output)?.envelope?.context[KEY], b)
        const [from, to] = [await w.stored(a), await w.stored(b)]
        assert.deepEqual(to.body, from.body)
        for (const key of ['x-amz-d', 'x-amz-i', 'x-amz-iv']) assert.equal(to.metadata[key], from.metadata[key])
        await assert.rejects(readFrom(w.loose(options), b), mismatch)
        assert.equal(await readFrom(client, a), secret)
      })

      it(`REPLACE by ${what}, and to another bucket`, async () => {
        const [a, b] = [name(), name()]
        await put(client, a, secret, { ...content, Metadata })
        w.asked()
        const input = { ...REPLACE, Bucket: other, Metadata: { new: 'x' }, ContentType: 'text/y' }
        await copy(client, a, b, input)
        assert.deepEqual(w.asked(), calls)
        assert.equal(await readFrom(client, b, { Bucket: other }), secret)
        const shown = await head(client, b, { Bucket: other })
        assert.deepEqual(shown.Metadata, { new: 'x' })
        assert.deepEqual([shown.ContentType, shown.CacheControl, shown.ExpiresString], ['text/y', undefined, undefined])
        await copy(client, '', b, { CopySource: sourceOf(b, { bucket: other }) })
        assert.equal(await readFrom(client, b), secret)
      })
    }

    it('COPY: content headers of the request say nothing, as without bind', async () => {
      const [a, b] = [name(), name()]
      const client = w.bound(options)
      await put(client, a, secret, { ContentType: 'text/x' })
      await copy(client, a, b, { ...content, ContentType: 'text/ignored', Metadata: { ignored: 'x' } })
      const shown = await head(client, b)
      assert.deepEqual([shown.ContentType, shown.CacheControl, shown.ExpiresString], ['text/x', undefined, undefined])
      assert.equal(shown.ContentEncoding, undefined)
      assert.deepEqual(shown.Metadata, {})
    })

    it('onto itself: no new wrap, and KMS is not asked', async () => {
      const a = name()
      const client = w.bound(options)
      await put(client, a, secret)
      w.asked()
      await copy(client, a, a, { ...REPLACE, Metadata: { own: 'x' } })
      await copy(client, a, a, { StorageClass: 'STANDARD_IA' })
      assert.deepEqual(w.asked(), [])
      assert.equal(await readFrom(client, a), secret)
    })

    it('the source is pinned; replaced meanwhile it is wrapped again', async () => {
      for (const directive of [{}, REPLACE]) {
        const [a, b] = [name(), name()]
        const client = w.bound(options)
        await put(client, a, 'the first')
        before(w, 'CopyObject', b, () => put(client, a, 'the second'))
        await copy(client, a, b, directive)
        assert.equal(await readFrom(client, b), 'the second')
        assert.equal(w.sent('CopyObject', b).length, 2)
      }
    })

    it('with an instruction file', async () => {
      const writer = w.bound({ ...options, instructionFile: { write: true } })
      const client = w.bound(options)
      for (const directive of [{}, { ...REPLACE, Metadata: { new: 'x' } }]) {
        const [a, b] = [name(), name()]
        await put(writer, a, secret)
        await copy(client, a, b, directive)
        const [from, to] = [await fileText(w, a), await fileText(w, b)]
        assert.ok(from !== undefined && to !== undefined && to !== from)
        assert.equal('x-amz-3' in (await w.stored(b)).metadata, false)
        assert.equal('x-amz-key-v2' in (await w.stored(b)).metadata, false)
        assert.equal(await readFrom(client, b), secret)
        assert.deepEqual((await head(client, b)).Metadata, 'Metadata' in directive ? { new: 'x' } : {})
      }
      const [a, b] = [name(), name()]
      await put(writer, a, secret)
      w.fail('CopyObject', b, { status: 403 })
      await assert.rejects(copy(client, a, b), answered(403))
      assert.deepEqual([await exists(w, b), await exists(w, file(b))], [false, false])
    })
  })
}

describe('what is not copied', bounded, () => {
  const client = w.bound()

  it('an object that somebody has moved to the source', async () => {
    const [a, b] = [name(), name()]
    await put(client, a, secret)
    const object = await w.stored(a)
    await w.s3.put(Bucket, b, { body: object.body, metadata: object.metadata })
    for (const directive of [{}, REPLACE]) {
      await assert.rejects(copy(client, b, name(), directive), mismatch)
      // Not even back to where it was.
      await assert.rejects(copy(client, b, a, directive), mismatch)
    }
    assert.deepEqual(w.sent('CopyObject'), [])
  })

  it('objects from before, and damaged ones; plain ones are', async () => {
    const [a, b, c, d] = [name(), name(), name(), name()]
    await put(w.loose(), a, secret)
    await assert.rejects(copy(client, a, d), mismatch)
    await put(client, b, secret)
    await w.s3.tamper(Bucket, b, ({ metadata }) => {
      delete metadata['x-amz-w']
      return { metadata }
    })
    await assert.rejects(copy(client, b, d), code('ERR_S3CSE_ENVELOPE_INVALID'))
    assert.equal(await exists(w, d), false)
    await put(w.plain, c, 'plain')
    await copy(client, c, d)
    assert.equal(await readFrom(w.plain, d), 'plain')
  })

  it('without the right to ReEncrypt, by Decrypt and Encrypt', async () => {
    const [a, b] = [name(), name()]
    await put(client, a, secret)
    w.kms.fail({ operation: 'ReEncrypt', code: 'AccessDeniedException' })
    await copy(client, a, b)
    assert.equal(await readFrom(client, b), secret)
  })

  it('KMS denies all of it: nothing is stored, and the error is that of KMS', async () => {
    const [a, b] = [name(), name()]
    await put(client, a, secret)
    for (const operation of ['ReEncrypt', 'Decrypt']) w.kms.fail({ operation, code: 'AccessDeniedException' })
    await assert.rejects(copy(client, a, b), code('ERR_S3CSE_KMS'))
    w.kms.fail({ operation: 'ReEncrypt', code: 'DisabledException' })
    await assert.rejects(copy(client, a, b), code('ERR_S3CSE_KMS'))
    assert.equal(await exists(w, b), false)
  })

  it('a wrap of ReEncrypt is checked: never another object’s file with this body', async () => {
    const writer = w.bound({ instructionFile: { write: true, overwrite: true } })
    const [a, b] = [name(), name()]
    await put(writer, a, 'the first')
    let error: unknown
    before(w, 'PutObject', a, async () => {
      error = await copy(client, a, b).catch((reason: unknown) => reason)
    })
    await put(writer, a, 'the second')
    assert.ok(code('ERR_S3CSE_DECRYPTION_FAILED')(error))
    assert.deepEqual([await exists(w, b), await exists(w, file(b))], [false, false])
  })

  it('an old version with an instruction file, where it must be wrapped anew: refused with the reason', async () => {
    const v = await bindWorld()
    await v.versioning()
    const writer = v.bound({ instructionFile: { write: true } })
    const { VersionId } = await put(writer, 'a', 'the first')
    const CopySource = sourceOf('a', { versionId: VersionId! })
    await assert.rejects(
      copy(writer, '', 'b', { CopySource }),
      code('ERR_S3CSE_UNSUPPORTED_COMMAND', /instruction file/),
    )
    v.clock += 10
    await put(writer, 'a', 'the second')
    await copy(writer, '', 'a', { CopySource, ...REPLACE })
    assert.equal(await readFrom(writer, 'a'), 'the first')
  })

  it('labels: the destination gets the client’s', async () => {
    const labelled = w.bound({ bind: { label: 'mine' } })
    const [a, b] = [name(), name()]
    await put(labelled, a, secret)
    await copy(labelled, a, b, { Bucket: other })
    const output = await copy(labelled, a, b)
    assert.equal(encryptionInfo(output)?.envelope?.context[LABEL], 'mine')
    assert.equal(await readFrom(labelled, b), secret)
    await assert.rejects(copy(client, a, name()), mismatch)
  })

  it('a context by function is that of each place', async () => {
    const one = w.bound({ encryptionContext: ({ Key }: { Key: string }) => ({ folder: Key.split('/')[0]! }) })
    await put(one, 'x/a', secret)
    const output = await copy(one, 'x/a', 'y/a')
    assert.equal(encryptionInfo(output)?.envelope?.context.folder, 'y')
    assert.equal(await readFrom(one, 'y/a'), secret)
  })
})
