import assert from 'node:assert/strict'
import { createCipheriv } from 'node:crypto'
import { describe, it } from 'node:test'

import { S3Client } from '@aws-sdk/client-s3'

import { inspect, PolicyError, requestOptions, s3ec } from '../../src/index.js'
import type { EncryptionOptions, Inspection } from '../../src/index.js'
import { kmsKeyring } from '../../src/kms.js'
import { counting, decrypts, kmsWorld } from '../attacks/support.js'
import { code } from '../support/errors.js'
import { Bucket, get, keyring, pattern, put, read, world } from '../support/world.js'

const w = await world()
const { kms, client: kmsClient } = await kmsWorld()
const viaKms = kmsKeyring({ client: kmsClient, keyId: kms.createKey().arn })
const policies = ['REQUIRE_ENCRYPT_REQUIRE_DECRYPT', 'REQUIRE_ENCRYPT_ALLOW_DECRYPT', 'FORBID_ENCRYPT_ALLOW_DECRYPT']
const forbid = 'FORBID_ENCRYPT_ALLOW_DECRYPT'
const noKey = counting(keyring)
/** Strict, and with a key that opens nothing here. */
const reader = w.client({ keyring: noKey })

async function looked(Key: string, more: object = {}): Promise<Inspection> {
  const found = await inspect(reader, { Bucket, Key, ...more })
  assert.equal(noKey.unwraps(), 0)
  return found
}

describe('inspect says what an object is', () => {
  it('V3 under KMS', async () => {
    const encryptionContext = { tenant: 'secret-value' }
    const output = await put(w.client({ keyring: viaKms, encryptionContext }), 'v3', pattern(100))
    kms.requests.length = 0
    const found = await looked('v3')
    assert.deepEqual(found, {
      status: 'encrypted',
      problem: undefined,
      storedLength: 116,
      plaintextLength: 100,
      versionId: undefined,
      etag: output.ETag,
      facts: {
        format: 's3ec',
        version: 'V3',
        suite: 'ALG_AES_256_GCM_HKDF_SHA512_COMMIT_KEY',
        contentAlgorithm: '115',
        wrapAlgorithm: 'kms+context',
        keyCommitment: true,
        contextKind: 'encryption context',
        contextKeys: ['tenant', 'aws:x-amz-cek-alg'],
        instructionFile: undefined,
        needs: { commitmentPolicies: policies, legacy: { wrapping: false, content: false } },
      },
    })
    assert.ok(!JSON.stringify(found).includes('secret-value'))
    assert.equal(decrypts(kms), 0)
  })

  it('V1, CBC, in an instruction file: the switches that it names are those that read it', async () => {
    const legacy = { format: s3ec({ insecureLegacyWriting: 'V1-CBC' }), commitmentPolicy: forbid } as const
    await put(w.client({ ...legacy, instructionFile: { write: true } }), 'v1', pattern(100))
    const found = await looked('v1')
    assert.equal(found.plaintextLength, undefined)
    assert.equal(found.facts?.instructionFile, 'v1.instruction')
    const { version, suite, wrapAlgorithm, needs } = found.facts
    assert.deepEqual([version, suite, wrapAlgorithm], ['V1', 'ALG_AES_256_CBC_IV16_NO_KDF', 'AES'])
    assert.deepEqual(needs, { commitmentPolicies: policies.slice(1), legacy: { wrapping: true, content: true } })
    const [commitmentPolicy] = needs.commitmentPolicies as NonNullable<EncryptionOptions['commitmentPolicy']>[]
    assert.ok((await read(w.client({ commitmentPolicy, legacy: needs.legacy }), 'v1')).equals(pattern(100)))
  })

  it('the error of a read that is refused has the same facts', async () => {
    await put(w.client({ commitmentPolicy: forbid }), 'v2', 'x')
    const { facts } = await looked('v2')
    for (const options of [{}, { commitmentPolicy: forbid, maxObjectBytes: 3 }] as const) {
      await assert.rejects(get(w.client(options), 'v2'), (error) => {
        assert.ok(error instanceof PolicyError && error.code === 'ERR_S3CSE_POLICY')
        assert.deepEqual(error.facts, facts)
        return true
      })
    }
  })

  it('a plain object, and one with a damaged envelope', async () => {
    await put(w.plain, 'plain', 'text', { Metadata: { color: 'red' } })
    const plain = await looked('plain')
    assert.deepEqual([plain.status, plain.facts, plain.storedLength, plain.plaintextLength], ['plain', undefined, 4, 4])
    await w.s3.put(Bucket, 'damaged', { body: pattern(20), metadata: { 'x-amz-c': '115' } })
    const damaged = await looked('damaged')
    assert.deepEqual([damaged.status, damaged.facts, damaged.plaintextLength], ['unknown', undefined, undefined])
    assert.match(damaged.problem ?? '', /lacks x-amz-3/)
    const { metadata } = await w.stored('v3')
    await w.s3.put(Bucket, 'short', { body: pattern(3), metadata })
    assert.match((await looked('short')).problem ?? '', /no message of this format is 3 bytes long/)
  })

  it('one whose instruction file is missing, has another suffix, or may not be read', async () => {
    const writer = w.client({ instructionFile: { write: true, suffix: '.keys' } })
    await put(writer, 'other', pattern(10))
    assert.match((await looked('other')).problem ?? '', /other\.instruction, which does not exist/)
    const named = requestOptions({ Bucket, Key: 'other' }, { instructionFileSuffix: '.keys' })
    assert.equal((await inspect(reader, named)).facts?.instructionFile, 'other.keys')
    // Also where this client does not read them.
    const without = w.client({ instructionFile: { read: false } })
    assert.equal((await inspect(without, named)).facts?.instructionFile, 'other.keys')
    w.s3.fail({ match: ({ key }) => key === 'plain.instruction', status: 403, code: 'AccessDenied' })
    const denied = await looked('plain')
    assert.ok(denied.status === 'unknown')
    assert.match(denied.problem, /S3 denies access/)
  })

  it('a version of it', async () => {
    await w.plain.send(
      new (await import('@aws-sdk/client-s3')).PutBucketVersioningCommand({
        Bucket,
        VersioningConfiguration: { Status: 'Enabled' },
      }),
    )
    const { VersionId } = await put(w.client({ commitmentPolicy: forbid }), 'versions', 'a')
    await put(w.client(), 'versions', 'b')
    assert.equal((await looked('versions')).facts?.version, 'V3')
    const old = await looked('versions', { VersionId })
    assert.deepEqual([old.facts?.version, old.versionId], ['V2', VersionId])
  })

  it('rejects what is no client, no name, no object, and when it is aborted', async () => {
    const plain = new S3Client(w.s3.clientConfig)
    await assert.rejects(inspect(plain, { Bucket, Key: 'v3' }), code('ERR_S3CSE_CONFIG', /inspect/))
    plain.destroy()
    await assert.rejects(inspect(reader, { Bucket, Key: '' }), code('ERR_S3CSE_CONFIG', /Key/))
    await assert.rejects(inspect(reader, { Bucket, Key: 'nothing' }), { name: 'NotFound' })
    const signal = AbortSignal.abort()
    await assert.rejects(inspect(reader, { Bucket, Key: 'v3' }, { signal }), { name: 'AbortError' })
  })
})

describe('files of .NET’s first client', () => {
  const legacy = {
    commitmentPolicy: 'REQUIRE_ENCRYPT_ALLOW_DECRYPT',
    legacy: { wrapping: true, content: true },
  } as const
  const dataKey = pattern(32)
  const iv = pattern(16)
  const encrypt = (key: Uint8Array, name: string, at: Uint8Array | null, data: Uint8Array): Buffer => {
    const cipher = createCipheriv(name, key, at)
    return Buffer.concat([cipher.update(data), cipher.final()])
  }
  const wrapped = encrypt(new Uint8Array(32).fill(7), 'aes-256-ecb', null, dataKey)
  const file = { EncryptedEnvelopeKey: wrapped.toString('base64'), IV: iv.toString('base64') }

  it('are read under their own names, where legacy wraps and content are', async () => {
    await w.s3.put(Bucket, 'dotnet', { body: encrypt(dataKey, 'aes-256-cbc', iv, pattern(1000)) })
    await w.s3.put(Bucket, 'dotnetINSTRUCTION_SUFFIX', { body: Buffer.from(JSON.stringify(file)) })
    assert.ok((await read(w.client(legacy), 'dotnet')).equals(pattern(1000)))
    assert.equal((await looked('dotnet')).facts?.instructionFile, 'dotnetINSTRUCTION_SUFFIX')
    for (const one of [{ wrapping: true }, { content: true }]) {
      w.s3.requests.length = 0
      await assert.rejects(read(w.client({ ...legacy, legacy: one }), 'dotnet'), code('ERR_S3CSE_NOT_ENCRYPTED'))
      assert.deepEqual(
        w.s3.requests.map(({ key }) => key),
        ['dotnet', 'dotnet.instruction'],
      )
    }
  })

  it('and their names are theirs alone', async () => {
    const names = { 'x-amz-key': file.EncryptedEnvelopeKey, 'x-amz-iv': file.IV }
    await w.s3.put(Bucket, 'dotnetINSTRUCTION_SUFFIX', { body: Buffer.from(JSON.stringify(names)) })
    await assert.rejects(read(w.client(legacy), 'dotnet'), code('ERR_S3CSE_ENVELOPE_INVALID', /no part of an envelope/))
    await w.s3.put(Bucket, 'dotnet.instruction', { body: Buffer.from(JSON.stringify(file)) })
    await assert.rejects(read(w.client(legacy), 'dotnet'), code('ERR_S3CSE_ENVELOPE_INVALID', /"EncryptedEnvelopeKey"/))
  })
})
