// Copies of objects with instruction files while others write, copy and delete.
import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { describe, it } from 'node:test'

import { CopyObjectCommand, DeleteObjectCommand, RenameObjectCommand } from '@aws-sdk/client-s3'

import { encryptionInfo, rsaKeyring } from '../../src/index.js'
import { kmsKeyring } from '../../src/kms.js'
import { kmsWorld } from '../attacks/support.js'
import { code } from '../support/errors.js'
import { Bucket, put } from '../support/world.js'
import {
  answered,
  before,
  copy,
  copyWorld,
  exists,
  readFrom,
  REPLACE,
  sourceOf,
  storedMetadata,
} from './copy-support.js'
import { file, LOST, names, overwrite, v2, write } from './instruction-support.js'

const w = await copyWorld()
const { kms, client: kmsClient } = await kmsWorld()
const name = names()
const secret = 'what nobody else may read'

for (const [version, options] of [
  ['V3', {}],
  ['V2', v2],
] as const) {
  const client = w.client({ ...options, ...overwrite })

  describe(`${version} with files`, () => {
    it('a copy that comes while the same copy is being deleted keeps its file', async () => {
      const [a, b] = [name(), name()]
      await put(client, a, secret)
      await copy(client, a, b)
      // (The file is the same to the byte, and so is its ETag.)
      before(w, 'DeleteObject', file(b), () => copy(w.client({ ...options, ...overwrite }), a, b))
      await client.send(new DeleteObjectCommand({ Bucket, Key: b }))
      assert.equal(await readFrom(client, b), secret)
    })

    it('a copy to another key is pinned to what is there: a writer in between is not joined to its file', async () => {
      const [a, b] = [name(), name()]
      await put(client, a, secret)
      await put(client, b, 'older')
      before(w, 'CopyObject', b, () => put(w.client({ ...options, ...overwrite }), b, 'newer'))
      await copy(client, a, b)
      assert.equal(await readFrom(client, b), secret)
      const conditions = w.sent('CopyObject', b).map(({ headers }) => headers['if-match'] !== undefined)
      assert.deepEqual(conditions, [true, true])
    })

    it('a copy onto itself, while a writer stores the object anew', async () => {
      const a = name()
      await put(client, a, 'older')
      let once = false
      const end = w.s3.onCopy(async () => {
        if (once) return
        once = true
        await put(w.client({ ...options, ...overwrite }), a, 'newer')
      })
      await copy(client, a, a, { ...REPLACE, Metadata: { own: 'x' } })
      end()
      assert.equal(await readFrom(client, a), 'newer')
      assert.equal((await storedMetadata(w, a)).own, 'x')
    })

    it('a condition of the caller for the destination is the only one', async () => {
      const [a, b] = [name(), name()]
      await put(client, a, secret)
      await copy(client, a, b, { IfNoneMatch: '*' })
      await assert.rejects(copy(client, a, b, { IfNoneMatch: '*' }), answered(412))
      assert.equal(w.sent('CopyObject', b).at(-1)?.headers['if-match'], undefined)
      assert.equal(await readFrom(client, b), secret)
    })
  })
}

describe('a source that was not seen', () => {
  it('its envelope goes along, should the server ignore the condition', async () => {
    const lax = await copyWorld({ ignoreConditions: ['copy-source'] })
    const client = lax.client()
    await put(client, 'a', secret)
    for (const more of [{ CopySourceIfMatch: '"other"' }, { CopySourceIfUnmodifiedSince: new Date(0) }]) {
      await copy(client, 'a', 'b', { ...REPLACE, Metadata: { own: 'x' }, ...more }).catch(() => undefined)
      await copy(client, 'a', 'a', { ...REPLACE, Metadata: { own: 'x' }, ...more }).catch(() => undefined)
      assert.equal(await readFrom(client, 'a'), secret)
      assert.equal(await readFrom(client, 'b'), secret)
    }
  })

  it('S3 says what is wrong with it, by name', async () => {
    const client = w.client()
    const [a, b] = [name(), name()]
    await put(client, a, secret)
    for (const [status, error] of [
      [400, 'InvalidArgument'],
      [403, 'AccessDenied'],
      [405, 'MethodNotAllowed'],
    ] as const) {
      w.fail('HeadObject', a, { status })
      w.fail('CopyObject', b, { status, code: error })
      await assert.rejects(copy(client, a, b, REPLACE), { name: error })
    }
    assert.equal(await exists(w, b), false)
  })
})

describe('who has no key', () => {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })

  it('copies an object with a file that nobody is writing, and none whose file is newer', async () => {
    const owner = w.client({ keyring: rsaKeyring({ publicKey, privateKey }), ...overwrite })
    const other = w.client({ keyring: rsaKeyring({ publicKey }), ...overwrite })
    const [a, b, c] = [name(), name(), name()]
    await put(owner, a, secret)
    await copy(other, a, b)
    assert.equal(await readFrom(owner, b), secret)
    before(w, 'PutObject', a, async () => {
      await assert.rejects(copy(other, a, c), code('ERR_S3CSE_CONFIG'))
    })
    w.clock += 10
    await put(owner, a, 'newer')
    assert.equal(await exists(w, c), false)
  })
})

describe('a context that is made of the place', () => {
  const keyring = kmsKeyring({ client: kmsClient, keyId: kms.createKey().arn })
  const encryptionContext = ({ Key }: { Key: string }): Record<string, string> => ({ Key })
  const client = w.client({ keyring, encryptionContext })

  it('is that of the new place in a copy', async () => {
    const [a, b] = [name(), name()]
    await put(client, a, secret, { Metadata: { own: 'x' }, CacheControl: 'no-cache' })
    await copy(client, a, b)
    assert.equal(await readFrom(client, b), secret)
    const { metadata, headers } = await w.stored(b)
    assert.deepEqual([metadata.own, headers['cache-control']], ['x', 'no-cache'])
    const off = w.client({ keyring, encryptionContext, instructionFile: { read: false } })
    await copy(off, a, b)
    assert.equal(await readFrom(client, b), secret)
  })

  it('a rename is refused, where it would be another one', async () => {
    const input = { Bucket, Key: 'b', RenameSource: 'a' }
    await assert.rejects(client.send(new RenameObjectCommand(input)), code('ERR_S3CSE_UNSUPPORTED_COMMAND'))
    assert.deepEqual(w.log(), [])
  })
})

describe('a rename', () => {
  it('keeps the file of what was copied back meanwhile', async () => {
    const directory = 'back--use1-az4--x-s3'
    const d = await copyWorld({ buckets: [directory] })
    const client = d.client({ ...write })
    const there = { Bucket: directory }
    await put(client, 'a', secret, there)
    before(d, 'DeleteObject', file('a'), () => copy(client, 'b', 'a', { ...there, CopySource: `${directory}/b` }))
    await client.send(new RenameObjectCommand({ ...there, Key: 'b', RenameSource: `${directory}/a` }))
    assert.equal(await readFrom(client, 'a', there), secret)
    assert.equal(await readFrom(client, 'b', there), secret)
  })

  it('whose answer is lost, V2: the file stays with its object, whatever the times say', async () => {
    const directory = 'races--use1-az4--x-s3'
    const d = await copyWorld({ buckets: [directory] })
    const client = d.client({ ...v2, ...write }, { maxAttempts: 1 })
    await put(client, 'a', secret, { Bucket: directory })
    d.clock += 60
    d.s3.fail({ ...LOST, match: ({ operation }) => operation === 'RenameObject' })
    await assert.rejects(
      client.send(new RenameObjectCommand({ Bucket: directory, Key: 'b', RenameSource: `${directory}/a` })),
    )
    assert.equal(await readFrom(client, 'b', { Bucket: directory }), secret)
  })
})

describe('the output of a copy', () => {
  it('has no checksum of the ciphertext', async () => {
    const client = w.client()
    const [a, b] = [name(), name()]
    await put(client, a, secret)
    const output = await client.send(new CopyObjectCommand({ Bucket, Key: b, CopySource: sourceOf(a) }))
    const names = [...Object.keys(output), ...Object.keys(output.CopyObjectResult!)]
    assert.deepEqual(
      names.filter((one) => one.startsWith('Checksum')),
      [],
    )
    assert.ok(output.CopyObjectResult?.ETag !== undefined)
    assert.ok(encryptionInfo(output)?.checksums.ChecksumCRC32 !== undefined)
  })
})
