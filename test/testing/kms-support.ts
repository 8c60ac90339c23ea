import assert from 'node:assert/strict'
import { DecryptCommand, EncryptCommand, KMSClient } from '@aws-sdk/client-kms'
import type { KmsServer } from '../../src/testing/index.js'

export const plaintext: Uint8Array = new TextEncoder().encode('plaintext')

/** Clients of one server, by region, which `destroy` ends together. */
export function clientsOf(kms: KmsServer): { in(region: string): KMSClient; destroy(): void } {
  const clients = new Map<string, KMSClient>()
  return {
    in(region) {
      const client = clients.get(region) ?? new KMSClient({ ...kms.clientConfig, region, maxAttempts: 1 })
      clients.set(region, client)
      return client
    },
    destroy() {
      for (const client of clients.values()) client.destroy()
    },
  }
}

export async function failsWith(name: string, promise: Promise<unknown>, status = 400): Promise<void> {
  await assert.rejects(promise, (error: Error & { $metadata?: { httpStatusCode?: number } }) => {
    assert.equal(error.name, name, error.message)
    assert.equal(error.$metadata?.httpStatusCode, status)
    return true
  })
}

export async function encrypted(client: KMSClient, KeyId: string, more: object = {}): Promise<Uint8Array> {
  const { CiphertextBlob } = await client.send(new EncryptCommand({ KeyId, Plaintext: plaintext, ...more }))
  return CiphertextBlob!
}

/** Which key has opened it. */
export async function opens(client: KMSClient, blob: Uint8Array | undefined, more: object = {}): Promise<string> {
  const { Plaintext, KeyId } = await client.send(new DecryptCommand({ CiphertextBlob: blob, ...more }))
  assert.deepEqual(new Uint8Array(Plaintext!), plaintext)
  return KeyId!
}
