import assert from 'node:assert/strict'
import { createCipheriv, randomBytes } from 'node:crypto'
import { it } from 'node:test'

import { GenerateDataKeyCommand } from '@aws-sdk/client-kms'

import { encryptionInfo, sesMail } from '../../src/index.js'
import { kmsKeyring } from '../../src/kms.js'
import { kmsWorld } from '../attacks/support.js'
import { code } from '../support/errors.js'
import { Bucket, get, read, world } from '../support/world.js'

const w = await world()
const { kms, client: kmsClient } = await kmsWorld()
const { arn } = kms.createKey({ alias: 'alias/mail' })
const keyring = kmsKeyring({ client: kmsClient, keyId: 'alias/mail' })
const mail = Buffer.from('From: a@example.com\r\nSubject: hello\r\n\r\nhello\r\n')

/** As the service stores it: its own context, the key's alias in it, nothing that binds the content algorithm. */
async function store(key: string, length = 32): Promise<void> {
  const context = {
    'aws:ses:message-id': key,
    'aws:ses:rule-name': 'to-bucket',
    'aws:ses:source-account': '111122223333',
    kms_cmk_id: 'arn:aws:kms:us-east-1:111122223333:alias/aws/ses',
  }
  const { Plaintext, CiphertextBlob } = await kmsClient.send(
    new GenerateDataKeyCommand({ KeyId: arn, NumberOfBytes: length, EncryptionContext: context }),
  )
  const iv = randomBytes(12)
  const cipher = createCipheriv(`aes-${length * 8}-gcm` as 'aes-256-gcm', Plaintext!, iv)
  const body = Buffer.concat([cipher.update(mail), cipher.final(), cipher.getAuthTag()])
  await w.s3.put(Bucket, key, {
    body,
    metadata: {
      'x-amz-key-v2': Buffer.from(CiphertextBlob!).toString('base64'),
      'x-amz-iv': iv.toString('base64'),
      'x-amz-cek-alg': 'AES/GCM/NoPadding',
      'x-amz-wrap-alg': 'kms',
      'x-amz-tag-len': '128',
      'x-amz-matdesc': JSON.stringify(context),
      'x-amz-unencrypted-content-length': String(mail.length),
    },
  })
}

it('mail that the service stored is read, and what KMS has authenticated is shown', async () => {
  await store('mail')
  const output = await get(w.client({ keyring, ...sesMail() }), 'mail')
  assert.equal(await output.Body?.transformToString(), mail.toString())
  assert.equal(output.ContentLength, mail.length)
  assert.deepEqual(output.Metadata, {})
  const { context, needs } = encryptionInfo(output)!.envelope!
  assert.equal(context['aws:ses:message-id'], 'mail')
  // It asks for no more than such an object needs.
  const { commitmentPolicy, legacy } = sesMail()
  assert.ok(needs.commitmentPolicies.includes(commitmentPolicy!))
  assert.deepEqual({ wrapping: false, content: false, ...legacy }, needs.legacy)
})

it('the default reads none, and the key that the object names is not used', async () => {
  await store('mail')
  await assert.rejects(read(w.client({ keyring }), 'mail'), code('ERR_S3CSE_POLICY'))
  const other = kmsKeyring({ client: kmsClient, keyId: kms.createKey().arn })
  await assert.rejects(read(w.client({ keyring: other, ...sesMail() }), 'mail'), code('ERR_S3CSE_DECRYPTION_FAILED'))
})

it('GCM with data keys of 128 and 192 bits is legacy content', async () => {
  for (const length of [16, 24]) {
    await store('short', length)
    const options = { keyring, ...sesMail() }
    await assert.rejects(read(w.client(options), 'short'), code('ERR_S3CSE_DECRYPTION_FAILED'))
    const legacy = { wrapping: true, content: true }
    assert.equal((await read(w.client({ ...options, legacy }), 'short')).toString(), mail.toString())
  }
})
