import assert from 'node:assert/strict'
import test, { describe } from 'node:test'
import { CseError, PolicyError } from '../../src/errors.js'
import type { CommitmentPolicy, ObjectMetadata } from '../../src/formats/format.js'
import { checkPolicy } from '../../src/formats/s3ec/policy.js'
import { s3ec } from '../../src/formats/s3ec/s3ec.js'
import { storedSuite, suites } from '../../src/formats/s3ec/suites.js'
import { wrapByCode, wrapByName, wraps } from '../../src/formats/s3ec/wraps.js'
import { load, object, writesV2, writesV3 } from '../support/s3ec-objects.js'
import { testKeyring } from '../support/test-keyring.js'

const strict = 'REQUIRE_ENCRYPT_REQUIRE_DECRYPT'

function hasCode(code: string, message = /./): (error: unknown) => boolean {
  return (error) => error instanceof CseError && error.code === code && message.test(error.message)
}

describe('tables', () => {
  test('suites are those that AWS lists, and CTR is never a stored one', () => {
    const rows = suites.map(({ id, legacy, committing, ivLength, tagLength }) => [
      id,
      legacy,
      committing,
      ivLength,
      tagLength,
    ])
    assert.deepEqual(rows, [
      [0x70, true, false, 16, 0],
      [0x71, true, false, 16, 16],
      [0x72, false, false, 12, 16],
      [0x73, false, true, 12, 16],
      [0x74, true, true, 16, 16],
    ])
    assert.deepEqual(
      suites.map(({ stored }) => stored),
      [['AES/CBC/PKCS5Padding', 'AES/CBC/PKCS7Padding'], [], ['AES/GCM/NoPadding'], ['115'], []],
    )
    for (const name of [
      'AES/CTR/NoPadding',
      '113',
      '116',
      '0x73',
      'aes/gcm/nopadding',
      '',
      ...suites.map((row) => row.name),
    ]) {
      for (const version of ['V1', 'V2', 'V3'] as const) assert.equal(storedSuite(version, name), undefined)
    }
    assert.equal(storedSuite('V3', 'AES/GCM/NoPadding'), undefined)
    assert.equal(storedSuite('V2', '115'), undefined)
  })

  test('wraps: three codes, three supported names, all else legacy', () => {
    const supported = { '02': 'AES/GCM', '12': 'kms+context', '22': 'RSA-OAEP-SHA1' }
    for (const [code, name] of Object.entries(supported)) assert.equal(wrapByCode(code), wrapByName(name))
    assert.deepEqual(
      wraps
        .filter(({ status }) => status === 'supported')
        .map(({ name }) => name)
        .sort(),
      Object.values(supported).sort(),
    )
    assert.equal(wraps.length, 8)
    for (const code of ['01', '11', '21', '2', '', '020', 'AES/GCM', 'undefined'])
      assert.equal(wrapByCode(code), undefined)
    for (const name of ['', '02', 'aes/gcm', 'constructor', '__proto__', 'AES/GCM '])
      assert.equal(wrapByName(name), undefined)
  })

  test('the tables cannot be changed', () => {
    for (const row of [suites, ...suites, ...suites.map(({ stored }) => stored), wraps, ...wraps])
      assert.ok(Object.isFrozen(row))
  })
})

describe('policy', () => {
  const policies = [strict, writesV3, writesV2] as const
  const rest = { context: {}, instructionFile: undefined }
  const legacies = [
    { wrapping: false, content: false },
    { wrapping: true, content: false },
    { wrapping: false, content: true },
    { wrapping: true, content: true },
  ]
  const found = [
    ...['AES/CBC/PKCS5Padding', 'AES/GCM/NoPadding'].flatMap((name) =>
      wraps.map((wrap) => ['V2', name, wrap] as const),
    ),
    ...wraps.filter(({ code }) => code !== undefined).map((wrap) => ['V3', '115', wrap] as const),
  ]

  for (const [version, contentAlgorithm, wrap] of found) {
    test(`${version} ${contentAlgorithm} ${wrap.name}`, () => {
      const suite = storedSuite(version, contentAlgorithm)!
      for (const commitmentPolicy of policies) {
        for (const legacy of legacies) {
          const expected =
            suite.legacy && !legacy.content
              ? /ERR_S3CSE_LEGACY_DISABLED.*content algorithm AES\/CBC/
              : version === 'V2' && commitmentPolicy === strict
                ? /ERR_S3CSE_POLICY.*AES\/.*'REQUIRE_ENCRYPT_REQUIRE_DECRYPT'.*needs commitmentPolicy: 'REQUIRE_ENCRYPT_ALLOW_DECRYPT'/
                : wrap.status === 'legacy' && !legacy.wrapping
                  ? /ERR_S3CSE_LEGACY_DISABLED.*wrapping algorithm/
                  : undefined
          let result: string | undefined
          try {
            checkPolicy({ ...rest, version, suite, contentAlgorithm, wrap }, { commitmentPolicy, legacy }, object)
          } catch (error) {
            assert.ok(error instanceof PolicyError)
            result = `${error.code} ${error.message}`
          }
          if (expected === undefined) assert.equal(result, undefined)
          else assert.match(result ?? '', expected)
        }
      }
    })
  }

  test('a policy of another name reads nothing without commitment', () => {
    const suite = storedSuite('V2', 'AES/GCM/NoPadding')!
    const wrap = wrapByName('AES/GCM')!
    const envelope = { ...rest, version: 'V2', suite, contentAlgorithm: 'AES/GCM/NoPadding', wrap } as const
    for (const name of ['', 'ALLOW', 'REQUIRE_ENCRYPT_ALLOW_DECRYPT ', '__proto__']) {
      const policy = { commitmentPolicy: name as CommitmentPolicy, legacy: { wrapping: true, content: true } }
      assert.throws(() => checkPolicy(envelope, policy, object), hasCode('ERR_S3CSE_POLICY'))
    }
  })
})

describe('legacy objects are recognised and refused, and the keyring is not asked', () => {
  const iv16 = Buffer.alloc(16, 7).toString('base64')
  const edk = (length: number): string => Buffer.alloc(length, 7).toString('base64')
  const v1 = (length: number): ObjectMetadata => ({ 'x-amz-key': edk(length), 'x-amz-iv': iv16, 'x-amz-matdesc': '{}' })
  const v2 = (wrap: string, cek = 'AES/CBC/PKCS5Padding'): ObjectMetadata => ({
    'x-amz-key-v2': edk(60),
    'x-amz-iv': cek.includes('CBC') ? iv16 : iv16.slice(0, 16),
    'x-amz-cek-alg': cek,
    'x-amz-wrap-alg': wrap,
    'x-amz-matdesc': '{"kms_cmk_id":"x"}',
  })
  const legacyWraps = ['AESWrap', 'kms', 'RSA/ECB/OAEPWithSHA-256AndMGF1Padding']
  const objects: [string, string, string, ObjectMetadata][] = [
    ['V1', 'AES', 'AES/CBC/PKCS5Padding', v1(48)],
    ['V1', 'RSA', 'AES/CBC/PKCS5Padding', v1(49)],
    ['V1', 'RSA', 'AES/CBC/PKCS5Padding', v1(256)],
    ['V2', 'kms', 'AES/CBC/PKCS5Padding', v2('kms')],
    ['V2', 'AESWrap', 'AES/CBC/PKCS5Padding', v2('AESWrap')],
    ['V2', 'kms', 'AES/CBC/PKCS7Padding', v2('kms', 'AES/CBC/PKCS7Padding')],
    ...legacyWraps.map(
      (name) =>
        ['V2', name, 'AES/GCM/NoPadding', v2(name, 'AES/GCM/NoPadding')] as [string, string, string, ObjectMetadata],
    ),
  ]
  test('pairs of suite and wrap that no writer makes are refused as such', () => {
    const pairs = [
      ...wraps.filter(({ name }) => name !== 'kms' && name !== 'AESWrap').map(({ name }) => v2(name)),
      v2('AES', 'AES/GCM/NoPadding'),
      v2('RSA', 'AES/GCM/NoPadding'),
    ]
    assert.equal(pairs.length, 8)
    for (const metadata of pairs) {
      assert.throws(
        () => s3ec().recognise(metadata, object),
        hasCode('ERR_S3CSE_ENVELOPE_INVALID', /no writer of format V2 uses AES\/.* with the wrap/),
      )
    }
  })

  for (const [version, wrap, content, metadata] of objects) {
    test(`${version} ${content} ${wrap} ${String(metadata['x-amz-key']?.length ?? '')}`, async () => {
      const envelope = s3ec().recognise(metadata, object)!
      const { summary } = envelope
      assert.deepEqual([summary.version, summary.wrapAlgorithm, summary.contentAlgorithm], [version, wrap, content])
      assert.equal(summary.keyCommitment, false)
      if (content.includes('CBC')) {
        assert.equal(envelope.plaintextLength(32), undefined)
        // Whether a length can be a message's is part of what may not look different from bad padding.
        for (const length of [0, 15, 17]) assert.equal(envelope.plaintextLength(length), undefined)
        for (const length of [-16, 2 ** 53, NaN]) {
          assert.throws(() => envelope.plaintextLength(length), hasCode('ERR_S3CSE_ENVELOPE_INVALID'))
        }
      }
      for (const commitmentPolicy of [strict, writesV3, writesV2] as const) {
        const keyring = testKeyring({ algorithm: wrap })
        const code =
          content.includes('GCM') && commitmentPolicy === strict ? 'ERR_S3CSE_POLICY' : 'ERR_S3CSE_LEGACY_DISABLED'
        await assert.rejects(load({ keyring, commitmentPolicy }, { metadata, body: new Uint8Array(32) }), hasCode(code))
        assert.deepEqual(keyring.calls, [])
      }
    })
  }
})
