// The wrap is relabelled as `kms`, whose context need not name the content algorithm, for a reader that has legacy wraps enabled. What the context says counts whatever the wrap; without it KMS refuses.
import assert from 'node:assert/strict'
import { beforeEach, describe, it } from 'node:test'

import type { Context, CseErrorCode, Keyring } from '../../src/index.js'
import { kmsKeyring } from '../../src/kms.js'
import { Bucket, pattern, put, world } from '../support/world.js'
import { allOn, cbcName, gcm, gcmName, legacyMetadata } from './legacy.js'
import {
  assertRefused,
  base64,
  counting,
  decrypts,
  kmsWorld,
  outcomeOf,
  readsAll,
  suiteNames,
  versions,
  writesV2,
} from './support.js'

const w = await world()
const { kms, client: kmsClient } = await kmsWorld()
const { arn } = kms.createKey()
const keyring = kmsKeyring({ client: kmsClient, keyId: arn })
const context = { tenant: 'a', user: 'b' }
const plaintext = pattern(96)
const bound = 'aws:x-amz-cek-alg'
const invalid: CseErrorCode = 'ERR_S3CSE_ENVELOPE_INVALID'
const failed: CseErrorCode = 'ERR_S3CSE_DECRYPTION_FAILED'
const mismatch: CseErrorCode = 'ERR_S3CSE_CONTEXT_MISMATCH'

const given: readonly [name: string, context: Context][] = [
  ['the right context', context],
  ['no context', {}],
  ['a wrong value', { ...context, tenant: 'z' }],
  ['a part of it', { tenant: 'a' }],
  ['more than it', { ...context, more: 'c' }],
]
const readers: readonly [name: string, keyring: Keyring][] = [
  ['kmsKeyring', keyring],
  ['a keyring that does not say what it opens', counting(keyring, false)],
]
const places = ['metadata', 'instruction file'] as const

async function store(
  place: (typeof places)[number],
  metadata: Record<string, string>,
  body: Uint8Array,
): Promise<void> {
  await w.s3.put(Bucket, 'changed', { body, metadata: place === 'metadata' ? metadata : {} })
  if (place !== 'metadata') await w.s3.put(Bucket, 'changed.instruction', { body: JSON.stringify(metadata) })
  kms.requests.length = 0
}

async function stored(commitmentPolicy = writesV2) {
  await put(w.client({ keyring, commitmentPolicy, encryptionContext: context }), 'good', plaintext)
  return w.stored('good')
}

beforeEach(() => {
  kms.requests.length = 0
})

describe('V2, kms+context relabelled as kms, legacy wraps on', () => {
  for (const place of places) {
    for (const [reader, from] of readers) {
      for (const content of [gcmName, cbcName]) {
        const asStored = (metadata: Readonly<Record<string, string>>, map: Record<string, string>) => {
          const { 'x-amz-tag-len': tag = '', ...rest } = metadata
          const iv16 = base64(
            Buffer.concat([Buffer.from(metadata['x-amz-iv']!, 'base64'), Buffer.from('00000002', 'hex')]),
          )
          const changed = { ...rest, 'x-amz-wrap-alg': 'kms', 'x-amz-matdesc': JSON.stringify(map) }
          return content === gcmName
            ? { ...changed, 'x-amz-tag-len': tag }
            : { ...changed, 'x-amz-cek-alg': content, 'x-amz-iv': iv16 }
        }
        const what = `${place}, ${reader}, ${content}`

        it(`${what}: ${bound} left in, or changed: KMS is not asked`, async () => {
          const { metadata, body } = await stored()
          for (const algorithm of [gcmName, cbcName, '115', '']) {
            await store(place, asStored(metadata, { ...context, [bound]: algorithm }), body)
            for (const [name, encryptionContext] of given) {
              const outcome = await outcomeOf(w.client({ ...allOn, keyring: from, encryptionContext }), 'changed')
              assertRefused(outcome, invalid, `${algorithm}, ${name}`)
            }
          }
          assert.equal(decrypts(kms), 0)
        })

        it(`${what}: ${bound} taken out: KMS refuses, and is asked where the caller's context allows only`, async () => {
          const { metadata, body } = await stored()
          await store(place, asStored(metadata, context), body)
          for (const [name, encryptionContext] of given) {
            kms.requests.length = 0
            const outcome = await outcomeOf(w.client({ ...allOn, keyring: from, encryptionContext }), 'changed')
            // None may be given with `kms`, whose context is often another service's.
            const asked = name === 'the right context' || name === 'no context'
            assertRefused(outcome, asked ? failed : mismatch, name)
            // A file that does not fit is read once more, for it may just have been replaced.
            assert.equal(decrypts(kms), asked ? (place === 'metadata' ? 1 : 2) : 0, name)
            assert.ok(kms.requests.every(({ errorCode }) => errorCode === 'InvalidCiphertextException'))
          }
        })

        it(`${what}: the whole context taken out, or another one put in`, async () => {
          const { metadata, body } = await stored()
          for (const map of [{}, { kms_cmk_id: arn }, { tenant: 'z' }] as Record<string, string>[]) {
            await store(place, asStored(metadata, map), body)
            for (const [name, encryptionContext] of [...given, ['what is stored now', { tenant: 'z' }] as const]) {
              const outcome = await outcomeOf(w.client({ ...allOn, keyring: from, encryptionContext }), 'changed')
              assertRefused(outcome, [failed, mismatch], name)
            }
            assert.ok(kms.requests.every(({ errorCode }) => errorCode === 'InvalidCiphertextException'))
          }
        })
      }
    }
  }
})

it('V3, x-amz-w 12 relabelled as each legacy wrap, by name or number, legacy wraps on: KMS is not asked', async () => {
  const { metadata, body } = await stored(readsAll)
  const asV2 = { 'x-amz-key-v2': metadata['x-amz-3']!, 'x-amz-matdesc': metadata['x-amz-t']! }
  const labels = ['kms', 'AESWrap', 'AES', 'RSA', 'RSA/ECB/OAEPWithSHA-256AndMGF1Padding', '01', '11', '21', '10', '']
  for (const [reader, from] of readers) {
    for (const [name, encryptionContext] of given.slice(0, 3)) {
      const client = w.client({ ...allOn, keyring: from, encryptionContext })
      for (const label of labels) {
        await store('metadata', { ...metadata, 'x-amz-w': label }, body)
        assertRefused(await outcomeOf(client, 'changed'), invalid, `${label}, ${name}, ${reader}`)
      }
      // As an old V2 object: what is stored says that it is V3's.
      const iv = { 'x-amz-iv': base64(Buffer.alloc(12, 1)), 'x-amz-tag-len': '128', 'x-amz-cek-alg': gcmName }
      await store('metadata', { ...asV2, ...iv, 'x-amz-wrap-alg': 'kms' }, body)
      assertRefused(await outcomeOf(client, 'changed'), invalid, `V2, ${name}, ${reader}`)
      assert.equal(decrypts(kms), 0)
    }
  }
})

it('what V1 does not store cannot be KMS: not asked', async () => {
  for (const [, commitmentPolicy] of versions) {
    const { metadata, body } = await stored(commitmentPolicy)
    const key = (metadata['x-amz-key-v2'] ?? metadata['x-amz-3'])!
    for (const map of ['{}', metadata['x-amz-matdesc'] ?? metadata['x-amz-t']!, JSON.stringify(context)]) {
      const v1 = { 'x-amz-key': key, 'x-amz-iv': base64(Buffer.alloc(16)), 'x-amz-matdesc': map }
      for (const [, from] of readers) {
        for (const [name, encryptionContext] of given) {
          await store('metadata', v1, body)
          const outcome = await outcomeOf(w.client({ ...allOn, keyring: from, encryptionContext }), 'changed')
          assertRefused(outcome, [invalid, mismatch, failed], name)
          assert.equal(decrypts(kms), 0)
        }
      }
    }
  }
})

it('kms relabelled as kms+context: what KMS bound was less, and it refuses', async () => {
  const dataKey = Buffer.alloc(32, 9)
  const iv = Buffer.alloc(12, 4)
  const { encryptedDataKeys } = await keyring.wrap({
    suite: { id: 0x72, format: 's3ec', name: suiteNames.V2, keyLength: 32 },
    context,
    dataKey: Uint8Array.from(dataKey),
    algorithm: 'kms',
  })
  const old = { ...context, kms_cmk_id: arn }
  const metadata = (wrap: string, map: Record<string, string>): Record<string, string> => ({
    ...legacyMetadata(
      { version: 'V2', wrap: 'kms', map: JSON.stringify(map) },
      gcmName,
      encryptedDataKeys[0]!.ciphertext,
      iv,
    ),
    'x-amz-wrap-alg': wrap,
  })
  const client = w.client({ ...allOn, keyring, encryptionContext: context })
  const body = gcm(dataKey, iv, plaintext)
  await store('metadata', metadata('kms', old), body)
  assert.deepEqual((await outcomeOf(client, 'changed')).released, plaintext)
  await store('metadata', metadata('kms+context', old), body)
  assertRefused(await outcomeOf(client, 'changed'), invalid)
  assert.equal(decrypts(kms), 0)
  await store('metadata', metadata('kms+context', { ...old, [bound]: gcmName }), body)
  assertRefused(await outcomeOf(client, 'changed'), failed)
  assert.equal(decrypts(kms), 1)
})
