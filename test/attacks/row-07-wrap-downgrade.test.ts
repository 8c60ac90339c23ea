// The wrap in the metadata is changed to a legacy one, where the encryption context is neither compared nor bound to the suite. Refused before any key is used.
import assert from 'node:assert/strict'
import { beforeEach, describe, it } from 'node:test'

import type { S3Client } from '@aws-sdk/client-s3'

import type { CommitmentPolicy, Context, CseErrorCode, Keyring } from '../../src/index.js'
import { kmsKeyring } from '../../src/kms.js'
import { Bucket, pattern, put, world } from '../support/world.js'
import { assertRefused, counting, decrypts, kmsWorld, outcomeOf, readsAll, strictPolicy, writesV2 } from './support.js'

const w = await world()
const { kms, client: kmsClient } = await kmsWorld()
const keyring = kmsKeyring({ client: kmsClient, keyId: kms.createKey().arn })
const context = { tenant: 'a', user: 'b' }
const plaintext = pattern(100)

/** What a caller may give; only the first is the object's. */
const given: readonly [name: string, context: Context | undefined][] = [
  ['the right context', context],
  ['no context', undefined],
  ['a wrong value', { ...context, tenant: 'z' }],
  ['a part of it', { tenant: 'a' }],
  ['more than it', { ...context, more: 'c' }],
]

const legacy = ['kms', 'AESWrap', 'RSA/ECB/OAEPWithSHA-256AndMGF1Padding', 'AES', 'RSA']
const supported = ['AES/GCM', 'RSA-OAEP-SHA1', 'kms+context']

/**
 * The keyring itself; one that does not say what it opens; and one that in addition takes every ciphertext for its own,
 * as a careless one might: then nothing but the format stands between a label and KMS.
 */
function careless(inner: Keyring): Keyring {
  return {
    wrap: (request) => inner.wrap(request),
    unwrap: (request) =>
      inner.unwrap({
        ...request,
        encryptedDataKeys: request.encryptedDataKeys.map((key) => ({ ...key, algorithm: 'kms+context' })),
      }),
  }
}
const readers: readonly [name: string, keyring: Keyring][] = [
  ['kmsKeyring', keyring],
  ['a keyring that does not say what it opens', counting(keyring, false)],
  ['a keyring that ignores labels', careless(keyring)],
]

function reader(from: Keyring, commitmentPolicy: CommitmentPolicy, encryptionContext?: Context): S3Client {
  return w.client({ keyring: from, commitmentPolicy, ...(encryptionContext && { encryptionContext }) })
}

async function stored(version: 'V2' | 'V3') {
  const commitmentPolicy = version === 'V2' ? writesV2 : readsAll
  await put(w.client({ keyring, commitmentPolicy, encryptionContext: context }), 'good', plaintext)
  return w.stored('good')
}

beforeEach(() => {
  kms.requests.length = 0
})

describe('the object as it is', () => {
  for (const version of ['V2', 'V3'] as const) {
    it(`${version} opens under its own context only, and KMS is not asked otherwise`, async () => {
      await stored(version)
      kms.requests.length = 0
      for (const [name, encryptionContext] of given) {
        const outcome = await outcomeOf(reader(keyring, readsAll, encryptionContext), 'good')
        if (encryptionContext === context) assert.deepEqual(outcome.released, plaintext)
        else assertRefused(outcome, 'ERR_S3CSE_CONTEXT_MISMATCH', name)
      }
      assert.equal(decrypts(kms), 1)
    })
  }
})

describe('V3, x-amz-w 12 relabelled', () => {
  const labels = [
    ...legacy,
    ...supported,
    '01',
    '11',
    '21',
    '02',
    '22',
    '',
    'KMS',
    '012',
    '1',
    '__proto__',
    'constructor',
  ]
  for (const [name, from] of readers) {
    it(`for ${name}: as a legacy wrap or another`, async () => {
      const { metadata, body } = await stored('V3')
      const clients = given.slice(0, 3).map(([title, one]) => [title, reader(from, strictPolicy, one)] as const)
      kms.requests.length = 0
      for (const label of labels) {
        await w.s3.put(Bucket, 'changed', { body, metadata: { ...metadata, 'x-amz-w': label } })
        for (const [title, client] of clients) {
          assertRefused(await outcomeOf(client, 'changed'), 'ERR_S3CSE_ENVELOPE_INVALID', `${label}, ${title}`)
        }
      }
      assert.equal(decrypts(kms), 0)
    })
  }
})

describe('V2, kms+context relabelled', () => {
  const labels = [
    ...legacy,
    'AES/GCM',
    'RSA-OAEP-SHA1',
    '12',
    '11',
    '',
    'KMS',
    'kms+Context',
    'kms+context ',
    'toString',
  ]
  for (const [name, from] of readers) {
    for (const commitmentPolicy of from === keyring ? [readsAll, writesV2] : [readsAll]) {
      it(`for ${name} under ${commitmentPolicy}: as a legacy wrap or another`, async () => {
        const { metadata, body } = await stored('V2')
        const clients = given.slice(0, 3).map(([title, one]) => [title, reader(from, commitmentPolicy, one)] as const)
        kms.requests.length = 0
        for (const label of labels) {
          // S3 does not keep blanks at the ends.
          if (label.trim() === 'kms+context') continue
          await w.s3.put(Bucket, 'changed', { body, metadata: { ...metadata, 'x-amz-wrap-alg': label } })
          // `AES` and `RSA` stand for what V1 does not store: no writer of V2 has them.
          const expected: CseErrorCode =
            legacy.includes(label) && label !== 'AES' && label !== 'RSA'
              ? 'ERR_S3CSE_LEGACY_DISABLED'
              : 'ERR_S3CSE_ENVELOPE_INVALID'
          for (const [title, client] of clients) {
            assertRefused(await outcomeOf(client, 'changed'), expected, `${label}, ${title}`)
          }
        }
        assert.equal(decrypts(kms), 0)
      })
    }
  }

  it('under the default policy no V2 object gets that far', async () => {
    const { metadata, body } = await stored('V2')
    kms.requests.length = 0
    for (const label of ['kms', 'AESWrap', 'kms+context']) {
      await w.s3.put(Bucket, 'changed', { body, metadata: { ...metadata, 'x-amz-wrap-alg': label } })
      assertRefused(await outcomeOf(reader(keyring, strictPolicy, context), 'changed'), 'ERR_S3CSE_POLICY', label)
    }
    assert.equal(decrypts(kms), 0)
  })
})

describe('the stored context is changed', () => {
  for (const version of ['V2', 'V3'] as const) {
    const key = version === 'V2' ? 'x-amz-matdesc' : 'x-amz-t'

    it(`${version}: to what another caller gives: KMS refuses, with the one error`, async () => {
      const { metadata, body } = await stored(version)
      const map = JSON.parse(metadata[key] ?? '') as Record<string, string>
      for (const [name, encryptionContext = {}] of given.slice(1)) {
        kms.requests.length = 0
        const changed = { 'aws:x-amz-cek-alg': map['aws:x-amz-cek-alg'], ...encryptionContext }
        await w.s3.put(Bucket, 'changed', { body, metadata: { ...metadata, [key]: JSON.stringify(changed) } })
        const outcome = await outcomeOf(reader(keyring, readsAll, encryptionContext), 'changed')
        assertRefused(outcome, 'ERR_S3CSE_DECRYPTION_FAILED', name)
        assert.equal(decrypts(kms), 1)
      }
    })

    it(`${version}: without the content algorithm, or with another one: KMS is not asked`, async () => {
      const { metadata, body } = await stored(version)
      kms.requests.length = 0
      const others = [
        undefined,
        '',
        '115 ',
        '116',
        'AES/CBC/PKCS5Padding',
        version === 'V2' ? '115' : 'AES/GCM/NoPadding',
      ]
      for (const algorithm of others) {
        const changed = JSON.stringify({ ...context, 'aws:x-amz-cek-alg': algorithm })
        await w.s3.put(Bucket, 'changed', { body, metadata: { ...metadata, [key]: changed } })
        for (const [name, from] of readers) {
          const outcome = await outcomeOf(reader(from, readsAll, context), 'changed')
          assertRefused(outcome, 'ERR_S3CSE_ENVELOPE_INVALID', `${String(algorithm)}, ${name}`)
        }
      }
      assert.equal(decrypts(kms), 0)
    })
  }

  for (const version of ['V2', 'V3'] as const) {
    it(`${version}: without the content algorithm, under another wrap that is allowed: KMS is not asked`, async () => {
      const { metadata, body } = await stored(version)
      const wrapKey = version === 'V2' ? 'x-amz-wrap-alg' : 'x-amz-w'
      const mapKey = version === 'V2' ? 'x-amz-matdesc' : 'x-amz-t'
      kms.requests.length = 0
      for (const label of version === 'V2' ? ['AES/GCM', 'RSA-OAEP-SHA1'] : ['02', '22']) {
        for (const map of ['{}', JSON.stringify(context)]) {
          await w.s3.put(Bucket, 'changed', { body, metadata: { ...metadata, [wrapKey]: label, [mapKey]: map } })
          for (const [name, from] of readers) {
            // A keyring that says what it opens is not even asked.
            const expected = from === keyring ? 'ERR_S3CSE_ENVELOPE_INVALID' : 'ERR_S3CSE_DECRYPTION_FAILED'
            assertRefused(await outcomeOf(reader(from, readsAll), 'changed'), expected, `${label}, ${name}`)
          }
        }
      }
      assert.equal(decrypts(kms), 0)
    })
  }
})
