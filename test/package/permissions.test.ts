import { KMSClient } from '@aws-sdk/client-kms'
import {
  AbortMultipartUploadCommand,
  CopyObjectCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  ListObjectVersionsCommand,
  PutBucketVersioningCommand,
  PutObjectCommand,
} from '@aws-sdk/client-s3'
import type { S3Client } from '@aws-sdk/client-s3'
import { Upload } from '@aws-sdk/lib-storage'
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { after, before, describe, test } from 'node:test'

import {
  aesKeyring,
  cachingKeyring,
  download,
  exportUpload,
  importUpload,
  inspect,
  plaintextSizes,
  rearrange,
  reencrypt,
  reEncryptInstructionFile,
  requestOptions,
  rotateKey,
} from '../../src/index.js'
import type { EncryptionOptions } from '../../src/index.js'
import { crypt4gh, generateKeyPair, x25519Keyring } from '../../src/crypt4gh.js'
import { kmsKeyring } from '../../src/kms.js'
import { startKms } from '../../src/testing/index.js'
import { kmsActions, s3Actions } from '../support/iam.js'
import { remove, root, temporaryDirectory } from '../support/package.js'
import { Bucket, pattern, put, read, world } from '../support/world.js'

/** docs/permissions.md says what each operation needs; here each one is carried out, and what it sent is compared with that. */

const document = readFileSync(path.join(root, 'docs/permissions.md'), 'utf8')
const section = document.slice(document.indexOf('## Operations'), document.indexOf('## Policies'))
const rows = section
  .split('\n')
  .filter((line) => /^\| (?!operation|-)/.test(line))
  .map((line) => line.slice(1, -1).split('|'))
const told = new Map(
  rows.map(([operation, s3, kms]) => [
    operation!.trim().replaceAll('`', ''),
    { s3: actionsIn(s3!, 's3'), kms: actionsIn(kms!, 'kms') },
  ]),
)

function actionsIn(cell: string, service: string): string[] {
  return [...cell.matchAll(new RegExp(`\`(${service}:\\w+)\``, 'g'))].map(([, action]) => action!).sort()
}

// One time for everything, so that no second ends between an instruction file and its object.
const began = new Date()
const w = await world({ now: () => began })
const kms = await startKms()
const kmsClient = new KMSClient(kms.clientConfig)
const [oldArn, newArn] = [kms.createKey().arn, kms.createKey().arn]
const keyring = kmsKeyring({ client: kmsClient, keyId: oldArn })
const to = kmsKeyring({ client: kmsClient, keyId: newArn })
const client = (options: Partial<EncryptionOptions> = {}): S3Client => w.client({ keyring, ...options })
const [ada, ben] = [await generateKeyPair(), await generateKeyPair()]
/** A client of its own each: whether the server keeps conditions is tried once for each, also where a row is tried alone. */
const crypt4ghClient = (): S3Client => client({ keyring: x25519Keyring({ secretKey: ada }), format: crypt4gh() })
const forBen = x25519Keyring({ secretKey: ada, recipients: [ben.publicKey] })
const instructionFile = { write: true }
const VERSIONS = 'with-versions'
const PART = 1024 * 1024
let directory = ''

after(async () => {
  kmsClient.destroy()
  await Promise.all([kms.close(), remove(directory)])
})

before(async () => {
  directory = await temporaryDirectory()
  await w.plain.send(new CreateBucketCommand({ Bucket: VERSIONS }))
  const VersioningConfiguration = { Status: 'Enabled' as const }
  await w.plain.send(new PutBucketVersioningCommand({ Bucket: VERSIONS, VersioningConfiguration }))
  const writer = client()
  await put(writer, 'object', 'hello')
  await put(writer, 'tagged', 'hello', { Tagging: 'a=b' })
  await put(writer, 'range', pattern(2 * PART))
  await put(client({ bind: true }), 'bound', 'hello')
  await put(client({ instructionFile }), 'with-file', 'hello')
  for (const Key of ['object', 'range']) {
    await writer.send(new PutObjectCommand({ Bucket: VERSIONS, Key, Body: pattern(2 * PART) }))
  }
  const files = client({ instructionFile })
  for (const Body of ['hello', 'good-bye']) {
    await files.send(new PutObjectCommand({ Bucket: VERSIONS, Key: 'with-file', Body }))
  }
})

async function readAll(s3: S3Client, input: ConstructorParameters<typeof GetObjectCommand>[0]): Promise<void> {
  const { Body } = await s3.send(new GetObjectCommand(input))
  await Body!.transformToByteArray()
}

const versionOf = async (Key: string): Promise<string> =>
  (await w.plain.send(new HeadObjectCommand({ Bucket: VERSIONS, Key }))).VersionId!

/** What a row needs before its operation; what it returns is the operation. */
type Preparation = () => Promise<() => Promise<unknown>>
const at =
  (operation: () => Promise<unknown>): Preparation =>
  async () =>
    operation

const operations: Readonly<Record<string, Preparation>> = {
  PutObject: at(() => put(client(), 'new', 'hello')),
  'PutObject with Tagging': at(() => put(client(), 'new-tagged', 'hello', { Tagging: 'a=b' })),
  'PutObject with an instruction file, which is new': at(() => put(client({ instructionFile }), 'new-file', 'hello')),
  'PutObject with an instruction file, which is replaced': async () => {
    const s3 = client({ instructionFile: { write: true, overwrite: true } })
    await put(s3, 'replaced', 'hello')
    return () => put(s3, 'replaced', 'good-bye')
  },
  'PutObject with an instruction file, whose object S3 refuses': async () => {
    w.s3.fail({ match: ({ key, operation }) => operation === 'PutObject' && key === 'refused', status: 403 })
    return () => put(client({ instructionFile }), 'refused', 'hello').catch(() => undefined)
  },
  'PutObject with an instruction file, whose object S3 refuses, bucket with versions': async () => {
    w.s3.fail({ match: ({ key, operation }) => operation === 'PutObject' && key === 'refused', status: 403 })
    const command = new PutObjectCommand({ Bucket: VERSIONS, Key: 'refused', Body: 'hello' })
    return () =>
      client({ instructionFile })
        .send(command)
        .catch(() => undefined)
  },
  'Upload, multipart upload': at(async () => {
    const params = { Bucket, Key: 'upload', Body: pattern(6 * 1024 * 1024) }
    await new Upload({ client: client(), params }).done()
  }),
  'Upload with an instruction file, multipart upload': at(async () => {
    const params = { Bucket, Key: 'upload-file', Body: pattern(6 * 1024 * 1024) }
    await new Upload({ client: client({ instructionFile }), params }).done()
  }),
  'AbortMultipartUpload, Upload that fails': async () => {
    const s3 = client()
    const { UploadId } = await s3.send(new CreateMultipartUploadCommand({ Bucket, Key: 'aborted' }))
    return () => s3.send(new AbortMultipartUploadCommand({ Bucket, Key: 'aborted', UploadId }))
  },
  'CreateMultipartUpload with saveUpload': at(async () => {
    const input = requestOptions({ Bucket, Key: 'saved' }, { saveUpload: async () => undefined })
    await client().send(new CreateMultipartUploadCommand(input))
  }),
  'exportUpload and importUpload': async () => {
    const s3 = client()
    const { UploadId = '' } = await s3.send(new CreateMultipartUploadCommand({ Bucket, Key: 'exported' }))
    return async () => {
      const text = await exportUpload(s3, { Bucket, Key: 'exported', UploadId })
      await importUpload(client(), { Bucket, Key: 'exported' }, text)
    }
  },
  GetObject: at(() => read(client(), 'object')),
  'GetObject with VersionId': async () => {
    const VersionId = await versionOf('object')
    return () => readAll(client(), { Bucket: VERSIONS, Key: 'object', VersionId })
  },
  'GetObject with Range': at(async () => {
    const input = { Bucket, Key: 'range', Range: 'bytes=10-20' }
    await readAll(client({ rangeReads: 'whole-object' }), input)
    await readAll(client({ rangeReads: 'unauthenticated' }), input)
  }),
  'GetObject with an instruction file': at(() => read(client(), 'with-file')),
  'GetObject of a plain object, with passthrough': async () => {
    await put(w.plain, 'plain', 'hello')
    return () => read(client({ passthrough: () => true }), 'plain')
  },
  'GetObject of an old version with an instruction file': async () => {
    const { Versions = [] } = await w.plain.send(new ListObjectVersionsCommand({ Bucket: VERSIONS }))
    const { VersionId } = Versions.find(({ Key, IsLatest }) => Key === 'with-file' && IsLatest === false)!
    return () => readAll(client(), { Bucket: VERSIONS, Key: 'with-file', VersionId: VersionId! })
  },
  download: at(() => {
    return download(client(), { Bucket, Key: 'range' }, path.join(directory, 'file'), { partSize: PART })
  }),
  'download, bucket with versions': at(() => {
    return download(client(), { Bucket: VERSIONS, Key: 'range' }, path.join(directory, 'other'), { partSize: PART })
  }),
  HeadObject: at(() => client().send(new HeadObjectCommand({ Bucket, Key: 'object' }))),
  inspect: at(() => inspect(client(), { Bucket, Key: 'object' })),
  'ListObjectsV2 and plaintextSizes': at(async () => {
    const s3 = client()
    await plaintextSizes(s3, await s3.send(new ListObjectsV2Command({ Bucket, Prefix: 'object' })))
  }),
  'PutObject through a cachingKeyring, first object': at(() => put(caching(), 'cached', 'hello')),
  'PutObject through a cachingKeyring, the others': async () => {
    const s3 = caching()
    await put(s3, 'cached', 'hello')
    return () => put(s3, 'cached-2', 'hello')
  },
  'GetObject through a cachingKeyring, a data key that is kept': async () => {
    const s3 = caching()
    await read(s3, 'object')
    return () => read(s3, 'object')
  },
  CopyObject: at(() => copy(client(), 'object', 'copied')),
  'CopyObject of an object with tags': at(() => copy(client(), 'tagged', 'copied-tagged')),
  'CopyObject with an instruction file': at(() => copy(client({ instructionFile }), 'with-file', 'copied-file')),
  'CopyObject with bind': at(() => copy(client({ bind: true }), 'bound', 'copied-bound')),
  'DeleteObject, DeleteObjects': at(async () => {
    const s3 = client()
    await s3.send(new DeleteObjectCommand({ Bucket, Key: 'not-there' }))
    await s3.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects: [{ Key: 'not-there' }] } }))
  }),
  'DeleteObject, DeleteObjects with instruction files': async () => {
    const s3 = client({ instructionFile })
    for (const key of ['gone-1', 'gone-2']) await put(s3, key, 'hello')
    return async () => {
      await s3.send(new DeleteObjectCommand({ Bucket, Key: 'gone-1' }))
      await s3.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects: [{ Key: 'gone-2' }] } }))
    }
  },
  rotateKey: rotation('rotated'),
  "rotateKey with acl: 'private'": rotation('rotated-private', { acl: 'private' }),
  'rotateKey of an object with tags': rotation('rotated-tagged', {}, { Tagging: 'a=b' }),
  'rotateKey, bucket with versions': async () => {
    const s3 = client()
    await s3.send(new PutObjectCommand({ Bucket: VERSIONS, Key: 'rotated', Body: 'hello' }))
    return () => rotateKey(s3, { Bucket: VERSIONS, Key: 'rotated', to })
  },
  'rotateKey with reEncrypt: false, or to another region': rotation('rotated-here', { reEncrypt: false }),
  'rotateKey, what is done already': async () => {
    const s3 = client()
    await put(client({ keyring: to }), 'done', 'hello')
    return () => rotateKey(s3, { Bucket, Key: 'done', to })
  },
  'rotateKey above copyInPartsAbove': rotation('rotated-parts', { copyInPartsAbove: 5 * 1024 * 1024 }, {}, 6),
  'rotateKey with rewrite': rotation('rewritten', { rewrite: true }),
  'rotateKey with an instruction file': async () => {
    const s3 = client({ instructionFile })
    await put(s3, 'rotated-file', 'hello')
    return () => rotateKey(s3, { Bucket, Key: 'rotated-file', to })
  },
  'reEncryptInstructionFile, second file': async () => {
    const s3 = client({ instructionFile })
    await put(s3, 'shared', 'hello')
    return () => reEncryptInstructionFile(s3, { Bucket, Key: 'shared', to, instructionFileSuffix: '.partner' })
  },
  'reencrypt (Crypt4GH), up to 5 MiB': reencryption('c4gh-small', 1),
  'reencrypt above 5 MiB': reencryption('c4gh-large', 6),
  'reencrypt of an object with tags': reencryption('c4gh-tagged', 1, { Tagging: 'a=b' }),
  'reencrypt, bucket with versions': async () => {
    const s3 = crypt4ghClient()
    await s3.send(new PutObjectCommand({ Bucket: VERSIONS, Key: 'c4gh', Body: 'hello' }))
    return () => reencrypt(s3, { Bucket: VERSIONS, Key: 'c4gh', to: forBen })
  },
  'rotateKey of a Crypt4GH object': async () => {
    const s3 = crypt4ghClient()
    await put(s3, 'c4gh-rotated', 'hello')
    return () => rotateKey(s3, { Bucket, Key: 'c4gh-rotated', to: forBen })
  },
  'rearrange, up to 5 MiB': rearrangement('c4gh-source', 1),
  'rearrange above 5 MiB': rearrangement('c4gh-large-source', 7),
}

const caching = (): S3Client => client({ keyring: cachingKeyring(keyring, { maxAge: 60_000 }) })

function copy(s3: S3Client, from: string, Key: string): Promise<unknown> {
  return s3.send(new CopyObjectCommand({ Bucket, Key, CopySource: `${Bucket}/${from}` }))
}

function rotation(Key: string, more: object = {}, properties: object = {}, mebibytes = 0): Preparation {
  return async () => {
    const s3 = client()
    await put(s3, Key, pattern(mebibytes * 1024 * 1024 + 5), properties)
    return () => rotateKey(s3, { Bucket, Key, to, ...more })
  }
}

function reencryption(Key: string, mebibytes: number, properties: object = {}): Preparation {
  return async () => {
    const s3 = crypt4ghClient()
    await put(s3, Key, pattern(mebibytes * 1024 * 1024), properties)
    return () => reencrypt(s3, { Bucket, Key, to: forBen })
  }
}

function rearrangement(source: string, mebibytes: number): Preparation {
  return async () => {
    const s3 = crypt4ghClient()
    await put(s3, source, pattern(mebibytes * 1024 * 1024))
    const part = { start: 1000, end: mebibytes * 1024 * 1024, to: forBen }
    return () => rearrange(s3, { Bucket, Key: `${source}-part`, CopySource: { Bucket, Key: source }, ...part })
  }
}

async function hasTags(bucket: string, key: string): Promise<boolean> {
  return Object.keys((await w.s3.object(bucket, key))?.tags ?? {}).length > 0
}

describe('what docs/permissions.md says that an operation needs is what it asks for', () => {
  for (const [name, prepare] of Object.entries(operations)) {
    test(name, async () => {
      const operation = await prepare()
      w.s3.requests.length = 0
      kms.requests.length = 0
      await operation()
      const found = { s3: await s3Actions(w.s3.requests, hasTags), kms: kmsActions(kms.requests) }
      assert.deepEqual(found, told.get(name))
    })
  }

  test('there is a row for each of these operations, in this order, and no other', () => {
    assert.ok(rows.length > 20)
    assert.deepEqual([...told.keys()], Object.keys(operations))
    assert.equal(told.size, rows.length)
  })
})

const policies = [...document.matchAll(/<!-- policy: (.*) -->\n\n```json\n([\s\S]*?)```/g)].map(([, names, json]) => ({
  names: names!.split('; '),
  statements: (JSON.parse(json!) as { Statement: { Action: string | string[]; Condition?: object }[] }).Statement,
}))

test('each policy has the actions of the operations that it is for, and no other', () => {
  assert.equal(policies.length, document.split('```json').length - 1)
  assert.equal(policies.length, 3)
  for (const { names, statements } of policies) {
    const needed = names.flatMap((name) => {
      const row = told.get(name)
      assert.ok(row, name)
      return [...row.s3, ...row.kms]
    })
    const allowed = statements.flatMap(({ Action }) => Action)
    assert.deepEqual(allowed.toSorted(), [...new Set(needed)].sort())
  }
})

test('the conditions are on what KMS is told', async () => {
  const conditions = policies.flatMap(({ statements }) => statements.flatMap(({ Condition }) => Condition ?? []))
  assert.deepEqual(conditions, [
    { StringEquals: { 'kms:EncryptionContext:tenant': 'a', 'kms:EncryptionContext:aws:x-amz-cek-alg': '115' } },
    { StringEquals: { 'kms:EncryptionContext:tenant': 'a' } },
  ])
  kms.requests.length = 0
  const s3 = client({ encryptionContext: { tenant: 'a' } })
  await put(s3, 'of-tenant', 'hello')
  await read(s3, 'of-tenant')
  for (const { input } of kms.requests) {
    assert.deepEqual(input['EncryptionContext'], { tenant: 'a', 'aws:x-amz-cek-alg': '115' })
  }
  assert.deepEqual(kmsActions(kms.requests), ['kms:Decrypt', 'kms:GenerateDataKey'])
})

test('every body has a checksum, a signed payload and the encryption at rest that was asked for', async () => {
  const s3 = client({ instructionFile })
  w.s3.requests.length = 0
  await put(s3, 'at-rest', 'hello', { ServerSideEncryption: 'AES256' })
  const puts = w.s3.requests.filter(({ operation }) => operation === 'PutObject')
  assert.deepEqual(
    puts.map(({ key }) => key),
    ['at-rest.instruction', 'at-rest'],
  )
  for (const { headers } of puts) {
    assert.equal(headers['x-amz-server-side-encryption'], 'AES256')
    assert.match(headers['x-amz-checksum-crc32']!, /^[\w+/]{6}==$/)
    assert.match(headers['x-amz-content-sha256']!, /^[0-9a-f]{64}$/)
  }
})

test('a raw keyring asks no key service', async () => {
  kms.requests.length = 0
  const s3 = client({ keyring: aesKeyring({ wrappingKey: new Uint8Array(32) }) })
  await put(s3, 'raw', 'hello')
  await read(s3, 'raw')
  assert.deepEqual(kms.requests, [])
})
