/**
 * Row 9: a cache of data keys that clients with different commitment policies share. What one client may use says nothing
 * about another: a data key that was asked for under one policy is never given out under another.
 */
import assert from 'node:assert/strict'
import { beforeEach, describe, it } from 'node:test'
import { cachingKeyring } from '../../src/index.js'
import type { CommitmentPolicy, Suite } from '../../src/index.js'
import { kmsKeyring } from '../../src/kms.js'
import { code } from '../support/errors.js'
import { pattern, put, read, world } from '../support/world.js'
import { decrypts, kmsWorld, readsAll, strictPolicy, writesV2 } from './support.js'

const w = await world()
const { kms, client } = await kmsWorld({ keys: ['alias/orders'] })
const inner = kmsKeyring({ client, keyId: 'alias/orders' })
const plaintext = pattern(50)

const generated = (): number => kms.requests.filter(({ operation }) => operation === 'GenerateDataKey').length

beforeEach(() => {
  kms.requests.length = 0
})

describe('two clients with two policies over one caching keyring', () => {
  const pairs: readonly (readonly [CommitmentPolicy, CommitmentPolicy])[] = [
    [readsAll, strictPolicy],
    [strictPolicy, readsAll],
  ]
  for (const [first, second] of pairs) {
    it(`writing under ${first} first: each has data keys of its own`, async () => {
      const keyring = cachingKeyring(inner, { maxAge: 600_000 })
      const clients = [first, second].map((commitmentPolicy) => w.client({ keyring, commitmentPolicy }))
      const wrapped: (string | undefined)[] = []
      for (let round = 0; round < 2; round++) {
        for (const s3 of clients) {
          await put(s3, 'object', plaintext)
          wrapped.push((await w.stored('object')).metadata['x-amz-3'])
        }
      }
      assert.equal(generated(), 2)
      assert.notEqual(wrapped[0], wrapped[1])
      assert.deepEqual(wrapped.slice(2), wrapped.slice(0, 2))
    })

    it(`reading under ${first} first: each asks KMS itself, once`, async () => {
      await put(w.client({ keyring: inner }), 'object', plaintext)
      const keyring = cachingKeyring(inner, { maxAge: 600_000 })
      const clients = [first, second].map((commitmentPolicy) => w.client({ keyring, commitmentPolicy }))
      for (let round = 0; round < 2; round++) {
        for (const [index, s3] of clients.entries()) {
          assert.deepEqual(await read(s3, 'object'), plaintext)
          assert.equal(decrypts(kms), round === 0 ? index + 1 : 2)
        }
      }
    })

    it(`at the same time, ${first} first: neither waits for the other's answer`, async () => {
      await put(w.client({ keyring: inner }), 'object', plaintext)
      const keyring = cachingKeyring(inner, { maxAge: 600_000 })
      const clients = [first, second].map((commitmentPolicy) => w.client({ keyring, commitmentPolicy }))
      kms.requests.length = 0
      await Promise.all(
        clients.flatMap((s3) => [read(s3, 'object'), put(s3, 'another', plaintext), read(s3, 'object')]),
      )
      assert.deepEqual([decrypts(kms), generated()], [2, 2])
    })

    it(`KMS refuses the second of ${first} and ${second}: what the first has kept is of no use to it`, async () => {
      await put(w.client({ keyring: inner }), 'object', plaintext)
      const keyring = cachingKeyring(inner, { maxAge: 600_000 })
      const [one, two] = [first, second].map((commitmentPolicy) => w.client({ keyring, commitmentPolicy }))
      assert.deepEqual(await read(one!, 'object'), plaintext)
      kms.fail({ operation: 'Decrypt', code: 'AccessDeniedException' })
      await assert.rejects(read(two!, 'object'), code('ERR_S3CSE_KMS'))
      assert.deepEqual(await read(one!, 'object'), plaintext)
    })
  }

  it('an object without commitment stays refused where the policy demands one, whatever the cache has', async () => {
    await put(w.client({ keyring: inner, commitmentPolicy: writesV2 }), 'v2', plaintext)
    const keyring = cachingKeyring(inner, { maxAge: 600_000 })
    kms.requests.length = 0
    const [allows, demands] = [readsAll, strictPolicy].map((commitmentPolicy) =>
      w.client({ keyring, commitmentPolicy }),
    )
    assert.deepEqual(await read(allows!, 'v2'), plaintext)
    await assert.rejects(read(demands!, 'v2'), code('ERR_S3CSE_POLICY'))
    assert.equal(decrypts(kms), 1)
  })

  it('a client that writes without commitment cannot use it at all', () => {
    const keyring = cachingKeyring(inner, { maxAge: 600_000 })
    assert.throws(
      () => w.client({ keyring, commitmentPolicy: writesV2 }),
      code('ERR_S3CSE_CONFIG', /one data key for several messages/),
    )
  })
})

it('a suite without key derivation never gets a data key that a suite with it has kept', async () => {
  const keyring = cachingKeyring(inner, { maxAge: 600_000 })
  const v3: Suite = { id: 0x0073, format: 's3ec', name: '115', keyLength: 32, derivesMessageKeys: true }
  const request = { context: {}, commitmentPolicy: readsAll }
  const { encryptedDataKeys, context } = await keyring.wrap({ suite: v3, ...request })
  await assert.rejects(
    async () => keyring.wrap({ suite: { ...v3, derivesMessageKeys: false }, ...request }),
    code('ERR_S3CSE_CONFIG'),
  )
  const stored = { context, encryptedDataKeys, commitmentPolicy: readsAll }
  assert.ok((await keyring.unwrap({ suite: v3, ...stored })) !== undefined)
  const v2: Suite = { id: 0x0072, format: 's3ec', name: 'AES/GCM/NoPadding', keyLength: 32 }
  assert.equal(await keyring.unwrap({ suite: v2, ...stored }), undefined)
})
