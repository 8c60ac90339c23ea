// CopyObject with the envelope in the metadata: directives, names, versions, properties.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { describe, it } from 'node:test'

import { CopyObjectCommand, GetObjectTaggingCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3'

import { encryptionInfo, requestOptions } from '../../src/index.js'
import { code } from '../support/errors.js'
import { Bucket, put } from '../support/world.js'
import { v2 } from './instruction-support.js'
import {
  answered,
  copy,
  copyWorld,
  exists,
  head,
  other,
  readFrom,
  REPLACE,
  sourceOf,
  storedMetadata,
} from './copy-support.js'

const w = await copyWorld({ accessPoints: { point: Bucket, object: Bucket } })
const client = w.client()
const bounded = { timeout: 30_000 }
const secret = 'what nobody else may read'

describe('CopyObject, metadata', bounded, () => {
  for (const [what, directive] of [
    ['by default', {}],
    ['with COPY', { MetadataDirective: 'COPY' }],
  ] as const) {
    it(`${what}: everything is as it was`, async () => {
      await put(client, 'a', secret, { Metadata: { own: 'ä value' }, ContentType: 'text/x', CacheControl: 'no-store' })
      const output = await copy(client, 'a', 'b', { ...directive, Metadata: { ignored: 'x' }, ContentType: 'ignored' })
      assert.equal(await readFrom(client, 'b'), secret)
      assert.deepEqual(await storedMetadata(w, 'b'), await storedMetadata(w, 'a'))
      const { ContentType, CacheControl, Metadata } = await head(client, 'b')
      assert.deepEqual([ContentType, CacheControl], ['text/x', 'no-store'])
      assert.deepEqual(Metadata, (await head(client, 'a')).Metadata)
      const info = encryptionInfo(output)
      assert.deepEqual([info?.status, info?.envelope?.version], ['encrypted', 'V3'])
      assert.equal(typeof output.CopyObjectResult?.ETag, 'string')
    })
  }

  for (const [version, options] of [
    ['V3', {}],
    ['V2', v2],
  ] as const) {
    it(`REPLACE keeps the envelope of ${version}, and nothing else`, async () => {
      const one = w.client(options)
      await put(one, 'a', secret, { Metadata: { own: 'value', more: 'x' }, ContentType: 'text/x', CacheControl: 'no' })
      const envelope = Object.entries(await storedMetadata(w, 'a')).filter(([name]) => name.startsWith('x-amz-'))
      const output = await copy(one, 'a', 'b', { ...REPLACE, Metadata: { new: 'metadata' }, ContentType: 'text/y' })
      assert.deepEqual(await storedMetadata(w, 'b'), { new: 'metadata', ...Object.fromEntries(envelope) })
      assert.equal(encryptionInfo(output)?.envelope?.version, version)
      assert.equal(await readFrom(one, 'b'), secret)
      const { ContentType, CacheControl, Metadata } = await head(one, 'b')
      assert.deepEqual([ContentType, CacheControl, Metadata], ['text/y', undefined, { new: 'metadata' }])
    })
  }

  it('REPLACE without metadata, onto itself, to another bucket, and a chain of copies', async () => {
    await put(client, 'a', secret, { Metadata: { own: 'value' } })
    await copy(client, 'a', 'a', REPLACE)
    assert.equal(await readFrom(client, 'a'), secret)
    assert.deepEqual((await head(client, 'a')).Metadata, {})
    await copy(client, 'a', 'far', { Bucket: other, ...REPLACE, Metadata: { n: '1' } })
    assert.equal(await readFrom(client, 'far', { Bucket: other }), secret)
    await copy(client, 'far', 'back', { CopySource: sourceOf('far', { bucket: other }) })
    await copy(client, 'back', 'back', { ...REPLACE, Metadata: { n: '2' } })
    assert.equal(await readFrom(client, 'back'), secret)
    assert.deepEqual((await head(client, 'back')).Metadata, { n: '2' })
  })

  it('COPY onto itself is what S3 says it is', async () => {
    await put(client, 'a', secret)
    await assert.rejects(copy(client, 'a', 'a'), answered(400, 'InvalidRequest'))
    await copy(client, 'a', 'a', { StorageClass: 'STANDARD_IA' })
    assert.equal(await readFrom(client, 'a'), secret)
  })

  it('the source is pinned to the object whose envelope was read', async () => {
    const { ETag } = await put(client, 'a', secret)
    w.s3.requests.length = 0
    await copy(client, 'a', 'b', REPLACE)
    const [sent] = w.sent('CopyObject')
    assert.equal(sent?.headers['x-amz-copy-source-if-match'], ETag)
    assert.deepEqual(w.log(), ['HeadObject a', 'CopyObject b'])
  })

  it('a request of its own options', async () => {
    await put(client, 'a', secret)
    await client.send(
      new CopyObjectCommand(
        requestOptions(
          { Bucket, Key: 'b', CopySource: sourceOf('a'), ...REPLACE },
          { instructionFileSuffix: '.other' },
        ) as never,
      ),
    )
    assert.equal(await readFrom(client, 'b'), secret)
  })

  it('keys of the envelope in Metadata are refused, in any case, before anything is sent', async () => {
    await put(client, 'a', secret)
    w.s3.requests.length = 0
    for (const name of ['x-amz-d', 'X-Amz-W', 'x-amz-iv', 'x-amz-matdesc']) {
      await assert.rejects(
        copy(client, 'a', 'b', { ...REPLACE, Metadata: { [name]: 'x' } }),
        code('ERR_S3CSE_CONFIG', /envelope/),
      )
    }
    assert.equal(w.s3.requests.length, 0)
  })

  it('metadata and envelope over 2 KB together are refused, exactly there', async () => {
    await put(client, 'a', secret)
    const envelope = Object.entries(await storedMetadata(w, 'a'))
      .flat()
      .join('').length
    const fits = { own: 'x'.repeat(2048 - envelope - 3) }
    await copy(client, 'a', 'b', { ...REPLACE, Metadata: fits })
    assert.equal(await readFrom(client, 'b'), secret)
    const over = { own: `${fits.own}x` }
    await assert.rejects(copy(client, 'a', 'c', { ...REPLACE, Metadata: over }), code('ERR_S3CSE_ENVELOPE_TOO_LARGE'))
    assert.equal(await exists(w, 'c'), false)
  })

  it('a directive that is neither is refused', async () => {
    await put(client, 'a', secret)
    for (const MetadataDirective of ['replace', 'Replace', '', null]) {
      await assert.rejects(
        copy(client, 'a', 'b', { MetadataDirective: MetadataDirective as never }),
        code('ERR_S3CSE_UNSUPPORTED_COMMAND', /COPY or REPLACE/),
      )
    }
  })
})

describe('CopyObject, names of the source', bounded, () => {
  const keys = [
    'with blanks',
    'a+b',
    '100%',
    '%2B%25',
    'ключ/ä',
    'what?',
    'a?versionId=b',
    'x/object/y',
    '~()!*\'"',
    '/lead',
  ]
  for (const key of keys) {
    it(`'${key}'`, async () => {
      await put(client, key, secret)
      await copy(client, key, 'copied')
      assert.equal(await readFrom(client, 'copied'), secret)
      await copy(client, key, `${key}-2`, { ...REPLACE, Metadata: { own: 'x' } })
      assert.equal(await readFrom(client, `${key}-2`), secret)
      await copy(client, key, 'copied', { CopySource: `/${sourceOf(key)}`, ...REPLACE })
      assert.equal(await readFrom(client, 'copied'), secret)
    })
  }

  it('a plus sign is a blank, as for S3', async () => {
    await put(client, 'p q', secret)
    await copy(client, '', 'copied', { CopySource: `${Bucket}/p+q`, ...REPLACE })
    assert.equal(await readFrom(client, 'copied'), secret)
  })

  it('what names no source is refused', async () => {
    for (const CopySource of [
      '',
      'bucket',
      'bucket/',
      '/bucket/',
      `${Bucket}/a?versionId=`,
      `${Bucket}/a?b=c`,
      '%ff/a',
      `${Bucket}/a?versionId=%ff`,
    ]) {
      await assert.rejects(copy(client, '', 'b', { CopySource, ...REPLACE }), code('ERR_S3CSE_CONFIG', /CopySource/))
    }
    await assert.rejects(client.send(new CopyObjectCommand({ Bucket, Key: 'b' } as never)), (error: Error) =>
      /CopySource/.test(error.message),
    )
  })

  it('access point ARNs, also of a point that is called object', async () => {
    const hosted = w.client({}, w.s3.virtualHostConfig())
    await put(client, 'path/to ä', secret)
    for (const point of ['point', 'object']) {
      const arn = `arn:aws:s3:us-east-1:111122223333:accesspoint/${point}`
      const CopySource = `${arn}/object/path/to%20%C3%A4`
      await copy(hosted, '', 'copied', { CopySource, ...REPLACE, Metadata: { point } })
      assert.equal(await readFrom(client, 'copied'), secret)
      await copy(hosted, '', 'copied-2', { Bucket: arn, CopySource })
      assert.equal(await readFrom(client, 'copied-2'), secret)
    }
  })

  it('a missing source gives S3’s own error', async () => {
    await assert.rejects(copy(client, 'nothing', 'b'), answered(404, 'NoSuchKey'))
    await assert.rejects(copy(client, 'nothing', 'b', REPLACE), answered(404, 'NoSuchKey'))
    const CopySource = sourceOf('a', { bucket: 'no-such-bucket' })
    await assert.rejects(copy(client, '', 'b', { CopySource, ...REPLACE }), answered(404, 'NoSuchBucket'))
    await assert.rejects(
      copy(client, 'nothing', 'b', { ...REPLACE, CopySourceIfMatch: '*' }),
      answered(404, 'NoSuchKey'),
    )
  })
})

describe('CopyObject, other properties', bounded, () => {
  const customerKey = (fill: number) => {
    const key = Buffer.alloc(32, fill)
    const md5 = createHash('md5').update(key).digest('base64')
    return { Algorithm: 'AES256', Key: key.toString('base64'), KeyMD5: md5 }
  }
  const prefixed = (prefix: string, members: object) =>
    Object.fromEntries(Object.entries(members).map(([name, value]) => [`${prefix}${name}`, value as string]))

  for (const directive of [{}, REPLACE]) {
    const what = 'MetadataDirective' in directive ? 'REPLACE' : 'COPY'

    it(`${what}: tags, storage class and ACL are as the request says`, async () => {
      await put(client, 'a', secret, { Tagging: 'from=source' })
      await copy(client, 'a', 'kept', directive)
      await copy(client, 'a', 'changed', {
        ...directive,
        TaggingDirective: 'REPLACE',
        Tagging: 'from=request',
        StorageClass: 'STANDARD_IA',
        ACL: 'public-read',
      })
      const tags = async (Key: string) => (await w.plain.send(new GetObjectTaggingCommand({ Bucket, Key }))).TagSet
      assert.deepEqual(await tags('kept'), [{ Key: 'from', Value: 'source' }])
      assert.deepEqual(await tags('changed'), [{ Key: 'from', Value: 'request' }])
      const changed = await w.stored('changed')
      assert.equal(changed.headers['x-amz-storage-class'], 'STANDARD_IA')
      assert.equal(changed.grants.length, 2)
      assert.equal(await readFrom(client, 'changed'), secret)
    })

    it(`${what}: SSE-C with another key on each side`, async () => {
      const [from, to] = [customerKey(1), customerKey(2)]
      const insecure = w.client()
      // The SDK sends such keys by https only.
      insecure.middlewareStack.remove('ssecMiddleware')
      await put(insecure, 'a', secret, prefixed('SSECustomer', from))
      await copy(insecure, 'a', 'b', {
        ...directive,
        ...prefixed('CopySourceSSECustomer', from),
        ...prefixed('SSECustomer', to),
      })
      assert.equal(await readFrom(insecure, 'b', prefixed('SSECustomer', to)), secret)
      await assert.rejects(readFrom(insecure, 'b', prefixed('SSECustomer', from)))
      await assert.rejects(copy(insecure, 'a', 'c', directive), answered(400))
    })

    it(`${what}: ExpectedSourceBucketOwner and RequestPayer go with every request for the source`, async () => {
      await put(client, 'a', secret)
      w.s3.requests.length = 0
      await copy(client, 'a', 'b', {
        ...directive,
        ExpectedSourceBucketOwner: '123456789012',
        RequestPayer: 'requester',
      })
      for (const { headers, operation } of w.s3.requests) {
        const name = operation === 'CopyObject' ? 'x-amz-source-expected-bucket-owner' : 'x-amz-expected-bucket-owner'
        assert.equal(headers[name], '123456789012', operation)
        assert.equal(headers['x-amz-request-payer'], 'requester', operation)
      }
      await assert.rejects(
        copy(client, 'a', 'c', { ...directive, ExpectedSourceBucketOwner: '999999999999' }),
        answered(403),
      )
      // The owner of the destination's bucket is nothing to the source.
      await assert.rejects(copy(client, 'a', 'c', { ...directive, ExpectedBucketOwner: '999999999999' }), answered(403))
    })
  }
})

describe('CopyObject of what is not encrypted, or damaged', bounded, () => {
  it('plain objects', async () => {
    await put(w.plain, 'p', 'plain', { Metadata: { own: 'x' } })
    await copy(client, 'p', 'q')
    assert.equal(await readFrom(w.plain, 'q'), 'plain')
    const output = await copy(client, 'p', 'q', { ...REPLACE, Metadata: { new: 'y' } })
    assert.equal(encryptionInfo(output), undefined)
    assert.deepEqual(await storedMetadata(w, 'q'), { new: 'y' })
    assert.equal(await readFrom(w.plain, 'q'), 'plain')
  })

  it('a damaged envelope: COPY is as good as the original, REPLACE is refused', async () => {
    await put(client, 'd', secret)
    await w.s3.tamper(Bucket, 'd', ({ metadata }) => {
      delete metadata['x-amz-w']
      return { metadata }
    })
    await copy(client, 'd', 'e')
    assert.deepEqual(await storedMetadata(w, 'e'), await storedMetadata(w, 'd'))
    await assert.rejects(copy(client, 'd', 'f', REPLACE), code('ERR_S3CSE_ENVELOPE_INVALID'))
    assert.equal(await exists(w, 'f'), false)
  })

  it('HeadObject fails: nothing is copied', async () => {
    await put(client, 'a', secret)
    const once = w.once()
    w.fail('HeadObject', 'a', { status: 500 })
    await assert.rejects(copy(once, 'a', 'g', REPLACE), answered(500))
    assert.deepEqual(w.sent('CopyObject'), [])
  })

  it('HeadObject is denied: what S3 says of the copy is the answer, and nothing is copied', async () => {
    await put(client, 'a', secret)
    w.fail('HeadObject', 'a', { status: 403 })
    w.fail('CopyObject', 'g', { status: 403, code: 'AccessDenied' })
    await assert.rejects(copy(client, 'a', 'g', REPLACE), { name: 'AccessDenied' })
    for (const more of [REPLACE, {}]) {
      w.fail('HeadObject', 'a', { status: 403, times: 5 })
      await assert.rejects(copy(client, 'a', 'g', more), answered(412))
      w.s3.faults.length = 0
    }
    assert.equal(await exists(w, 'g'), false)
  })

  it('a source in another region: says so', async () => {
    await put(client, 'a', secret)
    for (const more of [REPLACE, {}]) {
      w.fail('HeadObject', 'a', { status: 301 })
      await assert.rejects(copy(client, 'a', 'g', more), code('ERR_S3CSE_UNSUPPORTED_COMMAND', /followRegionRedirects/))
    }
    assert.equal(await exists(w, 'g'), false)
  })

  it('an aborted request sends no copy', async () => {
    await put(client, 'a', secret)
    w.s3.requests.length = 0
    const abort = new AbortController()
    const unhook = w.s3.onRequest(() => abort.abort())
    await assert.rejects(
      client.send(new CopyObjectCommand({ Bucket, Key: 'h', CopySource: sourceOf('a'), ...REPLACE }), {
        abortSignal: abort.signal,
      }),
      { name: 'AbortError' },
    )
    unhook()
    assert.deepEqual(w.sent('CopyObject'), [])
  })
})

describe('CopyObject, versions', bounded, () => {
  const versioned = 'versioned'
  it('an old version, to another key and onto itself', async () => {
    const v = await copyWorld({ buckets: [versioned] })
    await v.versioning(versioned)
    const one = v.client()
    const store = (Body: string) => one.send(new PutObjectCommand({ Bucket: versioned, Key: 'a', Body }))
    const first = await store('first')
    await store('second')
    const CopySource = sourceOf('a', { bucket: versioned, versionId: first.VersionId! })
    for (const more of [{}, { ...REPLACE, Metadata: { own: 'x' } }]) {
      const output = await copy(one, '', 'b', { Bucket: versioned, CopySource, ...more })
      assert.equal(output.CopySourceVersionId, first.VersionId)
      assert.equal(await readFrom(one, 'b', { Bucket: versioned }), 'first')
    }
    await copy(one, '', 'a', { Bucket: versioned, CopySource, ...REPLACE })
    assert.equal(await readFrom(one, 'a', { Bucket: versioned }), 'first')
    await assert.rejects(
      copy(one, '', 'b', { Bucket: versioned, CopySource: `${versioned}/a?versionId=no-such-version`, ...REPLACE }),
    )
  })
})

it('a client without encryption is not changed', async () => {
  const plain: S3Client = w.plain
  await put(plain, 'u', 'plain')
  w.s3.requests.length = 0
  await copy(plain, 'u', 'v')
  assert.deepEqual(w.log(), ['CopyObject v'])
})
