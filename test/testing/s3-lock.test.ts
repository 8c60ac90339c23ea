import assert from 'node:assert/strict'
import test from 'node:test'
import {
  CopyObjectCommand,
  CreateBucketCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  GetObjectLegalHoldCommand,
  GetObjectRetentionCommand,
  HeadObjectCommand,
  PutBucketVersioningCommand,
  PutObjectCommand,
  PutObjectLegalHoldCommand,
  PutObjectRetentionCommand,
  S3Client,
  type ObjectLockRetention,
  type PutObjectCommandInput,
} from '@aws-sdk/client-s3'
import { startS3, type S3Server } from 's3-cse/testing'
import { begin, rejects } from './s3-multipart-support.js'
import { send } from './s3-raw.js'

const Bucket = 'locked'
let time = new Date('2026-01-01T00:00:00Z')
const day = (days: number): Date => new Date(Date.UTC(2026, 0, 1 + days))
const s3: S3Server = await startS3({ buckets: ['bucket'], now: () => time })
const client = new S3Client(s3.clientConfig)
test.after(async () => {
  client.destroy()
  await s3.close()
})
await client.send(new CreateBucketCommand({ Bucket, ObjectLockEnabledForBucket: true }))

const put = (Key: string, more: Partial<PutObjectCommandInput> = {}) =>
  client.send(new PutObjectCommand({ Bucket, Key, Body: 'x', ...more }))
const retained = (days: number, ObjectLockMode: 'GOVERNANCE' | 'COMPLIANCE' = 'GOVERNANCE') => ({
  ObjectLockMode,
  ObjectLockRetainUntilDate: day(days),
})
const head = async (Key: string) => {
  const {
    ObjectLockMode: mode,
    ObjectLockRetainUntilDate: until,
    ObjectLockLegalHoldStatus: hold,
  } = await client.send(new HeadObjectCommand({ Bucket, Key }))
  return [mode, until, hold]
}
const remove = (Key: string, VersionId: string | undefined, BypassGovernanceRetention?: boolean) =>
  client.send(new DeleteObjectCommand({ Bucket, Key, VersionId, BypassGovernanceRetention }))
const retain = (Key: string, Retention: ObjectLockRetention, BypassGovernanceRetention?: boolean) =>
  client.send(new PutObjectRetentionCommand({ Bucket, Key, Retention, BypassGovernanceRetention }))
const hold = (Key: string, Status: 'ON' | 'OFF', bucket = Bucket) =>
  client.send(new PutObjectLegalHoldCommand({ Bucket: bucket, Key, LegalHold: { Status } }))

test('a bucket for locks is versioned for good; others have no locks', async () => {
  assert.notEqual((await put('a')).VersionId, undefined)
  const suspend = { Bucket, VersioningConfiguration: { Status: 'Suspended' } } as const
  await rejects(client.send(new PutBucketVersioningCommand(suspend)), 'InvalidBucketState', 409)
  await s3.put('bucket', 'a', { body: 'x' })
  const at = { Bucket: 'bucket', Key: 'a' }
  await rejects(put('a', { ...at, ...retained(1) }), 'InvalidRequest', 400)
  await rejects(put('a', { ...at, ObjectLockLegalHoldStatus: 'OFF' }), 'InvalidRequest', 400)
  await rejects(begin(client, 'a', retained(1)), 'InvalidRequest', 400)
  const copy = { ...at, CopySource: 'bucket/a', ...retained(1) }
  await rejects(client.send(new CopyObjectCommand(copy)), 'InvalidRequest', 400)
  await rejects(hold('a', 'ON', 'bucket'), 'InvalidRequest', 400)
  await rejects(client.send(new GetObjectRetentionCommand(at)), 'InvalidRequest', 400)
})

test('the headers of an upload lock it, and reads return them', async () => {
  await put('a', { ...retained(1), ObjectLockLegalHoldStatus: 'OFF' })
  assert.deepEqual(await head('a'), ['GOVERNANCE', day(1), 'OFF'])
  const got = await client.send(new GetObjectCommand({ Bucket, Key: 'a' }))
  await got.Body!.transformToString()
  assert.deepEqual(got.ObjectLockRetainUntilDate, day(1))
  assert.deepEqual((await s3.object(Bucket, 'a'))?.lock, { mode: 'GOVERNANCE', retainUntil: day(1), legalHold: 'OFF' })
  await rejects(put('b', retained(0)), 'InvalidArgument', 400)
  await rejects(put('b', { ObjectLockMode: 'GOVERNANCE' }), 'InvalidArgument', 400)
  await rejects(put('b', { ObjectLockRetainUntilDate: day(1) }), 'InvalidArgument', 400)
  await rejects(put('b', { ...retained(1), ObjectLockMode: 'NONE' as 'GOVERNANCE' }), 'InvalidArgument', 400)
  await rejects(put('b', { ObjectLockLegalHoldStatus: 'YES' as 'ON' }), 'InvalidArgument', 400)
  const headers = { 'x-amz-object-lock-legal-hold': 'ON' }
  const raw = await send(s3, { method: 'PUT', path: `/${Bucket}/b`, body: 'x', headers })
  assert.equal(raw.code, 'InvalidRequest', 'no checksum')
  assert.equal(s3.keys(Bucket).includes('b'), false)
})

test('a locked version cannot be deleted; a delete marker can be set on it', async () => {
  const { VersionId: governed } = await put('g', retained(1))
  const { VersionId: complied } = await put('c', retained(1, 'COMPLIANCE'))
  const { VersionId: held } = await put('h', { ObjectLockLegalHoldStatus: 'ON' })
  await rejects(remove('g', governed), 'AccessDenied', 403)
  for (const bypass of [false, true]) {
    await rejects(remove('c', complied, bypass), 'AccessDenied', 403)
    await rejects(remove('h', held, bypass), 'AccessDenied', 403)
  }
  const Objects = [
    { Key: 'g', VersionId: governed },
    { Key: 'c', VersionId: complied },
  ]
  const { Errors, Deleted } = await client.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects } }))
  assert.deepEqual([Errors?.map(({ Code }) => Code), Deleted], [['AccessDenied', 'AccessDenied'], undefined])
  const { DeleteMarker } = await remove('c', undefined)
  assert.equal(DeleteMarker, true)
  assert.equal((await s3.object(Bucket, 'c', complied))?.size, 1)
  await remove('g', governed, true)
  assert.equal(await s3.object(Bucket, 'g', governed), undefined)
  await hold('h', 'OFF')
  await remove('h', held)
  time = day(1)
  await remove('c', complied)
  assert.equal(await s3.object(Bucket, 'c', complied), undefined)
})

test('retention can be made stricter, and no weaker without a bypass', async () => {
  const { VersionId } = await put('r')
  const at = { Bucket, Key: 'r' }
  await rejects(client.send(new GetObjectRetentionCommand(at)), 'NoSuchObjectLockConfiguration', 404)
  await rejects(client.send(new GetObjectLegalHoldCommand(at)), 'NoSuchObjectLockConfiguration', 404)
  await hold('r', 'ON')
  await retain('r', { Mode: 'GOVERNANCE', RetainUntilDate: day(5) })
  assert.deepEqual((await client.send(new GetObjectRetentionCommand(at))).Retention, {
    Mode: 'GOVERNANCE',
    RetainUntilDate: day(5),
  })
  assert.deepEqual((await client.send(new GetObjectLegalHoldCommand(at))).LegalHold, { Status: 'ON' })
  assert.equal((await s3.object(Bucket, 'r'))?.versionId, VersionId)
  await retain('r', { Mode: 'GOVERNANCE', RetainUntilDate: day(6) })
  await rejects(retain('r', { Mode: 'GOVERNANCE', RetainUntilDate: day(5) }), 'AccessDenied', 403)
  await rejects(retain('r', {}), 'AccessDenied', 403)
  await retain('r', {}, true)
  assert.deepEqual(await head('r'), [undefined, undefined, 'ON'])
  await retain('r', { Mode: 'COMPLIANCE', RetainUntilDate: day(5) })
  for (const weaker of [{}, { Mode: 'GOVERNANCE', RetainUntilDate: day(6) }] as const) {
    await rejects(retain('r', weaker, true), 'AccessDenied', 403)
  }
  await rejects(retain('r', { Mode: 'COMPLIANCE', RetainUntilDate: day(1) }), 'InvalidArgument', 400)
  await rejects(retain('r', { Mode: 'COMPLIANCE' }), 'MalformedXML', 400)
  await rejects(hold('r', 'MAYBE' as 'ON'), 'MalformedXML', 400)
  assert.deepEqual(await head('r'), ['COMPLIANCE', day(5), 'ON'])
})

test('a copy is locked by its request, never by its source', async () => {
  await put('source', { ...retained(9), ObjectLockLegalHoldStatus: 'ON' })
  const copy = (more: object = {}) =>
    client.send(new CopyObjectCommand({ Bucket, Key: 'copy', CopySource: `${Bucket}/source`, ...more }))
  await copy()
  assert.deepEqual(await head('copy'), [undefined, undefined, undefined])
  await copy(retained(8, 'COMPLIANCE'))
  assert.deepEqual(await head('copy'), ['COMPLIANCE', day(8), undefined])
})

test('multipart uploads are locked by their beginning', async () => {
  const upload = await begin(client, 'm', { Bucket, ...retained(9) })
  const { ETag } = await upload.part(1, 'x', { Bucket })
  await upload.complete([{ PartNumber: 1, ETag: ETag! }], { Bucket })
  assert.deepEqual(await head('m'), ['GOVERNANCE', day(9), undefined])
})
