// An object under another key: its wrap is new, everything else is as it was.
import assert from 'node:assert/strict'

import { Upload } from '@aws-sdk/lib-storage'

import { encryptedKeyOf, nothingLeft, opensOnly, readAs, rotate } from './rotation-support.js'
import type { Settings } from './rotation-support.js'
import { aesKey, headed, newKmsKey, pattern, put, rsa, stored, versionIds, versions } from './stored-objects.js'
import { check } from './support.js'
import type { Place } from './support.js'

type Make = (t: Place) => Promise<Settings>

const raw: Make = async () => ({ keyring: aesKey(1, 'old') })
const second: Make = async () => ({ keyring: aesKey(2, 'new') })
const pair: Make = async () => ({ keyring: rsa('old', { description: 'pair' }) })
const kms: Make = async (t) => ({ keyring: await t.kmsKeyring(), encryptionContext: { tenant: 'a' } })
const otherKms: Make = async (t) => ({
  keyring: await t.kmsKeyring({ keyId: await newKmsKey(t) }),
  encryptionContext: { tenant: 'a' },
})
const otherTenant: Make = async (t) => ({ ...(await otherKms(t)), encryptionContext: { tenant: 'b' } })

const pairs: readonly [name: string, from: Make, to: Make, uses: 's3' | 'both', reEncrypt?: boolean][] = [
  ['AES to AES', raw, second, 's3'],
  ['RSA to AES', pair, second, 's3'],
  ['AES to RSA', raw, pair, 's3'],
  ['AES to KMS', raw, kms, 'both'],
  ['KMS to AES', kms, second, 'both'],
  ['KMS to KMS', kms, otherKms, 'both'],
  ['KMS to KMS and another context', kms, otherTenant, 'both'],
  ['KMS to KMS without ReEncrypt', kms, otherKms, 'both', false],
]

for (const [version, options] of versions) {
  for (const [name, makeFrom, makeTo, uses, reEncrypt = true] of pairs) {
    const what = `rotation: ${version} ${name}`
    check(
      `${what}: another wrap, the same body; again: unchanged`,
      async (t) => {
        const [from, to] = [await makeFrom(t), await makeTo(t)]
        const key = t.key()
        await put(t.client({ ...from, ...options }), t.Bucket, key, pattern(1000), { Metadata: { own: 'kept' } })
        const old = await stored(t, t.Bucket, key)
        const { encryptionContext = {} } = to
        const input = { Key: key, to: to.keyring, encryptionContext, reEncrypt }
        const result = await rotate(t, from, input)
        assert.deepEqual([result.outcome, result.reEncrypted], ['metadata', name.startsWith('KMS to KMS') && reEncrypt])
        const now = await stored(t, t.Bucket, key)
        assert.ok(Buffer.from(now.body).equals(old.body))
        assert.equal(now.metadata.own, 'kept')
        assert.notEqual(encryptedKeyOf(now), encryptedKeyOf(old))
        await opensOnly(t, key, pattern(1000), { by: to, not: from })
        assert.equal((await rotate(t, from, input)).outcome, 'unchanged')
        assert.deepEqual((await stored(t, t.Bucket, key)).metadata, now.metadata)
        await nothingLeft(t, t.Bucket, key)
      },
      { uses },
    )
  }

  check(`rotation: ${version}: in a bucket with versions, the old version keeps the old key`, async (t) => {
    const Bucket = await t.versionedBucket()
    const [from, to] = [await raw(t), await second(t)]
    const key = t.key()
    const { VersionId } = await put(t.client({ ...from, ...options }), Bucket, key, 'secret')
    const result = await rotate(t, from, { Bucket, Key: key, to: to.keyring })
    assert.notEqual(result.VersionId, VersionId, 'the copy made no new version')
    assert.deepEqual(await versionIds(t, Bucket, key), [result.VersionId, VersionId])
    await opensOnly(t, key, 'secret', { by: to, not: from, Bucket })
    assert.equal((await readAs(t, from, key, { Bucket, VersionId })).toString(), 'secret')
    assert.equal((await rotate(t, from, { Bucket, Key: key, to: to.keyring })).outcome, 'unchanged')
    await nothingLeft(t, Bucket, key)
  })

  check(`rotation: ${version}: of a multipart object, in one copy and in parts`, async (t) => {
    const [from, to] = [await raw(t), await second(t)]
    const body = pattern(11 * 1024 * 1024 + 5)
    for (const more of [{}, { copyInPartsAbove: 1024, copyPartSize: 5 * 1024 * 1024 }]) {
      const key = t.key()
      const client = t.client({ ...from, ...options })
      const params = { Bucket: t.Bucket, Key: key, Body: body, ContentType: 'text/x-own', Tagging: 'a=b' }
      await new Upload({ client, params }).done()
      const result = await rotate(t, from, { Key: key, to: to.keyring, ...more })
      assert.equal(result.outcome, 'metadata')
      await opensOnly(t, key, body, { by: to, not: from })
      const head = await headed(t, t.Bucket, key)
      assert.equal(head.ContentType, 'text/x-own')
      if ('copyPartSize' in more) assert.match(head.ETag!, /-3"$/)
    }
  })
}
