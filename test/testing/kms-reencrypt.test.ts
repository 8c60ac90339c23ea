import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { type KMSClient, ReEncryptCommand, type ReEncryptCommandOutput } from '@aws-sdk/client-kms'
import { startKms, type KmsServer } from '../../src/testing/index.js'
import { clientsOf, encrypted, failsWith, opens, plaintext } from './kms-support.js'

let kms: KmsServer
let clients: ReturnType<typeof clientsOf>
let client: KMSClient
let old: { arn: string; keyId: string }
let fresh: { arn: string; keyId: string }

before(async () => {
  kms = await startKms()
  clients = clientsOf(kms)
  client = clients.in('us-east-1')
  old = kms.createKey({ alias: 'alias/old' })
  fresh = kms.createKey({ alias: 'alias/fresh' })
})
after(async () => {
  clients.destroy()
  await kms.close()
})

const EncryptionContext = { tenant: 'ä' }
const reEncrypt = (blob: Uint8Array | undefined, more: object = {}, from = client): Promise<ReEncryptCommandOutput> =>
  from.send(new ReEncryptCommand({ CiphertextBlob: blob, DestinationKeyId: fresh.arn, ...more }))
const from = { SourceEncryptionContext: EncryptionContext }

describe('in-process KMS: ReEncrypt', () => {
  test('the same plaintext under another key and context; old and new both open', async () => {
    const blob = await encrypted(client, old.arn, { EncryptionContext })
    for (const SourceKeyId of [undefined, old.arn, old.keyId, 'alias/old']) {
      for (const DestinationKeyId of [fresh.arn, fresh.keyId, 'alias/fresh']) {
        const names = { SourceKeyId, DestinationKeyId }
        const made = await reEncrypt(blob, { ...from, ...names, DestinationEncryptionContext: { a: 'b' } })
        const { $metadata, CiphertextBlob, ...answer } = made
        assert.equal($metadata.httpStatusCode, 200)
        assert.deepEqual(answer, {
          SourceKeyId: old.arn,
          KeyId: fresh.arn,
          SourceEncryptionAlgorithm: 'SYMMETRIC_DEFAULT',
          DestinationEncryptionAlgorithm: 'SYMMETRIC_DEFAULT',
        })
        assert.equal(await opens(client, CiphertextBlob, { EncryptionContext: { a: 'b' } }), fresh.arn)
        await failsWith('InvalidCiphertextException', opens(client, CiphertextBlob, { EncryptionContext }))
      }
    }
    assert.equal(await opens(client, blob, { EncryptionContext }), old.arn)
  })

  test('under the same key, for another context', async () => {
    const blob = await encrypted(client, old.arn, { EncryptionContext })
    const made = await reEncrypt(blob, { ...from, DestinationKeyId: old.arn })
    assert.equal(made.KeyId, old.arn)
    assert.equal(await opens(client, made.CiphertextBlob), old.arn)
  })

  test('a blob that it was taught', async () => {
    const ciphertextBlob = new Uint8Array([9, 8, 7])
    kms.know({ ciphertextBlob, encryptionContext: EncryptionContext, plaintext, keyId: old.arn })
    const made = await reEncrypt(ciphertextBlob, from)
    assert.deepEqual([made.SourceKeyId, await opens(client, made.CiphertextBlob)], [old.arn, fresh.arn])
    await failsWith('InvalidCiphertextException', reEncrypt(ciphertextBlob))
    await failsWith('IncorrectKeyException', reEncrypt(ciphertextBlob, { ...from, SourceKeyId: fresh.arn }))
  })

  test('what is wrong with the ciphertext', async () => {
    const blob = await encrypted(client, old.arn, { EncryptionContext })
    for (const SourceEncryptionContext of [undefined, {}, { tenant: 'a' }, { ...EncryptionContext, more: '' }]) {
      await failsWith('InvalidCiphertextException', reEncrypt(blob, { SourceEncryptionContext }))
    }
    // The member that Decrypt has says nothing here.
    await failsWith('InvalidCiphertextException', reEncrypt(blob, { EncryptionContext }))
    for (const at of [0, 1, 13, 14, blob.length - 1]) {
      const changed = new Uint8Array(blob)
      changed[at]! ^= 1
      await failsWith('InvalidCiphertextException', reEncrypt(changed, from))
    }
    await failsWith('InvalidCiphertextException', reEncrypt(blob.slice(0, -1), from))
    await failsWith('InvalidCiphertextException', reEncrypt(plaintext, { ...from, SourceKeyId: old.arn }))
    await failsWith('IncorrectKeyException', reEncrypt(blob, { ...from, SourceKeyId: fresh.arn }))
  })

  test('limits', async () => {
    const blob = await encrypted(client, old.arn)
    await failsWith('ValidationException', reEncrypt(new Uint8Array(0)))
    await failsWith('ValidationException', reEncrypt(new Uint8Array(6145)))
    await failsWith('ValidationException', reEncrypt(undefined))
    await failsWith('ValidationException', reEncrypt(blob, { DestinationKeyId: undefined }))
    const large = { a: 'x'.repeat(8192) }
    await failsWith('ValidationException', reEncrypt(blob, { SourceEncryptionContext: large }))
    await failsWith('ValidationException', reEncrypt(blob, { DestinationEncryptionContext: large }))
    await failsWith('ValidationException', reEncrypt(blob, { GrantTokens: Array(11).fill('t') }))
    await reEncrypt(blob, { GrantTokens: Array(10).fill('t') })
    await failsWith('ValidationException', reEncrypt(blob, { SourceEncryptionAlgorithm: 'X' }))
    await failsWith('ValidationException', reEncrypt(blob, { DestinationEncryptionAlgorithm: 'X' }))
  })

  test('DryRun', async () => {
    const blob = await encrypted(client, old.arn)
    await failsWith('DryRunOperationException', reEncrypt(blob, { DryRun: true }), 412)
    await failsWith('InvalidCiphertextException', reEncrypt(blob, { ...from, DryRun: true }))
    await failsWith('NotFoundException', reEncrypt(blob, { DestinationKeyId: 'alias/none', DryRun: true }))
  })

  test('both keys must be there and usable', async () => {
    const [one, two] = [kms.createKey(), kms.createKey()]
    const blob = await encrypted(client, one.arn)
    const use = (): Promise<unknown> => reEncrypt(blob, { DestinationKeyId: two.arn })
    for (const { arn } of [one, two]) {
      for (const [state, error, status] of [
        ['Disabled', 'DisabledException', 400],
        ['PendingDeletion', 'KMSInvalidStateException', 400],
        ['Unavailable', 'KeyUnavailableException', 500],
      ] as const) {
        kms.setKeyState(arn, state)
        await failsWith(error, use(), status)
      }
      kms.setKeyState(arn, 'Enabled')
      await use()
    }
    await failsWith('NotFoundException', reEncrypt(blob, { SourceKeyId: 'alias/none' }))
    await failsWith('NotFoundException', reEncrypt(blob, { DestinationKeyId: 'alias/none' }))
    const mac = kms.createKey({ usage: 'GENERATE_VERIFY_MAC' })
    await failsWith('InvalidKeyUsageException', reEncrypt(blob, { DestinationKeyId: mac.arn }))
  })

  test('both keys are of the region that is asked', async () => {
    const europe = clients.in('eu-west-1')
    const there = kms.createKey({ region: 'eu-west-1' })
    const blob = await encrypted(client, old.arn)
    await failsWith('NotFoundException', reEncrypt(blob, { DestinationKeyId: there.arn }))
    await failsWith('AccessDeniedException', reEncrypt(blob, { DestinationKeyId: there.arn }, europe))
    const named = { SourceKeyId: old.arn, DestinationKeyId: there.arn }
    await failsWith('NotFoundException', reEncrypt(blob, named, europe))
  })

  test("another account's keys are named by ARN", async () => {
    const theirs = kms.createKey({ accountId: '999999999999' })
    const blob = await encrypted(client, old.arn)
    const made = await reEncrypt(blob, { DestinationKeyId: theirs.arn })
    assert.equal(made.KeyId, theirs.arn)
    assert.equal((await reEncrypt(made.CiphertextBlob)).SourceKeyId, theirs.arn)
    await failsWith('IncorrectKeyException', reEncrypt(made.CiphertextBlob, { SourceKeyId: old.arn }))
    await failsWith('NotFoundException', reEncrypt(blob, { DestinationKeyId: theirs.keyId }))
  })
})
