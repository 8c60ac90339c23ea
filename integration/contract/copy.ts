import assert from 'node:assert/strict'
import { CopyObjectCommand, GetObjectCommand, HeadObjectCommand } from '@aws-sdk/client-s3'
import type { CopyObjectCommandOutput, S3Client } from '@aws-sdk/client-s3'
import { Upload } from '@aws-sdk/lib-storage'
import { bytesOf, code, exists, holds, MIB, put, read, s3Error } from './support-objects.js'
import type { At } from './support-objects.js'
import { check } from './support.js'
import type { Place } from './support.js'

const FORMATS = { V3: {}, V2: { commitmentPolicy: 'FORBID_ENCRYPT_ALLOW_DECRYPT' } } as const

const encoded = (key: string): string => key.split('/').map(encodeURIComponent).join('/')

function copy(client: S3Client, from: At, to: At, more: object = {}): Promise<CopyObjectCommandOutput> {
  return client.send(new CopyObjectCommand({ ...to, CopySource: `${from.Bucket}/${encoded(from.Key)}`, ...more }))
}

const two = (t: Place): [At, At] => [
  { Bucket: t.Bucket, Key: t.key('from ä') },
  { Bucket: t.Bucket, Key: t.key('to') },
]

for (const [format, options] of Object.entries(FORMATS)) {
  check(`copy, ${format}: everything is kept`, async (t) => {
    const client = t.client(options)
    const [from, to] = two(t)
    await put(client, from, bytesOf(1000), { Metadata: { own: 'value' }, ContentType: 'text/x-test' })
    await copy(client, from, to)
    for (const at of [from, to]) await holds(client, t.plain, at, bytesOf(1000))
    const output = await client.send(new HeadObjectCommand(to))
    assert.deepEqual(
      [output.Metadata, output.ContentType, output.ContentLength],
      [{ own: 'value' }, 'text/x-test', 1000],
    )
  })

  check(`copy, ${format}: REPLACE replaces the metadata, and keeps the envelope`, async (t) => {
    const client = t.client(options)
    const [from, to] = two(t)
    await put(client, from, bytesOf(1000), { Metadata: { own: 'value' }, ContentType: 'text/x-test' })
    const replaced = { MetadataDirective: 'REPLACE', Metadata: { other: 'one' }, ContentType: 'text/x-other' } as const
    await copy(client, from, to, replaced)
    await holds(client, t.plain, to, bytesOf(1000))
    const output = await client.send(new HeadObjectCommand(to))
    assert.deepEqual([output.Metadata, output.ContentType], [{ other: 'one' }, 'text/x-other'])
  })

  check(`copy, ${format}: onto itself with REPLACE`, async (t) => {
    const client = t.client(options)
    const [at] = two(t)
    await put(client, at, bytesOf(1000), { Metadata: { own: 'value' } })
    await copy(client, at, at, { MetadataDirective: 'REPLACE', Metadata: { other: 'one' } })
    await holds(client, t.plain, at, bytesOf(1000))
    assert.deepEqual((await client.send(new HeadObjectCommand(at))).Metadata, { other: 'one' })
  })
}

check('copy: onto itself without a change is refused by S3', async (t) => {
  const client = t.client()
  const [at] = two(t)
  await put(client, at, 'text')
  await assert.rejects(copy(client, at, at), s3Error(400, 'InvalidRequest'))
})

check('copy: of an object that was uploaded in parts', async (t) => {
  const client = t.client()
  const [from, to] = two(t)
  await new Upload({ client, params: { ...from, Body: bytesOf(11 * MIB) } }).done()
  await copy(client, from, to)
  await holds(client, t.plain, to, bytesOf(11 * MIB))
})

check('copy: by a client that has no encryption', async (t) => {
  const client = t.client()
  const [from, to] = two(t)
  await put(client, from, bytesOf(1000))
  await copy(t.plain, from, to)
  await holds(client, t.plain, to, bytesOf(1000))
})

check('copy: of a plain object, which stays plain', async (t) => {
  const client = t.client()
  const [from, to] = two(t)
  await put(t.plain, from, 'plain text')
  await copy(client, from, to)
  assert.equal((await read(t.plain, to)).toString(), 'plain text')
  await assert.rejects(read(client, to), code('ERR_S3CSE_NOT_ENCRYPTED'))
})

check('copy: conditions on the source', async (t) => {
  const client = t.client()
  const [from, to] = two(t)
  const { ETag } = await put(client, from, 'text')
  await assert.rejects(copy(client, from, to, { CopySourceIfMatch: '"other"' }), s3Error(412, 'PreconditionFailed'))
  await assert.rejects(copy(client, from, to, { CopySourceIfNoneMatch: ETag }), s3Error(412, 'PreconditionFailed'))
  assert.equal(await exists(t.plain, to), false)
  await copy(client, from, to, { CopySourceIfMatch: ETag })
  assert.equal((await read(client, to)).toString(), 'text')
})

check('copy: REPLACE with a condition on the source', async (t) => {
  const client = t.client()
  const [from, to] = two(t)
  const { ETag } = await put(client, from, 'text')
  const replace = { MetadataDirective: 'REPLACE', Metadata: { other: 'one' } } as const
  const refused = copy(client, from, to, { ...replace, CopySourceIfMatch: '"other"' })
  await assert.rejects(refused, s3Error(412, 'PreconditionFailed'))
  assert.equal(await exists(t.plain, to), false)
  await copy(client, from, to, { ...replace, CopySourceIfMatch: ETag })
  assert.equal((await read(client, to)).toString(), 'text')
})

check('copy: from a version', async (t) => {
  const client = t.client()
  const Bucket = await t.versionedBucket()
  const [from, to] = [
    { Bucket, Key: t.key() },
    { Bucket: t.Bucket, Key: t.key() },
  ] as const
  const { VersionId = '' } = await put(client, from, 'first')
  await put(client, from, 'second')
  const CopySource = `${Bucket}/${from.Key}?versionId=${VersionId}`
  for (const more of [{}, { MetadataDirective: 'REPLACE', Metadata: { other: 'one' } } as const]) {
    const output = await client.send(new CopyObjectCommand({ ...to, CopySource, ...more }))
    assert.equal(output.CopySourceVersionId, VersionId)
    assert.equal((await read(client, to)).toString(), 'first')
  }
})

check(
  'copy: an object that is bound to its place is bound to the new one',
  async (t) => {
    const keyring = await t.kmsKeyring()
    const [bound, loose] = [t.client({ keyring, bind: true }), t.client({ keyring })]
    const [from, to] = two(t)
    const moved = { Bucket: t.Bucket, Key: t.key('moved') }
    await put(bound, from, 'text', { Metadata: { own: 'value' } })
    await copy(bound, from, to)
    const output = await bound.send(new GetObjectCommand(to))
    assert.equal(await output.Body!.transformToString(), 'text')
    assert.deepEqual(output.Metadata, { own: 'value' })
    await copy(loose, from, moved)
    await assert.rejects(read(bound, moved), code('ERR_S3CSE_CONTEXT_MISMATCH'))
  },
  { uses: 'both' },
)
