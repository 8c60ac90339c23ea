import assert from 'node:assert/strict'
import test from 'node:test'
import {
  CopyObjectCommand,
  CreateBucketCommand,
  GetObjectAclCommand,
  PutObjectAclCommand,
  PutObjectCommand,
  S3Client,
  type AccessControlPolicy,
  type PutObjectAclCommandInput,
  type PutObjectCommandInput,
} from '@aws-sdk/client-s3'
import { startS3, type S3Server } from 's3-cse/testing'
import { begin, Bucket, rejects } from './s3-multipart-support.js'
import { send } from './s3-raw.js'

const s3: S3Server = await startS3({ buckets: [Bucket] })
const client = new S3Client(s3.clientConfig)
test.after(async () => {
  client.destroy()
  await s3.close()
})
const ID = '123456789012'
const other = 'ab'.repeat(32)
const everybody = 'http://acs.amazonaws.com/groups/global/AllUsers'
const owner = { Grantee: { ID, Type: 'CanonicalUser' as const }, Permission: 'FULL_CONTROL' as const }
const group = { Grantee: { URI: everybody, Type: 'Group' as const }, Permission: 'READ' as const }
const put = (Key: string, more: Partial<PutObjectCommandInput> = {}) =>
  client.send(new PutObjectCommand({ Bucket, Key, Body: 'x', ...more }))
const grants = async (Key: string, bucket = Bucket) => {
  const { Owner, Grants } = await client.send(new GetObjectAclCommand({ Bucket: bucket, Key }))
  assert.equal(Owner?.ID, ID)
  return Grants
}
const setAcl = (more: Partial<PutObjectAclCommandInput>, Key = 'a') =>
  client.send(new PutObjectAclCommand({ Bucket, Key, ...more }))

test('an object is private, or what its upload says', async () => {
  await put('a')
  assert.deepEqual(await grants('a'), [owner])
  await put('a', { ACL: 'public-read' })
  assert.deepEqual(await grants('a'), [owner, group])
  await put('a', { ACL: 'bucket-owner-full-control' })
  assert.deepEqual(await grants('a'), [owner])
  await put('a', { GrantRead: `uri="${everybody}", id=${other}`, GrantFullControl: `id="${ID}"` })
  assert.deepEqual(await grants('a'), [
    owner,
    group,
    { Grantee: { ID: other, Type: 'CanonicalUser' }, Permission: 'READ' },
  ])
  assert.deepEqual((await s3.object(Bucket, 'a'))?.grants[1], { grantee: everybody, permission: 'READ' })
  const upload = await begin(client, 'm', { ACL: 'public-read' })
  const { ETag } = await upload.part(1, 'x')
  await upload.complete([{ PartNumber: 1, ETag: ETag! }])
  assert.deepEqual(await grants('m'), [owner, group])
  await rejects(put('b', { ACL: 'public-read', GrantRead: `id=${other}` }), 'InvalidRequest', 400)
  await rejects(put('b', { ACL: 'nope' as 'private' }), 'InvalidArgument', 400)
  await rejects(put('b', { GrantRead: 'somebody' }), 'InvalidArgument', 400)
  await rejects(put('b', { GrantRead: 'uri="http://example.com/"' }), 'InvalidArgument', 400)
  await rejects(put('b', { GrantRead: 'emailAddress="a@example.com"' }), 'UnresolvableGrantByEmailAddress', 400)
  assert.equal(s3.keys(Bucket).includes('b'), false)
})

test('it is changed without a new object', async () => {
  await put('a')
  const before = await s3.object(Bucket, 'a')
  await setAcl({ ACL: 'public-read' })
  assert.deepEqual(await grants('a'), [owner, group])
  await setAcl({ GrantWriteACP: `id=${other}` })
  assert.deepEqual(await grants('a'), [{ Grantee: { ID: other, Type: 'CanonicalUser' }, Permission: 'WRITE_ACP' }])
  const AccessControlPolicy: AccessControlPolicy = { Owner: { ID }, Grants: [group, owner] }
  await setAcl({ AccessControlPolicy })
  assert.deepEqual(await grants('a'), [group, owner])
  await setAcl({ ACL: 'private' })
  assert.deepEqual(await s3.object(Bucket, 'a'), before)
  await rejects(setAcl({}), 'MissingSecurityHeader', 400)
  await rejects(setAcl({ ACL: 'private', AccessControlPolicy }), 'UnexpectedContent', 400)
  await rejects(setAcl({ AccessControlPolicy: { ...AccessControlPolicy, Owner: { ID: other } } }), 'AccessDenied', 403)
  const bad = { Owner: { ID }, Grants: [{ ...group, Permission: 'ALL' as 'READ' }] }
  await rejects(setAcl({ AccessControlPolicy: bad }), 'MalformedACLError', 400)
  assert.equal((await send(s3, { method: 'PUT', path: '/bucket/a?acl', body: '<a/>' })).code, 'MalformedACLError')
  await rejects(setAcl({ ACL: 'private' }, 'none'), 'NoSuchKey', 404)
  await rejects(grants('none'), 'NoSuchKey', 404)
})

test('a copy has that of its request, never that of its source', async () => {
  await put('source', { ACL: 'public-read' })
  const copy = (Key: string, more: object = {}) =>
    client.send(new CopyObjectCommand({ Bucket, Key, CopySource: `${Bucket}/source`, ...more }))
  await copy('c')
  assert.deepEqual(await grants('c'), [owner])
  await copy('c', { ACL: 'public-read' })
  assert.deepEqual(await grants('c'), [owner, group])
  await copy('source', { MetadataDirective: 'REPLACE' })
  assert.deepEqual(await grants('source'), [owner])
})

test('a bucket may have no access control lists', async () => {
  const bucket = 'owner-enforced'
  await client.send(new CreateBucketCommand({ Bucket: bucket, ObjectOwnership: 'BucketOwnerEnforced' }))
  const store = (more: Partial<PutObjectCommandInput>) => put('a', { Bucket: bucket, ...more })
  await store({})
  await store({ ACL: 'bucket-owner-full-control' })
  assert.deepEqual(await grants('a', bucket), [owner])
  for (const more of [{ ACL: 'public-read' }, { ACL: 'private' }, { GrantRead: `id=${other}` }] as const) {
    await rejects(store(more), 'AccessControlListNotSupported', 400)
    await rejects(setAcl({ Bucket: bucket, ...more }), 'AccessControlListNotSupported', 400)
  }
  const AccessControlPolicy: AccessControlPolicy = { Owner: { ID }, Grants: [owner] }
  await rejects(setAcl({ Bucket: bucket, AccessControlPolicy }), 'AccessControlListNotSupported', 400)
})
