import assert from 'node:assert/strict'
import { after, afterEach, describe, test } from 'node:test'
import { IncorrectKeyException, InvalidCiphertextException, KMSClient, ReEncryptCommand } from '@aws-sdk/client-kms'
import { mockClient } from 'aws-sdk-client-mock'
import { DecryptionError } from '../../src/errors.js'
import { kmsDiscoveryKeyring, kmsKeyring } from '../../src/kms.js'
import { code } from '../support/errors.js'
import { account, arn, keyId, stored } from './kms-support.js'
import { rewrap } from './kms-rewrap-support.js'
import { ciphertextOf } from './support.js'

describe('kmsKeyring: odd answers to ReEncrypt (mocked client)', () => {
  const mock = mockClient(KMSClient)
  const client = new KMSClient({ region: 'us-east-1' })
  const newArn = arn.replace('1a198d9c', '2b2a9eac')
  const from = kmsKeyring({ client, keyId: arn })
  const discovery = kmsDiscoveryKeyring({ client, discoveryFilter: { accountIds: [account], partition: 'aws' } })
  const to = kmsKeyring({ client, keyId: newArn })
  const CiphertextBlob = new Uint8Array([4, 5, 6])
  const right = { CiphertextBlob, SourceKeyId: arn, KeyId: newArn }
  afterEach(() => mock.reset())
  after(() => mock.restore())

  test('a right answer, to show that the mock works; its blob is copied', async () => {
    mock.on(ReEncryptCommand).resolves(right)
    const result = await rewrap(to, from, stored)
    assert.deepEqual(ciphertextOf(result!), CiphertextBlob)
    assert.notEqual(ciphertextOf(result!), CiphertextBlob)
    assert.deepEqual(mock.commandCalls(ReEncryptCommand)[0]?.args[0].input, {
      CiphertextBlob: new Uint8Array([1, 2, 3]),
      SourceKeyId: arn,
      SourceEncryptionContext: stored.context,
      DestinationKeyId: newArn,
      DestinationEncryptionContext: { 'aws:x-amz-cek-alg': '115' },
    })
  })

  const keys = (right: string): Record<string, string | undefined> => ({
    'no ARN': undefined,
    'an empty one': '',
    'the bare key id': right.replace(/.*key\//, ''),
    'another key': right.replace(/key\/.{8}/, 'key/00000000'),
    'another account': right.replace(account, '999999999999'),
    'another partition': right.replace('arn:aws:', 'arn:aws-cn:'),
    'another region': right.replace('us-east-1', 'eu-west-1'),
    'an alias': right.replace(/key\/.*/, 'alias/x'),
  })

  for (const [name, SourceKeyId] of Object.entries(keys(arn))) {
    test(`source: ${name}: a decryption failure`, async () => {
      mock.on(ReEncryptCommand).resolves({ ...right, SourceKeyId })
      await assert.rejects(rewrap(to, from, stored), DecryptionError)
      // Which key and region of the account it is, is not for discovery to know.
      if (['another key', 'another region'].includes(name)) assert.ok(await rewrap(to, discovery, stored))
      else await assert.rejects(rewrap(to, discovery, stored), DecryptionError)
    })
  }

  const blobs: Record<string, object> = {
    'no blob': { CiphertextBlob: undefined },
    'an empty blob': { CiphertextBlob: new Uint8Array(0) },
    'a blob longer than KMS takes': { CiphertextBlob: new Uint8Array(6145) },
    'text for a blob': { CiphertextBlob: 'AAAA' },
  }
  const destinations = Object.entries(keys(newArn)).map(([name, KeyId]): [string, object] => [name, { KeyId }])
  for (const [name, change] of [...destinations, ...Object.entries(blobs)]) {
    test(`destination: ${name}: an error of its own`, async () => {
      mock.on(ReEncryptCommand).resolves({ ...right, ...change })
      const unexpected = code('ERR_S3CSE_RESPONSE_UNEXPECTED', /^KMS ReEncrypt with .* answered for another key, or/)
      await assert.rejects(rewrap(to, from, stored), unexpected)
      mock.on(ReEncryptCommand).resolves({ ...right, ...change, SourceKeyId: newArn.replace(account, '999999999999') })
      await assert.rejects(rewrap(to, discovery, stored), DecryptionError, 'the object comes first')
    })
  }

  test('a blob of the greatest length', async () => {
    mock.on(ReEncryptCommand).resolves({ ...right, CiphertextBlob: new Uint8Array(6144) })
    assert.equal(ciphertextOf((await rewrap(to, from, stored))!).length, 6144)
  })

  test('no answer at all', async () => {
    mock.on(ReEncryptCommand).resolves(undefined as never)
    await assert.rejects(rewrap(to, from, stored), code('ERR_S3CSE_RESPONSE_UNEXPECTED', /ReEncrypt .* with nothing/))
  })

  test('errors about the ciphertext are decryption failures, without a cause', async () => {
    for (const Exception of [InvalidCiphertextException, IncorrectKeyException]) {
      mock.on(ReEncryptCommand).rejects(new Exception({ $metadata: {}, message: 'details' }))
      await assert.rejects(rewrap(to, from, stored), (error: Error) => {
        assert.ok(error instanceof DecryptionError)
        assert.equal(error.cause, undefined)
        return true
      })
    }
  })

  test('what is the same key: one ARN, or a multi-region key in another region', async () => {
    const mrk = `arn:aws:kms:us-east-1:${account}:key/mrk-${'0'.repeat(32)}`
    const same = async (keyId: string, SourceKeyId: string, KeyId: string): Promise<boolean | undefined> => {
      mock.on(ReEncryptCommand).resolves({ CiphertextBlob, SourceKeyId, KeyId })
      return (await rewrap(kmsKeyring({ client, keyId }), discovery, stored))?.sameKey
    }
    const europe = mrk.replace('us-east-1', 'eu-west-1')
    assert.equal(await same(arn, arn, arn), true)
    assert.equal(await same(mrk, mrk, mrk), true)
    assert.equal(await same(mrk, europe, mrk), true)
    assert.equal(await same(mrk, mrk, europe), true)
    assert.equal(await same(newArn, arn, newArn), false)
    assert.equal(await same(arn, arn.replace('us-east-1', 'eu-west-1'), arn), false)
    assert.equal(await same(mrk, mrk.replace('mrk-0', 'mrk-1'), mrk), false)
    assert.equal(await same(keyId, arn.replace(account, '999999999999'), arn).catch(() => 'refused'), 'refused')
    const wide = kmsDiscoveryKeyring({
      client,
      discoveryFilter: { accountIds: [account, '999999999999'], partition: 'aws' },
    })
    mock
      .on(ReEncryptCommand)
      .resolves({ CiphertextBlob, SourceKeyId: mrk.replace(account, '999999999999'), KeyId: mrk })
    assert.equal((await rewrap(kmsKeyring({ client, keyId: mrk }), wide, stored))?.sameKey, false)
  })
})
