import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, test } from 'node:test'
import {
  CreateAliasCommand,
  CreateKeyCommand,
  DecryptCommand,
  DeleteAliasCommand,
  DescribeKeyCommand,
  DisableKeyCommand,
  EnableKeyCommand,
  EncryptCommand,
  GenerateDataKeyCommand,
  GenerateDataKeyWithoutPlaintextCommand,
  KMSClient,
  ListAliasesCommand,
  UpdateAliasCommand,
} from '@aws-sdk/client-kms'
import fc from 'fast-check'
import { startKms, type KmsServer } from '../../src/testing/index.js'

let kms: KmsServer
let client: KMSClient
const clients: KMSClient[] = []

before(async () => {
  kms = await startKms({ keys: ['alias/first'] })
  client = clientFor(kms)
})
beforeEach(() => {
  kms.requests.length = 0
  assert.equal(kms.faults.length, 0, 'a test left a fault behind')
})
after(async () => {
  for (const one of clients) one.destroy()
  await kms.close()
})

function clientFor(server: KmsServer, region?: string): KMSClient {
  const one = new KMSClient({
    ...server.clientConfig,
    ...(region === undefined ? {} : { region }),
    retryMode: 'standard',
  })
  clients.push(one)
  return one
}

async function failsWith(name: string, promise: Promise<unknown>, status = 400): Promise<void> {
  await assert.rejects(promise, (error: Error & { $metadata?: { httpStatusCode?: number } }) => {
    assert.equal(error.name, name, error.message)
    assert.equal(error.$metadata?.httpStatusCode, status)
    return true
  })
}

const plaintext = new TextEncoder().encode('plaintext')

async function encrypt(KeyId: string, EncryptionContext?: Record<string, string>, from = client): Promise<Uint8Array> {
  const { CiphertextBlob } = await from.send(
    new EncryptCommand({ KeyId, Plaintext: plaintext, ...(EncryptionContext && { EncryptionContext }) }),
  )
  return CiphertextBlob!
}

describe('in-process KMS: data keys', () => {
  test('GenerateDataKey and Decrypt', async () => {
    const { arn } = kms.createKey()
    const EncryptionContext = { tenant: 'ä', 'aws:x-amz-cek-alg': '115' }
    const made = await client.send(new GenerateDataKeyCommand({ KeyId: arn, KeySpec: 'AES_256', EncryptionContext }))
    assert.equal(made.KeyId, arn)
    assert.equal(made.Plaintext?.length, 32)
    const opened = await client.send(new DecryptCommand({ CiphertextBlob: made.CiphertextBlob, EncryptionContext }))
    assert.deepEqual(new Uint8Array(opened.Plaintext!), new Uint8Array(made.Plaintext))
    assert.equal(opened.KeyId, arn)
    assert.equal(opened.EncryptionAlgorithm, 'SYMMETRIC_DEFAULT')
  })

  test('sizes: either KeySpec or NumberOfBytes', async () => {
    const { arn: KeyId } = kms.createKey()
    const of = async (size: object): Promise<number | undefined> =>
      (await client.send(new GenerateDataKeyCommand({ KeyId, ...size }))).Plaintext?.length
    assert.equal(await of({ KeySpec: 'AES_128' }), 16)
    assert.equal(await of({ NumberOfBytes: 64 }), 64)
    await failsWith('ValidationException', of({}))
    await failsWith('ValidationException', of({ KeySpec: 'AES_256', NumberOfBytes: 32 }))
    await failsWith('ValidationException', of({ NumberOfBytes: 1025 }))
    await failsWith('ValidationException', of({ NumberOfBytes: 0 }))
    await failsWith('ValidationException', of({ KeySpec: 'AES_512' }))
  })

  test('GenerateDataKeyWithoutPlaintext', async () => {
    const { arn: KeyId } = kms.createKey()
    const made = await client.send(new GenerateDataKeyWithoutPlaintextCommand({ KeyId, KeySpec: 'AES_256' }))
    assert.ok(!('Plaintext' in made))
    const opened = await client.send(new DecryptCommand({ CiphertextBlob: made.CiphertextBlob }))
    assert.equal(opened.Plaintext?.length, 32)
  })

  test('Encrypt: limits of the plaintext', async () => {
    const { arn: KeyId } = kms.createKey()
    const of = (length: number): Promise<unknown> =>
      client.send(new EncryptCommand({ KeyId, Plaintext: new Uint8Array(length) }))
    await of(4096)
    await failsWith('ValidationException', of(4097))
    await failsWith('ValidationException', of(0))
    await failsWith('ValidationException', client.send(new EncryptCommand({ KeyId, Plaintext: undefined })))
  })

  test('limits of context and grant tokens', async () => {
    const { arn: KeyId } = kms.createKey()
    const of = (more: object): Promise<unknown> =>
      client.send(new EncryptCommand({ KeyId, Plaintext: plaintext, ...more }))
    await of({ EncryptionContext: { a: 'x'.repeat(8191) }, GrantTokens: Array(10).fill('t') })
    await failsWith('ValidationException', of({ EncryptionContext: { a: 'x'.repeat(8192) } }))
    await failsWith('ValidationException', of({ EncryptionContext: { '': 'x' } }))
    await failsWith('ValidationException', of({ GrantTokens: Array(11).fill('t') }))
  })

  test('DryRun', async () => {
    const { arn: KeyId } = kms.createKey()
    const blob = await encrypt(KeyId)
    await failsWith(
      'DryRunOperationException',
      client.send(new DecryptCommand({ CiphertextBlob: blob, DryRun: true })),
      412,
    )
    const gone = new EncryptCommand({ KeyId: KeyId.slice(0, -1), Plaintext: plaintext, DryRun: true })
    await failsWith('NotFoundException', client.send(gone))
  })
})

describe('in-process KMS: what Decrypt refuses', () => {
  const decrypt = (CiphertextBlob: Uint8Array, more: object = {}, from = client): Promise<unknown> =>
    from.send(new DecryptCommand({ CiphertextBlob, ...more }))

  test('every changed, missing or added byte', async () => {
    const { arn } = kms.createKey()
    const blob = await encrypt(arn)
    await decrypt(blob)
    for (let at = 0; at < blob.length; at++) {
      const changed = new Uint8Array(blob)
      changed[at]! ^= 1
      await failsWith('InvalidCiphertextException', decrypt(changed))
    }
    for (let length = 1; length < blob.length; length++) {
      await failsWith('InvalidCiphertextException', decrypt(blob.slice(0, length)))
    }
    await failsWith('InvalidCiphertextException', decrypt(Uint8Array.from([...blob, 0])))
    await failsWith('InvalidCiphertextException', decrypt(plaintext, { KeyId: arn }))
    await failsWith('ValidationException', decrypt(new Uint8Array(6145)))
    await failsWith('ValidationException', decrypt(new Uint8Array(0)))
  })

  test('another context', async () => {
    const { arn } = kms.createKey()
    const pairs: [Record<string, string>, Record<string, string>][] = [
      [{ a: 'b' }, {}],
      [{}, { a: 'b' }],
      [{ a: 'b' }, { a: 'B' }],
      [{ a: 'b' }, { a: 'b', c: '' }],
      [{ ab: 'c' }, { a: 'bc' }],
      [{ a: 'b', c: 'd' }, { a: 'bcd' }],
      [
        { a: 'b', c: 'd' },
        { a: 'd', c: 'b' },
      ],
      [{ a: '' }, {}],
    ]
    for (const [written, read] of pairs) {
      const blob = await encrypt(arn, written)
      await decrypt(blob, { EncryptionContext: written })
      await failsWith('InvalidCiphertextException', decrypt(blob, { EncryptionContext: read }))
    }
    const blob = await encrypt(arn, { a: '1', b: '2' })
    await decrypt(blob, { EncryptionContext: { b: '2', a: '1' } })
  })

  test('another key', async () => {
    const [one, two] = [kms.createKey(), kms.createKey()]
    const blob = await encrypt(one.arn)
    await decrypt(blob, { KeyId: one.keyId })
    await failsWith('IncorrectKeyException', decrypt(blob, { KeyId: two.arn }))
    const none = one.arn.replace(/key.*/, 'key/00000000-0000-0000-0000-000000000000')
    await failsWith('NotFoundException', decrypt(blob, { KeyId: none }))
  })

  test('a re-pointed alias', async () => {
    const [one, two] = [kms.createKey({ alias: 'alias/moving' }), kms.createKey()]
    const blob = await encrypt('alias/moving')
    await client.send(new UpdateAliasCommand({ AliasName: 'alias/moving', TargetKeyId: two.keyId }))
    await failsWith('IncorrectKeyException', decrypt(blob, { KeyId: 'alias/moving' }))
    await decrypt(blob, { KeyId: one.arn })
  })

  test('a key of another region', async () => {
    const { arn } = kms.createKey()
    const blob = await encrypt(arn)
    const elsewhere = clientFor(kms, 'eu-west-1')
    await failsWith('AccessDeniedException', decrypt(blob, {}, elsewhere))
    await failsWith('NotFoundException', decrypt(blob, { KeyId: arn }, elsewhere))
  })

  test('property: a blob opens under its own context only', async () => {
    const { arn } = kms.createKey()
    const text = fc.string({ minLength: 1, maxLength: 2, unit: fc.constantFrom('a', 'b', 'é', '\0') })
    const context = fc.dictionary(text, text, { maxKeys: 3, noNullPrototype: true })
    await fc.assert(
      fc.asyncProperty(context, context, async (written, read) => {
        const blob = await encrypt(arn, written)
        const sorted = (map: Record<string, string>): string => JSON.stringify(Object.entries(map).sort())
        const opened = decrypt(blob, { EncryptionContext: read })
        if (sorted(written) === sorted(read)) await opened
        else await failsWith('InvalidCiphertextException', opened)
      }),
      { numRuns: 60 },
    )
  })
})

describe('in-process KMS: keys', () => {
  test('key states', async () => {
    const { arn, keyId } = kms.createKey()
    const blob = await encrypt(arn)
    const uses = (): Promise<unknown>[] => [
      encrypt(arn),
      client.send(new DecryptCommand({ CiphertextBlob: blob })),
      client.send(new GenerateDataKeyCommand({ KeyId: keyId, KeySpec: 'AES_256' })),
    ]
    await client.send(new DisableKeyCommand({ KeyId: keyId }))
    for (const use of uses()) await failsWith('DisabledException', use)
    const { KeyMetadata } = await client.send(new DescribeKeyCommand({ KeyId: keyId }))
    assert.deepEqual([KeyMetadata?.Enabled, KeyMetadata?.KeyState], [false, 'Disabled'])
    await client.send(new EnableKeyCommand({ KeyId: arn }))
    await Promise.all(uses())
    kms.setKeyState(arn, 'PendingDeletion')
    for (const use of uses()) await failsWith('KMSInvalidStateException', use)
    await failsWith('KMSInvalidStateException', client.send(new EnableKeyCommand({ KeyId: arn })))
    assert.throws(() => kms.setKeyState('arn:aws:kms:::key/none', 'Enabled'), TypeError)
  })

  test('a key that cannot encrypt', async () => {
    const { arn } = kms.createKey({ usage: 'GENERATE_VERIFY_MAC' })
    await failsWith('InvalidKeyUsageException', encrypt(arn))
  })

  test('CreateKey and DescribeKey', async () => {
    const made = await client.send(new CreateKeyCommand({ Description: 'mine', MultiRegion: true }))
    const { KeyId, Arn } = made.KeyMetadata!
    assert.match(KeyId!, /^mrk-[0-9a-f]{32}$/)
    assert.equal(Arn, `arn:aws:kms:us-east-1:111122223333:key/${KeyId!}`)
    const { KeyMetadata } = await client.send(new DescribeKeyCommand({ KeyId }))
    assert.deepEqual(KeyMetadata, made.KeyMetadata)
    assert.ok(KeyMetadata?.CreationDate instanceof Date)
    await failsWith('ValidationException', client.send(new CreateKeyCommand({ KeySpec: 'HMAC_256' })))
    const mac = await client.send(new CreateKeyCommand({ KeySpec: 'HMAC_256', KeyUsage: 'GENERATE_VERIFY_MAC' }))
    assert.equal(mac.KeyMetadata?.KeySpec, 'HMAC_256')
  })

  test('every form of a name', async () => {
    const { arn, keyId } = kms.createKey({ alias: 'alias/forms' })
    const alias = arn.replace(/key\/.*/, 'alias/forms')
    for (const KeyId of [arn, keyId, 'alias/forms', alias]) {
      const { KeyMetadata } = await client.send(new DescribeKeyCommand({ KeyId }))
      assert.equal(KeyMetadata?.Arn, arn)
    }
    for (const KeyId of ['alias/none', alias + 'x', keyId + '0', arn + '0', 'x']) {
      await failsWith('NotFoundException', client.send(new DescribeKeyCommand({ KeyId })))
    }
  })

  test('aliases', async () => {
    const [one, two] = [kms.createKey(), kms.createKey()]
    const AliasName = 'alias/a/b-c_d'
    await client.send(new CreateAliasCommand({ AliasName, TargetKeyId: one.arn }))
    await failsWith('AlreadyExistsException', client.send(new CreateAliasCommand({ AliasName, TargetKeyId: two.arn })))
    await client.send(new UpdateAliasCommand({ AliasName, TargetKeyId: two.keyId }))
    const listed = await client.send(new ListAliasesCommand({ KeyId: two.keyId }))
    const AliasArn = one.arn.replace(/key\/.*/, AliasName)
    assert.deepEqual(listed.Aliases, [{ AliasName, AliasArn, TargetKeyId: two.keyId }])
    const all = await client.send(new ListAliasesCommand({}))
    assert.ok(all.Aliases?.some((alias) => alias.AliasName === 'alias/first'))
    await client.send(new DeleteAliasCommand({ AliasName }))
    await failsWith('NotFoundException', client.send(new DeleteAliasCommand({ AliasName })))
    await failsWith('NotFoundException', client.send(new UpdateAliasCommand({ AliasName, TargetKeyId: one.arn })))
    const create = (name: string, TargetKeyId: string): Promise<unknown> =>
      client.send(new CreateAliasCommand({ AliasName: name, TargetKeyId }))
    await failsWith('InvalidAliasNameException', create('name', one.arn))
    await failsWith('InvalidAliasNameException', create('alias/a b', one.arn))
    await failsWith('NotAuthorizedException', create('alias/aws/s3', one.arn))
    await failsWith('InvalidArnException', create('alias/of-alias', 'alias/first'))
    await failsWith('ValidationException', create('alias/theirs', kms.createKey({ accountId: '999999999999' }).arn))
  })

  test("another account's key is named by ARN, and opens without a name", async () => {
    const theirs = kms.createKey({ accountId: '999999999999', alias: 'alias/first' })
    await failsWith('NotFoundException', encrypt(theirs.keyId))
    const blob = await encrypt(theirs.arn.replace(/key\/.*/, 'alias/first'))
    const opened = await client.send(new DecryptCommand({ CiphertextBlob: blob }))
    assert.equal(opened.KeyId, theirs.arn)
    const mine = kms.createKey()
    const named = new DecryptCommand({ CiphertextBlob: blob, KeyId: mine.arn })
    await failsWith('IncorrectKeyException', client.send(named))
  })

  test('multi-region keys answer with the ARN of the region that was asked', async () => {
    const { arn, keyId, replicaArns } = kms.createKey({ replicaRegions: ['eu-west-1'] })
    assert.deepEqual(replicaArns, [`arn:aws:kms:eu-west-1:111122223333:key/${keyId}`])
    const europe = clientFor(kms, 'eu-west-1')
    const blob = await encrypt(arn, { a: 'b' })
    for (const KeyId of [undefined, keyId, replicaArns[0]]) {
      const input = { CiphertextBlob: blob, EncryptionContext: { a: 'b' }, KeyId }
      assert.equal((await europe.send(new DecryptCommand(input))).KeyId, replicaArns[0])
    }
    kms.setKeyState(replicaArns[0]!, 'Disabled')
    await failsWith('DisabledException', encrypt(keyId, {}, europe))
    await encrypt(keyId)
    await failsWith('NotFoundException', encrypt(keyId, {}, clientFor(kms, 'ap-south-1')))
  })

  test('createKey checks what it is told', () => {
    assert.throws(() => kms.createKey({ accountId: '1' }), TypeError)
    assert.throws(() => kms.createKey({ keyId: 'no id' }), TypeError)
    assert.throws(() => kms.createKey({ keyId: 'mrk-1', multiRegion: false }), TypeError)
    assert.throws(() => kms.createKey({ keyId: 'abc', multiRegion: true }), TypeError)
    assert.throws(() => kms.createKey({ alias: 'first' }), { name: 'InvalidAliasNameException' })
    const { keyId } = kms.createKey({ keyId: 'abc' })
    assert.equal(keyId, 'abc')
    assert.throws(() => kms.createKey({ keyId: 'abc' }), TypeError)
  })
})
