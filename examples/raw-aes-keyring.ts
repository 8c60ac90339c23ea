/** Objects under an AES key that you hold yourself, and how to change that key. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { GetObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { aesKeyring, DecryptionError, encryptedView } from 's3-cse'
import { startS3 } from 's3-cse/testing'

const server = await startS3({ buckets: ['my-bucket'] })
const client = new S3Client(server.clientConfig) // stays plain: encryptedView makes encrypting clients beside it

// 16, 24 or 32 bytes, from wherever you keep secrets. The description is stored in clear with each object.
const first = { wrappingKey: randomBytes(32), materialsDescription: { key: '2025' } }
const second = { wrappingKey: randomBytes(32), materialsDescription: { key: '2026' } }

const before = encryptedView(client, { keyring: aesKeyring(first) })
await before.send(new PutObjectCommand({ Bucket: 'my-bucket', Key: 'old', Body: 'written under the first key' }))

// A new key writes; the old one stays for reading. The object's description says which of them opens it.
const after = encryptedView(client, { keyring: aesKeyring({ ...second, additionalKeys: [first] }) })
await after.send(new PutObjectCommand({ Bucket: 'my-bucket', Key: 'new', Body: 'written under the second key' }))

for (const [Key, text] of [
  ['old', 'written under the first key'],
  ['new', 'written under the second key'],
]) {
  const { Body } = await after.send(new GetObjectCommand({ Bucket: 'my-bucket', Key }))
  assert.equal(await Body?.transformToString(), text)
}

// Whoever has the first key only cannot read what the second one protects.
await assert.rejects(before.send(new GetObjectCommand({ Bucket: 'my-bucket', Key: 'new' })), DecryptionError)
console.log('both keys read, the new one writes, and the old one alone does not open new objects')

client.destroy()
await server.close()
