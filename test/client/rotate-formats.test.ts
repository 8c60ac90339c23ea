// Objects of all formats and wraps get a current wrap, or need a rewrite.
import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { describe, it } from 'node:test'

import { RotationError, rsaKeyring } from '../../src/index.js'
import type { Keyring } from '../../src/index.js'
import { kmsDiscoveryKeyring, kmsKeyring } from '../../src/kms.js'
import { code } from '../support/errors.js'
import { counting, kmsWorld, newKey, opensOnly, rotate } from '../support/rotate.js'
import { loadVectors } from '../support/vectors.js'
import { Bucket, put, read, world } from '../support/world.js'

const w = await world()
const { kms, client: kmsClient, clientOf } = await kmsWorld()
const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
const rsa = rsaKeyring({ publicKey, privateKey, materialsDescription: { comment: 'rsa' } })
const kmsOf = (keyId: string): Keyring => kmsKeyring({ client: kmsClient, keyId })

it("other clients' objects get a current wrap; V1 and AES-CBC need a rewrite", async () => {
  const targets = [newKey, rsa, kmsOf(kms.createKey().arn)]
  const counts = { rotated: 0, rewritten: 0, lengths: 0 }
  for (const vector of loadVectors().filter(({ envelope }) => envelope === 'metadata')) {
    await vector.seed(w.s3, Bucket)
    const { s3Key: key, title } = vector
    const options = vector.options()
    const client = w.client(options)
    const before = await w.stored(key)
    const keyring = targets[(counts.rotated + counts.rewritten) % targets.length]!
    const to = counting(keyring)
    const more = { to, encryptionContext: {}, acl: 'private' as const }
    const isCbc = vector.contentAlgorithm.includes('CBC')
    if (isCbc) {
      await assert.rejects(rotate(client, key, more), code('ERR_S3CSE_ROTATION', /rewrite: true/), title)
      await assert.rejects(rotate(client, key, more), (e) => e instanceof RotationError && e.needsRewrite, title)
      assert.deepEqual(to.calls, [])
      assert.deepEqual(await w.stored(key), before)
      const { outcome, facts } = await rotate(client, key, { ...more, rewrite: true })
      assert.deepEqual([outcome, facts.version], ['rewritten', 'V3'], title)
      counts.rewritten++
    } else {
      const { outcome, facts } = await rotate(client, key, more)
      assert.deepEqual([outcome, facts.version], ['metadata', vector.format], title)
      assert.equal(facts.needs.legacy.wrapping, false, title)
      const { metadata, body } = await w.stored(key)
      assert.deepEqual(body, before.body)
      const length = before.metadata['x-amz-unencrypted-content-length']
      assert.equal(metadata['x-amz-unencrypted-content-length'], length)
      if (length !== undefined) counts.lengths++
      counts.rotated++
    }
    const own = (all: object) => Object.fromEntries(Object.entries(all).filter(([name]) => !name.startsWith('x-amz-')))
    assert.deepEqual(own((await w.stored(key)).metadata), own(before.metadata), title)
    const legacy = { wrapping: false, content: !isCbc && options.legacy?.content }
    vector.check(await read(w.client({ ...options, keyring, encryptionContext: {}, legacy }), key))
  }
  assert.ok(counts.rotated > 100 && counts.rewritten > 20 && counts.lengths > 0, JSON.stringify(counts))
})

describe('from KMS to KMS', () => {
  const [a, b] = [kms.createKey(), kms.createKey()]
  const calls = async (step: () => Promise<unknown>) => {
    kms.requests.length = 0
    await step()
    return kms.requests.map(({ operation, status }) => (status === 200 ? operation : `${operation} failed`))
  }
  const encryptionContext = { tenant: 'x' }
  const putWith = async (key: string, from: Keyring) => {
    const client = w.client({ keyring: from, encryptionContext })
    await put(client, key, 'body')
    return client
  }

  it('ReEncrypt is all that is called', async () => {
    const client = await putWith('re', kmsOf(a.arn))
    assert.deepEqual(await calls(() => rotate(client, 're', { to: kmsOf(b.arn) })), ['ReEncrypt'])
    await opensOnly(w, 're', 'body', { by: kmsOf(b.arn), not: kmsOf(a.arn), encryptionContext })
    assert.equal((await rotate(client, 're', { to: kmsOf(b.arn) })).outcome, 'unchanged')
  })

  it('reEncrypt: false does without', async () => {
    const client = await putWith('two', kmsOf(a.arn))
    const sent = await calls(() => rotate(client, 'two', { to: kmsOf(b.arn), reEncrypt: false }))
    assert.ok(!sent.includes('ReEncrypt') && sent.includes('Encrypt'), sent.join())
    await opensOnly(w, 'two', 'body', { by: kmsOf(b.arn), not: kmsOf(a.arn), encryptionContext })
  })

  it('a discovery keyring knows what the key was', async () => {
    const client = await putWith('discovery', kmsOf(a.arn))
    const from = {
      keyring: kmsDiscoveryKeyring({
        client: kmsClient,
        discoveryFilter: { partition: 'aws', accountIds: ['111122223333'] },
      }),
    }
    assert.equal((await rotate(client, 'discovery', { from, to: kmsOf(b.arn) })).reEncrypted, true)
    await assert.rejects(rotate(client, 'discovery', { from, to: kmsOf(b.arn) }), code('ERR_S3CSE_ROTATION'))
    assert.equal((await rotate(client, 'discovery', { to: kmsOf(b.arn) })).outcome, 'unchanged')
  })

  it('the same key is refused, also under another name or with new material', async () => {
    kms.createKey()
    const aliased = kms.createKey({ alias: 'alias/same' })
    const client = await putWith('same', kmsOf(aliased.arn))
    const before = await w.stored('same')
    for (const reEncrypt of [true, false]) {
      for (const keyId of [aliased.arn, aliased.keyId, 'alias/same']) {
        await assert.rejects(rotate(client, 'same', { to: kmsOf(keyId), reEncrypt }), code('ERR_S3CSE_ROTATION'))
      }
    }
    const { RotateKeyOnDemandCommand } = await import('@aws-sdk/client-kms')
    await kmsClient.send(new RotateKeyOnDemandCommand({ KeyId: aliased.keyId }))
    await assert.rejects(rotate(client, 'same', { to: kmsOf(aliased.arn) }), code('ERR_S3CSE_ROTATION'))
    assert.deepEqual(await w.stored('same'), before)
    await rotate(client, 'same', { to: kmsOf(aliased.arn), enforceRotation: false })
    assert.notEqual((await w.stored('same')).metadata['x-amz-3'], before.metadata['x-amz-3'])
    assert.equal((await read(client, 'same')).toString(), 'body')
  })

  it('a replica is the same key', async () => {
    const key = kms.createKey({ replicaRegions: ['eu-west-1'] })
    const replica = kmsKeyring({ client: clientOf('eu-west-1'), keyId: key.replicaArns[0]! })
    const client = await putWith('replica', kmsOf(key.arn))
    await assert.rejects(rotate(client, 'replica', { to: replica }), code('ERR_S3CSE_ROTATION'))
    await rotate(client, 'replica', { to: replica, enforceRotation: false })
    assert.equal((await read(client, 'replica')).toString(), 'body')
  })

  it('a wrong context is refused before KMS is asked; the new wrap may have another one', async () => {
    const client = await putWith('context', kmsOf(a.arn))
    const wrong = { encryptionContext: { tenant: 'y' } }
    await calls(() =>
      assert.rejects(rotate(client, 'context', { to: kmsOf(b.arn), from: wrong }), code('ERR_S3CSE_CONTEXT_MISMATCH')),
    )
    assert.ok(!kms.requests.some(({ operation }) => operation === 'ReEncrypt'))
    await rotate(client, 'context', { to: kmsOf(b.arn), ...wrong })
    await opensOnly(w, 'context', 'body', { by: kmsOf(b.arn), not: kmsOf(a.arn), ...wrong })
  })

  it('bind gets into objects from before it', async () => {
    await putWith('bound', kmsOf(a.arn))
    const client = w.client({ keyring: kmsOf(a.arn), encryptionContext, bind: true })
    await rotate(client, 'bound', { to: kmsOf(b.arn), from: { encryptionContext } })
    const reader = w.client({ keyring: kmsOf(b.arn), encryptionContext, bind: true })
    assert.equal((await read(reader, 'bound')).toString(), 'body')
    await assert.rejects(
      read(w.client({ keyring: kmsOf(b.arn), encryptionContext }), 'bound'),
      code('ERR_S3CSE_CONTEXT_MISMATCH'),
    )
  })

  it('what KMS denies is said, and nothing is changed', async () => {
    const client = await putWith('denied', kmsOf(a.arn))
    const before = await w.stored('denied')
    kms.fail({ operation: 'ReEncrypt', code: 'AccessDeniedException' })
    await assert.rejects(rotate(client, 'denied', { to: kmsOf(b.arn) }), code('ERR_S3CSE_KMS'))
    assert.deepEqual(await w.stored('denied'), before)
  })
})

describe('from one kind of key to another', () => {
  const key = kms.createKey()
  const kinds = { AES: newKey, RSA: rsa, KMS: kmsOf(key.arn) }
  for (const [from, old] of Object.entries(kinds)) {
    for (const [to, next] of Object.entries(kinds).filter(([name]) => name !== from)) {
      for (const commitmentPolicy of ['REQUIRE_ENCRYPT_REQUIRE_DECRYPT', 'FORBID_ENCRYPT_ALLOW_DECRYPT'] as const) {
        it(`${from} to ${to}, ${commitmentPolicy}`, async () => {
          const name = `${from} ${to} ${commitmentPolicy}`
          const client = w.client({ keyring: old, commitmentPolicy })
          await put(client, name, 'body')
          await rotate(client, name, { to: next })
          assert.equal((await read(w.client({ keyring: next, commitmentPolicy }), name)).toString(), 'body')
          await assert.rejects(read(client, name), code('ERR_S3CSE_ENVELOPE_INVALID'))
          assert.equal((await rotate(client, name, { to: next })).outcome, 'unchanged')
        })
      }
    }
  }
})
