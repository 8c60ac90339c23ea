import { DecryptCommand, EncryptCommand, GenerateDataKeyCommand } from '@aws-sdk/client-kms'
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, test } from 'node:test'
import type { Keyring, UnwrapRequest } from '../../src/keyrings/keyring.js'
import { kmsKeyring } from '../../src/keyrings/kms.js'
import { code } from '../support/errors.js'
import {
  bytes,
  esdkKey,
  kmsFailure,
  opens,
  recordedKms,
  requestOf,
  signed,
  simpleKms,
  suite,
  suiteOf,
  toHex,
  vectorsFor,
  withoutKdf,
} from './esdk-support.js'
import { isKmsError } from './kms-support.js'
import { config, foreign } from './support.js'

const account = '123456789012'
const arn = `arn:aws:kms:us-east-1:${account}:key/942f61da-7e23-44b4-965f-2ed93e7c0606`
const second = `arn:aws:kms:us-east-1:${account}:key/3f7f52ad-3141-47d3-bb71-22a8948092ca`
const mrk = `arn:aws:kms:us-east-1:${account}:key/mrk-972c03fa636f42838dfa1f854c4d3777`
const replica = mrk.replace('us-east-1', 'eu-west-1')
const vectors = vectorsFor((id) => id === 'kms', 25)
const decoder = new TextDecoder()
const arnsOf = ({ encryptedDataKeys }: UnwrapRequest): string[] =>
  encryptedDataKeys.flatMap(({ provider, info }) => (provider === 'aws-kms' ? [decoder.decode(info)] : []))
const regionOf = (key: string): string => key.split(':')[3]!
const one = vectors.map(([vector]) => vector).find(({ id }) => id === 'py4-kms-multi-0478')!

const keyring = (client: ReturnType<typeof simpleKms>['client'], keyId = arn): Keyring => kmsKeyring({ client, keyId })

describe('kmsKeyring: data keys in messages of the AWS Encryption SDK', () => {
  test('every vector is opened by each of its keys, with one call that names the key and has the context', async () => {
    let opened = 0
    for (const [vector] of vectors) {
      const request = requestOf(vector)
      const arns = arnsOf(request)
      assert.ok(arns.length > 0)
      for (const key of arns) {
        const { client, stub, asked } = recordedKms(regionOf(key))
        await opens(keyring(client, key), vector)
        assert.deepEqual(asked(), [key])
        const { args } = stub.commandCalls(DecryptCommand)[0]!
        assert.deepEqual(args[0].input.EncryptionContext, { ...request.context })
        opened++
      }
    }
    assert.ok(opened > vectors.length)
  })

  test('by its id, by an alias and by an alias ARN too', async () => {
    const id = arn.slice(arn.lastIndexOf('/') + 1)
    const alias = arn.replace(/key\/.*/, 'alias/ours')
    for (const name of [id, 'alias/ours', alias]) {
      const { client, asked } = recordedKms('us-east-1', { 'alias/ours': arn, [alias]: arn })
      await opens(keyring(client, name), one)
      // An alias says nothing of the key: KMS is asked about each, until one is its own.
      const arns = arnsOf(requestOf(one))
      const fits = arns.filter((key) => (name === id ? key === arn : name === 'alias/ours' || /us-east-1/.test(key)))
      assert.deepEqual(
        asked(),
        fits.slice(0, fits.indexOf(arn) + 1).map(() => name),
      )
    }
  })

  test('a multi-region key by its replica', async () => {
    const some = vectors.filter(([vector]) => arnsOf(requestOf(vector)).includes(mrk))
    assert.ok(some.length >= 2)
    for (const [vector] of some) {
      const { client, asked } = recordedKms('eu-west-1')
      await opens(keyring(client, replica), vector)
      assert.deepEqual(asked(), [replica])
    }
  })

  test('no call for what names another key, another kind of key, or no key', async () => {
    const { client, asked } = recordedKms()
    const request = requestOf(one)
    const { ciphertext } = request.encryptedDataKeys[0]!
    const strict = keyring(client, arn)
    const foreigners = [
      second,
      arn.replace('us-east-1', 'eu-west-1'),
      arn.replace(account, '123456789013'),
      arn.replace('aws', 'aws-cn'),
      arn.replace('key/', 'alias/'),
      `${arn}x`,
      ` ${arn}`,
      'alias/ours',
      arn.slice(arn.lastIndexOf('/') + 1),
      '',
    ].map((info) => esdkKey('aws-kms', info, ciphertext))
    foreigners.push(esdkKey('aws-kms-rsa', arn, ciphertext), esdkKey('AWS-KMS', arn, ciphertext))
    foreigners.push(esdkKey('aws-kms', new Uint8Array([...bytes(arn), 0xff]), ciphertext))
    foreigners.push(esdkKey('aws-kms', arn, new Uint8Array(6145)), esdkKey('aws-kms', arn, new Uint8Array(0)))
    assert.equal(await strict.unwrap({ ...request, encryptedDataKeys: foreigners }), undefined)
    const byAlias = keyring(client, arn.replace(/key\/.*/, 'alias/ours'))
    const elsewhere = foreigners.slice(1, 4)
    assert.equal(await byAlias.unwrap({ ...request, encryptedDataKeys: elsewhere }), undefined)
    assert.deepEqual(asked(), [])
  })

  test('what KMS finds wrong with one ciphertext is passed over for the next', async () => {
    const request = requestOf(one)
    const mine = request.encryptedDataKeys.find(({ info }) => decoder.decode(info) === arn)!
    const damaged = esdkKey(
      'aws-kms',
      arn,
      mine.ciphertext.map((byte) => byte ^ 1),
    )
    const { client, asked } = recordedKms()
    const found = await keyring(client).unwrap({ ...request, encryptedDataKeys: [damaged, mine] })
    assert.equal(toHex(found), one.dataKey)
    assert.equal(asked().length, 2)
    assert.equal(await keyring(client).unwrap({ ...request, encryptedDataKeys: [damaged] }), undefined)
    assert.equal(await keyring(client).unwrap({ ...request, context: { m: '2' } }), undefined)
  })

  for (const name of ['AccessDeniedException', 'ThrottlingException', 'TimeoutError']) {
    test(`${name} is thrown, but only after the others have been tried`, async () => {
      const request = requestOf(one)
      const mine = request.encryptedDataKeys.find(({ info }) => decoder.decode(info) === arn)!
      const { client, stub } = simpleKms(arn)
      const answers = [kmsFailure(name), kmsFailure('DisabledException')]
      stub.on(DecryptCommand).callsFake(() => {
        const error = answers.shift()
        if (error !== undefined) throw error
        return { Plaintext: new Uint8Array(32).fill(9), KeyId: arn }
      })
      const three = { ...request, encryptedDataKeys: [mine, mine, mine] }
      assert.deepEqual(await keyring(client).unwrap(three), new Uint8Array(32).fill(9))
      answers.push(kmsFailure('InvalidCiphertextException'), kmsFailure(name), kmsFailure('DisabledException'))
      await assert.rejects(async () => keyring(client).unwrap(three), isKmsError('Decrypt', name, /./, /key arn/))
    })
  }

  test('no more than 16 calls for one message', async () => {
    const { client, asked } = recordedKms()
    const request = requestOf(one)
    const damaged = esdkKey('aws-kms', arn, new Uint8Array(90).fill(1))
    const many = Array.from({ length: 100 }, () => damaged)
    assert.equal(
      await keyring(client).unwrap({ ...request, encryptedDataKeys: [...many, ...request.encryptedDataKeys] }),
      undefined,
    )
    assert.equal(asked().length, 16)
    const few = [...many.slice(0, 15), ...request.encryptedDataKeys]
    assert.equal(toHex(await keyring(client).unwrap({ ...request, encryptedDataKeys: few })), one.dataKey)
  })

  test('an answer of another key or another length is none, and its bytes are wiped', async () => {
    const { client, stub } = simpleKms(arn)
    const request = requestOf(one)
    for (const [answer, name] of [
      [{ KeyId: second }, arn],
      [{ KeyId: undefined }, arn],
      [{ KeyId: arn.replace('us-east-1', 'eu-west-1') }, arn],
      [{ KeyId: 'alias/ours' }, 'alias/ours'],
      // The alias's key now, and yet not the key that the message names.
      [{ KeyId: arn.replace('942f', '942e') }, 'alias/ours'],
      [{ Plaintext: new Uint8Array(31).fill(1) }, arn],
      [{ Plaintext: new Uint8Array(33).fill(1) }, arn],
      [{ Plaintext: undefined }, arn],
    ] as const) {
      const Plaintext = new Uint8Array(32).fill(1)
      const given = { Plaintext, KeyId: arn, ...answer }
      stub.on(DecryptCommand).resolves(given)
      assert.equal(await keyring(client, name).unwrap(request), undefined)
      assert.ok(given.Plaintext === undefined || given.Plaintext.every((byte) => byte === 0))
    }
    stub.on(DecryptCommand).resolves({ Plaintext: new Uint8Array(32).fill(1), KeyId: arn })
    assert.equal((await keyring(client).unwrap(request))?.length, 32)
  })

  test('an abort ends it at once', async () => {
    const { client, stub, asked } = simpleKms(arn)
    const controller = new AbortController()
    stub.on(DecryptCommand).callsFake(() => {
      controller.abort()
      throw Object.assign(new Error('Request aborted'), { name: 'AbortError' })
    })
    const request = requestOf(one)
    const mine = request.encryptedDataKeys.find(({ info }) => decoder.decode(info) === arn)!
    const three = { ...request, encryptedDataKeys: [mine, mine, mine], signal: controller.signal }
    await assert.rejects(async () => keyring(client).unwrap(three), { name: 'AbortError' })
    assert.equal(asked().length, 1)
  })

  test('GenerateDataKey for a new data key: the suite’s length, the context as it is, the key’s ARN stored', async () => {
    for (const some of [suite, signed, withoutKdf, suiteOf(0x0014), suiteOf(0x0146)]) {
      const { client, stub } = simpleKms(arn)
      const context = { 'aws:x-amz-cek-alg': 'nothing special here', kms_cmk_id: 'x', ключ: '🔑' }
      const strict = kmsKeyring({ client, keyId: 'alias/ours', grantTokens: ['token'] })
      const { dataKey, encryptedDataKeys, context: stored } = await strict.wrap({ suite: some, context })
      const { args } = stub.commandCalls(GenerateDataKeyCommand)[0]!
      assert.deepEqual(args[0].input, {
        KeyId: 'alias/ours',
        EncryptionContext: context,
        GrantTokens: ['token'],
        NumberOfBytes: some.keyLength,
      })
      assert.deepEqual({ ...stored }, context)
      const { algorithm, provider, info } = encryptedDataKeys[0]!
      assert.deepEqual([encryptedDataKeys.length, algorithm, provider], [1, 'esdk', 'aws-kms'])
      assert.equal(decoder.decode(info), arn)
      const reader = keyring(simpleKms(arn).client, arn)
      assert.deepEqual(await reader.unwrap({ suite: some, context, encryptedDataKeys }), dataKey)
    }
  })

  test('Encrypt for a given one, which is neither taken nor changed', async () => {
    const { client, stub } = simpleKms(arn)
    const dataKey = Uint8Array.from(randomBytes(32))
    const before = toHex(dataKey)
    const wrapped = await keyring(client).wrap({ suite, context: { a: 'b' }, dataKey })
    const { args } = stub.commandCalls(EncryptCommand)[0]!
    assert.deepEqual([args[0].input.KeyId, args[0].input.EncryptionContext], [arn, { a: 'b' }])
    assert.equal(stub.commandCalls(GenerateDataKeyCommand).length, 0)
    assert.notEqual(wrapped.dataKey, dataKey)
    assert.equal(toHex(wrapped.dataKey), before)
    wrapped.dataKey.fill(0)
    assert.equal(toHex(dataKey), before)
    const { context, encryptedDataKeys } = wrapped
    assert.equal(toHex(await keyring(client).unwrap({ suite, context, encryptedDataKeys })), before)
  })

  test('a write that KMS answers oddly is refused: RESPONSE_UNEXPECTED', async () => {
    const good = { CiphertextBlob: new Uint8Array(9), KeyId: arn }
    for (const answer of [
      { KeyId: second },
      { KeyId: undefined },
      { KeyId: 'alias/ours' },
      { CiphertextBlob: undefined },
      { CiphertextBlob: new Uint8Array(0) },
      { CiphertextBlob: new Uint8Array(6145) },
    ]) {
      const { client, stub } = simpleKms(arn)
      const Plaintext = new Uint8Array(32).fill(1)
      stub.on(GenerateDataKeyCommand).resolves({ ...good, Plaintext, ...answer })
      stub.on(EncryptCommand).resolves({ ...good, ...answer })
      const refused = code('ERR_S3CSE_RESPONSE_UNEXPECTED')
      await assert.rejects(async () => keyring(client).wrap({ suite, context: {} }), refused)
      await assert.rejects(async () => keyring(client).wrap({ suite, context: {}, dataKey: randomBytes(32) }), refused)
      assert.ok(Plaintext.every((byte) => byte === 0))
    }
    const { client, stub } = simpleKms(arn)
    for (const length of [0, 16, 31, 33]) {
      stub.on(GenerateDataKeyCommand).resolves({ ...good, Plaintext: new Uint8Array(length).fill(1) })
      await assert.rejects(
        async () => keyring(client).wrap({ suite, context: {} }),
        code('ERR_S3CSE_RESPONSE_UNEXPECTED', /without a data key of the length/),
      )
    }
  })

  test('refused: another wrap, another format, a data key of another length; KMS’s failures have their own error', async () => {
    const { client, stub } = simpleKms(arn)
    const request = { suite, context: {} }
    await assert.rejects(
      async () => keyring(client).wrap({ ...request, algorithm: 'kms+context' }),
      config(/writes esdk/),
    )
    await assert.rejects(async () => keyring(client).wrap({ ...request, suite: foreign }), config(/support format/))
    await assert.rejects(async () => keyring(client).wrap({ ...request, dataKey: randomBytes(31) }), config(/32 bytes/))
    assert.equal(stub.calls().length, 0)
    stub.on(GenerateDataKeyCommand).rejects(kmsFailure('AccessDeniedException'))
    await assert.rejects(
      async () => keyring(client).wrap(request),
      isKmsError('GenerateDataKey', 'AccessDeniedException', /policy/, /key arn/),
    )
  })

  test('no data key of a message is moved by ReEncrypt', async () => {
    const { client, stub } = simpleKms(arn)
    const from = keyring(client)
    const wrapped = await from.wrap({ suite, context: {} })
    const to = keyring(client, second)
    const request = { suite, ...wrapped, from, newContext: { a: 'b' } }
    assert.equal(await to.rewrap?.(request), undefined)
    assert.equal(stub.calls().length, 1)
  })

  test('algorithms say that it is for such messages', () => {
    assert.ok(keyring(simpleKms(arn).client).algorithms?.includes('esdk'))
  })
})
