/**
 * One object for two AWS accounts and a safe: the data key is wrapped by a KMS key of each account, and by an RSA key whose
 * private half lies offline, for the day when nobody gets at KMS. Each of them opens the object alone.
 *
 * S3 and KMS run inside this program here; in the end one account loses its key.
 */
import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { DisableKeyCommand, KMSClient } from '@aws-sdk/client-kms'
import { GetObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { DecryptionError, encryptedView, KmsError, multiKeyring, rsaKeyring, type Keyring } from 's3-cse'
import { esdk } from 's3-cse/esdk'
import { kmsDiscoveryKeyring, kmsKeyring } from 's3-cse/kms'
import { startKms, startS3 } from 's3-cse/testing'

const server = await startS3({ buckets: ['my-bucket'] })
const kms = await startKms()
const kmsClient = new KMSClient(kms.clientConfig)
const client = new S3Client(server.clientConfig)
const object = { Bucket: 'my-bucket', Key: 'contract.pdf' }
const encryptionContext = { contract: '4711' }

const ours = kms.createKey({ accountId: '111122223333' }).arn
const partners = kms.createKey({ accountId: '444455556666' }).arn
const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 3072 })
const safe = { keyNamespace: 'example', keyName: 'safe', padding: 'OAEP_SHA256' } as const

async function read(keyring: Keyring): Promise<string | undefined> {
  const s3 = encryptedView(client, { keyring, format: esdk(), encryptionContext })
  const { Body } = await s3.send(new GetObjectCommand(object))
  return Body?.transformToString()
}

try {
  const keyring = multiKeyring({
    generator: kmsKeyring({ client: kmsClient, keyId: ours }),
    children: [kmsKeyring({ client: kmsClient, keyId: partners }), rsaKeyring({ publicKey, ...safe })],
  })
  const writer = encryptedView(client, { keyring, format: esdk(), encryptionContext })
  await writer.send(new PutObjectCommand({ ...object, Body: 'what both have agreed on' }))
  for (const { operation, input } of kms.requests) console.log(operation.padEnd(16), input.KeyId)

  // Each reader has what its own account has, and needs nothing of the other.
  const readers = {
    'our account': kmsKeyring({ client: kmsClient, keyId: ours }),
    'the partner, by any key of its account': kmsDiscoveryKeyring({
      client: kmsClient,
      discoveryFilter: { partition: 'aws', accountIds: ['444455556666'] },
    }),
    'the safe': rsaKeyring({ privateKey, ...safe }),
  }
  for (const [name, keyring] of Object.entries(readers)) {
    assert.equal(await read(keyring), 'what both have agreed on')
    console.log('read by', name)
  }

  const another = kms.createKey({ accountId: '777788889999' }).arn
  await assert.rejects(read(kmsKeyring({ client: kmsClient, keyId: another })), DecryptionError)

  await kmsClient.send(new DisableKeyCommand({ KeyId: partners }))
  await assert.rejects(read(readers['the partner, by any key of its account']), KmsError)
  assert.equal(await read(readers['our account']), 'what both have agreed on')
  // Nothing is written that one of them could not read.
  await assert.rejects(writer.send(new PutObjectCommand({ ...object, Body: 'a new version' })), KmsError)
  assert.equal(await read(readers['the safe']), 'what both have agreed on')
  console.log("without the partner's key: the others read, nobody writes")
} finally {
  client.destroy()
  kmsClient.destroy()
  await Promise.all([server.close(), kms.close()])
}
