// A data key that is wrapped anew: what is asked of the keyrings, what is checked, and what stays.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, test } from 'node:test'

import { aesKeyring, cachingKeyring, s3ec } from '../../src/index.js'
import type { CommitmentPolicy, Format, Keyring, RewrapEnvelopeRequest, WrapRequest } from '../../src/index.js'
import { code } from '../support/errors.js'

const object = { bucket: 'b', key: 'k' }
const format = s3ec()
const V3 = 'REQUIRE_ENCRYPT_REQUIRE_DECRYPT'
const V2 = 'FORBID_ENCRYPT_ALLOW_DECRYPT'

const aes = (fill: number, label: string): Keyring =>
  aesKeyring({ wrappingKey: new Uint8Array(32).fill(fill), materialsDescription: { label } })
const [from, to] = [aes(1, 'old'), aes(2, 'new')]

interface Sealed {
  readonly metadata: Readonly<Record<string, string>>
  readonly body: Uint8Array
}

async function sealed(commitmentPolicy: CommitmentPolicy, keyring = from, by: Format = format): Promise<Sealed> {
  const { metadata, sealer } = await by.seal({ keyring, commitmentPolicy, encryptionContext: {} })
  return { metadata, body: await sealer.sealWhole(Buffer.from('hello')) }
}

function rewrap(metadata: Sealed['metadata'], more: Partial<RewrapEnvelopeRequest> = {}, by: Format = format) {
  const request: RewrapEnvelopeRequest = {
    keyring: from,
    commitmentPolicy: V2,
    encryptionContext: {},
    object,
    to: { keyring: to, encryptionContext: {} },
    enforceRotation: true,
    reEncrypt: true,
    ...more,
  }
  return by.recognise(metadata, object)!.rewrap!(request)
}

async function opened(metadata: Sealed['metadata'], body: Uint8Array, keyring: Keyring, legacy = false) {
  const policy = { commitmentPolicy: V2, legacy: { wrapping: legacy, content: legacy } } as const
  const opener = await format.recognise(metadata, object)!.open({ keyring, ...policy, encryptionContext: {}, object })
  return Buffer.from(await opener.openWhole(body)).toString()
}

/** What is wrapped, as the keyring is asked. */
function spying(keyring: Keyring): { keyring: Keyring; requests: WrapRequest[] } {
  const requests: WrapRequest[] = []
  const spy: Keyring = {
    ...keyring,
    wrap(request) {
      requests.push({ ...request, ...(request.dataKey && { dataKey: Uint8Array.from(request.dataKey) }) })
      return keyring.wrap(request)
    },
  }
  return { keyring: spy, requests }
}

describe('a data key that is wrapped anew', () => {
  for (const [version, policy] of [
    ['V3', V3],
    ['V2', V2],
  ] as const) {
    test(`${version}: the new key opens the message, the old one does not; all else stays`, async () => {
      const { metadata, body } = await sealed(policy)
      const spy = spying(to)
      const made = await rewrap(metadata, { to: { keyring: spy.keyring, encryptionContext: {} } })
      assert.equal(await opened(made.metadata, body, to), 'hello')
      await assert.rejects(opened(made.metadata, body, from), code('ERR_S3CSE_DECRYPTION_FAILED'))
      const changed = Object.keys(metadata).filter((name) => metadata[name] !== made.metadata[name])
      assert.deepEqual(changed.sort(), version === 'V3' ? ['x-amz-3', 'x-amz-m'] : ['x-amz-key-v2', 'x-amz-matdesc'])
      assert.deepEqual(Object.keys(made.metadata).sort(), Object.keys(metadata).sort())
      assert.deepEqual([made.reEncrypted, made.summary.version], [false, version])
      const [asked] = spy.requests
      assert.equal(asked?.dataKey?.length, 32)
      assert.equal(asked.commitmentPolicy, V2)
    })
  }

  test('the length that old clients stored stays', async () => {
    const { metadata } = await sealed(V2)
    const made = await rewrap({ ...metadata, 'x-amz-unencrypted-content-length': '5' })
    assert.equal(made.metadata['x-amz-unencrypted-content-length'], '5')
  })

  test('a short data key, where old content may be read', async () => {
    // PHP's clients let the caller choose.
    const dataKey = Uint8Array.from(randomBytes(16))
    const suite = { id: 0x72, format: 's3ec', name: 'AES/GCM/NoPadding', keyLength: 32, keyLengths: [32, 16, 24] }
    const { encryptedDataKeys } = await from.wrap({ suite, context: {}, dataKey })
    const { metadata } = await sealed(V2)
    const short = { ...metadata, 'x-amz-key-v2': Buffer.from(encryptedDataKeys[0]!.ciphertext).toString('base64') }
    await assert.rejects(rewrap(short), code('ERR_S3CSE_DECRYPTION_FAILED'))
    const legacy = { wrapping: false, content: true }
    const made = await rewrap(short, { legacy })
    const ciphertext = Uint8Array.from(Buffer.from(made.metadata['x-amz-key-v2']!, 'base64'))
    const encrypted = [{ algorithm: 'AES/GCM', provider: 'S3Keyring', info: new Uint8Array(0), ciphertext }]
    assert.deepEqual(await to.unwrap({ suite, context: {}, encryptedDataKeys: encrypted }), dataKey)
  })

  test('a caching keyring wraps it, and a format of legacy clients keeps their wrap', async () => {
    const { metadata, body } = await sealed(V3)
    const cached = cachingKeyring(to, { maxAge: 1000 })
    const made = await rewrap(metadata, { to: { keyring: cached, encryptionContext: {} } })
    assert.equal(await opened(made.metadata, body, cached), 'hello')

    const old = s3ec({ insecureLegacyWriting: 'V1-CBC' })
    const first = await sealed(V2, from, old)
    const legacy = { wrapping: true, content: true }
    await assert.rejects(rewrap(first.metadata, { legacy }), code('ERR_S3CSE_ROTATION', /rewrite: true/))
    const again = await rewrap(first.metadata, { legacy }, old)
    assert.deepEqual([again.summary.version, again.summary.wrapAlgorithm], ['V1', 'AES'])
    assert.equal(await opened(again.metadata, first.body, to, true), 'hello')
  })
})

describe('before a key is used', () => {
  const never: Keyring = { wrap: () => assert.fail('wrapped'), unwrap: () => assert.fail('unwrapped') }
  const target = { keyring: never, encryptionContext: {} }

  test('the policy, and whether the new keyring and context fit', async () => {
    const { metadata } = await sealed(V2)
    const wrong: [Partial<RewrapEnvelopeRequest>, Parameters<typeof code>[0]][] = [
      [{ commitmentPolicy: V3 }, 'ERR_S3CSE_POLICY'],
      [{ encryptionContext: { a: 'b' } }, 'ERR_S3CSE_CONTEXT_MISMATCH'],
      [{ keyring: { ...never, algorithms: ['kms+context'] } }, 'ERR_S3CSE_ENVELOPE_INVALID'],
      [{ to: { keyring: { ...never, algorithms: ['x25519'] }, encryptionContext: {} } }, 'ERR_S3CSE_CONFIG'],
      [{ to: { keyring: never, encryptionContext: { 'aws:x-amz-cek-alg': '115' } } }, 'ERR_S3CSE_CONFIG'],
    ]
    for (const [more, expected] of wrong) {
      await assert.rejects(rewrap(metadata, { keyring: never, to: target, ...more }), code(expected))
    }
  })
})

describe('what a keyring may not do', () => {
  test('wrap another data key, with an unknown wrap, or with a context that was not given', async () => {
    const { metadata } = await sealed(V3)
    const wrong: [Keyring['wrap'], RegExp][] = [
      [() => undefined as never, /no result/],
      [({ suite, context }) => to.wrap({ suite, context }), /another data key/],
      [async (request) => ({ ...(await to.wrap(request)), dataKey: new Uint8Array(0) }), /another data key/],
      [async (request) => ({ ...(await to.wrap(request)), encryptedDataKeys: [] }), /0 encrypted data keys/],
      [async (request) => ({ ...(await to.wrap(request)), context: { 'aws:x-amz-cek-alg': '115' } }), /cek-alg/],
    ]
    for (const [wrap, message] of wrong) {
      const keyring = { wrap, unwrap: () => undefined }
      await assert.rejects(
        rewrap(metadata, { to: { keyring, encryptionContext: {} } }),
        code('ERR_S3CSE_CONFIG', message),
      )
    }
  })

  test('rewrap with what readers would not take', async () => {
    const { metadata } = await sealed(V3)
    const rewrapping = (result: unknown): Keyring => ({ ...to, rewrap: () => result as never })
    const key = { algorithm: 'AES/GCM', provider: 'S3Keyring', info: new Uint8Array(0), ciphertext: new Uint8Array(60) }
    const request = (result: unknown, more = {}) =>
      rewrap(metadata, { to: { keyring: rewrapping(result), encryptionContext: {} }, ...more })
    await assert.rejects(request({ encryptedDataKeys: [], context: {}, sameKey: false }), code('ERR_S3CSE_CONFIG'))
    const other = { ...key, algorithm: 'AESWrap' }
    await assert.rejects(request({ encryptedDataKeys: [other], context: {}, sameKey: false }), code('ERR_S3CSE_CONFIG'))
    const good = { encryptedDataKeys: [key], context: {} }
    await assert.rejects(request({ ...good, sameKey: true }), code('ERR_S3CSE_ROTATION'))
    assert.equal((await request({ ...good, sameKey: true }, { enforceRotation: false })).reEncrypted, true)
    assert.equal((await request({ ...good, sameKey: false })).reEncrypted, true)
    // Not wanted, or not possible: unwrapped and wrapped.
    assert.equal((await request({ ...good, sameKey: false }, { reEncrypt: false })).reEncrypted, false)
    assert.equal((await request(undefined)).reEncrypted, false)
  })
})

describe('enforceRotation', () => {
  test('the same key is found out, under another description too; another key under the same is not', async () => {
    for (const policy of [V3, V2] as const) {
      const { metadata } = await sealed(policy)
      const same = { keyring: aes(1, 'new name'), encryptionContext: {} }
      await assert.rejects(rewrap(metadata, { to: same }), code('ERR_S3CSE_ROTATION', /enforceRotation: false/))
      await rewrap(metadata, { to: same, enforceRotation: false })
      await rewrap(metadata, { to: { keyring: aes(2, 'old'), encryptionContext: {} } })
    }
  })

  test('a reader of both keys has the old one tried alone', async () => {
    const both = aesKeyring({
      wrappingKey: new Uint8Array(32).fill(2),
      materialsDescription: { label: 'new' },
      additionalKeys: [{ wrappingKey: new Uint8Array(32).fill(1), materialsDescription: { label: 'old' } }],
    })
    const { metadata } = await sealed(V3)
    const made = await rewrap(metadata, { keyring: both })
    await assert.rejects(rewrap(made.metadata, { keyring: both }), code('ERR_S3CSE_ROTATION'))
  })

  test('a changed commitment, and a data key that is not the object’s, do not come under the new key', async () => {
    const [one, two] = [await sealed(V3), await sealed(V3)]
    for (const name of ['x-amz-3', 'x-amz-d', 'x-amz-i']) {
      const spy = spying(to)
      const mixed = { ...one.metadata, [name]: two.metadata[name]! }
      const request = { to: { keyring: spy.keyring, encryptionContext: {} } }
      await assert.rejects(rewrap(mixed, request), code('ERR_S3CSE_DECRYPTION_FAILED'))
      assert.deepEqual(spy.requests, [])
    }
  })
})
