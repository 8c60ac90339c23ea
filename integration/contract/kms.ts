// Which key of KMS opens an object.
import { EncryptCommand, RotateKeyOnDemandCommand } from '@aws-sdk/client-kms'
import assert from 'node:assert/strict'

import { kmsDiscoveryKeyring } from '../../src/kms.js'
import { dataKeyOf } from './kms-support.js'
import { code, copied, newKmsKey, outcomeOf, pattern, put, read } from './stored-objects.js'
import { readsAll, refused, store, stored, versions } from './stored-objects.js'
import { check } from './support.js'

const uses = { uses: 'kms' } as const

for (const [version, options] of versions) {
  check(
    `kms: ${version}: another key's object`,
    async (t) => {
      const key = t.key()
      await put(t.client({ ...options, keyring: await t.kmsKeyring() }), t.Bucket, key, 'secret')
      const keyring = await t.kmsKeyring({ keyId: await newKmsKey(t) })
      refused(await outcomeOf(t.client({ ...readsAll, keyring }), t.Bucket, key), 'ERR_S3CSE_DECRYPTION_FAILED', 'key')
    },
    uses,
  )

  check(
    `kms: ${version}: a data key that somebody else wrapped for another suite`,
    async (t) => {
      const key = t.key()
      const keyring = await t.kmsKeyring()
      await put(t.client({ ...options, keyring }), t.Bucket, key, 'secret')
      const good = await stored(t, t.Bucket, key)
      const { wrappedKey } = dataKeyOf(version, good)
      const other = { 'aws:x-amz-cek-alg': version === 'V3' ? 'AES/GCM/NoPadding' : '115' }
      const input = { KeyId: await t.kmsKey(), Plaintext: pattern(32), EncryptionContext: other }
      const { CiphertextBlob } = await t.kms.send(new EncryptCommand(input))
      const metadata = { ...good.metadata, [wrappedKey]: Buffer.from(CiphertextBlob!).toString('base64') }
      await store(t, t.Bucket, key, { ...good, metadata })
      refused(
        await outcomeOf(t.client({ ...readsAll, keyring }), t.Bucket, key),
        'ERR_S3CSE_DECRYPTION_FAILED',
        'suite',
      )
    },
    uses,
  )

  check(
    `kms: ${version}: discovery reads what its filter admits, and asks with no key`,
    async (t) => {
      const key = t.key()
      const keyId = await t.kmsKey()
      const [, partition = '', , , account = ''] = keyId.split(':')
      await put(t.client({ ...options, keyring: await t.kmsKeyring() }), t.Bucket, key, 'secret')
      const discovery = (accountIds: string[], of = partition) =>
        kmsDiscoveryKeyring({ client: t.kms, discoveryFilter: { accountIds, partition: of } })
      const reader = t.client({ ...readsAll, keyring: discovery(['999999999999', account]) })
      assert.equal((await read(reader, t.Bucket, key)).toString(), 'secret')
      for (const keyring of [discovery(['999999999999']), discovery([account], 'aws-cn')]) {
        const outcome = await outcomeOf(t.client({ ...readsAll, keyring }), t.Bucket, key)
        refused(outcome, 'ERR_S3CSE_DECRYPTION_FAILED', 'filtered')
      }
      await assert.rejects(put(reader, t.Bucket, t.key(), 'x'), code('ERR_S3CSE_CONFIG'))
    },
    uses,
  )

  check(
    `kms: ${version}: bound to its place, an object cannot be moved`,
    async (t) => {
      const settings = { ...options, keyring: await t.kmsKeyring(), bind: true }
      const [key, moved] = [t.key(), t.key('moved')]
      await put(t.client(settings), t.Bucket, key, 'secret')
      await copied(t, t.Bucket, key, moved)
      const client = t.client({ ...settings, ...readsAll })
      assert.equal((await read(client, t.Bucket, key)).toString(), 'secret')
      refused(await outcomeOf(client, t.Bucket, moved), 'ERR_S3CSE_CONTEXT_MISMATCH', 'moved')
    },
    uses,
  )

  check(
    `kms: ${version}: a key that has rotated its material opens older objects`,
    async (t) => {
      const keyId = await newKmsKey(t)
      const settings = { ...options, keyring: await t.kmsKeyring({ keyId }) }
      const key = t.key()
      await put(t.client(settings), t.Bucket, key, 'secret')
      await t.kms.send(new RotateKeyOnDemandCommand({ KeyId: keyId }))
      assert.equal((await read(t.client({ ...settings, ...readsAll }), t.Bucket, key)).toString(), 'secret')
    },
    uses,
  )
}
