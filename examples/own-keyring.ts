/**
 * A keyring of your own: data keys are made here, and wrapped and unwrapped by a service that never gives out its key (an
 * HSM, another cloud's key management, a vault). It needs two functions, `wrap` and `unwrap`.
 */
import assert from 'node:assert/strict'
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { GetObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { DecryptionError, encryptedView, type Keyring } from 's3-cse'
import { startS3 } from 's3-cse/testing'

/** What the service offers: AES-GCM under a key that stays there, IV ‖ ciphertext ‖ tag. */
interface KeyService {
  encrypt(plaintext: Uint8Array, additionalData: Uint8Array): Promise<Uint8Array>
  /** Rejects with an error of this code for what this key did not encrypt. */
  decrypt(ciphertext: Uint8Array, additionalData: Uint8Array): Promise<Uint8Array>
}
const NOT_OURS = 'INVALID_CIPHERTEXT'

function serviceKeyring(service: KeyService, materialsDescription: Readonly<Record<string, string>>): Keyring {
  // The wrap `AES/GCM` of the S3 encryption clients: bound to the content algorithm, so that a data key works with no
  // other. Objects look like those of aesKeyring; whoever gets at the service's key can open them with any official client.
  const algorithm = 'AES/GCM'
  const boundTo = (suite: { readonly name: string }): Uint8Array => new TextEncoder().encode(suite.name)
  return {
    algorithms: [algorithm],
    async wrap({ suite, dataKey: given }) {
      // Whoever calls wrap owns the data key and wipes it: a key that was given is copied.
      const dataKey = given === undefined ? randomBytes(suite.keyLength) : Uint8Array.from(given)
      const ciphertext = await service.encrypt(dataKey, boundTo(suite))
      const encrypted = { algorithm, provider: 'S3Keyring', info: new Uint8Array(0), ciphertext }
      return { dataKey, encryptedDataKeys: [encrypted], context: materialsDescription }
    },
    async unwrap({ suite, encryptedDataKeys: [encrypted] }) {
      if (encrypted === undefined) return undefined
      try {
        return await service.decrypt(encrypted.ciphertext, boundTo(suite))
      } catch (error) {
        // About the object: `undefined`, and the reader says the same as for every other object that does not open.
        if ((error as { code?: unknown }).code === NOT_OURS) return undefined
        throw error // about the service: no permission, no network
      }
    },
  }
}

/** Stands for the service. Calls of a real one go over the network. */
function serviceInMemory(): KeyService {
  const key = randomBytes(32)
  return {
    async encrypt(plaintext, additionalData) {
      const iv = randomBytes(12)
      const cipher = createCipheriv('aes-256-gcm', key, iv).setAAD(additionalData)
      return Buffer.concat([iv, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()])
    },
    async decrypt(ciphertext, additionalData) {
      try {
        const decipher = createDecipheriv('aes-256-gcm', key, ciphertext.subarray(0, 12), { authTagLength: 16 })
        decipher.setAAD(additionalData).setAuthTag(ciphertext.subarray(-16))
        return Buffer.concat([decipher.update(ciphertext.subarray(12, -16)), decipher.final()])
      } catch {
        throw Object.assign(new Error('the ciphertext is not of this key'), { code: NOT_OURS })
      }
    },
  }
}

const server = await startS3({ buckets: ['my-bucket'] })
const client = new S3Client(server.clientConfig)
const object = { Bucket: 'my-bucket', Key: 'greeting' }

const s3 = encryptedView(client, { keyring: serviceKeyring(serviceInMemory(), { service: 'example' }) })
await s3.send(new PutObjectCommand({ ...object, Body: 'hello' }))
const { Body } = await s3.send(new GetObjectCommand(object))
assert.equal(await Body?.transformToString(), 'hello')

// Another key of the service does not open it, with the error that every wrong key gives.
const other = encryptedView(client, { keyring: serviceKeyring(serviceInMemory(), { service: 'example' }) })
await assert.rejects(other.send(new GetObjectCommand(object)), DecryptionError)
console.log('a keyring over a key service: its objects open with its key, and with no other')

client.destroy()
await server.close()
