// The option bind: what it takes, and where it is an error.
import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { describe, it } from 'node:test'

import { GetObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3'

import { boundContext } from '../../src/client/binding.js'
import { addEncryption, aesKeyring, cachingKeyring, requestOptions, rsaKeyring, s3ec } from '../../src/index.js'
import { code } from '../support/errors.js'
import { Bucket, keyring as raw } from '../support/world.js'
import { bindWorld, KEY, LABEL } from './bind-support.js'
import { readFrom } from './copy-support.js'

const w = await bindWorld({ accessPoints: { point: Bucket } })
const config = code('ERR_S3CSE_CONFIG')
const bounded = { timeout: 30_000 }

function setUp(options: object): S3Client {
  const client = new S3Client(w.s3.clientConfig)
  client.destroy()
  return addEncryption(client, { keyring: w.keyring, bind: true, ...options })
}

describe('bind at set-up', bounded, () => {
  it('takes true, false and a label', () => {
    for (const bind of [true, false, undefined, {}, { label: 'x' }, { label: undefined }]) setUp({ bind })
  })

  it('refuses everything else', () => {
    for (const bind of [
      'yes',
      1,
      null,
      [],
      () => true,
      { label: '' },
      { label: 5 },
      { label: '\ud800' },
      { name: 'x' },
    ]) {
      assert.throws(() => setUp({ bind }), config, JSON.stringify(bind))
    }
  })

  it('refuses keyrings whose context nothing authenticates, and formats without one', () => {
    const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
    const inner = aesKeyring({ wrappingKey: new Uint8Array(32) })
    for (const keyring of [
      raw,
      rsaKeyring({ publicKey, privateKey }),
      cachingKeyring(inner, { maxAge: 1000, maxMessages: 10 }),
    ]) {
      assert.throws(() => setUp({ keyring }), code('ERR_S3CSE_CONFIG', /bind/))
      setUp({ keyring, bind: false })
    }
    assert.throws(() => setUp({ format: s3ec({ insecureLegacyWriting: 'V1-CBC' }), keyring: raw }), config)
  })

  it('refuses its own names in a context: at set-up, from a function, from a request', async () => {
    for (const name of [LABEL, KEY]) {
      const encryptionContext = { [name]: 'x' }
      assert.throws(() => setUp({ encryptionContext }), code('ERR_S3CSE_CONFIG', new RegExp(name)))
      setUp({ encryptionContext, bind: false })
      const byFunction = w.bound({ encryptionContext: () => encryptionContext })
      const input = { Bucket, Key: 'x', Body: 'x' }
      await assert.rejects(byFunction.send(new PutObjectCommand(input)), config)
      const byRequest = new PutObjectCommand(requestOptions(input, { encryptionContext }))
      await assert.rejects(w.bound().send(byRequest), config)
    }
  })

  it('refuses a keyring of a request that authenticates nothing', async () => {
    const input = requestOptions({ Bucket, Key: 'x', Body: 'x' }, { keyring: raw })
    w.s3.requests.length = 0
    await assert.rejects(w.bound().send(new PutObjectCommand(input)), config)
    assert.equal(w.s3.requests.length, 0)
  })
})

describe('names of buckets', bounded, () => {
  const aliases = [
    'arn:aws:s3:us-east-1:111122223333:accesspoint/point',
    'point-hrzrlukc5m36ft7okagglf3gmwluquse1b-s3alias',
    'mfzwi23gnjvgw.mrap',
    'lambda-abc--ol-s3',
    'outpost-abc--op-s3',
    'point--use1-az4--xa-s3',
  ]

  it('access points need a label', () => {
    for (const name of aliases) {
      assert.throws(() => boundContext({}, {}, name, 'k'), code('ERR_S3CSE_CONFIG', /label/), name)
      assert.deepEqual({ ...boundContext({ label: 'l' }, {}, name, 'k') }, { [LABEL]: 'l', [KEY]: 'k' })
    }
    for (const name of ['bucket', 'files--use1-az4--x-s3', 's3alias', 'arn', 'my-mrap']) {
      assert.deepEqual({ ...boundContext({}, { a: 'b' }, name, 'k') }, { a: 'b', [LABEL]: name, [KEY]: 'k' })
    }
  })

  it('through an access point: an error without a label, and with one the same object', async () => {
    const arn = aliases[0]!
    const hosted = w.s3.virtualHostConfig()
    const input = { Bucket: arn, Key: 'through', Body: 'text' }
    await assert.rejects(w.bound({}, hosted).send(new PutObjectCommand(input)), code('ERR_S3CSE_CONFIG', /label/))
    const bind = { label: 'mine' }
    const through = w.bound({ bind }, hosted)
    await through.send(new PutObjectCommand(input))
    assert.equal(await readFrom(w.bound({ bind }), 'through'), 'text')
    assert.equal(await readFrom(through, 'through', { Bucket: arn }), 'text')
    const { metadata } = await w.stored('through')
    assert.match(metadata['x-amz-t']!, /"s3-cse-label":"mine"/)
  })

  it('a context of the caller’s is kept beside it, and must be the same', async () => {
    const encryptionContext = { tenant: 'a' }
    await w.bound({ encryptionContext }).send(new PutObjectCommand({ Bucket, Key: 'tenant', Body: 'text' }))
    assert.equal(await readFrom(w.bound({ encryptionContext: () => ({ tenant: 'a' }) }), 'tenant'), 'text')
    const mismatch = code('ERR_S3CSE_CONTEXT_MISMATCH')
    await assert.rejects(readFrom(w.bound(), 'tenant'), mismatch)
    await assert.rejects(readFrom(w.bound({ encryptionContext: { tenant: 'b' } }), 'tenant'), mismatch)
    await assert.rejects(readFrom(w.loose({ encryptionContext }), 'tenant'), mismatch)
    const whole = { tenant: 'a', [LABEL]: Bucket, [KEY]: 'tenant' }
    const input = requestOptions({ Bucket, Key: 'tenant' }, { encryptionContext: whole })
    const { Body } = await w.loose().send(new GetObjectCommand(input))
    assert.equal(await Body!.transformToString(), 'text')
  })
})
