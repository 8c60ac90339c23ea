import assert from 'node:assert/strict'
import test, { describe } from 'node:test'
import { CseError } from '../../src/errors.js'
import { s3ec } from '../../src/formats/s3ec/s3ec.js'
import type { Context, Keyring, UnwrapRequest, WrapRequest, WrapResult } from '../../src/keyrings/keyring.js'
import { load, store, writesV2, writesV3 } from '../support/s3ec-objects.js'
import { testKeyring } from '../support/test-keyring.js'

const format = s3ec()
const text = Uint8Array.of(1, 2, 3)

function configMistake(message: RegExp): (error: unknown) => boolean {
  return (error) => error instanceof CseError && error.code === 'ERR_S3CSE_CONFIG' && message.test(error.message)
}

describe('mistakes of a keyring that somebody wrote', () => {
  /** Writes with a good keyring whose result is changed. */
  async function write(
    change: (result: WrapResult) => unknown,
    algorithm = 'kms+context',
    context: Context = { a: 'b' },
  ): Promise<Uint8Array> {
    const good = testKeyring({ algorithm })
    const keyring = {
      wrap: async (request: WrapRequest) => change(await good.wrap(request)) as WrapResult,
      unwrap: (request: UnwrapRequest) => good.unwrap(request),
    }
    for (const commitmentPolicy of [writesV2, writesV3] as const) {
      const stored = await store({ keyring, commitmentPolicy, encryptionContext: context }, text)
      assert.deepEqual(await load({ keyring, commitmentPolicy, encryptionContext: context }, stored), text)
    }
    return good.dataKeys[0]!
  }
  const edk = (result: WrapResult, changes: object): unknown => ({
    ...result,
    encryptedDataKeys: [{ ...result.encryptedDataKeys[0], ...changes }],
  })

  test('none', async () => {
    assert.deepEqual(await write((result) => result), new Uint8Array(32))
    await write((result) => result, 'AES/GCM', {})
  })

  const mistakes: [string, RegExp, (result: WrapResult) => unknown][] = [
    ['no result', /gave no result/, () => undefined],
    ['no data key', /no data key/, (result) => ({ ...result, dataKey: undefined })],
    ['a data key as text', /no data key/, (result) => ({ ...result, dataKey: 'x'.repeat(32) })],
    ['a short data key', /16 bytes instead of 32/, (result) => ({ ...result, dataKey: new Uint8Array(16) })],
    ['no list', /no encrypted data keys/, (result) => ({ ...result, encryptedDataKeys: undefined })],
    ['an empty list', /gave 0 encrypted data keys/, (result) => ({ ...result, encryptedDataKeys: [] })],
    [
      'two keys',
      /gave 2 .*exactly one/,
      (result) => ({ ...result, encryptedDataKeys: [...result.encryptedDataKeys, ...result.encryptedDataKeys] }),
    ],
    ['nothing in the list', /wrapped with "undefined"/, (result) => ({ ...result, encryptedDataKeys: [null] })],
    ['an unknown wrap', /wrapped with "ROT13"/, (result) => edk(result, { algorithm: 'ROT13' })],
    ['a V3 code for a wrap', /wrapped with "12"/, (result) => edk(result, { algorithm: '12' })],
    [
      'a legacy wrap',
      /wrapped with "kms", which this format does not write/,
      (result) => edk(result, { algorithm: 'kms' }),
    ],
    ['an empty ciphertext', /empty encrypted data key/, (result) => edk(result, { ciphertext: new Uint8Array(0) })],
    ['a ciphertext as text', /empty encrypted data key/, (result) => edk(result, { ciphertext: 'AAAA' })],
    ['a ciphertext that no reader takes', /8193 bytes/, (result) => edk(result, { ciphertext: new Uint8Array(8193) })],
    ['no context', /not an object of strings/, (result) => ({ ...result, context: undefined })],
    ['a number in the context', /not an object of strings/, (result) => ({ ...result, context: { a: 1 } })],
    [
      'half a surrogate pair',
      /surrogate/,
      (result) => ({ ...result, context: { ...result.context, kms_cmk_id: '\ud800' } }),
    ],
    [
      'a context without the algorithm',
      /did not set aws:x-amz-cek-alg/,
      (result) => ({ ...result, context: { a: 'b' } }),
    ],
    [
      'an entry less',
      /changed entries/,
      ({ context: { a, ...context }, ...result }) => ({ ...result, context: { ...context, kms_cmk_id: String(a) } }),
    ],
    ['an entry more', /changed entries/, (result) => ({ ...result, context: { ...result.context, c: 'd' } })],
    ['another value', /changed entries/, (result) => ({ ...result, context: { ...result.context, a: 'c' } })],
  ]
  for (const [what, message, change] of mistakes) {
    test(what, async () => {
      const given: Uint8Array[] = []
      const keep = (result: WrapResult): unknown => {
        const changedResult = change(result)
        const { dataKey } = (changedResult ?? {}) as { dataKey?: unknown }
        if (dataKey instanceof Uint8Array) given.push(dataKey)
        return changedResult
      }
      await assert.rejects(write(keep), configMistake(message))
      for (const key of given) assert.ok(key.every((byte) => byte === 0))
    })
  }

  test('a raw wrap for a caller who gave an encryption context', async () => {
    await assert.rejects(
      write((result) => result, 'AES/GCM'),
      configMistake(/AES\/GCM authenticates none.*materialsDescription/),
    )
  })

  test('a description with the entry that marks contexts', async () => {
    const keyring = testKeyring({ materialsDescription: { 'aws:x-amz-cek-alg': '115' } })
    await assert.rejects(store({ keyring }, text), configMistake(/set aws:x-amz-cek-alg in a description/))
  })

  test('its own errors pass unchanged', async () => {
    const failure = new TypeError('HSM is away')
    const fail = (): never => {
      throw failure
    }
    const stored = await store({ keyring: testKeyring() }, text)
    const keyring = { wrap: fail, unwrap: fail }
    await assert.rejects(store({ keyring }, text), (error) => error === failure)
    await assert.rejects(load({ keyring }, stored), (error) => error === failure)
  })
})

test('what the keyring is asked', async () => {
  for (const commitmentPolicy of [writesV2, writesV3] as const) {
    const good = testKeyring({ algorithm: 'kms+context' })
    const requests: (WrapRequest | UnwrapRequest)[] = []
    const keyring: Keyring = {
      wrap: (request) => {
        requests.push(request)
        return good.wrap(request)
      },
      unwrap: (request) => {
        requests.push(request)
        return good.unwrap(request)
      },
    }
    const signal = new AbortController().signal
    const settings = {
      keyring,
      commitmentPolicy,
      encryptionContext: { a: 'b' },
      signal,
    }
    const { metadata } = await format.seal(settings)
    const object = { bucket: 'b', key: 'k' }
    await format.recognise(metadata, object)!.open({ ...settings, object })
    const name = commitmentPolicy === writesV2 ? 'AES/GCM/NoPadding' : '115'
    const older = commitmentPolicy === writesV2
    const base = { id: older ? 0x72 : 0x73, format: 's3ec', name, keyLength: 32 }
    const suite = older ? base : { ...base, derivesMessageKeys: true }
    const [wrap, unwrap] = requests as [WrapRequest, UnwrapRequest]
    assert.deepEqual([wrap.suite, { ...wrap.context }, wrap.signal], [suite, { a: 'b' }, signal])
    assert.deepEqual([unwrap.suite, { ...unwrap.context }], [suite, { a: 'b', 'aws:x-amz-cek-alg': name }])
    assert.equal(unwrap.signal, signal)
    const [edk, ...others] = unwrap.encryptedDataKeys
    assert.deepEqual(others, [])
    assert.deepEqual(
      { ...edk, ciphertext: edk!.ciphertext.length },
      { algorithm: 'kms+context', provider: 'S3Keyring', info: new Uint8Array(0), ciphertext: 60 },
    )
  }
})
