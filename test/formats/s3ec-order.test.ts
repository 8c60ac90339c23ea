import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import test, { describe } from 'node:test'
import { CseError, DecryptionError } from '../../src/errors.js'
import type { CommitmentPolicy } from '../../src/formats/format.js'
import { changed, load, store, writesV2, writesV3 } from '../support/s3ec-objects.js'
import { readingKeyring, testKeyring } from '../support/test-keyring.js'

const text = Uint8Array.of(1, 2, 3)
const strict = 'REQUIRE_ENCRYPT_REQUIRE_DECRYPT'
const contextOf = { tenant: 'secret-a', user: 'secret-b' }

function hasCode(code: string, message = /./): (error: unknown) => boolean {
  return (error) => error instanceof CseError && error.code === code && message.test(error.message)
}

test('checks come in their order, all before the keyring is asked', async () => {
  const good = await store({ keyring: testKeyring({ algorithm: 'kms+context' }), commitmentPolicy: writesV2 }, text)
  const iv16 = Buffer.alloc(16, 7).toString('base64')
  // Each fault alone gives its own error; of two, the one that stands first here.
  const faults: {
    name: string
    metadata?: Record<string, string | undefined>
    settings?: object
    code: string
    message: RegExp
  }[] = [
    { name: 'mixed', metadata: { 'x-amz-c': '115' }, code: 'ENVELOPE_INVALID', message: /mixes/ },
    {
      name: 'legacy content',
      metadata: {
        'x-amz-cek-alg': 'AES/CBC/PKCS5Padding',
        'x-amz-iv': iv16,
        'x-amz-tag-len': undefined,
        'x-amz-wrap-alg': 'kms',
      },
      code: 'LEGACY_DISABLED',
      message: /content algorithm/,
    },
    { name: 'policy', settings: { commitmentPolicy: strict }, code: 'POLICY', message: /commitment/ },
    {
      name: 'legacy wrap',
      metadata: { 'x-amz-wrap-alg': 'kms' },
      code: 'LEGACY_DISABLED',
      message: /wrapping algorithm kms/,
    },
    {
      name: 'wrap of another keyring',
      settings: { keyring: testKeyring({ algorithms: ['AES/GCM', 'RSA-OAEP-SHA1'] }) },
      code: 'ENVELOPE_INVALID',
      message: /under kms\+context, and the keyring opens AES\/GCM, RSA-OAEP-SHA1/,
    },
    {
      name: 'not bound',
      metadata: { 'x-amz-matdesc': '{"aws:x-amz-cek-alg":"115"}' },
      code: 'ENVELOPE_INVALID',
      message: /aws:x-amz-cek-alg is not/,
    },
    { name: 'context', settings: { encryptionContext: { a: 'b' } }, code: 'CONTEXT_MISMATCH', message: /"a"/ },
    {
      name: 'data key',
      metadata: { 'x-amz-key-v2': 'AAAA' },
      code: 'DECRYPTION_FAILED',
      message: /could not be decrypted/,
    },
  ]
  for (const [index, first] of faults.entries()) {
    for (const second of faults.slice(index)) {
      const keyring = testKeyring({ algorithm: 'kms+context' })
      const settings = { keyring, commitmentPolicy: writesV2, ...second.settings, ...first.settings } as const
      const metadata = changed(good.metadata, { ...second.metadata, ...first.metadata })
      await assert.rejects(
        load(settings, { metadata, body: good.body }),
        hasCode(`ERR_S3CSE_${first.code}`, first.message),
        `${first.name} before ${second.name}`,
      )
      assert.deepEqual(settings.keyring.calls, first.name === 'data key' ? ['unwrap'] : [])
    }
  }
})

describe('encryption context', () => {
  const settings = (
    encryptionContext = {},
    commitmentPolicy: CommitmentPolicy = writesV3,
  ): Parameters<typeof load>[0] => ({
    keyring: testKeyring({ algorithm: 'kms+context' }),
    commitmentPolicy,
    encryptionContext,
  })

  for (const policy of [writesV2, writesV3] as const) {
    test(`${policy}: only the exact context reads, in any order`, async () => {
      const stored = await store(settings(contextOf, policy), text)
      assert.deepEqual(await load(settings({ user: 'secret-b', tenant: 'secret-a' }, policy), stored), text)
      const others: [Record<string, string>, RegExp][] = [
        [{}, /given: 2 stored that were not given\.$/],
        [{ tenant: 'secret-a' }, /given: 1 stored that was not given\.$/],
        [{ ...contextOf, more: 'x' }, /given: "more" not stored or stored with another value\.$/],
        [{ ...contextOf, user: 'secret-c' }, /given: "user" not stored or stored with another value\.$/],
        [{ tenant: 'secret-a', User: 'secret-b' }, /"User" not stored .*; 1 stored that was not given\.$/],
        [{ toString: 'x' }, /"toString" not stored .*; 2 stored that were not given\.$/],
      ]
      for (const [context, message] of others) {
        const wrong = settings(context, policy)
        await assert.rejects(load(wrong, stored), (error) => {
          assert.ok(error instanceof CseError && !error.message.includes('secret'))
          return hasCode('ERR_S3CSE_CONTEXT_MISMATCH', message)(error)
        })
        assert.deepEqual((wrong.keyring as ReturnType<typeof testKeyring>).calls, [])
      }
    })
  }

  test("kms_cmk_id in a stored context is not the caller's", async () => {
    let asked: unknown
    const keyring = readingKeyring(({ context }) => {
      asked = { ...context }
      return undefined
    })
    const map = { a: 'b', kms_cmk_id: 'x', 'aws:x-amz-cek-alg': '115' }
    const { metadata, body } = await store(settings({ a: 'b' }), text)
    const withId = changed(metadata, { 'x-amz-t': JSON.stringify(map) })
    await assert.rejects(load({ keyring, encryptionContext: { a: 'b' } }, { metadata: withId, body }), DecryptionError)
    assert.deepEqual(asked, map)
  })

  test('a stored content algorithm is needed and has to be the object’s', async () => {
    const stored = await store(settings(contextOf), text)
    for (const bound of [undefined, '', '116', 'AES/GCM/NoPadding']) {
      const map = { ...contextOf, ...(bound !== undefined && { 'aws:x-amz-cek-alg': bound }) }
      const reader = settings(contextOf)
      await assert.rejects(
        load(reader, { ...stored, metadata: changed(stored.metadata, { 'x-amz-t': JSON.stringify(map) }) }),
        hasCode('ERR_S3CSE_ENVELOPE_INVALID', /aws:x-amz-cek-alg/),
      )
      assert.deepEqual((reader.keyring as ReturnType<typeof testKeyring>).calls, [])
    }
  })

  test('one that was given is not ignored for a wrap that authenticates none', async () => {
    const stored = await store({ keyring: testKeyring() }, text)
    const keyring = testKeyring({ algorithms: undefined })
    await assert.rejects(
      load({ keyring, encryptionContext: { a: 'b' } }, stored),
      hasCode('ERR_S3CSE_CONTEXT_MISMATCH', /AES\/GCM/),
    )
    assert.deepEqual(keyring.calls, [])
    assert.deepEqual(await load({ keyring }, stored), text)
  })
})

test('a wrong key, other bytes and another data key under the old commitment all look the same', async () => {
  for (const policy of [writesV2, writesV3] as const) {
    const dataKey = randomBytes(32)
    const stored = await store({ keyring: testKeyring({ dataKey }), commitmentPolicy: policy }, text)
    const foreign = await store({ keyring: testKeyring(), commitmentPolicy: policy }, text)
    const edk = policy === writesV2 ? 'x-amz-key-v2' : 'x-amz-3'
    const answers = {
      undefined: undefined,
      short: new Uint8Array(31),
      long: new Uint8Array(33),
      empty: new Uint8Array(0),
      text: 'x'.repeat(32),
      wrong: randomBytes(32),
      number: 5,
    }
    const errors: unknown[] = []
    for (const answer of Object.values(answers)) {
      const keyring = readingKeyring(() => answer as Uint8Array)
      errors.push(await load({ keyring, commitmentPolicy: policy }, stored).catch((error: unknown) => error))
    }
    for (const broken of [
      { ...stored, metadata: changed(stored.metadata, { [edk]: foreign.metadata[edk] }) },
      { ...stored, body: foreign.body },
      { ...foreign, metadata: changed(stored.metadata, { [edk]: foreign.metadata[edk] }) },
    ]) {
      errors.push(
        await load({ keyring: testKeyring(), commitmentPolicy: policy }, broken).catch((error: unknown) => error),
      )
    }
    for (const error of errors) {
      assert.ok(error instanceof DecryptionError)
      assert.deepEqual(
        [error.name, error.code, error.message, error.cause, Object.keys(error)],
        [
          errors[0] instanceof Error && errors[0].name,
          'ERR_S3CSE_DECRYPTION_FAILED',
          new DecryptionError().message,
          undefined,
          ['code', 'name'],
        ],
      )
    }
  }
})
