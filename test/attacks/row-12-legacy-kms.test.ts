// The old `kms` wrap stores the name of its key, kms_cmk_id, with the object, where an attacker can write another. It is bound as a part of the context and otherwise not used: Decrypt names the configured key.
import { EncryptCommand } from '@aws-sdk/client-kms'
import assert from 'node:assert/strict'
import { beforeEach, describe, it } from 'node:test'

import type { Keyring } from '../../src/index.js'
import { kmsDiscoveryKeyring, kmsKeyring } from '../../src/kms.js'
import { Bucket, pattern, world } from '../support/world.js'
import { allOn, cbc, cbcName, gcm, gcmName, legacyMetadata } from './legacy.js'
import { assertRefused, kmsWorld, outcomeOf } from './support.js'

const w = await world()
const { kms, client } = await kmsWorld()
const [ours, theirs] = ['111122223333', '999988887777'] as const
const key = kms.createKey({ alias: 'alias/orders' })
const neighbour = kms.createKey()
const attackers = kms.createKey({ accountId: theirs, alias: 'alias/orders' })
const plaintext = pattern(50)
/** Nothing is left to chance: the same data key each time. */
const dataKey = Buffer.alloc(32, 0x51)

async function forge(place: string, content: string, keyArn: string, map: Record<string, string>): Promise<void> {
  const input = { KeyId: keyArn, Plaintext: dataKey, EncryptionContext: map }
  const { CiphertextBlob } = await client.send(new EncryptCommand(input))
  const iv = Buffer.alloc(content === gcmName ? 12 : 16, 2)
  const kind = { version: 'V2', wrap: 'kms', map: JSON.stringify(map) } as const
  const values = legacyMetadata(kind, content, CiphertextBlob!, iv)
  const body = (content === gcmName ? gcm : cbc)(dataKey, iv, plaintext)
  await w.s3.put(Bucket, 'forged', { body, metadata: place === 'metadata' ? values : {} })
  if (place !== 'metadata') await w.s3.put(Bucket, 'forged.instruction', { body: JSON.stringify(values) })
  kms.requests.length = 0
}

const read = (keyring: Keyring) => outcomeOf(w.client({ ...allOn, keyring }), 'forged')
/** The keys that Decrypt was asked for. A file that does not fit is read twice. */
const named = (): unknown[] => [
  ...new Set(kms.requests.filter((r) => r.operation === 'Decrypt').map(({ input }) => input.KeyId)),
]

beforeEach(() => {
  kms.requests.length = 0
})

for (const place of ['metadata', 'instruction file']) {
  for (const content of [gcmName, cbcName]) {
    describe(`kms, ${content}, ${place}`, () => {
      for (const keyId of [key.arn, key.keyId, 'alias/orders']) {
        it(`kmsKeyring by ${keyId.slice(0, 7)}: the configured key whatever the object says`, async () => {
          const keyring = kmsKeyring({ client, keyId })
          for (const kms_cmk_id of [key.arn, key.keyId, attackers.arn, neighbour.arn, 'alias/other', '']) {
            await forge(place, content, key.arn, { kms_cmk_id })
            assert.deepEqual((await read(keyring)).released, plaintext, kms_cmk_id)
            assert.deepEqual(named(), [keyId])
            for (const other of [attackers.arn, neighbour.arn]) {
              await forge(place, content, other, { kms_cmk_id })
              assertRefused(await read(keyring), 'ERR_S3CSE_DECRYPTION_FAILED', `${other}, said to be ${kms_cmk_id}`)
              assert.deepEqual(named(), [keyId])
            }
          }
        })
      }

      it('changed afterwards, or taken out, KMS refuses: it is a part of the context', async () => {
        const keyring = kmsKeyring({ client, keyId: key.arn })
        await forge(place, content, key.arn, { kms_cmk_id: key.arn })
        const name = place === 'metadata' ? 'forged' : 'forged.instruction'
        for (const map of [{}, { kms_cmk_id: attackers.arn }, { kms_cmk_id: key.keyId }]) {
          const changed = JSON.stringify(map)
          await w.s3.tamper(Bucket, name, ({ metadata, body }) =>
            place === 'metadata'
              ? { metadata: { ...metadata, 'x-amz-matdesc': changed } }
              : {
                  body: Buffer.from(
                    JSON.stringify({
                      ...(JSON.parse(Buffer.from(body).toString()) as object),
                      'x-amz-matdesc': changed,
                    }),
                  ),
                },
          )
          assertRefused(await read(keyring), 'ERR_S3CSE_DECRYPTION_FAILED', changed)
          assert.deepEqual(named(), [key.arn])
        }
      })

      it('kmsDiscoveryKeyring: the account of the key that opened it counts, not the one that is named', async () => {
        const discover = (account: string) =>
          kmsDiscoveryKeyring({ client, discoveryFilter: { accountIds: [account], partition: 'aws' } })
        for (const kms_cmk_id of [key.arn, attackers.arn]) {
          for (const [arn, account] of [
            [key.arn, ours],
            [attackers.arn, theirs],
          ] as const) {
            await forge(place, content, arn, { kms_cmk_id })
            assert.deepEqual((await read(discover(account))).released, plaintext)
            const outcome = await read(discover(account === ours ? theirs : ours))
            assertRefused(outcome, 'ERR_S3CSE_DECRYPTION_FAILED', `${arn}, said to be ${kms_cmk_id}`)
            assert.deepEqual(named(), [undefined])
          }
        }
      })
    })
  }
}
