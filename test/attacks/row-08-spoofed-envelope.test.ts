// Keys of one format on an object of another make readers disagree about what it is. A format is recognised by exactly its own keys; any mix is one error.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { HeadObjectCommand } from '@aws-sdk/client-s3'

import { encryptionInfo } from '../../src/index.js'
import { envelopeKeys } from '../../src/formats/s3ec/envelope-keys.js'
import { Bucket, pattern, put, world } from '../support/world.js'
import { allKinds } from './kinds.js'
import { assertRefused, counting, decrypts, outcomeOf, policies, readsAll, writesV2 } from './support.js'

const w = await world()
const { kinds, kms } = await allKinds()
const kind = kinds[2]!
const keyring = counting(kind.keyring)
const encryptionContext = kind.context
const plaintext = pattern(64)
const clients = policies.map((commitmentPolicy) => w.client({ keyring, commitmentPolicy, encryptionContext }))

async function stored(key: string, commitmentPolicy = readsAll) {
  await put(w.client({ keyring, commitmentPolicy, encryptionContext }), key, plaintext)
  return w.stored(key)
}

/** Refused under every policy with this error, before the keyring or KMS is asked; HeadObject tells that it is damaged. */
async function refusedEverywhere(metadata: Record<string, string>, body: Uint8Array, what: string): Promise<void> {
  const asked = [keyring.unwraps(), decrypts(kms)]
  await w.s3.put(Bucket, 'changed', { body, metadata })
  for (const client of clients) {
    assertRefused(await outcomeOf(client, 'changed'), 'ERR_S3CSE_ENVELOPE_INVALID', what)
  }
  const head = await clients[0]!.send(new HeadObjectCommand({ Bucket, Key: 'changed' }))
  assert.equal(encryptionInfo(head)?.status, 'unknown', what)
  assert.deepEqual([keyring.unwraps(), decrypts(kms)], asked, what)
}

describe('V3 keys on a V2 object', () => {
  it('x-amz-c and x-amz-w, as in the tests of the official clients; the original still opens', async () => {
    const { metadata, body } = await stored('v2', writesV2)
    await refusedEverywhere({ ...metadata, 'x-amz-c': '115', 'x-amz-w': '12' }, body, 'spoofed')
    assert.deepEqual((await outcomeOf(clients[2]!, 'v2')).released, plaintext)
    assertRefused(await outcomeOf(clients[0]!, 'v2'), 'ERR_S3CSE_POLICY')
  })
})

describe('any key of another format', () => {
  for (const [version, commitmentPolicy] of [
    ['V2', writesV2],
    ['V3', readsAll],
  ] as const) {
    it(`on a ${version} object, whatever its value`, async () => {
      const { metadata, body } = await stored('good', commitmentPolicy)
      const v2 = await stored('v2', writesV2)
      const v3 = await stored('v3')
      const foreign = envelopeKeys.filter((row) => row[version] === undefined).map(({ key }) => key)
      assert.ok(foreign.length >= 5)
      for (const key of foreign) {
        const real = v2.metadata[key] ?? v3.metadata[key] ?? v2.metadata['x-amz-key-v2'] ?? ''
        for (const value of [real, '']) {
          await refusedEverywhere({ ...metadata, [key]: value }, body, `${key}: ${value}`)
        }
      }
    })

    it(`and a ${version} object without one of its own`, async () => {
      const { metadata, body } = await stored('good', commitmentPolicy)
      const required = envelopeKeys.filter((row) => row[version] === 'required').map(({ key }) => key)
      for (const key of required) {
        const rest = Object.fromEntries(Object.entries(metadata).filter(([name]) => name !== key))
        await refusedEverywhere(rest, body, `without ${key}`)
      }
    })
  }
})

describe('several complete envelopes', () => {
  it('of V1, V2 and V3, each right for the body', async () => {
    const v2 = await stored('v2', writesV2)
    const v3 = await stored('v3')
    const v1 = {
      'x-amz-key': v2.metadata['x-amz-key-v2']!,
      'x-amz-iv': Buffer.alloc(16).toString('base64'),
      'x-amz-matdesc': '{}',
    }
    for (const { body } of [v2, v3]) {
      await refusedEverywhere({ ...v2.metadata, ...v3.metadata }, body, 'V2 and V3')
      await refusedEverywhere({ ...v2.metadata, 'x-amz-key': v1['x-amz-key'] }, body, 'exclusive keys of V1 and V2')
      await refusedEverywhere(
        { ...v2.metadata, 'x-amz-3': v3.metadata['x-amz-3']! },
        body,
        'exclusive keys of V2 and V3',
      )
      await refusedEverywhere({ ...v1, ...v3.metadata }, body, 'V1 and V3')
      await refusedEverywhere({ ...v1, ...v2.metadata, ...v3.metadata }, body, 'all three')
    }
  })

  it('the marks of an instruction file send the reader to that and nowhere else', async () => {
    const { metadata, body } = await stored('v3')
    const { 'x-amz-c': c, 'x-amz-d': d, 'x-amz-i': i } = metadata
    w.s3.requests.length = 0
    await refusedEverywhere({ 'x-amz-c': c!, 'x-amz-d': d!, 'x-amz-i': i! }, body, 'c, d, i')
    assert.ok(w.s3.requests.every(({ key }) => key === 'changed' || key === 'changed.instruction'))
  })
})
