import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, test } from 'node:test'
import {
  type DecryptCommandOutput,
  DecryptCommand,
  EncryptCommand,
  GenerateRandomCommand,
  GenerateDataKeyCommand,
  KMSClient,
  ListKeysCommand,
} from '@aws-sdk/client-kms'
import { startKms, type KmsServer } from '../../src/testing/index.js'

let kms: KmsServer
let client: KMSClient
let KeyId: string

before(async () => {
  kms = await startKms({ accountId: '123456789012', region: 'us-west-2', keys: ['alias/demo'], recordRequests: 3 })
  client = new KMSClient({ ...kms.clientConfig, maxAttempts: 1 })
  KeyId = kms.createKey().arn
})
beforeEach(() => {
  kms.requests.length = 0
})
after(async () => {
  client.destroy()
  await kms.close()
})

const generate = (signal?: AbortSignal): Promise<unknown> =>
  client.send(new GenerateDataKeyCommand({ KeyId, KeySpec: 'AES_256' }), signal && { abortSignal: signal })

async function post(headers: Record<string, string>, body = '{}', method = 'POST'): Promise<[number, unknown]> {
  const response = await fetch(kms.endpoint + '/', { method, headers, ...(method === 'POST' && { body }) })
  return [response.status, ((await response.json()) as { __type: string }).__type]
}

describe('in-process KMS: hooks', () => {
  test('records requests, the latest only', async () => {
    const Plaintext = new Uint8Array([1, 2, 3])
    await client.send(
      new EncryptCommand({ KeyId: 'alias/demo', Plaintext, EncryptionContext: { a: 'é' }, GrantTokens: ['t'] }),
    )
    const [request] = kms.requests
    assert.equal(request?.operation, 'Encrypt')
    assert.equal(request.region, 'us-west-2')
    assert.deepEqual(request.input, {
      KeyId: 'alias/demo',
      Plaintext: 'AQID',
      EncryptionContext: { a: 'é' },
      GrantTokens: ['t'],
    })
    assert.equal(request.headers['x-amz-target'], 'TrentService.Encrypt')
    assert.deepEqual([request.status, request.errorCode], [200, undefined])
    for (let i = 0; i < 3; i++) await generate()
    assert.deepEqual(
      kms.requests.map(({ operation }) => operation),
      Array(3).fill('GenerateDataKey'),
    )
  })

  test('opens blobs that it was taught, under exactly their context and key', async () => {
    const keyId = 'arn:aws:kms:us-west-2:123456789012:key/1a198d9c-6aa2-420c-b7ed-92a56c359201'
    const ciphertextBlob = new TextEncoder().encode('an opaque blob')
    const plaintext = new Uint8Array(32).fill(7)
    kms.know({ ciphertextBlob, encryptionContext: { a: '1', b: '2' }, plaintext, keyId })
    plaintext.fill(0)
    const decrypt = (more: object): Promise<DecryptCommandOutput> =>
      client.send(
        new DecryptCommand({ CiphertextBlob: ciphertextBlob, EncryptionContext: { b: '2', a: '1' }, ...more }),
      )
    for (const more of [{}, { KeyId: keyId }, { KeyId: keyId.replace(/.*\//, '') }]) {
      const opened = await decrypt(more)
      assert.deepEqual(new Uint8Array(opened.Plaintext!), new Uint8Array(32).fill(7))
      assert.equal(opened.KeyId, keyId)
    }
    await assert.rejects(decrypt({ EncryptionContext: { a: '1' } }), { name: 'InvalidCiphertextException' })
    await assert.rejects(decrypt({ KeyId }), { name: 'IncorrectKeyException' })
    kms.setKeyState(keyId, 'Disabled')
    await assert.rejects(decrypt({}), { name: 'DisabledException' })
    assert.throws(() => kms.know({ ciphertextBlob, plaintext, keyId: 'alias/demo' }), TypeError)
  })

  test('faults: code, status, operation and times', async () => {
    kms.fail({ operation: 'Decrypt', code: 'AccessDeniedException' }, { code: 'ThrottlingException', times: 2 })
    for (let i = 0; i < 2; i++) await assert.rejects(generate(), { name: 'ThrottlingException' })
    await generate()
    assert.deepEqual(
      kms.requests.map(({ status, errorCode }) => [status, errorCode]),
      [
        [400, 'ThrottlingException'],
        [400, 'ThrottlingException'],
        [200, undefined],
      ],
    )
    const decrypt = client.send(new DecryptCommand({ CiphertextBlob: new Uint8Array(9) }))
    await assert.rejects(decrypt, { name: 'AccessDeniedException', message: 'an injected fault' })
    assert.equal(kms.faults.length, 0)
    const hasStatus = (status: number) => (error: { $metadata: { httpStatusCode: number } }) =>
      error.$metadata.httpStatusCode === status
    kms.fail({ status: 503, message: 'later' })
    await assert.rejects(generate(), hasStatus(503))
    kms.fail({ code: 'KMSInternalException' })
    await assert.rejects(generate(), hasStatus(500))
  })

  test('the SDK tries again after a fault', async () => {
    const patient = new KMSClient(kms.clientConfig)
    kms.fail({ code: 'KMSInternalException' })
    await patient.send(new GenerateDataKeyCommand({ KeyId, KeySpec: 'AES_256' }))
    assert.deepEqual(
      kms.requests.map(({ status }) => status),
      [500, 200],
    )
    patient.destroy()
  })

  test('faults: connection reset', async () => {
    kms.fail({ reset: true })
    await assert.rejects(generate(), { code: 'ECONNRESET' })
    assert.equal(kms.requests[0]?.status, undefined)
    await generate()
  })

  test('faults: a delay, during which the caller may abort', async () => {
    kms.fail({ delayMs: 60_000 })
    const abort = new AbortController()
    const pending = generate(abort.signal)
    const stopped = assert.rejects(pending, { name: 'AbortError' })
    while (kms.requests.length === 0) await new Promise((resolve) => setTimeout(resolve, 5))
    abort.abort()
    await stopped
    kms.fail({ delayMs: 1 })
    await generate()
    assert.equal(kms.faults.length, 0)
  })
})

describe('in-process KMS: protocol', () => {
  const authorization =
    'AWS4-HMAC-SHA256 Credential=A/20260101/us-west-2/kms/aws4_request, SignedHeaders=host, Signature=0'
  const headers = {
    authorization,
    'content-type': 'application/x-amz-json-1.1',
    'x-amz-target': 'TrentService.ListAliases',
  }

  test('operations that it does not have', async () => {
    for (const command of [new ListKeysCommand({}), new GenerateRandomCommand({ NumberOfBytes: 1 })]) {
      await assert.rejects(client.send(command as ListKeysCommand), { name: 'UnknownOperationException' })
    }
  })

  test('malformed requests', async () => {
    assert.deepEqual(await post(headers), [200, undefined])
    assert.deepEqual(await post(headers, '', 'GET'), [400, 'UnknownOperationException'])
    assert.deepEqual(await post({ ...headers, 'x-amz-target': 'Other.ListAliases' }), [
      400,
      'UnknownOperationException',
    ])
    assert.deepEqual(await post({ ...headers, authorization: '' }), [400, 'MissingAuthenticationTokenException'])
    const s3 = authorization.replace('/kms/', '/s3/')
    assert.deepEqual(await post({ ...headers, authorization: s3 }), [400, 'MissingAuthenticationTokenException'])
    for (const body of ['', '{', '[]', 'null', '"x"', `{"KeyId":1}`, ' '.repeat(1024 * 1024 + 1)]) {
      assert.deepEqual(await post(headers, body), [400, 'SerializationException'], body.slice(0, 20))
    }
    assert.deepEqual(await post({ ...headers, 'content-type': 'application/json' }), [400, 'SerializationException'])
    const encrypt = { ...headers, 'x-amz-target': 'TrentService.Encrypt' }
    const bodies: [object, string][] = [
      [{ Plaintext: 'AQ' }, 'SerializationException'],
      [{ Plaintext: '*' }, 'SerializationException'],
      [{ Plaintext: 'AQID', EncryptionContext: ['a'] }, 'SerializationException'],
      [{ Plaintext: 'AQID', EncryptionContext: { a: 1 } }, 'SerializationException'],
      [{ Plaintext: 'AQID', GrantTokens: 'x' }, 'SerializationException'],
      [{ Plaintext: 'AQID', DryRun: 1, KeyId }, 'SerializationException'],
      [{ Plaintext: 'AQID', Recipient: {}, KeyId }, 'UnsupportedOperationException'],
      [{ Plaintext: 'AQID', EncryptionAlgorithm: 'RSAES_OAEP_SHA_1', KeyId }, 'InvalidKeyUsageException'],
      [{ Plaintext: 'AQID' }, 'ValidationException'],
      [{ Plaintext: 'AQID', KeyId: '' }, 'ValidationException'],
    ]
    for (const [body, type] of bodies) {
      assert.deepEqual(await post(encrypt, JSON.stringify(body)), [400, type], JSON.stringify(body))
    }
    const bytes = { ...headers, 'x-amz-target': 'TrentService.GenerateDataKey' }
    assert.deepEqual(await post(bytes, JSON.stringify({ KeyId, NumberOfBytes: 1.5 })), [400, 'SerializationException'])
  })

  test('a __proto__ entry of a context is bound like every other', async () => {
    const encrypt = { ...headers, 'x-amz-target': 'TrentService.Encrypt' }
    const context = '{"__proto__":"x","a":"b"}'
    const response = await fetch(kms.endpoint, {
      method: 'POST',
      headers: encrypt,
      body: `{"KeyId":"alias/demo","Plaintext":"AQID","EncryptionContext":${context}}`,
    })
    const { CiphertextBlob } = (await response.json()) as { CiphertextBlob: string }
    const decrypt = { ...headers, 'x-amz-target': 'TrentService.Decrypt' }
    const read = (other: string): Promise<[number, unknown]> =>
      post(decrypt, `{"CiphertextBlob":"${CiphertextBlob}","EncryptionContext":${other}}`)
    assert.deepEqual(await read(context), [200, undefined])
    assert.deepEqual(await read('{"a":"b"}'), [400, 'InvalidCiphertextException'])
    assert.deepEqual(await read('{"__proto__":"y","a":"b"}'), [400, 'InvalidCiphertextException'])
  })

  test('listens on loopback only, and ends with open connections', async () => {
    const other = await startKms()
    assert.match(other.endpoint, /^http:\/\/127\.0\.0\.1:\d+$/)
    other.fail({ delayMs: 60_000 })
    const pending = fetch(other.endpoint, { method: 'POST', headers, body: '{}' })
    const ended = assert.rejects(pending)
    while (other.requests.length === 0) await new Promise((resolve) => setTimeout(resolve, 5))
    await Promise.all([other.close(), other.close(), other[Symbol.asyncDispose]()])
    await ended
  })
})
