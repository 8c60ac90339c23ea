// URLs of commands that an encrypting client handles: what is signed, and what is refused.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { KMSClient } from '@aws-sdk/client-kms'
import { CopyObjectCommand, DeleteObjectCommand, DeleteObjectsCommand, RenameObjectCommand } from '@aws-sdk/client-s3'
import type { S3Client } from '@aws-sdk/client-s3'
import { getSignedUrl } from '@aws-sdk/s3-request-presigner'

import { kmsKeyring } from '../../src/kms.js'
import { code } from '../support/errors.js'
import { Bucket, put } from '../support/world.js'
import { file, write } from './instruction-support.js'
import { copyWorld, exists, readFrom, sourceOf } from './copy-support.js'

const w = await copyWorld()
const client = w.client(write)
const kms = new KMSClient({ region: 'us-east-1', credentials: { accessKeyId: 'a', secretAccessKey: 'b' } })
const bound = w.client({ bind: true, keyring: kmsKeyring({ client: kms, keyId: 'alias/key' }) })
const refused = code('ERR_S3CSE_UNSUPPORTED_COMMAND', /presigned/)
const sign = (one: S3Client, command: object, options: object = {}): Promise<string> =>
  getSignedUrl(one as never, command as never, options)

async function fetched(url: string, method: string, headers: Record<string, string> = {}, body?: string) {
  const response = await fetch(url, { method, headers, ...(body === undefined ? {} : { body }) })
  return { status: response.status, text: await response.text() }
}

describe('presigned', () => {
  it('CopyObject works as it is, without a file', async () => {
    await put(w.client(), 'a', 'text')
    const headers = { 'x-amz-copy-source': sourceOf('a') }
    w.s3.requests.length = 0
    const command = new CopyObjectCommand({ Bucket, Key: 'b', CopySource: sourceOf('a') })
    const url = await sign(client, command, { unhoistableHeaders: new Set(['x-amz-copy-source']) })
    assert.equal(w.s3.requests.length, 0)
    assert.equal((await fetched(url, 'PUT', headers)).status, 200)
    assert.equal(await readFrom(client, 'b'), 'text')
  })

  it('CopyObject with REPLACE, or by a client that binds, is refused', async () => {
    const input = { Bucket, Key: 'b', CopySource: sourceOf('a') }
    const replacing = new CopyObjectCommand({ ...input, MetadataDirective: 'REPLACE' })
    for (const one of [client, bound]) await assert.rejects(sign(one, replacing), refused)
    await assert.rejects(sign(bound, new CopyObjectCommand(input)), refused)
  })

  it('DeleteObject and DeleteObjects work as they are: the file stays', async () => {
    await put(client, 'c', 'text')
    w.s3.requests.length = 0
    for (const one of [client, bound]) {
      assert.equal(
        (await fetched(await sign(one, new DeleteObjectCommand({ Bucket, Key: 'c' })), 'DELETE')).status,
        204,
      )
    }
    assert.deepEqual([await exists(w, 'c'), await exists(w, file('c'))], [false, true])
    assert.deepEqual(w.log(), ['DeleteObject c', 'DeleteObject c'])
    for (const one of [client, bound]) {
      const Delete = { Objects: [{ Key: 'c' }] }
      assert.match(await sign(one, new DeleteObjectsCommand({ Bucket, Delete })), /[?&]delete/)
    }
  })

  it('RenameObject is signed, but by a client that binds', async () => {
    const directory = 'files--use1-az4--x-s3'
    const command = () => new RenameObjectCommand({ Bucket: directory, Key: 'b', RenameSource: 'a' })
    w.s3.requests.length = 0
    const d = await copyWorld({ buckets: [directory] })
    assert.match(await sign(d.client(write), command()), /renameObject/)
    assert.ok(d.s3.requests.every(({ operation }) => operation === 'CreateSession'))
    await assert.rejects(sign(bound, command()), refused)
  })
})
