import assert from 'node:assert/strict'
import test, { describe } from 'node:test'
import { CseError } from '../../src/errors.js'
import type { Format } from '../../src/formats/format.js'
import { s3ec } from '../../src/formats/s3ec/s3ec.js'
import type { Keyring, WrapRequest, WrapResult } from '../../src/keyrings/keyring.js'
import { writesV2, writesV3 } from '../support/s3ec-objects.js'
import { testKeyring } from '../support/test-keyring.js'

const format = s3ec()

function configMistake(message: RegExp): (error: unknown) => boolean {
  return (error) => error instanceof CseError && error.code === 'ERR_S3CSE_CONFIG' && message.test(error.message)
}

function check(changes: Partial<Record<keyof Parameters<Format['check']>[0], unknown>>): void {
  const good = {
    keyring: testKeyring({ algorithm: 'kms+context' }),
    commitmentPolicy: writesV3,
    encryptionContext: undefined,
  }
  format.check({ ...good, ...changes } as Parameters<Format['check']>[0])
}

describe('what is checked when a client is set up', () => {
  test('what works together passes', () => {
    check({})
    for (const commitmentPolicy of ['REQUIRE_ENCRYPT_REQUIRE_DECRYPT', writesV3, writesV2]) check({ commitmentPolicy })
    check({ encryptionContext: { a: 'b' } })
    check({ encryptionContext: {} })
    check({ keyring: testKeyring() })
    check({ keyring: testKeyring(), encryptionContext: {} })
    check({ keyring: testKeyring({ algorithms: undefined }), encryptionContext: { a: 'b' } })
    check({ keyring: testKeyring({ algorithms: ['AES/GCM', 'kms+context', 'own'] }), encryptionContext: { a: 'b' } })
    class Own implements Keyring {
      wrap(request: WrapRequest): Promise<WrapResult> {
        return Promise.reject(new Error(request.suite.name))
      }
      unwrap(): undefined {
        return undefined
      }
    }
    check({ keyring: new Own() })
  })

  test('keyrings', () => {
    for (const keyring of [
      undefined,
      null,
      'key',
      new Uint8Array(32),
      {},
      { wrap: () => undefined },
      { unwrap: () => undefined },
    ]) {
      assert.throws(() => check({ keyring }), configMistake(/methods wrap and unwrap/))
    }
    const other = (algorithms: unknown): unknown => ({ ...testKeyring(), algorithms })
    assert.throws(() => check({ keyring: other('AES/GCM') }), configMistake(/array of names/))
    for (const algorithms of [[], ['X25519'], [5, null], ['constructor']]) {
      assert.throws(
        () => check({ keyring: other(algorithms) }),
        configMistake(/another format: S3EC has the wrapping algorithms AES\/GCM, kms\+context, RSA-OAEP-SHA1/),
      )
    }
  })

  test('commitment policies', () => {
    for (const commitmentPolicy of [undefined, '', 'REQUIRE', 'require_encrypt_allow_decrypt', 'toString']) {
      assert.throws(
        () => check({ commitmentPolicy }),
        configMistake(/commitmentPolicy has to be one of REQUIRE_ENCRYPT/),
      )
    }
  })

  test('encryption contexts', () => {
    for (const encryptionContext of [
      null,
      'a',
      [],
      ['a'],
      new Map([['a', 'b']]),
      { a: 1 },
      { a: undefined },
      { a: ['b'] },
      () => ({}),
    ]) {
      assert.throws(() => check({ encryptionContext }), configMistake(/object of strings/))
    }
    assert.throws(
      () => check({ encryptionContext: { 'aws:x-amz-cek-alg': '115' } }),
      configMistake(/reserved key aws:x-amz-cek-alg/),
    )
    assert.throws(() => check({ encryptionContext: { kms_cmk_id: 'x' } }), configMistake(/reserved key kms_cmk_id/))
    assert.throws(() => check({ encryptionContext: { a: '\ud800' } }), configMistake(/surrogate/))
    for (const algorithm of ['AES/GCM', 'RSA-OAEP-SHA1']) {
      assert.throws(
        () => check({ keyring: testKeyring({ algorithm }), encryptionContext: { a: 'b' } }),
        configMistake(/nothing would authenticate it.*materialsDescription/),
      )
    }
  })
})
