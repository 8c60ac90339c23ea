// Encryption contexts: compared with what is stored before KMS is asked, and authenticated by KMS.
import { DecryptCommand } from '@aws-sdk/client-kms'
import { GetObjectCommand } from '@aws-sdk/client-s3'
import assert from 'node:assert/strict'

import { requestOptions } from '../../src/index.js'
import { kmsKeyring } from '../../src/kms.js'
import { code, oddContext, outcomeOf, pattern, put, read } from './stored-objects.js'
import { readsAll, refused, store, stored, versions } from './stored-objects.js'
import { check } from './support.js'
import { countedKms, dataKeyOf } from './kms-support.js'
import { mapKeyOf } from './tampering-changes.js'

const uses = { uses: 'kms' } as const

for (const [version, options] of versions) {
  check(
    `kms: ${version}: an object by key ARN, key id, and with a context that is hard to store`,
    async (t) => {
      const keyId = await t.kmsKey()
      for (const name of [keyId, keyId.split('/')[1]!]) {
        const settings = { ...options, keyring: await t.kmsKeyring({ keyId: name }), encryptionContext: oddContext }
        const key = t.key()
        await put(t.client(settings), t.Bucket, key, pattern(1000))
        assert.deepEqual(await read(t.client({ ...settings, ...readsAll }), t.Bucket, key), pattern(1000))
        const { metadata } = await stored(t, t.Bucket, key)
        const map = JSON.parse(metadata[mapKeyOf(version, 'KMS')]!) as Record<string, string>
        const suite = version === 'V3' ? '115' : 'AES/GCM/NoPadding'
        assert.deepEqual(map, { ...oddContext, 'aws:x-amz-cek-alg': suite })
      }
    },
    uses,
  )

  check(
    `kms: ${version}: the data key is KMS's under the stored context, and not under another one`,
    async (t) => {
      const key = t.key()
      const settings = { ...options, keyring: await t.kmsKeyring(), encryptionContext: { tenant: 'a' } }
      await put(t.client(settings), t.Bucket, key, 'secret')
      const { blob, context } = dataKeyOf(version, await stored(t, t.Bucket, key))
      const { Plaintext, KeyId } = await t.kms.send(
        new DecryptCommand({ CiphertextBlob: blob, EncryptionContext: context }),
      )
      assert.deepEqual([Plaintext?.length, KeyId], [32, await t.kmsKey()])
      const less = { tenant: 'a' }
      for (const EncryptionContext of [{ ...context, tenant: 'b' }, { ...context, more: '' }, less, {}, undefined]) {
        const wrong = t.kms.send(new DecryptCommand({ CiphertextBlob: blob, EncryptionContext }))
        await assert.rejects(wrong, { name: 'InvalidCiphertextException' })
      }
    },
    uses,
  )

  check(
    `kms: ${version}: another context than the stored one is refused before KMS is asked`,
    async (t) => {
      const key = t.key()
      const kms = countedKms(t)
      const keyring = kmsKeyring({ client: kms.client, keyId: await t.kmsKey() })
      await put(t.client({ ...options, keyring, encryptionContext: { tenant: 'a' } }), t.Bucket, key, 'secret')
      const asked = kms.calls.length
      const client = t.client({ ...readsAll, keyring, encryptionContext: { tenant: 'b' } })
      refused(await outcomeOf(client, t.Bucket, key), 'ERR_S3CSE_CONTEXT_MISMATCH', 'another value')
      for (const encryptionContext of [{}, { tenant: 'a', more: 'b' }, { Tenant: 'a' }]) {
        const input = requestOptions({ Bucket: t.Bucket, Key: key }, { encryptionContext })
        await assert.rejects(client.send(new GetObjectCommand(input)), code('ERR_S3CSE_CONTEXT_MISMATCH'))
      }
      assert.equal(kms.calls.length, asked)
      const right = requestOptions({ Bucket: t.Bucket, Key: key }, { encryptionContext: { tenant: 'a' } })
      const { Body } = await client.send(new GetObjectCommand(right))
      assert.equal(await Body!.transformToString(), 'secret')
      assert.deepEqual(kms.calls.slice(asked), ['DecryptCommand'])
    },
    uses,
  )

  check(
    `kms: ${version}: whoever changes the stored context to the reader's gets nothing from KMS`,
    async (t) => {
      const key = t.key()
      const keyring = await t.kmsKeyring()
      await put(t.client({ ...options, keyring, encryptionContext: { tenant: 'a' } }), t.Bucket, key, 'secret')
      const good = await stored(t, t.Bucket, key)
      const map = mapKeyOf(version, 'KMS')
      const changed = good.metadata[map]!.replace('"tenant":"a"', '"tenant":"b"')
      await store(t, t.Bucket, key, { ...good, metadata: { ...good.metadata, [map]: changed } })
      const client = t.client({ ...readsAll, keyring, encryptionContext: { tenant: 'b' } })
      refused(await outcomeOf(client, t.Bucket, key), 'ERR_S3CSE_DECRYPTION_FAILED', 'changed')
    },
    uses,
  )

  for (const [what, from, to] of [
    ['{"ab":"c"} and {"a":"bc"}', { ab: 'c' }, { a: 'bc' }],
    ['{"p":"b","q":"d"} and {"p":"bqd"}', { p: 'b', q: 'd' }, { p: 'bqd' }],
  ] as const) {
    check(
      `kms: ${version}: the contexts ${what} are two`,
      async (t) => {
        const key = t.key()
        const keyring = await t.kmsKeyring()
        await put(t.client({ ...options, keyring, encryptionContext: from }), t.Bucket, key, 'secret')
        const good = await stored(t, t.Bucket, key)
        const map = mapKeyOf(version, 'KMS')
        const suite = { 'aws:x-amz-cek-alg': version === 'V3' ? '115' : 'AES/GCM/NoPadding' }
        const metadata = { ...good.metadata, [map]: JSON.stringify({ ...to, ...suite }) }
        await store(t, t.Bucket, key, { ...good, metadata })
        const client = t.client({ ...readsAll, keyring, encryptionContext: to })
        refused(await outcomeOf(client, t.Bucket, key), 'ERR_S3CSE_DECRYPTION_FAILED', what)
      },
      uses,
    )
  }
}
