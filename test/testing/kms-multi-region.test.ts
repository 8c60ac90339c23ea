import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import {
  DescribeKeyCommand,
  type KMSClient,
  ReEncryptCommand,
  type ReEncryptCommandOutput,
  ReplicateKeyCommand,
  RotateKeyOnDemandCommand,
} from '@aws-sdk/client-kms'
import { startKms, type KmsServer } from '../../src/testing/index.js'
import { clientsOf, encrypted, failsWith, opens } from './kms-support.js'

let kms: KmsServer
let clients: ReturnType<typeof clientsOf>
let client: KMSClient
let europe: KMSClient

before(async () => {
  kms = await startKms()
  clients = clientsOf(kms)
  client = clients.in('us-east-1')
  europe = clients.in('eu-west-1')
})
after(async () => {
  clients.destroy()
  await kms.close()
})

const reEncrypt = (from: KMSClient, CiphertextBlob: Uint8Array, more: object): Promise<ReEncryptCommandOutput> =>
  from.send(new ReEncryptCommand({ CiphertextBlob, DestinationKeyId: undefined, ...more }))
const rotate = (KeyId: string, from = client): Promise<{ KeyId?: string | undefined }> =>
  from.send(new RotateKeyOnDemandCommand({ KeyId }))
const replicate = (KeyId: string, ReplicaRegion: string | undefined = 'eu-west-1', from = client) =>
  from.send(new ReplicateKeyCommand({ KeyId, ReplicaRegion, Description: 'a replica' }))

describe('in-process KMS: multi-region keys', () => {
  test('ReEncrypt answers with the ARNs of the region that was asked', async () => {
    const key = kms.createKey({ replicaRegions: ['eu-west-1'] })
    const [replica] = key.replicaArns as [string]
    const there = kms.createKey({ region: 'eu-west-1' }).arn
    const blob = await encrypted(client, key.arn)
    for (const SourceKeyId of [undefined, key.keyId, replica]) {
      const made = await reEncrypt(europe, blob, { SourceKeyId, DestinationKeyId: there })
      assert.deepEqual([made.SourceKeyId, made.KeyId], [replica, there])
    }
    const same = await reEncrypt(europe, blob, { DestinationKeyId: replica, DestinationEncryptionContext: { a: 'b' } })
    assert.deepEqual([same.SourceKeyId, same.KeyId], [replica, replica])
    assert.equal(await opens(client, same.CiphertextBlob, { EncryptionContext: { a: 'b' } }), key.arn)
    const named = { SourceKeyId: key.arn, DestinationKeyId: replica }
    await failsWith('NotFoundException', reEncrypt(europe, blob, named))
    await failsWith('NotFoundException', reEncrypt(client, blob, { DestinationKeyId: replica }))
    const asia = clients.in('ap-south-1')
    const asias = kms.createKey({ region: 'ap-south-1' }).arn
    await failsWith('AccessDeniedException', reEncrypt(asia, blob, { DestinationKeyId: asias }))
  })

  test('ReplicateKey', async () => {
    const { arn, keyId } = kms.createKey({ multiRegion: true })
    const before = await encrypted(client, arn)
    await failsWith('AccessDeniedException', opens(europe, before))
    const { ReplicaKeyMetadata } = await replicate(keyId)
    const replica = arn.replace('us-east-1', 'eu-west-1')
    assert.equal(ReplicaKeyMetadata?.Arn, replica)
    assert.equal(ReplicaKeyMetadata.Description, 'a replica')
    assert.deepEqual(ReplicaKeyMetadata.MultiRegionConfiguration, {
      MultiRegionKeyType: 'REPLICA',
      PrimaryKey: { Arn: arn, Region: 'us-east-1' },
      ReplicaKeys: [{ Arn: replica, Region: 'eu-west-1' }],
    })
    const { KeyMetadata } = await client.send(new DescribeKeyCommand({ KeyId: keyId }))
    assert.equal(KeyMetadata?.MultiRegionConfiguration?.MultiRegionKeyType, 'PRIMARY')
    assert.equal(await opens(europe, before), replica)
    assert.equal(await opens(client, await encrypted(europe, replica)), arn)
    kms.setKeyState(replica, 'Disabled')
    assert.equal(await opens(client, before), arn)
    await failsWith('AlreadyExistsException', replicate(keyId))
    await failsWith('AlreadyExistsException', replicate(keyId, 'us-east-1'))
  })

  test('ReplicateKey: only a usable primary key of this region', async () => {
    const key = kms.createKey({ replicaRegions: ['eu-west-1'], alias: 'alias/primary' })
    await failsWith('UnsupportedOperationException', replicate(key.keyId, 'ap-south-1', europe))
    await failsWith('UnsupportedOperationException', replicate(kms.createKey().arn))
    await failsWith('InvalidArnException', replicate('alias/primary', 'ap-south-1'))
    await failsWith('NotFoundException', replicate(key.replicaArns[0]!, 'ap-south-1'))
    kms.setKeyState(key.arn, 'Disabled')
    await failsWith('DisabledException', replicate(key.arn, 'ap-south-1'))
    kms.setKeyState(key.arn, 'PendingDeletion')
    await failsWith('KMSInvalidStateException', replicate(key.arn, 'ap-south-1'))
  })

  test('replicas of an RSA key have its key pair', async () => {
    const key = kms.createKey({ spec: 'RSA_2048', replicaRegions: ['eu-west-1'] })
    const use = { KeyId: key.keyId, EncryptionAlgorithm: 'RSAES_OAEP_SHA_256' }
    assert.equal(await opens(europe, await encrypted(client, key.arn, use), use), key.replicaArns[0])
  })
})

describe('in-process KMS: RotateKeyOnDemand', () => {
  test('old blobs still open, of the same key', async () => {
    const { arn, keyId } = kms.createKey()
    const blobs = [await encrypted(client, arn)]
    for (let times = 0; times < 3; times++) {
      assert.equal((await rotate(arn)).KeyId, keyId)
      blobs.push(await encrypted(client, arn))
    }
    for (const blob of blobs) assert.equal(await opens(client, blob), arn)
    await failsWith('InvalidCiphertextException', opens(client, blobs[0], { EncryptionContext: { a: 'b' } }))
  })

  test('the replicas have the new secret too; they are not rotated themselves', async () => {
    const key = kms.createKey({ replicaRegions: ['eu-west-1'] })
    const before = await encrypted(client, key.arn)
    await rotate(key.keyId)
    const { ReplicaKeyMetadata } = await replicate(key.keyId, 'ap-south-1')
    const asia = clients.in('ap-south-1')
    for (const blob of [before, await encrypted(client, key.arn)]) {
      assert.equal(await opens(europe, blob), key.replicaArns[0])
      assert.equal(await opens(asia, blob), ReplicaKeyMetadata?.Arn)
    }
    await failsWith('UnsupportedOperationException', rotate(key.keyId, europe))
  })

  test('only usable symmetric keys', async () => {
    const key = kms.createKey({ alias: 'alias/rotated' })
    await failsWith('UnsupportedOperationException', rotate(kms.createKey({ spec: 'RSA_2048' }).arn))
    await failsWith('UnsupportedOperationException', rotate(kms.createKey({ usage: 'GENERATE_VERIFY_MAC' }).arn))
    await failsWith('InvalidArnException', rotate('alias/rotated'))
    await failsWith('NotFoundException', rotate(key.arn.replace(/key\/.*/, 'key/none')))
    kms.setKeyState(key.arn, 'Disabled')
    await failsWith('DisabledException', rotate(key.arn))
    kms.setKeyState(key.arn, 'PendingDeletion')
    await failsWith('KMSInvalidStateException', rotate(key.arn))
  })
})
