// Keys that change: aliases, states, replicas; and requests that are saved.
import {
  CreateAliasCommand,
  CreateGrantCommand,
  type DecryptCommandInput,
  DisableKeyCommand,
  EnableKeyCommand,
  ReplicateKeyCommand,
  ScheduleKeyDeletionCommand,
  UpdateAliasCommand,
} from '@aws-sdk/client-kms'
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'

import { cachingKeyring, KmsError } from '../../src/index.js'
import type { EncryptionOptions } from '../../src/index.js'
import { kmsKeyring } from '../../src/kms.js'
import { countedKms, inRegion } from './kms-support.js'
import { code, newKmsKey, outcomeOf, put, read, readsAll, refused, versions } from './stored-objects.js'
import { check } from './support.js'
import type { Place } from './support.js'

const uses = { uses: 'kms' } as const

/** KMS refuses for a reason that is not about the object. */
const kmsError = (name: string) => (error: unknown) => {
  assert.ok(error instanceof KmsError, String(error))
  assert.equal((error.cause as Error).name, name)
  return true
}

/** Not every server takes ARNs everywhere. */
const idOf = (arn: string): string => arn.split('/')[1]!

async function aliased(t: Place, TargetKeyId: string): Promise<string> {
  const AliasName = `alias/s3-cse-${randomUUID()}`
  await t.kms.send(new CreateAliasCommand({ AliasName, TargetKeyId: idOf(TargetKeyId) }))
  return AliasName
}

for (const [version, options] of versions) {
  check(
    `kms: ${version}: an alias, by name and by ARN`,
    async (t) => {
      const arn = await newKmsKey(t)
      const name = await aliased(t, arn)
      const key = t.key()
      await put(t.client({ ...options, keyring: await t.kmsKeyring({ keyId: name }) }), t.Bucket, key, 'secret')
      for (const keyId of [name, arn.replace(/key\/.*$/, name), arn]) {
        const reader = t.client({ ...readsAll, keyring: await t.kmsKeyring({ keyId }) })
        assert.equal((await read(reader, t.Bucket, key)).toString(), 'secret', keyId)
      }
    },
    uses,
  )

  check(
    `kms: ${version}: an alias that points at another key opens no older objects; the key does`,
    async (t) => {
      const arn = await newKmsKey(t)
      const AliasName = await aliased(t, arn)
      const byAlias = { ...readsAll, keyring: await t.kmsKeyring({ keyId: AliasName }) }
      const key = t.key()
      await put(t.client({ ...byAlias, ...options }), t.Bucket, key, 'secret')
      await t.kms.send(new UpdateAliasCommand({ AliasName, TargetKeyId: idOf(await newKmsKey(t)) }))
      refused(await outcomeOf(t.client(byAlias), t.Bucket, key), 'ERR_S3CSE_DECRYPTION_FAILED', 'alias')
      const byKey = t.client({ ...readsAll, keyring: await t.kmsKeyring({ keyId: arn }) })
      assert.equal((await read(byKey, t.Bucket, key)).toString(), 'secret')
    },
    uses,
  )

  check(
    `kms: ${version}: a disabled key is said to be disabled`,
    async (t) => {
      const KeyId = await newKmsKey(t)
      const client = t.client({ ...options, keyring: await t.kmsKeyring({ keyId: KeyId }) })
      const key = t.key()
      await put(client, t.Bucket, key, 'secret')
      await t.kms.send(new DisableKeyCommand({ KeyId: idOf(KeyId) }))
      await assert.rejects(read(client, t.Bucket, key), kmsError('DisabledException'))
      await assert.rejects(put(client, t.Bucket, t.key(), 'more'), kmsError('DisabledException'))
      await t.kms.send(new EnableKeyCommand({ KeyId: idOf(KeyId) }))
      assert.equal((await read(client, t.Bucket, key)).toString(), 'secret')
    },
    uses,
  )

  check(
    `kms: ${version}: a key that is to be deleted is said to be so`,
    async (t) => {
      const KeyId = await newKmsKey(t)
      const client = t.client({ ...options, keyring: await t.kmsKeyring({ keyId: KeyId }) })
      const key = t.key()
      await put(client, t.Bucket, key, 'secret')
      await t.kms.send(new ScheduleKeyDeletionCommand({ KeyId: idOf(KeyId), PendingWindowInDays: 7 }))
      await assert.rejects(read(client, t.Bucket, key), kmsError('KMSInvalidStateException'))
      await assert.rejects(put(client, t.Bucket, t.key(), 'more'), kmsError('KMSInvalidStateException'))
    },
    uses,
  )

  check(
    `kms: ${version}: a key that does not exist`,
    async (t) => {
      const arn = await t.kmsKey()
      const keyId = arn.replace(/key\/.*$/, `key/${randomUUID()}`)
      const client = t.client({ ...options, keyring: await t.kmsKeyring({ keyId }) })
      await assert.rejects(put(client, t.Bucket, t.key(), 'secret'), kmsError('NotFoundException'))
    },
    uses,
  )

  check(
    `kms: ${version}: a replica in another region opens the object`,
    async (t) => {
      const KeyId = await newKmsKey(t, { MultiRegion: true })
      const ReplicaRegion = 'eu-west-1'
      const { ReplicaKeyMetadata } = await t.kms.send(new ReplicateKeyCommand({ KeyId: idOf(KeyId), ReplicaRegion }))
      const key = t.key()
      await put(t.client({ ...options, keyring: await t.kmsKeyring({ keyId: KeyId }) }), t.Bucket, key, 'secret')
      await inRegion(ReplicaRegion, async (client) => {
        const reader = t.client({ ...readsAll, keyring: kmsKeyring({ client, keyId: ReplicaKeyMetadata!.Arn! }) })
        assert.equal((await read(reader, t.Bucket, key)).toString(), 'secret')
      })
    },
    uses,
  )

  check(
    `kms: ${version}: grant tokens are sent`,
    async (t) => {
      const KeyId = await newKmsKey(t)
      const Operations = ['GenerateDataKey', 'Decrypt'] as const
      const GranteePrincipal = `arn:aws:iam::${KeyId.split(':')[4]!}:user/somebody`
      const grant = new CreateGrantCommand({ KeyId: idOf(KeyId), GranteePrincipal, Operations: [...Operations] })
      const { GrantToken } = await t.kms.send(grant)
      const settings = { ...options, keyring: await t.kmsKeyring({ keyId: KeyId, grantTokens: [GrantToken!] }) }
      const kms = countedKms(t)
      const key = t.key()
      await put(t.client(settings), t.Bucket, key, 'secret')
      assert.equal((await read(t.client(settings), t.Bucket, key)).toString(), 'secret')
      assert.deepEqual(kms.calls, ['GenerateDataKeyCommand', 'DecryptCommand'])
      for (const input of kms.inputs) assert.deepEqual((input as DecryptCommandInput).GrantTokens, [GrantToken])
    },
    uses,
  )
}

check(
  'kms: a caching keyring asks once for many objects, and once to read them',
  async (t) => {
    const kms = countedKms(t)
    const keyring = kmsKeyring({ client: kms.client, keyId: await t.kmsKey() })
    const cache = () => cachingKeyring(keyring, { maxAge: 60_000, maxMessages: 10 })
    const settings: Partial<EncryptionOptions> = { keyring: cache(), encryptionContext: { tenant: 'a' } }
    const keys = Array.from({ length: 20 }, () => t.key())
    kms.calls.length = 0
    const writer = t.client(settings)
    await Promise.all(keys.map((key) => put(writer, t.Bucket, key, key)))
    assert.deepEqual(kms.calls, ['GenerateDataKeyCommand', 'GenerateDataKeyCommand'])
    kms.calls.length = 0
    const reader = t.client({ ...settings, keyring: cache() })
    for (const key of keys) assert.equal((await read(reader, t.Bucket, key)).toString(), key)
    assert.deepEqual(kms.calls, ['DecryptCommand', 'DecryptCommand'])
    assert.throws(
      () => t.client({ commitmentPolicy: 'FORBID_ENCRYPT_ALLOW_DECRYPT', keyring: cache() }),
      code('ERR_S3CSE_CONFIG'),
    )
  },
  uses,
)
