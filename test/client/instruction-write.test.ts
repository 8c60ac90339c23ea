// Envelopes that are written into instruction files: what is stored, with which requests, judged by a reader of its own.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import { describe, it } from 'node:test'

import { HeadObjectCommand } from '@aws-sdk/client-s3'

import { aesKeyring, encryptedView, encryptionInfo, removeEncryption, requestOptions } from '../../src/index.js'
import { code } from '../support/errors.js'
import { Bucket, get, keyring, pattern, put, read } from '../support/world.js'
import { file, instructionWorld, judge, MARK, versions, wrappings, write } from './instruction-support.js'

const w = await instructionWorld(undefined)
const { all, kms } = await wrappings()
const bytes = pattern(100_000)

describe('PutObject', () => {
  for (const [version, policy] of Object.entries(versions)) {
    for (const { name, ...keys } of all) {
      it(`${version}, ${name}: bytes and a stream`, async () => {
        const client = w.client({ ...write, ...policy, ...keys })
        for (const [key, body] of [
          [`${version} ${name} bytes`, bytes],
          [`${version} ${name} stream`, Readable.from([bytes.subarray(0, 7), bytes.subarray(7)])],
        ] as const) {
          const output = await put(client, key, body, { ContentLength: bytes.length, Metadata: { mine: 'too' } })
          assert.equal(encryptionInfo(output)?.envelope?.instructionFile, file(key))
          assert.deepEqual(await judge(w, key, undefined, kms), bytes)
          const { metadata } = await w.stored(key)
          const own = version === 'V3' ? ['mine', 'x-amz-c', 'x-amz-d', 'x-amz-i'] : ['mine']
          assert.deepEqual(Object.keys(metadata).sort(), own)
          assert.deepEqual(await read(client, key), bytes)
          // Reading them needs no option.
          assert.deepEqual(await read(w.client({ ...policy, ...keys }), key), bytes)
        }
      })
    }
  }

  it('sends the file first, on the condition that there is none', async () => {
    await put(w.client(write), 'order', bytes)
    assert.deepEqual(w.log(), ['PutObject order.instruction', 'PutObject order', 'HeadObject order.instruction'])
    const [first, second] = w.sent('PutObject')
    assert.equal(first?.headers['if-none-match'], '*')
    assert.equal(second?.headers['if-none-match'], undefined)
    assert.equal(first.headers[`x-amz-meta-${MARK}`], '')
  })

  it('uses the suffix of the client, or of the request', async () => {
    const client = w.client({ instructionFile: { write: true, suffix: '.client' } })
    await put(client, 'suffix', bytes)
    assert.deepEqual(await judge(w, 'suffix', '.client'), bytes)
    assert.deepEqual(await read(client, 'suffix'), bytes)
    await assert.rejects(read(w.client(), 'suffix'), code('ERR_S3CSE_ENVELOPE_INVALID', /suffix\.instruction/))

    const input = { Bucket, Key: 'suffix 2' }
    const own = { instructionFileSuffix: '.request' }
    await put(client, 'suffix 2', bytes, requestOptions({ ...input, Body: bytes }, own))
    assert.deepEqual(await judge(w, 'suffix 2', '.request'), bytes)
    assert.deepEqual(
      w.s3.keys(Bucket).filter((key) => key.startsWith('suffix 2')),
      ['suffix 2', 'suffix 2.request'],
    )
    const { Body } = await get(w.client(), 'suffix 2', requestOptions(input, own))
    assert.deepEqual(Buffer.from(await Body!.transformToByteArray()), bytes)
    const head = await w.client().send(new HeadObjectCommand(requestOptions(input, own)))
    assert.equal(head.ContentLength, bytes.length)
  })

  it('holds an envelope that metadata cannot', async () => {
    const materialsDescription = Object.fromEntries(Array.from({ length: 60 }, (_, i) => [`name ${i}`, 'x'.repeat(40)]))
    const large = aesKeyring({ wrappingKey: new Uint8Array(32).fill(7), materialsDescription })
    await assert.rejects(put(w.client({ keyring: large }), 'large', bytes), code('ERR_S3CSE_ENVELOPE_TOO_LARGE'))
    await put(w.client({ ...write, keyring: large }), 'large', bytes)
    assert.deepEqual(await judge(w, 'large'), bytes)
    assert.deepEqual(await read(w.client({ keyring: large }), 'large'), bytes)
    assert.ok((await w.stored('large.instruction')).size > 2048)
  })

  it('is not written where nobody would read it', async () => {
    const materialsDescription = { name: 'x'.repeat(66_000) }
    const large = aesKeyring({ wrappingKey: new Uint8Array(32).fill(7), materialsDescription })
    const tooLarge = code('ERR_S3CSE_ENVELOPE_TOO_LARGE', /instruction file/)
    await assert.rejects(put(w.client({ ...write, keyring: large }), 'too large', bytes), tooLarge)
    assert.deepEqual(w.log(), [])
  })

  it('works through a view, and not any more when encryption was taken off', async () => {
    const view = encryptedView(w.plain, { keyring, ...write })
    await put(view, 'view', bytes)
    assert.deepEqual(await judge(w, 'view'), bytes)
    assert.deepEqual(await read(view, 'view'), bytes)
    assert.notDeepEqual(await read(w.plain, 'view'), bytes)
    const client = w.client(write)
    removeEncryption(client)
    await put(client, 'off', bytes)
    assert.equal(await w.s3.object(Bucket, 'off.instruction'), undefined)
    assert.deepEqual(Buffer.from((await w.stored('off')).body), bytes)
  })

  it('does nothing at all where options or bucket are wrong', async () => {
    await assert.rejects(
      put(w.client(write), 'wrong', bytes, { Metadata: { 'X-Amz-3': '' } }),
      code('ERR_S3CSE_CONFIG'),
    )
    assert.throws(() => w.client({ instructionFile: { wirte: true } as object }), code('ERR_S3CSE_CONFIG'))
    assert.throws(() => w.client({ instructionFile: { suffix: '' } }), code('ERR_S3CSE_CONFIG'))
    assert.deepEqual(w.log(), [])
  })
})

/** Members of PutObject, and the header that each is sent as. */
const carried: readonly (readonly [member: string, value: unknown, header: string])[] = [
  ['ACL', 'bucket-owner-full-control', 'x-amz-acl'],
  ['GrantRead', `id="${'a1'.repeat(32)}"`, 'x-amz-grant-read'],
  ['RequestPayer', 'requester', 'x-amz-request-payer'],
  ['ExpectedBucketOwner', '123456789012', 'x-amz-expected-bucket-owner'],
  ['Tagging', 'a=b', 'x-amz-tagging'],
  ['ServerSideEncryption', 'aws:kms', 'x-amz-server-side-encryption'],
  ['SSEKMSKeyId', 'key', 'x-amz-server-side-encryption-aws-kms-key-id'],
  ['BucketKeyEnabled', true, 'x-amz-server-side-encryption-bucket-key-enabled'],
  ['StorageClass', 'STANDARD_IA', 'x-amz-storage-class'],
  ['ObjectLockMode', 'GOVERNANCE', 'x-amz-object-lock-mode'],
  ['ObjectLockRetainUntilDate', new Date(4e12), 'x-amz-object-lock-retain-until-date'],
  ['ObjectLockLegalHoldStatus', 'ON', 'x-amz-object-lock-legal-hold'],
]

describe('members of the request', () => {
  for (const [member, value, header] of carried) {
    it(`${member} is the file's as well`, async () => {
      const client = w.client(write)
      const seen: (string | undefined)[] = []
      client.middlewareStack.add(
        (next) => (args) => {
          const { headers } = args.request as { headers: Record<string, string> }
          seen.push(headers[header])
          // The bucket has no locks.
          for (const name of Object.keys(headers))
            if (name.includes('object-lock')) Reflect.deleteProperty(headers, name)
          return next(args)
        },
        { step: 'build', priority: 'low' },
      )
      const needed = member === 'SSEKMSKeyId' ? { ServerSideEncryption: 'aws:kms' } : {}
      await put(client, `member ${member}`, bytes, { ...needed, [member]: value })
      // (The third is the look at the file afterwards.)
      assert.equal(seen.length, 3)
      assert.ok(seen[0] !== undefined)
      assert.equal(seen[0], seen[1])
    })
  }

  it('a customer’s key is the file’s as well, and is needed to read both', async () => {
    const SSECustomerKey = Buffer.alloc(32, 3).toString('base64')
    const SSECustomerKeyMD5 = createHash('md5').update(Buffer.alloc(32, 3)).digest('base64')
    const ssec = { SSECustomerAlgorithm: 'AES256', SSECustomerKey, SSECustomerKeyMD5 }
    await put(w.client(write), 'sse-c', bytes, ssec)
    const name = 'x-amz-server-side-encryption-customer-key'
    assert.deepEqual(
      w.sent('PutObject').map(({ headers }) => headers[name]),
      [SSECustomerKey, SSECustomerKey],
    )
    const { Body } = await get(w.client(), 'sse-c', ssec)
    assert.deepEqual(Buffer.from(await Body!.transformToByteArray()), bytes)
    const head = await w.client().send(new HeadObjectCommand({ Bucket, Key: 'sse-c', ...ssec }))
    assert.equal(head.ContentLength, bytes.length)
  })

  it('an archive’s file is not archived', async () => {
    for (const StorageClass of ['GLACIER', 'DEEP_ARCHIVE']) {
      await put(w.client(write), StorageClass, bytes, { StorageClass })
      assert.equal((await w.stored(StorageClass)).headers['x-amz-storage-class'], StorageClass)
      assert.equal((await w.stored(file(StorageClass))).headers['x-amz-storage-class'], undefined)
    }
  })

  it('what is about the object’s bytes is not the file’s', async () => {
    const digest = (algorithm: string) => createHash(algorithm).update(bytes).digest('base64')
    await put(w.client(write), 'digests', bytes, {
      ContentMD5: digest('md5'),
      ChecksumSHA256: digest('sha256'),
      ContentType: 'text/special',
      ContentEncoding: 'special',
      CacheControl: 'no-cache',
      WebsiteRedirectLocation: '/elsewhere',
      IfMatch: undefined,
    })
    const [first, second] = w.sent('PutObject')
    assert.equal(first?.key, 'digests.instruction')
    for (const name of ['content-md5', 'x-amz-checksum-sha256', 'content-type', 'content-encoding', 'cache-control']) {
      assert.notEqual(first.headers[name], 'text/special')
      assert.doesNotMatch(first.headers[name] ?? '', /special|no-cache|elsewhere/)
    }
    assert.equal(first.headers['content-md5'], undefined)
    assert.equal(first.headers['x-amz-checksum-sha256'], undefined)
    assert.equal(first.headers['x-amz-website-redirect-location'], undefined)
    assert.equal(second?.headers['content-type'], 'text/special')
    assert.deepEqual(await judge(w, 'digests'), bytes)
  })

  it('conditions are the object’s: one that is not met takes the file back', async () => {
    await put(w.plain, 'condition', 'plain')
    const failing = put(w.client(write), 'condition', bytes, { IfNoneMatch: '*' })
    await assert.rejects(failing, { name: 'PreconditionFailed' })
    assert.deepEqual(
      w.s3.keys(Bucket).filter((key) => key.startsWith('condition')),
      ['condition'],
    )
    const { etag } = await w.stored('condition')
    await put(w.client(write), 'condition', bytes, { IfMatch: etag })
    assert.equal(w.sent('PutObject', 'condition.instruction').at(-1)?.headers['if-match'], undefined)
    assert.deepEqual(await judge(w, 'condition'), bytes)
  })
})
