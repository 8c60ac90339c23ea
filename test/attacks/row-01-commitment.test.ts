// CVE-2020-8897: AES-GCM does not commit to its key, so one ciphertext can open under two keys to two texts. Format V3 commits.
import assert from 'node:assert/strict'
import { createDecipheriv, randomBytes } from 'node:crypto'
import { describe, it } from 'node:test'

import { commitmentOf, hkdf, referenceMetadata } from '../support/s3ec-reference.js'
import { Bucket, keyring, world } from '../support/world.js'
import { collision } from './collision.js'
import type { GcmKey } from './collision.js'
import { assertRefused, base64, modes, outcomeOf, readsAll, wrapKey } from './support.js'

const w = await world()

function open({ key, iv, aad }: GcmKey, sealed: Buffer): Buffer {
  const decipher = createDecipheriv('aes-256-gcm', key, iv).setAAD(aad).setAuthTag(sealed.subarray(-16))
  return Buffer.concat([decipher.update(sealed.subarray(0, -16)), decipher.final()])
}

const texts = [Buffer.from('Pay 100 to Alice'.repeat(4)), Buffer.from('Pay 999 to Mallo'.repeat(6))] as const
const dataKeys = [randomBytes(32), randomBytes(32)] as const
const both = (make: (dataKey: Uint8Array) => GcmKey): [GcmKey, GcmKey] => [make(dataKeys[0]), make(dataKeys[1])]

describe('one body, two data keys, two texts', () => {
  it('V2 opens under both', async () => {
    const iv = randomBytes(12)
    const [first, second] = both((key) => ({ key, iv, aad: Buffer.alloc(0) }))
    const body = collision(first, second, texts)
    const opened: Buffer[] = []
    for (const [i, dataKey] of dataKeys.entries()) {
      const { encryptedDataKey } = await wrapKey(keyring, 'V2', dataKey)
      const reference = { version: 'V2', dataKey, nonce: iv } as const
      const metadata = referenceMetadata(reference, { wrap: 'AES/GCM', encryptedDataKey })
      await w.s3.put(Bucket, 'v2', { body, metadata })
      for (const [mode, options] of modes) {
        const { released, error } = await outcomeOf(w.client({ commitmentPolicy: readsAll, ...options }), 'v2')
        assert.equal(error, undefined, mode)
        opened[i] = released
      }
    }
    assert.deepEqual(opened[0]?.subarray(0, texts[0].length), texts[0])
    assert.deepEqual(opened[1]?.subarray(texts[0].length, -16), texts[1])
    assert.notDeepEqual(opened[0], opened[1])
  })

  it('V3 opens under the one that it commits to', async () => {
    const nonce = randomBytes(28)
    const references = dataKeys.map((dataKey) => ({ version: 'V3', dataKey, nonce }) as const)
    const gcm = both((dataKey) => ({
      key: hkdf(dataKey, nonce, 'DERIVEKEY', 32),
      iv: Buffer.alloc(12, 1),
      aad: Buffer.from('0073', 'hex'),
    }))
    const body = collision(gcm[0], gcm[1], texts)
    // As far as AES-GCM goes, both are right.
    const plaintexts = gcm.map((one) => open(one, body))
    assert.notDeepEqual(plaintexts[0], plaintexts[1])
    for (const [i, dataKey] of dataKeys.entries()) {
      const { encryptedDataKey } = await wrapKey(keyring, 'V3', dataKey)
      for (const [j, committed] of references.entries()) {
        const metadata = {
          ...referenceMetadata(references[i]!, { wrap: 'AES/GCM', encryptedDataKey }),
          'x-amz-d': base64(commitmentOf(committed)),
        }
        await w.s3.put(Bucket, 'v3', { body, metadata })
        for (const [mode, options] of modes) {
          const outcome = await outcomeOf(w.client({ commitmentPolicy: readsAll, ...options }), 'v3')
          if (i === j) assert.deepEqual(outcome, { released: plaintexts[i], error: undefined, fromBody: true }, mode)
          else assertRefused(outcome, 'ERR_S3CSE_DECRYPTION_FAILED', mode)
        }
      }
    }
  })

  it('a commitment of another length commits to nothing', async () => {
    const [dataKey] = dataKeys
    const reference = { version: 'V3', dataKey, nonce: randomBytes(28) } as const
    const { encryptedDataKey } = await wrapKey(keyring, 'V3', dataKey)
    const good = referenceMetadata(reference, { wrap: 'AES/GCM', encryptedDataKey })
    const whole = hkdf(dataKey, reference.nonce, 'COMMITKEY', 64)
    for (const length of [0, 1, 20, 27, 29, 40, 64]) {
      const metadata = { ...good, 'x-amz-d': base64(whole.subarray(0, length)) }
      await w.s3.put(Bucket, 'v3', { body: Buffer.alloc(16), metadata })
      assertRefused(await outcomeOf(w.client(), 'v3'), 'ERR_S3CSE_ENVELOPE_INVALID', `${length} bytes`)
    }
  })
})
