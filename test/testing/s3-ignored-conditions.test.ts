import assert from 'node:assert/strict'
import test from 'node:test'
import {
  CopyObjectCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  PutObjectCommand,
  S3Client,
  UploadPartCopyCommand,
} from '@aws-sdk/client-s3'
import { startS3, type S3Options } from 's3-cse/testing'
import { begin, Bucket, rejects } from './s3-multipart-support.js'

const wrong = '"00000000000000000000000000000000"'

/** Every conditional request with conditions that do not hold, by name; and a read. */
async function attempts(ignoreConditions?: S3Options['ignoreConditions']): Promise<Record<string, boolean>> {
  await using s3 = await startS3({ buckets: [Bucket], ...(ignoreConditions === undefined ? {} : { ignoreConditions }) })
  const client = new S3Client(s3.clientConfig)
  const at = { Bucket, Key: 'a' }
  await s3.put(Bucket, 'a', { body: 'x' })
  const CopySource = `${Bucket}/a`
  const complete = async (condition: object): Promise<void> => {
    const upload = await begin(client, 'a')
    const { ETag } = await upload.part(1, 'x')
    await upload.complete([{ PartNumber: 1, ETag: ETag! }], condition)
  }
  const upload = await begin(client, 'parts')
  const part = { Bucket, Key: 'parts', UploadId: upload.id, PartNumber: 1, CopySource, CopySourceIfMatch: wrong }
  const all: Record<string, () => Promise<unknown>> = {
    put: () => client.send(new PutObjectCommand({ ...at, Body: '', IfMatch: wrong })),
    putNew: () => client.send(new PutObjectCommand({ ...at, Body: '', IfNoneMatch: '*' })),
    copy: () => client.send(new CopyObjectCommand({ ...at, CopySource, MetadataDirective: 'REPLACE', IfMatch: wrong })),
    copyNew: () =>
      client.send(new CopyObjectCommand({ ...at, CopySource, StorageClass: 'STANDARD', IfNoneMatch: '*' })),
    complete: () => complete({ IfMatch: wrong }),
    completeNew: () => complete({ IfNoneMatch: '*' }),
    source: () => client.send(new CopyObjectCommand({ Bucket, Key: 'b', CopySource, CopySourceIfMatch: wrong })),
    sourcePart: () => client.send(new UploadPartCopyCommand(part)),
    get: () => client.send(new GetObjectCommand({ ...at, IfMatch: wrong })),
    deleteMany: async () => {
      const Objects = [{ Key: 'a', ETag: wrong }]
      const { Errors } = await client.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects } }))
      if (Errors !== undefined) throw new Error(Errors[0]?.Code)
      await s3.put(Bucket, 'a', { body: 'x' })
    },
    delete: () => client.send(new DeleteObjectCommand({ ...at, IfMatch: wrong })),
  }
  const done: Record<string, boolean> = {}
  for (const [name, attempt] of Object.entries(all)) {
    done[name] = await attempt().then(
      () => true,
      (error: unknown) => {
        assert.match(String(error), /PreconditionFailed/)
        return false
      },
    )
  }
  client.destroy()
  return done
}

const none = Object.fromEntries(
  'put putNew copy copyNew complete completeNew source sourcePart get deleteMany delete'
    .split(' ')
    .map((name) => [name, false]),
)
const copySource = { source: true, sourcePart: true }
const write = {
  ...{ put: true, putNew: true, copy: true, copyNew: true, complete: true, completeNew: true },
  ...{ deleteMany: true, delete: true },
}

test('conditions hold, unless the server is to ignore them', async () => {
  assert.deepEqual(await attempts(), none)
  assert.deepEqual(await attempts([]), none)
  assert.deepEqual(await attempts(['write']), { ...none, ...write })
  assert.deepEqual(await attempts(['copy-source']), { ...none, ...copySource })
  assert.deepEqual(await attempts(['write', 'copy-source']), { ...none, ...write, ...copySource })
})

test('what was ignored is seen in the requests', async () => {
  await using s3 = await startS3({ buckets: [Bucket], ignoreConditions: ['write'] })
  const client = new S3Client(s3.clientConfig)
  await client.send(new PutObjectCommand({ Bucket, Key: 'a', Body: '', IfMatch: wrong }))
  assert.equal(s3.requests[0]?.headers['if-match'], wrong)
  await rejects(client.send(new GetObjectCommand({ Bucket, Key: 'a', IfMatch: wrong })), 'PreconditionFailed', 412)
  client.destroy()
})
