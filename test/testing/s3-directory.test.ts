import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'

import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  CreateSessionCommand,
  DeleteObjectCommand,
  GetBucketVersioningCommand,
  GetObjectCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  ListBucketsCommand,
  ListObjectsCommand,
  ListObjectsV2Command,
  PutBucketVersioningCommand,
  PutObjectCommand,
  RenameObjectCommand,
  S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import { getSignedUrl } from '@aws-sdk/s3-request-presigner'
import { createHash } from 'node:crypto'
import { startS3, type S3Server } from 's3-cse/testing'
import { rawExpress } from './s3-express-raw.js'

const Bucket = 'files--use1-az4--x-s3'
const second = 'more--use1-az4--x-s3'

const s3 = await startS3({ buckets: [Bucket, second, 'general'] })
const client = new S3Client({ ...s3.clientConfig, maxAttempts: 1 })
after(async () => {
  client.destroy()
  await s3.close()
})

const named = (name: string) => (error: unknown) => {
  assert.equal((error as Error).name, name, String(error))
  return true
}
const put = (Key: string, Body = 'text', more: object = {}) =>
  client.send(new PutObjectCommand({ Bucket, Key, Body, ...more }))
const text = async (Key: string, from: S3Client = client) =>
  (await from.send(new GetObjectCommand({ Bucket, Key }))).Body?.transformToString()

async function session(of: S3Server = s3, more: object = {}) {
  const { Credentials } = await client.send(new CreateSessionCommand({ Bucket, ...more }))
  assert.ok(Credentials !== undefined && of === s3)
  return Credentials
}

describe('sessions of directory buckets', () => {
  it('the SDK makes one and uses it for all requests of a bucket', async () => {
    const own = new S3Client({ ...s3.clientConfig, maxAttempts: 1 })
    s3.requests.length = 0
    await own.send(new PutObjectCommand({ Bucket, Key: 'a/b', Body: 'text', Metadata: { a: 'b' } }))
    assert.equal(await text('a/b', own), 'text')
    const listed = await own.send(new ListObjectsV2Command({ Bucket, Prefix: 'a/' }))
    assert.deepEqual(
      listed.Contents?.map(({ Key, StorageClass }) => [Key, StorageClass]),
      [['a/b', 'EXPRESS_ONEZONE']],
    )
    assert.deepEqual(
      s3.requests.map(({ operation, key }) => [operation, key]),
      [
        ['CreateSession', undefined],
        ['PutObject', 'a/b'],
        ['GetObject', 'a/b'],
        ['ListObjectsV2', undefined],
      ],
    )
    own.destroy()
  })

  it('every bucket has its own', async () => {
    const { SessionToken, AccessKeyId, SecretAccessKey } = await session()
    const credentials = { accessKeyId: AccessKeyId!, secretAccessKey: SecretAccessKey! }
    await put('own')
    const with_ = (bucket: string, token = SessionToken) =>
      rawExpress(s3, { path: `/${bucket}/own`, ...credentials, ...(token === undefined ? {} : { token }) })
    assert.equal((await with_(Bucket)).status, 200)
    assert.equal((await with_(second)).code, 'InvalidToken')
    assert.equal((await with_(Bucket, 'made-up')).code, 'InvalidToken')
    // The token alone proves nothing: its secret must have signed.
    assert.equal(
      (await rawExpress(s3, { path: `/${Bucket}/own`, ...credentials, secretAccessKey: 'x', token: SessionToken! }))
        .code,
      'SignatureDoesNotMatch',
    )
    assert.equal(
      (await rawExpress(s3, { path: `/${Bucket}/own`, ...credentials, accessKeyId: 'x', token: SessionToken! })).code,
      'InvalidAccessKeyId',
    )
    // Nor may it be added to a request that was signed without it.
    assert.equal(
      (await rawExpress(s3, { path: `/${Bucket}/own`, ...credentials, token: SessionToken!, signsToken: false })).code,
      'AccessDenied',
    )
  })

  it('is for directory buckets, and service names must fit', async () => {
    const { SessionToken, AccessKeyId, SecretAccessKey } = await session()
    const own = { accessKeyId: AccessKeyId!, secretAccessKey: SecretAccessKey!, token: SessionToken! }
    assert.equal((await rawExpress(s3, { path: '/general/a', ...own, service: 's3' })).code, 'InvalidToken')
    for (const [service, status] of [
      ['s3express', 200],
      ['s3', 200],
      ['ec2', 400],
    ] as const) {
      assert.equal((await rawExpress(s3, { path: `/${Bucket}/own`, ...own, service })).status, status)
    }
    const head = { method: 'HEAD', path: `/${Bucket}` }
    assert.equal((await rawExpress(s3, head)).status, 200)
    assert.equal((await rawExpress(s3, { ...head, service: 's3' })).status, 400)
    assert.equal((await rawExpress(s3, { path: '/general/a' })).code, 'AuthorizationHeaderMalformed')
    await assert.rejects(client.send(new CreateSessionCommand({ Bucket: 'general' })), named('NotImplemented'))
    await assert.rejects(
      client.send(new CreateSessionCommand({ Bucket: 'none--use1-az4--x-s3' })),
      named('NoSuchBucket'),
    )
  })

  it('objects need one', async () => {
    const plain = new S3Client({ ...s3.clientConfig, maxAttempts: 1, disableS3ExpressSessionAuth: true })
    for (const command of [
      new PutObjectCommand({ Bucket, Key: 'a', Body: 'b' }),
      new GetObjectCommand({ Bucket, Key: 'a' }),
      new DeleteObjectCommand({ Bucket, Key: 'a' }),
    ]) {
      await assert.rejects(plain.send(command as never), named('AccessDenied'))
    }
    await plain.send(new HeadBucketCommand({ Bucket }))
    plain.destroy()
  })

  it('copies must come without one', async () => {
    await put('from', 'copied')
    s3.requests.length = 0
    await client.send(new CopyObjectCommand({ Bucket, Key: 'to', CopySource: `${Bucket}/from` }))
    assert.equal(s3.requests[0]?.headers['x-amz-s3session-token'], undefined)
    assert.equal(await text('to'), 'copied')
    const { SessionToken, AccessKeyId, SecretAccessKey } = await session()
    const answer = await rawExpress(s3, {
      method: 'PUT',
      path: `/${Bucket}/to`,
      headers: { 'x-amz-copy-source': `${Bucket}/from` },
      accessKeyId: AccessKeyId!,
      secretAccessKey: SecretAccessKey!,
      token: SessionToken!,
    })
    assert.equal(answer.code, 'AccessDenied')
  })

  it('ends', async (t) => {
    const short = await startS3({ buckets: [Bucket], sessionSeconds: 0 })
    const own = new S3Client({ ...short.clientConfig, maxAttempts: 1 })
    t.after(async () => {
      own.destroy()
      await short.close()
    })
    await assert.rejects(own.send(new PutObjectCommand({ Bucket, Key: 'a', Body: 'b' })), named('ExpiredToken'))
    const { Expiration } = await session()
    const left = Expiration!.getTime() - Date.now()
    assert.ok(left > 200_000 && left <= 300_000)
  })

  it('ReadOnly sessions read', async () => {
    await put('read')
    const { SessionToken, AccessKeyId, SecretAccessKey } = await session(s3, { SessionMode: 'ReadOnly' })
    const own = { accessKeyId: AccessKeyId!, secretAccessKey: SecretAccessKey!, token: SessionToken! }
    assert.equal((await rawExpress(s3, { path: `/${Bucket}/read`, ...own })).status, 200)
    assert.equal((await rawExpress(s3, { method: 'DELETE', path: `/${Bucket}/read`, ...own })).code, 'AccessDenied')
    assert.equal(await text('read'), 'text')
    await assert.rejects(session(s3, { SessionMode: 'Write' }), named('InvalidArgument'))
  })

  it('presigned', async () => {
    await put('presigned')
    const url = await getSignedUrl(client, new GetObjectCommand({ Bucket, Key: 'presigned' }))
    assert.match(url, /X-Amz-S3session-Token/i)
    assert.equal(await (await fetch(url)).text(), 'text')
    assert.equal((await fetch(url.replace(/(session-Token=)[^&]*/i, '$1x'))).status, 400)
  })
})

describe('objects of directory buckets', () => {
  it('have ETags that are no MD5, and their storage class', async () => {
    const md5 = `"${createHash('md5').update('text').digest('hex')}"`
    const first = await put('etag')
    const again = await put('etag')
    assert.notEqual(first.ETag, md5)
    assert.notEqual(first.ETag, again.ETag)
    const head = await client.send(new HeadObjectCommand({ Bucket, Key: 'etag' }))
    assert.deepEqual([head.StorageClass, head.ETag, head.VersionId], ['EXPRESS_ONEZONE', again.ETag, undefined])
    await put('etag', 'text', { IfMatch: again.ETag })
    await assert.rejects(put('etag', 'text', { IfMatch: again.ETag }), named('PreconditionFailed'))
    await assert.rejects(put('etag', 'text', { IfNoneMatch: '*' }), named('PreconditionFailed'))
    const general = { Bucket: 'general', Key: 'a', Body: 'b', StorageClass: 'EXPRESS_ONEZONE' } as const
    await assert.rejects(client.send(new PutObjectCommand(general)), named('InvalidStorageClass'))
    await client.send(new CopyObjectCommand({ Bucket: 'general', Key: 'a', CopySource: `${Bucket}/etag` }))
    const copy = await client.send(new HeadObjectCommand({ Bucket: 'general', Key: 'a' }))
    assert.deepEqual([copy.StorageClass, copy.ETag], [undefined, md5])
  })

  it('have no versions, tags, ACLs, locks, customer keys or other storage classes', async () => {
    const refused: [() => Promise<unknown>, string][] = [
      [() => client.send(new GetBucketVersioningCommand({ Bucket })), 'NotImplemented'],
      [
        () => client.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration: { Status: 'Enabled' } })),
        'NotImplemented',
      ],
      [() => client.send(new ListObjectsCommand({ Bucket })), 'NotImplemented'],
      [() => client.send(new ListObjectsV2Command({ Bucket, Prefix: 'a' })), 'InvalidArgument'],
      [() => client.send(new ListObjectsV2Command({ Bucket, Delimiter: '-' })), 'InvalidArgument'],
      [() => client.send(new ListObjectsV2Command({ Bucket, StartAfter: 'a' })), 'NotImplemented'],
      [() => client.send(new GetObjectCommand({ Bucket, Key: 'etag', VersionId: 'x'.repeat(32) })), 'InvalidArgument'],
      [() => put('t', 'b', { Tagging: 'a=b' }), 'NotImplemented'],
      [() => put('t', 'b', { ACL: 'public-read' }), 'NotImplemented'],
      [() => put('t', 'b', { ObjectLockLegalHoldStatus: 'ON' }), 'NotImplemented'],
      [() => put('t', 'b', { StorageClass: 'STANDARD' }), 'InvalidStorageClass'],
    ]
    for (const [work, name] of refused) await assert.rejects(work, named(name))
    assert.ok(!s3.keys(Bucket).includes('t'))
  })

  it('complete with consecutive part numbers only', async () => {
    const make = async (numbers: readonly number[]) => {
      const { UploadId } = await client.send(new CreateMultipartUploadCommand({ Bucket, Key: 'parts' }))
      const Parts = []
      for (const PartNumber of numbers) {
        const Body = Buffer.alloc(5 * 1024 * 1024, PartNumber)
        const { ETag } = await client.send(new UploadPartCommand({ Bucket, Key: 'parts', UploadId, PartNumber, Body }))
        Parts.push({ PartNumber, ETag })
      }
      const upload = { Bucket, Key: 'parts', UploadId }
      return { upload, complete: new CompleteMultipartUploadCommand({ ...upload, MultipartUpload: { Parts } }) }
    }
    const gap = await make([1, 3])
    await assert.rejects(client.send(gap.complete), named('InvalidPartOrder'))
    await client.send(new AbortMultipartUploadCommand(gap.upload))
    await client.send((await make([1, 2])).complete)
    const head = await client.send(new HeadObjectCommand({ Bucket, Key: 'parts' }))
    assert.equal(head.ContentLength, 10 * 1024 * 1024)
  })

  it('are deleted under conditions that other buckets do not have', async () => {
    await put('conditions', 'four')
    const { LastModified } = await client.send(new HeadObjectCommand({ Bucket, Key: 'conditions' }))
    const remove = (more: object, bucket = Bucket) =>
      client.send(new DeleteObjectCommand({ Bucket: bucket, Key: 'conditions', ...more }))
    const other = new Date(LastModified!.getTime() - 1000)
    await assert.rejects(remove({ IfMatchSize: 5 }), named('PreconditionFailed'))
    await assert.rejects(remove({ IfMatchLastModifiedTime: other }), named('PreconditionFailed'))
    await assert.rejects(remove({ IfMatchSize: 4, IfMatch: '"other"' }), named('PreconditionFailed'))
    await assert.rejects(remove({ IfMatchSize: 4 }, 'general'), named('NotImplemented'))
    assert.ok(s3.keys(Bucket).includes('conditions'))
    await remove({ IfMatchSize: 4, IfMatchLastModifiedTime: LastModified })
    assert.ok(!s3.keys(Bucket).includes('conditions'))
    await assert.rejects(remove({ IfMatchSize: 4 }), named('NoSuchKey'))
  })
})

describe('RenameObject', () => {
  const rename = (RenameSource: string, Key: string, more: object = {}, bucket = Bucket) =>
    client.send(new RenameObjectCommand({ Bucket: bucket, Key, RenameSource, ...more }))

  it('moves an object with everything that belongs to it', async () => {
    const { ETag } = await put('old name', 'moved', { Metadata: { a: 'b' }, ContentType: 'text/x' })
    await put('new', 'replaced')
    const before = await client.send(new HeadObjectCommand({ Bucket, Key: 'old name' }))
    await rename(`${Bucket}/old%20name`, 'new')
    assert.ok(!s3.keys(Bucket).includes('old name'))
    const head = await client.send(new HeadObjectCommand({ Bucket, Key: 'new' }))
    const kept = [head.ETag, head.Metadata, head.ContentType, head.LastModified]
    assert.deepEqual(kept, [ETag, { a: 'b' }, 'text/x', before.LastModified])
    assert.equal(await text('new'), 'moved')
    await rename('new', 'newer')
    await rename(`/${Bucket}/newer`, 'newest')
    assert.equal(await text('newest'), 'moved')
  })

  it('keeps to its conditions', async () => {
    const { ETag: source } = await put('s', 'source')
    const { ETag: target } = await put('d', 'target')
    const past = new Date(Date.now() - 86_400_000)
    for (const condition of [
      { SourceIfMatch: target },
      { SourceIfNoneMatch: source },
      { SourceIfUnmodifiedSince: past },
      { DestinationIfMatch: source },
      { DestinationIfNoneMatch: '*' },
      { DestinationIfUnmodifiedSince: past },
    ]) {
      await assert.rejects(rename('s', 'd', condition), named('PreconditionFailed'), JSON.stringify(condition))
    }
    assert.deepEqual([await text('s'), await text('d')], ['source', 'target'])
    await rename('s', 'd', { SourceIfMatch: source, DestinationIfMatch: target, SourceIfModifiedSince: past })
    assert.equal(await text('d'), 'source')
    await rename('d', 'e', { DestinationIfNoneMatch: '*' })
    await assert.rejects(rename('e', 'absent', { DestinationIfMatch: source }), named('NoSuchKey'))
  })

  it('refuses what cannot be renamed', async () => {
    await put('self')
    await assert.rejects(rename('self', 'self'), named('InvalidRequest'))
    await assert.rejects(rename('self', 'folder/'), named('InvalidRequest'))
    await assert.rejects(rename('nothing', 'x'), named('NoSuchKey'))
    await assert.rejects(rename(`${Bucket}/`, 'x'), named('InvalidArgument'))
    await s3.put('general', 'a', { body: 'a' })
    await assert.rejects(rename('a', 'b', {}, 'general'), named('NotImplemented'))
  })

  it('is answered again under the same client token', async () => {
    await put('once')
    await rename('once', 'twice', { ClientToken: 't' })
    await rename('once', 'twice', { ClientToken: 't' })
    await assert.rejects(rename('twice', 'once', { ClientToken: 't' }), named('IdempotentParameterMismatch'))
    await assert.rejects(rename('once', 'twice', { ClientToken: 'u' }), named('NoSuchKey'))
  })
})

describe('directory buckets themselves', () => {
  it('are made with their type, and are not among the others', async () => {
    const made = 'made--use1-az4--x-s3'
    const CreateBucketConfiguration = {
      Location: { Type: 'AvailabilityZone', Name: 'use1-az4' },
      Bucket: { Type: 'Directory', DataRedundancy: 'SingleAvailabilityZone' },
    } as const
    // (Under an endpoint of its own the SDK would ask for a session of the bucket that is not there yet.)
    const plain = new S3Client({ ...s3.clientConfig, maxAttempts: 1, disableS3ExpressSessionAuth: true })
    await plain.send(new CreateBucketCommand({ Bucket: made, CreateBucketConfiguration }))
    await client.send(new PutObjectCommand({ Bucket: made, Key: 'a', Body: 'b' }))
    assert.deepEqual(s3.keys(made), ['a'])
    await assert.rejects(plain.send(new CreateBucketCommand({ Bucket: second })), named('InvalidRequest'))
    await assert.rejects(
      client.send(new CreateBucketCommand({ Bucket: 'another', CreateBucketConfiguration })),
      named('InvalidRequest'),
    )
    const { Buckets } = await client.send(new ListBucketsCommand({}))
    assert.deepEqual(
      Buckets?.map(({ Name }) => Name),
      ['general'],
    )
    await assert.rejects(startS3({ buckets: ['no-zone--x-s3'] }), TypeError)
    plain.destroy()
  })
})
