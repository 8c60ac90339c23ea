import { DecryptCommand } from '@aws-sdk/client-kms'
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Keyring } from '../../src/keyrings/keyring.js'
import type { KmsClientLike } from '../../src/keyrings/kms-client.js'
import { kmsDiscoveryKeyring } from '../../src/keyrings/kms-discovery.js'
import {
  bytes,
  esdkKey,
  kmsFailure,
  opens,
  recordedKms,
  requestOf,
  simpleKms,
  suite,
  vectorsFor,
} from './esdk-support.js'
import { isKmsError } from './kms-support.js'
import { config } from './support.js'

const account = '123456789012'
const arn = `arn:aws:kms:us-east-1:${account}:key/942f61da-7e23-44b4-965f-2ed93e7c0606`
const mrk = `arn:aws:kms:us-east-1:${account}:key/mrk-972c03fa636f42838dfa1f854c4d3777`
const replica = mrk.replace('us-east-1', 'eu-west-1')
const vectors = vectorsFor((id) => id === 'kms', 25)
const decoder = new TextDecoder()

const discovery = (client: KmsClientLike, partition = 'aws', accountIds = [account]): Keyring =>
  kmsDiscoveryKeyring({ client, discoveryFilter: { partition, accountIds } })

describe('kmsDiscoveryKeyring: data keys in messages of the AWS Encryption SDK', () => {
  for (const region of ['us-east-1', 'eu-west-1']) {
    test(`every vector with a key of ${region} is opened, by the ARN that is stored`, async () => {
      let opened = 0
      for (const [vector] of vectors) {
        const { encryptedDataKeys } = requestOf(vector)
        const arns = encryptedDataKeys.flatMap(({ provider, info }) =>
          provider === 'aws-kms' ? [decoder.decode(info)] : [],
        )
        const here = arns.map((key) => (key === mrk ? mrk.replace('us-east-1', region) : key))
        const first = here.find((key) => key.includes(`:${region}:`))
        const { client, asked } = recordedKms(region)
        if (first === undefined) {
          assert.equal(await discovery(client).unwrap(requestOf(vector)), undefined)
          assert.deepEqual(asked(), [])
          continue
        }
        await opens(discovery(client), vector)
        assert.deepEqual(asked(), [first])
        opened++
      }
      assert.ok(opened >= (region === 'us-east-1' ? 25 : 3), String(opened))
    })
  }

  test('a multi-region key by its replica in the client’s region', async () => {
    const [vector] = vectors.find(([{ id }]) => id === 'py4-kms-mrk-0578')!
    const { client, asked } = recordedKms('eu-west-1')
    await opens(discovery(client), vector)
    assert.deepEqual(asked(), [replica])
  })

  test('no call for keys outside the filter, of other regions, or that are none', async () => {
    const [vector] = vectors.find(([{ id }]) => id === 'py4-kms-strict-0478')!
    const request = requestOf(vector)
    const { ciphertext } = request.encryptedDataKeys[0]!
    const { client, asked } = recordedKms()
    for (const keyring of [discovery(client, 'aws-cn'), discovery(client, 'aws', ['123456789013'])]) {
      assert.equal(await keyring.unwrap(request), undefined)
    }
    const infos: (string | Uint8Array)[] = [
      arn.replace('us-east-1', 'eu-west-1'),
      arn.replace(account, '123456789013'),
      arn.replace('aws', 'aws-us-gov'),
      arn.replace('key/', 'alias/'),
      arn.slice(arn.lastIndexOf('/') + 1),
      'alias/ours',
      `${arn}\n`,
      `x${arn}`,
      new Uint8Array([0xff, ...bytes(arn)]),
      '',
    ]
    const foreigners = infos.map((info) => esdkKey('aws-kms', info, ciphertext))
    foreigners.push(esdkKey('aws-kms-mrk', arn, ciphertext), esdkKey('aws-kms', arn, new Uint8Array(6145)))
    assert.equal(await discovery(client).unwrap({ ...request, encryptedDataKeys: foreigners }), undefined)
    assert.deepEqual(asked(), [])
    const all = [...foreigners, ...request.encryptedDataKeys]
    assert.ok(await discovery(client).unwrap({ ...request, encryptedDataKeys: all }))
    assert.deepEqual(asked(), [arn])
  })

  test('the answer must be of the very key that was asked for', async () => {
    const [vector] = vectors.find(([{ id }]) => id === 'py4-kms-mrk-0578')!
    for (const KeyId of [mrk, arn, undefined, replica.slice(replica.lastIndexOf('/') + 1)]) {
      const { client, stub } = simpleKms(replica)
      const Plaintext = new Uint8Array(32).fill(1)
      stub.on(DecryptCommand).resolves({ Plaintext, ...(KeyId && { KeyId }) })
      assert.equal(await discovery(client).unwrap(requestOf(vector)), undefined)
      assert.ok(Plaintext.every((byte) => byte === 0))
    }
    const { client, stub } = simpleKms(replica)
    stub.on(DecryptCommand).resolves({ Plaintext: new Uint8Array(32).fill(1), KeyId: replica })
    assert.ok(await discovery(client).unwrap(requestOf(vector)))
  })

  test('a client whose region is not known is asked by the ARN as it is stored', async () => {
    for (const config of [undefined, {}, { region: () => Promise.reject(new Error('no region')) }, { region: 7 }]) {
      const asked: (string | undefined)[] = []
      const client: KmsClientLike = {
        ...(config && { config }),
        send: async (command: { input: DecryptCommand['input'] }) => {
          asked.push(command.input.KeyId)
          return { Plaintext: new Uint8Array(32).fill(1), KeyId: command.input.KeyId }
        },
      }
      const [vector] = vectors.find(([{ id }]) => id === 'py4-kms-mrk-0578')!
      assert.ok(await discovery(client).unwrap(requestOf(vector)))
      assert.deepEqual(asked, [mrk])
    }
  })

  test('what is not about the message is thrown after the others have been tried; 16 calls at most', async () => {
    const [vector] = vectors.find(([{ id }]) => id === 'py4-kms-multi-0478')!
    const request = requestOf(vector)
    const { client, stub, asked } = simpleKms(arn)
    const answers: (Error | undefined)[] = [kmsFailure('AccessDeniedException'), undefined]
    stub.on(DecryptCommand).callsFake((input: DecryptCommand['input']) => {
      const error = answers.shift()
      if (error !== undefined) throw error
      return { Plaintext: new Uint8Array(32).fill(1), KeyId: input.KeyId }
    })
    assert.ok(await discovery(client).unwrap(request))
    assert.equal(asked().length, 2)
    assert.equal(new Set(asked()).size, 2)
    answers.push(kmsFailure('AccessDeniedException'), kmsFailure('InvalidCiphertextException'))
    await assert.rejects(
      async () => discovery(client).unwrap(request),
      isKmsError('Decrypt', 'AccessDeniedException', /policy/, /discovery in 123456789012/),
    )
    stub.resetHistory()
    stub.on(DecryptCommand).rejects(kmsFailure('InvalidCiphertextException'))
    const many = Array.from({ length: 50 }, () => request.encryptedDataKeys).flat()
    assert.equal(await discovery(client).unwrap({ ...request, encryptedDataKeys: many }), undefined)
    assert.equal(asked().length, 16)
  })

  test('it never writes, and says that it is for such messages', async () => {
    const { client, stub } = simpleKms(arn)
    const keyring = discovery(client)
    await assert.rejects(async () => keyring.wrap({ suite, context: {} }), config(/cannot write/))
    assert.equal(stub.calls().length, 0)
    assert.ok(keyring.algorithms?.includes('esdk'))
  })
})
