// Everything that an object is besides its body and its key stays: by a copy, in parts, and by a rewrite.
import {
  PutObjectLegalHoldCommand,
  PutObjectRetentionCommand,
  PutObjectTaggingCommand,
  RestoreObjectCommand,
} from '@aws-sdk/client-s3'
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { describe, it } from 'node:test'

import { rotateKey } from '../../src/index.js'
import type { CseErrorCode } from '../../src/index.js'
import type { S3Operation } from '../../src/testing/index.js'
import { code } from '../support/errors.js'
import {
  locked,
  newKey,
  nothingLeft,
  oldKey,
  operations,
  opensOnly,
  properties,
  putOld,
  rotate,
} from '../support/rotate.js'
import type { More } from '../support/rotate.js'
import { Bucket, put, read, world } from '../support/world.js'

const time = { now: Date.now() }
const w = await world({ now: () => new Date(time.now) })
await locked(w, 'locked')

const ways: Readonly<Record<string, More>> = {
  'by a copy': {},
  'in parts': { copyInPartsAbove: 4 },
  'by a rewrite': { rewrite: true },
}

const everything: Readonly<Record<string, object>> = {
  'content headers': {
    CacheControl: 'max-age=1, private',
    ContentDisposition: 'attachment; filename="a b.txt"',
    ContentEncoding: 'gzip',
    ContentLanguage: 'de, en',
    ContentType: 'text/x; charset=utf-8',
    Expires: new Date('2031-02-03T04:05:06Z'),
  },
  'user metadata': { Metadata: { plain: 'text', 'with-dash': 'a  b, "c"', empty: '' } },
  tags: { Tagging: 'a=b&%C3%A4+x=%2B%2F%3D&empty=' },
  'storage class': { StorageClass: 'STANDARD_IA' },
  'website redirect': { WebsiteRedirectLocation: '/other' },
  AES256: { ServerSideEncryption: 'AES256' },
  'aws:kms': {
    ServerSideEncryption: 'aws:kms',
    SSEKMSKeyId: 'arn:aws:kms:us-east-1:111122223333:key/x',
    BucketKeyEnabled: true,
  },
  'canned ACL': { ACL: 'public-read' },
  grants: {
    GrantRead: `id="${'a'.repeat(64)}", uri="http://acs.amazonaws.com/groups/global/AuthenticatedUsers"`,
    GrantReadACP: `id="${'b'.repeat(64)}"`,
    GrantWriteACP: `id="${'b'.repeat(64)}"`,
    GrantFullControl: `id="${'c'.repeat(64)}"`,
  },
}

/** What a changed ACL or checksum cannot be compared by. */
function comparable(object: Parameters<typeof properties>[0], way: string): Record<string, unknown> {
  const { checksums, body, own, grants, ...rest } = properties(object) as Record<string, unknown>
  const order = (list: unknown) => (list as object[]).map((one) => JSON.stringify(one)).sort()
  const envelope = way === 'by a rewrite' ? /^x-amz-/ : /^$/
  const metadata = Object.fromEntries(Object.entries(own as object).filter(([name]) => !envelope.test(name)))
  return {
    ...rest,
    metadata,
    grants: order(grants),
    ...(way === 'by a rewrite' ? {} : { body }),
    ...(way === 'by a copy' ? { checksums } : {}),
  }
}

for (const [way, more] of Object.entries(ways)) {
  describe(`${way}, what stays:`, () => {
    const cases = Object.entries({
      ...everything,
      all: Object.assign(
        {},
        ...Object.entries(everything)
          .filter(([name]) => name !== 'canned ACL' && name !== 'AES256')
          .map(([, one]) => one),
      ) as object,
    })
    for (const [name, members] of cases) {
      it(name, async () => {
        const key = `${way} ${name} ä+ %`
        const client = await putOld(w, key, 'a body', members)
        const before = comparable(await w.stored(key), way)
        const { outcome } = await rotate(client, key, more)
        assert.equal(outcome, more.rewrite === true ? 'rewritten' : 'metadata')
        assert.deepEqual(comparable(await w.stored(key), way), before)
        await opensOnly(w, key, 'a body')
        nothingLeft(w)
      })
    }

    it('user metadata and tags beyond ASCII', async () => {
      const key = `${way} unicode`
      const client = await putOld(w, key, 'a body')
      await w.s3.tamper(Bucket, key, ({ metadata }) => ({
        metadata: { ...metadata, name: 'Zoë ☃ 𝄞', b: '=?UTF-8?Q?=C3=A4?= x' },
      }))
      const TagSet = [
        { Key: 'ä é', Value: '1 + 1 = 2 @:/_-.' },
        { Key: 'b', Value: '' },
      ]
      await w.plain.send(new PutObjectTaggingCommand({ Bucket, Key: key, Tagging: { TagSet } }))
      const before = await w.stored(key)
      await rotate(client, key, more)
      const { metadata, tags } = await w.stored(key)
      assert.equal(metadata.name, 'Zoë ☃ 𝄞')
      assert.deepEqual(tags, before.tags)
      await opensOnly(w, key, 'a body')
    })

    it('SSE-C', async () => {
      const key = `${way} SSE-C`
      const secret = new Uint8Array(32).fill(5)
      const sse = {
        SSECustomerAlgorithm: 'AES256',
        SSECustomerKey: Buffer.from(secret).toString('base64'),
        SSECustomerKeyMD5: createHash('md5').update(secret).digest('base64'),
      }
      const client = await putOld(w, key, 'a body', { ...sse, Metadata: { a: 'b' } })
      await assert.rejects(rotate(client, key, more))
      await rotate(client, key, { ...more, ...sse })
      const { GetObjectCommand } = await import('@aws-sdk/client-s3')
      await assert.rejects(read(w.client({ keyring: newKey }), key))
      const { Body, Metadata } = await w
        .client({ keyring: newKey })
        .send(new GetObjectCommand({ Bucket, Key: key, ...sse }))
      assert.equal(await Body!.transformToString(), 'a body')
      assert.equal(Metadata?.a, 'b')
    })

    it('retention that runs, and legal holds; one that is over needs not', async () => {
      const client = w.client({ keyring: oldKey })
      const to = { Bucket: 'locked', to: newKey, ...more }
      const until = new Date(Math.floor(time.now / 1000) * 1000 + 1000_000)
      for (const [name, lock] of Object.entries({
        retained: { ObjectLockMode: 'GOVERNANCE', ObjectLockRetainUntilDate: until },
        compliant: { ObjectLockMode: 'COMPLIANCE', ObjectLockRetainUntilDate: until, ObjectLockLegalHoldStatus: 'ON' },
        held: { ObjectLockLegalHoldStatus: 'ON' },
        none: {},
      })) {
        const key = `${way} ${name}`
        await put(client, key, 'a body', { Bucket: 'locked', ...lock })
        const before = await w.s3.object('locked', key)
        await rotateKey(client, { Key: key, ...to })
        const after = await w.s3.object('locked', key)
        assert.notEqual(after!.versionId, before!.versionId)
        assert.deepEqual(after!.lock, before!.lock)
      }
      const key = `${way} over`
      await put(client, key, 'a body', { Bucket: 'locked' })
      const soon = new Date(Math.ceil(Date.now() / 1000) * 1000 + 1000)
      const Retention = { Mode: 'GOVERNANCE' as const, RetainUntilDate: soon }
      await w.plain.send(new PutObjectRetentionCommand({ Bucket: 'locked', Key: key, Retention }))
      await w.plain.send(new PutObjectLegalHoldCommand({ Bucket: 'locked', Key: key, LegalHold: { Status: 'ON' } }))
      while (Date.now() < soon.getTime())
        await new Promise((resolve) => setTimeout(resolve, soon.getTime() - Date.now() + 5))
      time.now = Date.now()
      await rotateKey(client, { Key: key, ...to })
      assert.deepEqual((await w.s3.object('locked', key))!.lock, { legalHold: 'ON' })
    })

    it('the archive, once it is restored', async () => {
      const key = `${way} archived`
      const client = await putOld(w, key, 'a body', { StorageClass: 'GLACIER' })
      const before = await w.stored(key)
      await assert.rejects(rotate(client, key, more), code('ERR_S3CSE_ROTATION', /archived.*RestoreObject/))
      assert.deepEqual(await w.stored(key), before)
      await w.plain.send(new RestoreObjectCommand({ Bucket, Key: key, RestoreRequest: { Days: 1 } }))
      await rotate(client, key, more)
      assert.equal((await w.stored(key)).headers['x-amz-storage-class'], 'GLACIER')
    })

    describe('and what cannot stay is refused:', () => {
      const match = (operation: S3Operation, key: string) => (r: { operation: string; key: string | undefined }) =>
        r.operation === operation && r.key === key
      const refused = async (key: string, expected: CseErrorCode, message: RegExp, prepare: () => unknown) => {
        const client = await putOld(w, key, 'a body', { Tagging: 'a=b' })
        await prepare()
        const before = await w.stored(key)
        await assert.rejects(rotate(client, key, more), code(expected, message))
        assert.deepEqual(await w.stored(key), before)
        w.s3.faults.length = 0
        nothingLeft(w)
        return client
      }

      it('an Expires that is no date', async () => {
        const key = `${way} expires`
        for (const expires of ['0', 'never', '2030-01-01']) {
          await refused(key, 'ERR_S3CSE_ROTATION', /Expires/, () =>
            w.s3.tamper(Bucket, key, ({ headers }) => ({ headers: { ...headers, expires } })),
          )
        }
      })

      it('metadata that HTTP does not show', async () => {
        const key = `${way} missing`
        await refused(key, 'ERR_S3CSE_ROTATION', /metadata entries/, () =>
          w.s3.fail({ match: match('HeadObject', key), headers: { 'x-amz-missing-meta': '2' } }),
        )
      })

      for (const [name, owner, expected] of [
        ['', { ID: '', DisplayName: '' }, 'kept'],
        ['no', undefined, 'kept'],
        ['a', { ID: 'somebody' }, 'refused'],
      ] as const) {
        it(`${expected === 'refused' ? '' : 'not '}the ACL of an owner with ${name === '' ? 'an empty' : name} name`, async () => {
          const key = `${way} owner ${name}`
          const client = await putOld(w, key, 'a body')
          const answer = (Grantee: object) => ({ Owner: owner, Grants: [{ Grantee, Permission: 'FULL_CONTROL' }] })
          let grantee: object = { Type: 'CanonicalUser', ID: '' }
          client.middlewareStack.add(
            (next, { commandName }) =>
              async (args) => {
                const result = await next(args)
                if (commandName === 'GetObjectAclCommand') Object.assign(result.output as object, answer(grantee))
                return result
              },
            { step: 'deserialize', priority: 'high' },
          )
          const before = await w.stored(key)
          if (expected === 'refused') {
            await assert.rejects(rotate(client, key, more), code('ERR_S3CSE_ROTATION', /FULL_CONTROL/))
            assert.deepEqual(await w.stored(key), before)
            return
          }
          // Everybody is not the owner.
          grantee = { Type: 'Group', URI: 'http://acs.amazonaws.com/groups/global/AllUsers' }
          const sent = await operations(w, () => rotate(client, key, more))
          assert.ok(sent.length > 0)
          const write = w.s3.requests.find((r) => r.headers['x-amz-grant-full-control'] !== undefined)
          assert.match(write?.headers['x-amz-grant-full-control'] ?? '', /AllUsers/)
          for (grantee of [{ Type: 'CanonicalUser' }, { Type: 'CanonicalUser', ID: '' }, {}]) {
            await put(client, key, 'a body')
            await rotate(client, key, more)
            await opensOnly(w, key, 'a body')
          }
        })
      }

      it('an ACL that must not be seen, unless it is of no interest', async () => {
        const key = `${way} acl`
        const denied = { match: match('GetObjectAcl', key), status: 403, code: 'AccessDenied' }
        const client = await refused(key, 'ERR_S3CSE_ROTATION', /s3:GetObjectAcl.*'private'/, () => w.s3.fail(denied))
        const sent = await operations(w, () => rotate(client, key, { ...more, acl: 'private' }))
        assert.ok(!sent.includes('GetObjectAcl'))
        assert.equal((await w.stored(key)).grants.length, 1)
      })

      it('a grant that no request can give', async () => {
        const key = `${way} grant`
        const client = await putOld(w, key, 'a body', { ACL: 'public-read-write' })
        const before = await w.stored(key)
        await assert.rejects(rotate(client, key, more), code('ERR_S3CSE_ROTATION', /grant \(WRITE\)/))
        assert.deepEqual(await w.stored(key), before)
      })

      if (way !== 'by a copy') {
        it('tags that must not be seen', async () => {
          const key = `${way} tags denied`
          const denied = { match: match('GetObjectTagging', key), status: 403, code: 'AccessDenied' }
          await refused(key, 'ERR_S3CSE_ROTATION', /s3:GetObjectTagging/, () => w.s3.fail(denied))
        })
      }
    })

    it('nothing on a server that has neither ACLs nor tags', async () => {
      for (const status of [501, 405]) {
        const key = `${way} ${status}`
        const client = await putOld(w, key, 'a body')
        w.s3.fail({
          match: (r) => r.operation === 'GetObjectAcl' || r.operation === 'GetObjectTagging',
          status,
          times: 2,
        })
        await rotate(client, key, more)
        w.s3.faults.length = 0
        await opensOnly(w, key, 'a body')
      }
    })

    it('who pays, and who owns the bucket, in every request', async () => {
      const key = `${way} owner`
      const client = await putOld(w, key, 'a body')
      await assert.rejects(rotate(client, key, { ...more, ExpectedBucketOwner: '000000000000' }))
      w.s3.requests.length = 0
      await rotate(client, key, { ...more, RequestPayer: 'requester' })
      for (const { headers, operation } of w.s3.requests)
        assert.equal(headers['x-amz-request-payer'], 'requester', operation)
    })
  })
}
