// An object under the attacker's KMS key, which KMS would open for anyone whom that key's policy lets. Decrypt names the configured key, and its answer must come from it.
import { DecryptCommand, EncryptCommand, KMSClient } from '@aws-sdk/client-kms'
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { beforeEach, describe, it } from 'node:test'

import type { Context, Keyring } from '../../src/index.js'
import { kmsDiscoveryKeyring, kmsKeyring } from '../../src/kms.js'
import { referenceMetadata, referenceSeal } from '../support/s3ec-reference.js'
import { Bucket, pattern, world } from '../support/world.js'
import { assertRefused, kmsWorld, outcomeOf, readsAll, suiteNames } from './support.js'

const w = await world()
const { kms, client } = await kmsWorld()
const [ours, theirs] = ['111122223333', '999988887777'] as const
const key = kms.createKey({ alias: 'alias/orders' })
const multiRegion = kms.createKey({ alias: 'alias/everywhere', multiRegion: true })
const attackers = kms.createKey({ accountId: theirs, alias: 'alias/orders' })
/** Ours, but not the configured one. */
const neighbour = kms.createKey()
const plaintext = pattern(50)

/** A perfect object but for the key that wraps its data key. `more` is stored and bound like the rest of the context. */
async function forge(version: 'V2' | 'V3', keyArn: string, more: Context = {}): Promise<void> {
  const dataKey = randomBytes(32)
  const context = { 'aws:x-amz-cek-alg': suiteNames[version], ...more }
  const { CiphertextBlob } = await client.send(
    new EncryptCommand({ KeyId: keyArn, Plaintext: dataKey, EncryptionContext: context }),
  )
  const reference = { version, dataKey, nonce: randomBytes(version === 'V2' ? 12 : 28) } as const
  const parts = { wrap: 'kms+context', encryptedDataKey: CiphertextBlob!, map: JSON.stringify(context) }
  await w.s3.put(Bucket, 'forged', {
    body: referenceSeal(reference, plaintext),
    metadata: referenceMetadata(reference, parts),
  })
  kms.requests.length = 0
}

const read = (keyring: Keyring) => outcomeOf(w.client({ keyring, commitmentPolicy: readsAll }), 'forged')

/** The keys that Decrypt was asked for. */
const named = (): unknown[] => kms.requests.filter((r) => r.operation === 'Decrypt').map(({ input }) => input.KeyId)

const arnOf = (name: string, account: string = ours): string => `arn:aws:kms:us-east-1:${account}:${name}`
const forms: readonly [form: string, keyId: string, own: string][] = [
  ['key ARN', key.arn, key.arn],
  ['key id', key.keyId, key.arn],
  ['alias', 'alias/orders', key.arn],
  ['alias ARN', arnOf('alias/orders'), key.arn],
  ['multi-region key ARN', multiRegion.arn, multiRegion.arn],
  ['alias of a multi-region key', 'alias/everywhere', multiRegion.arn],
]

beforeEach(() => {
  kms.requests.length = 0
})

for (const version of ['V2', 'V3'] as const) {
  describe(`${version}, kmsKeyring`, () => {
    for (const [form, keyId, own] of forms) {
      it(`by ${form}: only the object of the configured key opens`, async () => {
        const keyring = kmsKeyring({ client, keyId })
        await forge(version, own)
        assert.deepEqual((await read(keyring)).released, plaintext)
        assert.deepEqual(named(), [keyId])
        // The attacker names the key in every place that a reader could look at.
        for (const [other, more] of [
          [attackers.arn, {}],
          [attackers.arn, { kms_cmk_id: attackers.arn }],
          [attackers.arn, { kms_cmk_id: own }],
          [neighbour.arn, { kms_cmk_id: neighbour.arn }],
        ] as const) {
          await forge(version, other, more)
          assertRefused(await read(keyring), 'ERR_S3CSE_DECRYPTION_FAILED', `${other} ${JSON.stringify(more)}`)
          assert.deepEqual(named(), [keyId])
        }
        // An honest object of a writer that stores the name of some other key is still opened with the configured one.
        await forge(version, own, { kms_cmk_id: attackers.arn })
        assert.deepEqual((await read(keyring)).released, plaintext)
        assert.deepEqual(named(), [keyId])
      })
    }

    // Which key an alias means only KMS knows: a bare name is held to nothing, an ARN to its account.
    for (const [form, keyId, own] of forms.filter(([, name]) => !name.startsWith('alias/'))) {
      it(`by ${form}: an answer from another key is not taken`, async () => {
        // A proxy, or an emulator, that ignores KeyId as KMS did before 2019: it opens every blob.
        const lying = {
          send: (command: object) => {
            const { CiphertextBlob, EncryptionContext } = (command as DecryptCommand).input
            return client.send(new DecryptCommand({ CiphertextBlob, EncryptionContext }))
          },
        }
        const keyring = kmsKeyring({ client: lying, keyId })
        await forge(version, own)
        assert.deepEqual((await read(keyring)).released, plaintext)
        await forge(version, attackers.arn)
        assertRefused(await read(keyring), 'ERR_S3CSE_DECRYPTION_FAILED')
        assert.deepEqual(named(), [undefined])
        if (form === 'alias ARN') return
        await forge(version, neighbour.arn)
        assertRefused(await read(keyring), 'ERR_S3CSE_DECRYPTION_FAILED')
      })
    }
  })

  describe(`${version}, kmsDiscoveryKeyring`, () => {
    const discover = (accountIds: string[], partition = 'aws') =>
      kmsDiscoveryKeyring({ client, discoveryFilter: { accountIds, partition } })

    it('opens the objects of the accounts in its filter, and of no other', async () => {
      for (const [arn, account] of [
        [key.arn, ours],
        [neighbour.arn, ours],
        [attackers.arn, theirs],
      ] as const) {
        await forge(version, arn, { kms_cmk_id: key.arn })
        for (const accountIds of [[ours], [theirs], [ours, theirs], ['000000000000']]) {
          const outcome = await read(discover(accountIds))
          if (accountIds.includes(account)) assert.deepEqual(outcome.released, plaintext)
          else assertRefused(outcome, 'ERR_S3CSE_DECRYPTION_FAILED', `${account} for ${accountIds.join()}`)
        }
        assertRefused(await read(discover([account], 'aws-cn')), 'ERR_S3CSE_DECRYPTION_FAILED', 'another partition')
        assert.ok(named().every((keyId) => keyId === undefined))
      }
    })

    it('takes no key from the metadata', async () => {
      await forge(version, attackers.arn, { kms_cmk_id: key.arn })
      assertRefused(await read(discover([ours])), 'ERR_S3CSE_DECRYPTION_FAILED')
    })
  })
}

it('a key of the same id in another account is not the configured key', async () => {
  const twin = kms.createKey({ accountId: theirs, keyId: key.keyId })
  await forge('V3', twin.arn)
  for (const keyId of [key.arn, key.keyId]) {
    assertRefused(await read(kmsKeyring({ client, keyId })), 'ERR_S3CSE_DECRYPTION_FAILED', keyId)
  }
})

it('a replica of a multi-region key in another account is not the configured key', async () => {
  const keyId = multiRegion.keyId
  const twin = kms.createKey({ accountId: theirs, keyId, multiRegion: true })
  await forge('V3', twin.arn)
  assertRefused(await read(kmsKeyring({ client, keyId: multiRegion.arn })), 'ERR_S3CSE_DECRYPTION_FAILED')
})

it('the region of the client does not choose another key either', async () => {
  const elsewhere = kms.createKey({ region: 'eu-west-1' })
  const there = new KMSClient({ ...kms.clientConfig, region: 'eu-west-1' })
  await forge('V3', key.arn)
  const outcome = await read(kmsKeyring({ client: there, keyId: elsewhere.arn }))
  there.destroy()
  assertRefused(outcome, 'ERR_S3CSE_DECRYPTION_FAILED')
})
