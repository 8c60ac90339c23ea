import assert from 'node:assert/strict'
import test from 'node:test'
import { ListObjectsCommand, ListObjectsV2Command, S3Client, type ListObjectsV2CommandInput } from '@aws-sdk/client-s3'
import { startS3, type S3Server } from 's3-cse/testing'

const Bucket = 'bucket'
const s3: S3Server = await startS3({ buckets: [Bucket] })
const client = new S3Client(s3.clientConfig)
const keys = ['a', 'b/1', 'b/2', 'b/c/3', 'd &<', 'e+f', 'g/', '\uffee', '😀']
for (const key of [...keys].reverse()) await s3.put(Bucket, key, { body: key })
test.after(async () => {
  client.destroy()
  await s3.close()
})

async function pages(input: Partial<ListObjectsV2CommandInput>): Promise<string[][]> {
  const result: string[][] = []
  let ContinuationToken: string | undefined
  do {
    const page = await client.send(new ListObjectsV2Command({ Bucket, ...input, ContinuationToken }))
    const items = [
      ...(page.Contents ?? []).map((one) => one.Key ?? ''),
      ...(page.CommonPrefixes ?? []).map((one) => `${one.Prefix ?? ''}…`),
    ]
    assert.equal(page.KeyCount, items.length)
    assert.equal(page.IsTruncated, page.NextContinuationToken !== undefined)
    result.push(items)
    ContinuationToken = page.NextContinuationToken
  } while (ContinuationToken !== undefined)
  return result
}

test('V2 lists in the order of UTF-8 bytes, with what each object is', async () => {
  assert.deepEqual(await pages({}), [keys])
  assert.deepEqual(s3.keys(Bucket), keys)
  const { Contents } = await client.send(new ListObjectsV2Command({ Bucket, Prefix: 'a' }))
  const stored = await s3.object(Bucket, 'a')
  assert.deepEqual(
    [Contents?.[0]?.Size, Contents?.[0]?.ETag, Contents?.[0]?.StorageClass, Contents?.[0]?.ChecksumAlgorithm],
    [1, stored?.etag, 'STANDARD', ['CRC64NVME']],
  )
})

test('V2 with prefix, delimiter, start-after and pages', async () => {
  assert.deepEqual(await pages({ Prefix: 'b/' }), [['b/1', 'b/2', 'b/c/3']])
  const top = ['a', 'd &<', 'e+f', '\uffee', '😀', 'b/…', 'g/…']
  assert.deepEqual(await pages({ Delimiter: '/' }), [top])
  assert.deepEqual(await pages({ Prefix: 'b/', Delimiter: '/' }), [['b/1', 'b/2', 'b/c/…']])
  assert.deepEqual(await pages({ StartAfter: 'b/2' }), [keys.slice(3)])
  assert.deepEqual(
    await pages({ MaxKeys: 2 }),
    [0, 2, 4, 6, 8].map((at) => keys.slice(at, at + 2)),
  )
  assert.deepEqual(await pages({ MaxKeys: 1, Delimiter: '/' }), [
    ['a'],
    ['b/…'],
    ['d &<'],
    ['e+f'],
    ['g/…'],
    ['\uffee'],
    ['😀'],
  ])
  assert.deepEqual(await pages({ MaxKeys: 0 }), [[]])
  assert.deepEqual(await pages({ Prefix: 'none' }), [[]])
})

test('V2 with encoding-type=url', async () => {
  const page = await client.send(new ListObjectsV2Command({ Bucket, EncodingType: 'url' }))
  assert.deepEqual(
    page.Contents?.map((one) => one.Key),
    keys.map((key) => encodeURIComponent(key).replaceAll('%2F', '/').replaceAll('%20', '+')),
  )
})

test('V1 lists with markers', async () => {
  const all = await client.send(new ListObjectsCommand({ Bucket }))
  assert.deepEqual(
    all.Contents?.map((one) => one.Key),
    keys,
  )
  const first = await client.send(new ListObjectsCommand({ Bucket, MaxKeys: 2, Delimiter: '/' }))
  assert.deepEqual([first.IsTruncated, first.NextMarker], [true, 'b/'])
  const second = await client.send(
    new ListObjectsCommand({ Bucket, MaxKeys: 2, Delimiter: '/', Marker: first.NextMarker }),
  )
  assert.deepEqual(
    second.Contents?.map((one) => one.Key),
    ['d &<', 'e+f'],
  )
  const plain = await client.send(new ListObjectsCommand({ Bucket, MaxKeys: 2 }))
  assert.deepEqual([plain.IsTruncated, plain.NextMarker], [true, undefined])
})

test('nonsense is InvalidArgument', async () => {
  const list = (more: object): Promise<unknown> => client.send(new ListObjectsV2Command({ Bucket, ...more }))
  await assert.rejects(list({ ContinuationToken: 'x' }), { name: 'InvalidArgument' })
  await assert.rejects(list({ MaxKeys: -1 }), { name: 'InvalidArgument' })
  await assert.rejects(list({ EncodingType: 'nope' }), { name: 'InvalidArgument' })
  await assert.rejects(list({ Bucket: 'none' }), { name: 'NoSuchBucket' })
})
