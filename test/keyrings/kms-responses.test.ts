import assert from 'node:assert/strict'
import { after, afterEach, describe, test } from 'node:test'
import {
  DecryptCommand,
  DisabledException,
  EncryptCommand,
  GenerateDataKeyCommand,
  IncorrectKeyException,
  InvalidCiphertextException,
  KMSClient,
  KMSServiceException,
} from '@aws-sdk/client-kms'
import { mockClient } from 'aws-sdk-client-mock'
import { CseError } from '../../src/errors.js'
import { kmsDiscoveryKeyring, kmsKeyring } from '../../src/kms.js'
import { code } from '../support/errors.js'
import { account, arn, fresh, isKmsError, keyId, stored } from './kms-support.js'
import { ciphertextOf, unwrap, v3 } from './support.js'

describe('KMS keyrings: odd answers (mocked client)', () => {
  const mock = mockClient(KMSClient)
  const client = new KMSClient({ region: 'us-east-1' })
  const keyring = kmsKeyring({ client, keyId: arn })
  const discovery = kmsDiscoveryKeyring({ client, discoveryFilter: { accountIds: [account], partition: 'aws' } })
  afterEach(() => mock.reset())
  after(() => mock.restore())

  const wrap = async (dataKey?: Uint8Array): Promise<unknown> =>
    keyring.wrap({ suite: v3, context: { tenant: 'context-value' }, ...(dataKey && { dataKey }) })

  test('a right answer, to show that the mock works; its plaintext is wiped', async () => {
    const plaintext = fresh()
    mock.on(DecryptCommand).resolves({ Plaintext: plaintext, KeyId: arn })
    assert.deepEqual(await unwrap(keyring, stored), fresh())
    assert.deepEqual(plaintext, new Uint8Array(32))
    assert.equal(await unwrap(keyring, stored), undefined, 'the same bytes again are zeros, and no key')
    const [call] = mock.commandCalls(DecryptCommand)
    assert.deepEqual(call?.args[0].input, {
      KeyId: arn,
      CiphertextBlob: new Uint8Array([1, 2, 3]),
      EncryptionContext: stored.context,
    })
  })

  const answers: Record<string, object> = {
    'no Plaintext': { KeyId: arn },
    '16 bytes': { KeyId: arn, Plaintext: fresh(16) },
    '33 bytes': { KeyId: arn, Plaintext: fresh(33) },
    'no bytes': { KeyId: arn, Plaintext: new Uint8Array(0) },
    text: { KeyId: arn, Plaintext: 'x'.repeat(32) },
    'no KeyId': { Plaintext: fresh() },
    'empty KeyId': { Plaintext: fresh(), KeyId: '' },
    'the bare key id': { Plaintext: fresh(), KeyId: keyId },
    'another key': { Plaintext: fresh(), KeyId: arn.replace('1a198d9c', '00000000') },
    'another account': { Plaintext: fresh(), KeyId: arn.replace(account, '999999999999') },
    'another partition': { Plaintext: fresh(), KeyId: arn.replace('arn:aws:', 'arn:aws-cn:') },
    'an alias': { Plaintext: fresh(), KeyId: arn.replace(/key\/.*/, 'alias/x') },
    empty: {},
  }
  for (const [name, answer] of Object.entries(answers)) {
    test(`Decrypt answers with ${name}: undefined, and the plaintext is wiped`, async () => {
      const { Plaintext } = answer as { Plaintext?: Uint8Array }
      for (const one of name === 'another key' ? [keyring] : [keyring, discovery]) {
        if (Plaintext instanceof Uint8Array) Plaintext.fill(7)
        mock.on(DecryptCommand).resolves(answer)
        assert.equal(await unwrap(one, stored), undefined)
        if (Plaintext instanceof Uint8Array) assert.ok(Plaintext.every((byte) => byte === 0))
      }
    })
  }

  test('errors about the object are undefined, for both keyrings', async () => {
    const options = { $metadata: {}, message: '' }
    for (const error of [new InvalidCiphertextException(options), new IncorrectKeyException(options)]) {
      mock.on(DecryptCommand).rejects(error)
      assert.equal(await unwrap(keyring, stored), undefined)
      assert.equal(await unwrap(discovery, stored), undefined)
    }
  })

  test('all others are not, for both keyrings', async () => {
    const disabled = new DisabledException({ $metadata: {}, message: 'details of the SDK' })
    const denied = new KMSServiceException({ $fault: 'client', $metadata: {}, name: 'AccessDeniedException' })
    for (const error of [disabled, denied]) {
      mock.on(DecryptCommand).rejects(error)
      await assert.rejects(unwrap(keyring, stored), isKmsError('Decrypt', error.name, /./))
      const accounts = new RegExp(`discovery in ${account}`)
      await assert.rejects(unwrap(discovery, stored), isKmsError('Decrypt', error.name, /./, accounts))
    }
    // The same names are about the object only in an answer to Decrypt.
    mock.on(GenerateDataKeyCommand).rejects(new IncorrectKeyException({ $metadata: {}, message: '' }))
    await assert.rejects(wrap(), isKmsError('GenerateDataKey', 'IncorrectKeyException', /./))
  })

  test('no answer at all', async () => {
    mock.on(DecryptCommand).resolves(undefined as never)
    await assert.rejects(
      unwrap(keyring, stored),
      code('ERR_S3CSE_RESPONSE_UNEXPECTED', /KMS Decrypt with key .* with nothing/),
    )
  })

  const CiphertextBlob = new Uint8Array([4, 5, 6])
  test('GenerateDataKey answers as it should', async () => {
    mock.on(GenerateDataKeyCommand).callsFake(() => ({ KeyId: arn, Plaintext: fresh(), CiphertextBlob }))
    const wrapped = await keyring.wrap({ suite: v3, context: {} })
    assert.deepEqual(wrapped.dataKey, fresh())
    assert.deepEqual(ciphertextOf(wrapped), CiphertextBlob)
    assert.notEqual(ciphertextOf(wrapped), CiphertextBlob)
  })

  for (const [name, answer] of Object.entries({
    ...answers,
    'no CiphertextBlob': { KeyId: arn, Plaintext: fresh() },
    'an empty CiphertextBlob': { KeyId: arn, Plaintext: fresh(), CiphertextBlob: new Uint8Array(0) },
    'zeros, as a client that hands out one answer twice': { KeyId: arn, Plaintext: new Uint8Array(32), CiphertextBlob },
  })) {
    test(`GenerateDataKey answers with ${name}: an error, and the plaintext is wiped`, async () => {
      const { Plaintext } = answer as { Plaintext?: Uint8Array }
      const bytes = Plaintext instanceof Uint8Array ? Plaintext : new Uint8Array(0)
      if (!name.startsWith('zeros')) bytes.fill(7)
      mock
        .on(GenerateDataKeyCommand)
        .resolves({ CiphertextBlob: name.includes('Blob') ? undefined : CiphertextBlob, ...answer })
      await assert.rejects(wrap(), code('ERR_S3CSE_RESPONSE_UNEXPECTED', /KMS GenerateDataKey with key arn/))
      assert.ok(bytes.every((byte) => byte === 0))
    })
  }

  test('Encrypt answers for another key or without a blob', async () => {
    for (const answer of [
      { KeyId: arn },
      { KeyId: arn.replace(account, '999999999999'), CiphertextBlob },
      { CiphertextBlob },
    ]) {
      mock.on(EncryptCommand).resolves(answer)
      await assert.rejects(wrap(fresh()), code('ERR_S3CSE_RESPONSE_UNEXPECTED', /KMS Encrypt with key arn/))
    }
    mock.on(EncryptCommand).resolves({ KeyId: arn, CiphertextBlob })
    await wrap(fresh())
  })

  test('the copy of a given data key is wiped when Encrypt fails; the given one is not', async () => {
    let copy: Uint8Array | undefined
    const mine = fresh()
    for (const fake of [
      () => ({ KeyId: arn }),
      () => {
        throw new Error('network')
      },
    ]) {
      mock.on(EncryptCommand).callsFake((input: { Plaintext: Uint8Array }) => {
        copy = input.Plaintext
        assert.deepEqual(copy, fresh())
        return fake()
      })
      await assert.rejects(wrap(mine), CseError)
      assert.deepEqual(copy, new Uint8Array(32))
      assert.deepEqual(mine, fresh())
    }
  })

  test('a data key that is refused is wiped, the copy as well as the answer', async (t) => {
    const fill = t.mock.method(Uint8Array.prototype, 'fill')
    const wiped = (): number => {
      const count = fill.mock.calls.filter(
        (call) => (call.this as Uint8Array).length === 32 && call.arguments[0] === 0,
      ).length
      fill.mock.resetCalls()
      return count
    }
    const other = arn.replace('1a198d9c', '00000000')
    mock.on(DecryptCommand).callsFake(() => ({ KeyId: other, Plaintext: fresh() }))
    mock.on(GenerateDataKeyCommand).callsFake(() => ({ KeyId: other, Plaintext: fresh(), CiphertextBlob }))
    await unwrap(keyring, stored)
    assert.equal(wiped(), 2)
    await assert.rejects(wrap(), code('ERR_S3CSE_RESPONSE_UNEXPECTED'))
    assert.equal(wiped(), 2)
  })

  test('a multi-region key may answer with a replica, other keys not with another region', async () => {
    const mrk = `arn:aws:kms:us-east-1:${account}:key/mrk-${'0'.repeat(32)}`
    const europe = (text: string): string => text.replace('us-east-1', 'eu-west-1')
    const answerFor = async (configured: string, KeyId: string): Promise<boolean> => {
      mock.on(DecryptCommand).callsFake(() => ({ Plaintext: fresh(), KeyId }))
      return (await unwrap(kmsKeyring({ client, keyId: configured }), stored)) !== undefined
    }
    assert.equal(await answerFor(mrk, europe(mrk)), true)
    assert.equal(await answerFor(mrk, europe(mrk).replace(account, '999999999999')), false)
    assert.equal(await answerFor(mrk, europe(mrk).replace('mrk-0', 'mrk-1')), false)
    assert.equal(await answerFor(arn, europe(arn)), false)
  })
})
