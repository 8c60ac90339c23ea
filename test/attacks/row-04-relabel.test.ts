// CVE-2020-8912: the suite in the metadata is changed to one that gives less. It only selects among what is allowed, and key and wrap are bound to it.
import assert from 'node:assert/strict'
import { createCipheriv, randomBytes } from 'node:crypto'
import { describe, it } from 'node:test'

import type { CseErrorCode } from '../../src/index.js'
import { hkdf, referenceMetadata, referenceSeal } from '../support/s3ec-reference.js'
import { Bucket, pattern, put, world } from '../support/world.js'
import { allKinds } from './kinds.js'
import {
  assertRefused,
  base64,
  counting,
  modes,
  outcomeOf,
  policies,
  readsAll,
  suiteNames,
  versions,
  wrapKey,
} from './support.js'

const w = await world()
const { kinds } = await allKinds()
/** Whole blocks, so that a CBC message could be as long. */
const plaintext = pattern(192)

/** Every suite that AWS lists, by id, names and numbers, and spellings that are none. */
const labels = [
  'AES/CBC/PKCS5Padding',
  'AES/CBC/PKCS7Padding',
  'AES/CTR/NoPadding',
  'AES/GCM/NoPadding',
  'ALG_AES_256_CTR_IV16_TAG16_NO_KDF',
  ...['112', '113', '114', '115', '116', '0x73', '0115', '115 ', '', 'aes/gcm/nopadding', 'toString'],
]

for (const kind of kinds) {
  const writer = (commitmentPolicy = readsAll) =>
    w.client({ keyring: kind.keyring, commitmentPolicy, encryptionContext: kind.context })

  for (const [version, policy] of versions) {
    describe(`${version} ${kind.wrap}`, () => {
      it('relabelled as every other suite, under every policy', async () => {
        await put(writer(policy), 'good', plaintext)
        const { metadata, body } = await w.stored('good')
        const keyring = counting(kind.keyring)
        const clients = policies.map((commitmentPolicy) =>
          w.client({ keyring, commitmentPolicy, encryptionContext: kind.context }),
        )
        const label = version === 'V2' ? 'x-amz-cek-alg' : 'x-amz-c'
        for (const name of labels.filter((other) => other.trim() !== metadata[label])) {
          const cbc = version === 'V2' && name.includes('CBC')
          const iv16 = base64(Buffer.concat([Buffer.from(metadata['x-amz-iv'] ?? '', 'base64'), Buffer.alloc(4)]))
          const changed: Record<string, string> = { ...metadata, [label]: name, ...(cbc && { 'x-amz-iv': iv16 }) }
          if (cbc) delete changed['x-amz-tag-len']
          // No writer has CBC content under a wrap that is bound to the content algorithm.
          const expected = 'ERR_S3CSE_ENVELOPE_INVALID'
          // The last without its tag: what a stream cipher's object would be.
          for (const [i, client] of clients.entries()) {
            const bytes = i === 2 ? body.subarray(0, -16) : body
            await w.s3.put(Bucket, 'changed', { body: bytes, metadata: changed })
            assertRefused(await outcomeOf(client, 'changed'), expected, `${name} under ${policies[i] ?? ''}`)
          }
        }
        assert.equal(keyring.unwraps(), 0)
      })

      it('without its suite, or with another wrap that binds no suite', async () => {
        await put(writer(policy), 'good', plaintext)
        const { metadata, body } = await w.stored('good')
        const changes: Record<string, string | undefined>[] =
          version === 'V2'
            ? [
                { 'x-amz-cek-alg': undefined },
                { 'x-amz-wrap-alg': undefined },
                { 'x-amz-wrap-alg': 'AESWrap' },
                { 'x-amz-wrap-alg': 'AES' },
              ]
            : [{ 'x-amz-c': undefined }, { 'x-amz-w': undefined }, { 'x-amz-w': 'AESWrap' }, { 'x-amz-w': 'AES' }]
        for (const change of changes) {
          const changed = Object.fromEntries(
            Object.entries({ ...metadata, ...change }).filter(
              (entry): entry is [string, string] => entry[1] !== undefined,
            ),
          )
          await w.s3.put(Bucket, 'changed', { body, metadata: changed })
          const codes: CseErrorCode[] = ['ERR_S3CSE_ENVELOPE_INVALID', 'ERR_S3CSE_LEGACY_DISABLED']
          assertRefused(await outcomeOf(writer(), 'changed'), codes, JSON.stringify(change))
        }
      })

      it('the wrap of this suite in an otherwise perfect object of the other', async () => {
        // The attacker knows the data key, so that envelope and body fit: only the wrap itself can tell.
        const dataKey = randomBytes(32)
        const other = version === 'V2' ? 'V3' : 'V2'
        const wrapped = await wrapKey(kind.keyring, version, dataKey, kind.context)
        const rightly = await wrapKey(kind.keyring, other, dataKey, kind.context)
        const reference = { version: other, dataKey, nonce: randomBytes(other === 'V2' ? 12 : 28) } as const
        const body = referenceSeal(reference, plaintext)
        const metadata = (encryptedDataKey: Uint8Array, context: object) =>
          referenceMetadata(reference, { wrap: kind.wrap, encryptedDataKey, map: JSON.stringify(context) })

        await w.s3.put(Bucket, 'right', { body, metadata: metadata(rightly.encryptedDataKey, rightly.context) })
        assert.deepEqual((await outcomeOf(writer(), 'right')).released, plaintext)
        // The map as it was wrapped, and as this object would have to have it.
        const isKms = kind.wrap === 'kms+context'
        for (const [context, expected] of [
          [wrapped.context, isKms ? 'ERR_S3CSE_ENVELOPE_INVALID' : 'ERR_S3CSE_DECRYPTION_FAILED'],
          [rightly.context, 'ERR_S3CSE_DECRYPTION_FAILED'],
        ] as const) {
          await w.s3.put(Bucket, 'forged', { body, metadata: metadata(wrapped.encryptedDataKey, context) })
          for (const [mode, options] of modes) {
            const client = w.client({
              keyring: kind.keyring,
              commitmentPolicy: readsAll,
              encryptionContext: kind.context,
              ...options,
            })
            assertRefused(await outcomeOf(client, 'forged'), expected, mode)
          }
        }
      })
    })
  }
}

it('V3 content is bound to its suite by the associated data', async () => {
  const { keyring } = kinds[0]!
  const [dataKey, nonce] = [randomBytes(32), randomBytes(28)]
  const { encryptedDataKey } = await wrapKey(keyring, 'V3', dataKey)
  const metadata = referenceMetadata({ version: 'V3', dataKey, nonce }, { wrap: 'AES/GCM', encryptedDataKey })
  for (const aad of ['', '0072', '0074', '007300', '0073']) {
    const cipher = createCipheriv('aes-256-gcm', hkdf(dataKey, nonce, 'DERIVEKEY', 32), Buffer.alloc(12, 1))
    cipher.setAAD(Buffer.from(aad, 'hex'))
    const body = Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()])
    await w.s3.put(Bucket, 'aad', { body, metadata })
    for (const [mode, options] of modes.slice(0, 3)) {
      const outcome = await outcomeOf(w.client({ keyring, ...options }), 'aad')
      if (aad === '0073') assert.deepEqual(outcome.released, plaintext)
      else assertRefused(outcome, 'ERR_S3CSE_DECRYPTION_FAILED', `${mode}, ${aad}`)
    }
  }
})

it('names of suites are those that are written', async () => {
  for (const [version, policy] of versions) {
    await put(w.client({ commitmentPolicy: policy }), 'named', plaintext)
    const { metadata } = await w.stored('named')
    assert.equal(metadata[version === 'V2' ? 'x-amz-cek-alg' : 'x-amz-c'], suiteNames[version])
  }
})
