import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { KMSClient } from '@aws-sdk/client-kms'
import { CseError, KmsError } from '../../src/errors.js'
import type { Keyring } from '../../src/keyrings/keyring.js'
import { kmsKeyring } from '../../src/kms.js'
import { startKms, type KmsServer } from '../../src/testing/index.js'
import { arn, fresh, isKmsError, keyId, stored } from './kms-support.js'
import { unwrap, v3 } from './support.js'

describe('KMS keyrings: errors that are not about the object', () => {
  let kms: KmsServer
  let client: KMSClient
  let keyring: Keyring

  before(async () => {
    kms = await startKms()
    kms.createKey({ keyId })
    client = new KMSClient({ ...kms.clientConfig, maxAttempts: 1 })
    keyring = kmsKeyring({ client, keyId: arn })
  })
  after(async () => {
    client.destroy()
    await kms.close()
  })

  const faults: [string, RegExp][] = [
    ['AccessDeniedException', /key policy, IAM policies and grants/],
    ['ThrottlingException', /fewer requests/],
    ['LimitExceededException', /quota/],
    ['KMSInternalException', /region, endpoint, credentials/],
    ['DependencyTimeoutException', /region, endpoint, credentials/],
    ['InvalidGrantTokenException', /grantTokens/],
    ['KeyUnavailableException', /not available/],
    ['UnrecognizedClientException', /region, endpoint, credentials/],
    ['ValidationException', /check keyId/],
    ['SomethingNewException', /region, endpoint, credentials/],
  ]
  for (const [name, remedy] of faults) {
    test(`${name}, for each operation`, async () => {
      const uses: [string, () => Promise<unknown>][] = [
        ['GenerateDataKey', async () => keyring.wrap({ suite: v3, context: { tenant: 'context-value' } })],
        ['Encrypt', async () => keyring.wrap({ suite: v3, context: { tenant: 'context-value' }, dataKey: fresh() })],
        ['Decrypt', () => unwrap(keyring, stored)],
      ]
      for (const [operation, use] of uses) {
        kms.fail({ code: name, message: 'details of the SDK: context-value' })
        await assert.rejects(use, isKmsError(operation, name, remedy))
      }
      assert.equal(kms.faults.length, 0)
    })
  }

  test('disabled, pending deletion, gone', async () => {
    const wrapped = await keyring.wrap({ suite: v3, context: {} })
    kms.setKeyState(arn, 'Disabled')
    await assert.rejects(unwrap(keyring, wrapped), isKmsError('Decrypt', 'DisabledException', /disabled; enable it/))
    kms.setKeyState(arn, 'PendingDeletion')
    const state = isKmsError('Decrypt', 'KMSInvalidStateException', /pending deletion/)
    await assert.rejects(unwrap(keyring, wrapped), state)
    kms.setKeyState(arn, 'Enabled')
    const none = kmsKeyring({ client, keyId: 'alias/none' })
    const gone = isKmsError('Decrypt', 'NotFoundException', /keyId, its account.*region/, /alias\/none/)
    await assert.rejects(unwrap(none, wrapped), gone)
    assert.deepEqual(await unwrap(keyring, wrapped), wrapped.dataKey)
  })

  test('connection reset', async () => {
    kms.fail({ reset: true })
    await assert.rejects(unwrap(keyring, stored), (error) => {
      assert.ok(error instanceof KmsError)
      assert.match(error.message, /region, endpoint, credentials and network/)
      return true
    })
  })

  test('a name that is not a plain word is not quoted', async () => {
    const odd = Object.assign(new Error('x'), { name: 'odd context-value!' })
    const failing = kmsKeyring({ client: { send: () => Promise.reject(odd) }, keyId: arn })
    await assert.rejects(unwrap(failing, stored), isKmsError('Decrypt', odd.name, /failed with an error/))
    // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors
    const bare = kmsKeyring({ client: { send: () => Promise.reject('text') }, keyId: arn })
    await assert.rejects(unwrap(bare, stored), (error: Error) => error instanceof KmsError && error.cause === 'text')
  })

  test("the caller's abort passes unchanged", async () => {
    for (const use of [
      (signal: AbortSignal) => unwrap(keyring, stored, { signal }),
      async (signal: AbortSignal) => keyring.wrap({ suite: v3, context: {}, signal }),
      async (signal: AbortSignal) => keyring.wrap({ suite: v3, context: {}, dataKey: fresh(), signal }),
    ]) {
      kms.requests.length = 0
      kms.fail({ delayMs: 60_000 })
      const abort = new AbortController()
      const stopped = assert.rejects(use(abort.signal), (error: Error) => {
        assert.equal(error.name, 'AbortError')
        assert.ok(!(error instanceof CseError))
        return true
      })
      while (kms.requests.length === 0) await new Promise((resolve) => setTimeout(resolve, 5))
      abort.abort()
      await stopped
      await assert.rejects(use(AbortSignal.abort()), { name: 'AbortError' })
    }
    assert.equal(kms.faults.length, 0)
  })

  test('an AbortError that is not from the signal is a KMS error', async () => {
    const own = Object.assign(new Error('timeout'), { name: 'AbortError' })
    const failing = kmsKeyring({ client: { send: () => Promise.reject(own) }, keyId: arn })
    for (const change of [{}, { signal: new AbortController().signal }]) {
      await assert.rejects(unwrap(failing, stored, change), isKmsError('Decrypt', 'AbortError', /network/))
    }
  })

  test('a reason of its own passes unchanged too', async () => {
    const reason = new Error('not needed any more')
    const failing = kmsKeyring({ client: { send: () => Promise.reject(reason) }, keyId: arn })
    await assert.rejects(unwrap(failing, stored, { signal: AbortSignal.abort(reason) }), reason)
  })
})
