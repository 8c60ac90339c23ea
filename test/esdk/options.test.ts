import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import { decrypt, encrypt, esdk } from '../../src/esdk.js'
import type { DecryptMessageOptions, EncryptMessageOptions, EsdkOptions } from '../../src/esdk.js'
import { parseHeader } from '../../src/formats/esdk/header.js'
import { aesKeyring } from '../../src/index.js'
import type { Keyring } from '../../src/index.js'
import { code } from '../support/errors.js'
import { pattern } from '../support/world.js'

const wrappingKey = new Uint8Array(32).fill(5)
const keyring: Keyring = aesKeyring({ wrappingKey, keyNamespace: 'test', keyName: 'one' })
const plaintext = pattern(100)
const config = code('ERR_S3CSE_CONFIG')

describe('options of messages', () => {
  const limits: readonly [keyof EsdkOptions, number][] = [
    ['frameLength', 2 ** 32 - 1],
    ['maxEncryptedDataKeys', 65_535],
    ['maxBodySize', Number.MAX_SAFE_INTEGER],
  ]
  for (const [name, most] of limits) {
    test(`${name} is 1 to ${most}`, () => {
      for (const value of [1, most]) assert.equal(esdk({ frameLength: 1, [name]: value }).name, 'esdk')
      for (const wrong of [0, -1, most + 1, 1.5, NaN, Infinity, '5']) {
        assert.throws(() => esdk({ frameLength: 1, [name]: wrong }), config, `${name} ${String(wrong)}`)
      }
    })
  }

  test('a suite that the commitment policy does not write is refused, and so is one that there is not', async () => {
    const wrong: Partial<EncryptMessageOptions>[] = [
      { algorithmSuite: 'ALG_AES_256_GCM_IV12_TAG16_HKDF_SHA256' },
      {
        algorithmSuite: 'ALG_AES_256_GCM_IV12_TAG16_HKDF_SHA256',
        commitmentPolicy: 'REQUIRE_ENCRYPT_ALLOW_DECRYPT',
      },
      {
        algorithmSuite: 'ALG_AES_256_GCM_HKDF_SHA512_COMMIT_KEY',
        commitmentPolicy: 'FORBID_ENCRYPT_ALLOW_DECRYPT',
      },
      { algorithmSuite: 'ALG_AES_256_GCM' as never },
      { commitmentPolicy: 'NONE' as never },
      { requiredEncryptionContextKeys: ['tenant'] },
      { requiredEncryptionContextKeys: [5 as never] },
    ]
    for (const more of wrong) await assert.rejects(encrypt(plaintext, { keyring, ...more }), config)
  })

  test('an encryption context is one of well-formed text, without keys of the format', async () => {
    const { message } = await encrypt(plaintext, { keyring })
    for (const encryptionContext of [{ '\ud800': 'a' }, { a: '\udc00' }, { 'aws-crypto-a': 'b' }, { a: 5 }, [], 'a']) {
      const options = { keyring, encryptionContext } as unknown as EncryptMessageOptions & DecryptMessageOptions
      await assert.rejects(encrypt(plaintext, options), config)
      await assert.rejects(decrypt(message, options), config)
    }
    const odd = JSON.parse('{"__proto__": "a", "constructor": "b"}') as Record<string, string>
    const written = await encrypt(plaintext, { keyring, encryptionContext: odd })
    const read = await decrypt(written.message, { keyring, encryptionContext: odd })
    assert.deepEqual(Object.entries(read.header.encryptionContext).sort(), Object.entries(odd).sort())
    const other = JSON.parse('{"__proto__": "x"}') as Record<string, string>
    const mismatch = code('ERR_S3CSE_CONTEXT_MISMATCH')
    await assert.rejects(decrypt(written.message, { keyring, encryptionContext: other }), mismatch)
  })

  test('a keyring for other formats is refused before it is asked', async () => {
    const { message } = await encrypt(plaintext, { keyring })
    const foreign: Keyring = {
      algorithms: ['AES/GCM'],
      wrap: () => assert.fail('asked'),
      unwrap: () => assert.fail('asked'),
    }
    await assert.rejects(encrypt(plaintext, { keyring: foreign }), config)
    await assert.rejects(decrypt(message, { keyring: foreign }), config)
    for (const wrong of [undefined, null, {}, { wrap: () => undefined }]) {
      await assert.rejects(decrypt(message, { keyring: wrong as never }), config)
    }
  })

  test('the data key that the keyring gives is wiped', async () => {
    const keys: Uint8Array[] = []
    const seen: Keyring = {
      ...keyring,
      async wrap(request) {
        const result = await keyring.wrap(request)
        keys.push(result.dataKey)
        return result
      },
      async unwrap(request) {
        const dataKey = await keyring.unwrap(request)
        if (dataKey !== undefined) keys.push(dataKey)
        return dataKey
      },
    }
    const { message } = await encrypt(plaintext, { keyring: seen })
    await decrypt(message, { keyring: seen })
    message.fill(0, -100)
    await assert.rejects(decrypt(message, { keyring: seen }), code('ERR_S3CSE_DECRYPTION_FAILED'))
    assert.deepEqual(
      keys.map((key) => key.every((byte) => byte === 0)),
      [true, true, true],
    )
  })
})

describe('a header', () => {
  test('of one version with a suite of the other is none', async () => {
    const { message: second } = await encrypt(plaintext, { keyring })
    const { message: first } = await encrypt(plaintext, { keyring, commitmentPolicy: 'FORBID_ENCRYPT_ALLOW_DECRYPT' })
    for (const [message, at, suite] of [
      [second, 1, 0x0178],
      [first, 2, 0x0478],
    ] as const) {
      const changed = Uint8Array.from(message)
      changed.set([suite >> 8, suite & 255], at)
      const result = parseHeader(changed, { maxEncryptedDataKeys: 10, maxHeaderLength: 10_000 })
      assert.match('fault' in result ? result.fault : '', /has no messages of version/)
      await assert.rejects(decrypt(changed, { keyring }), code('ERR_S3CSE_ENVELOPE_INVALID', /no messages of version/))
    }
  })

  test('of an unknown version is named as such', async () => {
    const { message } = await encrypt(plaintext, { keyring })
    for (const version of [0, 3, 128, 255]) {
      message[0] = version
      const named = code('ERR_S3CSE_ENVELOPE_INVALID', /no version of a message/)
      await assert.rejects(decrypt(message, { keyring }), named)
    }
  })
})
