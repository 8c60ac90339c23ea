/** Buckets that are named in the host, and access points. */
import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'

import {
  CopyObjectCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  UploadPartCopyCommand,
} from '@aws-sdk/client-s3'
import { Upload } from '@aws-sdk/lib-storage'

import { download } from '../../src/index.js'
import { code } from '../support/errors.js'
import { pattern, world } from '../support/world.js'

const directory = 'files--use1-az4--x-s3'
const w = await world({ buckets: ['bucket', 'other', directory], accessPoints: { point: 'bucket' } })
const arn = 'arn:aws:s3:us-east-1:111122223333:accesspoint/point'
const MIB = 1024 * 1024
const folder = await mkdtemp(join(tmpdir(), 's3-cse-test-'))
after(() => rm(folder, { recursive: true }))

const client = w.client({}, w.s3.virtualHostConfig())
const pathStyle = w.client()

const names: readonly (readonly [what: string, Bucket: string, stored: string])[] = [
  ['virtual-hosted style', 'bucket', 'bucket'],
  ['an access point ARN', arn, 'bucket'],
  ['a directory bucket, virtual-hosted', directory, directory],
]
for (const [what, Bucket, place] of names) {
  const read = async (Key: string, more: object = {}, from = client) => {
    const { Body } = await from.send(new GetObjectCommand({ Bucket, Key, ...more }))
    return Buffer.from((await Body?.transformToByteArray()) ?? [])
  }

  describe(what, () => {
    it('put, head, get, list, delete', async () => {
      const plaintext = pattern(100_000)
      const Key = 'list/ä b/c+d'
      await client.send(new PutObjectCommand({ Bucket, Key, Body: plaintext, Metadata: { own: 'value' } }))
      const object = await w.s3.object(place, Key)
      assert.equal(object?.size, 100_016)
      assert.ok(!Buffer.from(object.body).includes(plaintext.subarray(0, 32)))
      const host = w.s3.requests.at(-1)?.headers.host ?? ''
      assert.match(host, Bucket === arn ? /^point-111122223333\.s3\.localhost:/ : new RegExp(`^${Bucket}\\.s3\\.`))
      const head = await client.send(new HeadObjectCommand({ Bucket, Key }))
      assert.deepEqual([head.ContentLength, head.Metadata], [100_000, { own: 'value' }])
      assert.deepEqual(await read(Key), plaintext)
      const listed = await client.send(new ListObjectsV2Command({ Bucket, Prefix: 'list/' }))
      assert.deepEqual(
        listed.Contents?.map((one) => one.Key),
        [Key],
      )
      // The same object through another name of its bucket.
      const same = await pathStyle.send(new GetObjectCommand({ Bucket: place, Key }))
      assert.deepEqual(Buffer.from((await same.Body?.transformToByteArray()) ?? []), plaintext)
      await client.send(new DeleteObjectCommand({ Bucket, Key }))
      await assert.rejects(read(Key), { name: 'NoSuchKey' })
    })

    it('Upload and download', async () => {
      const plaintext = pattern(12 * MIB)
      await new Upload({ client, params: { Bucket, Key: 'upload', Body: plaintext } }).done()
      assert.equal((await w.s3.object(place, 'upload'))?.size, plaintext.length + 16)
      const file = join(folder, 'file')
      await download(client, { Bucket, Key: 'upload' }, file)
      assert.ok((await readFile(file)).equals(plaintext))
      await rm(file)
      const ranged = w.client({ rangeReads: 'unauthenticated' }, w.s3.virtualHostConfig())
      assert.deepEqual(await read('upload', { Range: 'bytes=7-70' }, ranged), plaintext.subarray(7, 71))
    })

    it('tampering, missing buckets, refusals', async () => {
      await client.send(new PutObjectCommand({ Bucket, Key: 'tampered', Body: 'plaintext' }))
      await w.s3.tamper(place, 'tampered', (object) => {
        object.body[0] = (object.body[0] ?? 0) ^ 1
        return undefined
      })
      await assert.rejects(read('tampered'), code('ERR_S3CSE_DECRYPTION_FAILED'))
      await w.s3.put(place, 'plain', { body: 'plain' })
      await assert.rejects(read('plain'), code('ERR_S3CSE_NOT_ENCRYPTED'))
      await assert.rejects(read('absent'), { name: 'NoSuchKey' })
      const part = { Bucket, Key: 'k', UploadId: 'u', PartNumber: 1, CopySource: 'bucket/upload' }
      await assert.rejects(client.send(new UploadPartCopyCommand(part)), code('ERR_S3CSE_UNSUPPORTED_COMMAND'))
    })
  })
}

describe('access points', () => {
  it('as the source of a copy', async () => {
    await client.send(new PutObjectCommand({ Bucket: arn, Key: 'dir/source', Body: 'copied' }))
    const copy = (CopySource: string) =>
      client.send(new CopyObjectCommand({ Bucket: 'other', Key: 'copy', CopySource }))
    await copy(`${arn}/object/dir/source`)
    const { Body } = await client.send(new GetObjectCommand({ Bucket: 'other', Key: 'copy' }))
    assert.equal(await Body?.transformToString(), 'copied')
    await assert.rejects(copy(`${arn}/object/absent`), { name: 'NoSuchKey' })
  })

  it('need a client that is not of path style', async () => {
    await assert.rejects(pathStyle.send(new PutObjectCommand({ Bucket: arn, Key: 'a', Body: 'b' })), /Path-style/)
    const unknown = arn.replace('/point', '/unknown')
    await assert.rejects(client.send(new PutObjectCommand({ Bucket: unknown, Key: 'a', Body: 'b' })), {
      name: 'NoSuchBucket',
    })
  })
})
