// What is said of a change of keys, and what is a mistake.
import { HeadObjectCommand } from '@aws-sdk/client-s3'
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { addEncryption, aesKeyring, reEncryptInstructionFile, removeEncryption, rotateKey } from '../../src/index.js'
import type { Keyring, RotateKeyInput } from '../../src/index.js'
import { kmsKeyring } from '../../src/kms.js'
import { code } from '../support/errors.js'
import {
  counting,
  kmsWorld,
  newKey,
  oldKey,
  operations,
  opensOnly,
  otherKey,
  putOld,
  rawKeyring,
  rotate,
} from '../support/rotate.js'
import { Bucket, put, read, world } from '../support/world.js'

const w = await world()
const { kms, client: kmsClient } = await kmsWorld()

it('says what the object is now', async () => {
  const client = await putOld(w, 'result', 'body')
  const before = await w.stored('result')
  const { facts, ETag, ...rest } = await rotate(client, 'result')
  assert.deepEqual(rest, { outcome: 'metadata', reEncrypted: false, VersionId: undefined, attempts: 1 })
  assert.equal(ETag, (await w.stored('result')).etag)
  assert.equal(facts.version, 'V3')
  assert.ok(!('context' in facts))
  const after = await w.stored('result')
  assert.deepEqual(after.body, before.body)
  const changed = Object.keys(after.metadata).filter((name) => after.metadata[name] !== before.metadata[name])
  assert.deepEqual(changed, ['x-amz-3', 'x-amz-m'])
  const again = await rotate(client, 'result')
  assert.deepEqual([again.outcome, again.ETag], ['unchanged', ETag])
})

it('needs three requests, or two; one for what is done; the body is never read', async () => {
  const client = await putOld(w, 'first', 'body')
  await rotate(client, 'first')
  for (const [key, more, expected] of [
    ['a', {}, ['HeadObject', 'GetObjectAcl', 'CopyObject']],
    ['b', { acl: 'private' }, ['HeadObject', 'CopyObject']],
    ['b', { acl: 'private' }, ['HeadObject']],
  ] as const) {
    if (expected.length > 1) await put(client, key, 'body')
    assert.deepEqual(await operations(w, () => rotate(client, key, more)), expected)
  }
})

describe('mistakes', () => {
  const valid: RotateKeyInput = { Bucket, Key: 'key', to: newKey }
  const wrong: Readonly<Record<string, object>> = {
    'no bucket': { Bucket: undefined },
    'no key': { Key: '' },
    'no keyring': { to: undefined },
    'something for a keyring': { to: {} },
    'no keyring in from': { from: { keyring: {} } },
    'a misspelt member': { enforceRotaton: false },
    'a misspelt member of from': { from: { keyrnig: oldKey } },
    'a version': { VersionId: 'x' },
    'a context that is none': { encryptionContext: { a: 1 } },
    'a context for raw keys': { encryptionContext: { a: 'b' } },
    'an empty text as context': { encryptionContext: '' },
    'a number for enforceRotation': { enforceRotation: 1 },
    'a number for reEncrypt': { reEncrypt: 0 },
    'a text for rewrite': { rewrite: 'yes' },
    'no date for rewrite': { rewrite: {} },
    'a text for the date of rewrite': { rewrite: { olderThan: '2026-01-01' } },
    'a date for rewrite that is none': { rewrite: { olderThan: new Date(NaN) } },
    'a misspelt member of rewrite': { rewrite: { olderThan: new Date(0), older: true } },
    'null for rewrite': { rewrite: null },
    'a text for allowUnconditional': { allowUnconditional: 'true' },
    'another ACL': { acl: 'public-read' },
    'no attempt': { maxAttempts: 0 },
    'half an attempt': { maxAttempts: 1.5 },
    'endless attempts': { maxAttempts: Infinity },
    'copies of more than 5 GiB': { copyInPartsAbove: 5 * 1024 ** 3 + 1 },
    'copies of a negative length': { copyInPartsAbove: -1 },
    'parts too short': { copyPartSize: 5 * 1024 ** 2 - 1 },
    'parts too long': { copyPartSize: 5 * 1024 ** 3 + 1 },
  }
  for (const [name, change] of Object.entries(wrong)) {
    it(`${name}: nothing is sent`, async () => {
      const client = w.client({ keyring: oldKey })
      const input = { ...valid, ...change }
      const sent = await operations(w, async () => {
        await assert.rejects(rotateKey(client, input), code('ERR_S3CSE_CONFIG'))
        if (!/rewrite|copies|parts/.test(name)) {
          await assert.rejects(reEncryptInstructionFile(client, input), code('ERR_S3CSE_CONFIG'))
        }
      })
      assert.deepEqual(sent, [])
    })
  }

  it('a last argument with something else than a signal', async () => {
    const client = await putOld(w, 'key', 'body')
    const signal = AbortSignal.abort()
    for (const options of [{ abortSignal: signal }, { signal, more: 1 }, null] as never[]) {
      const sent = await operations(w, async () => {
        await assert.rejects(rotateKey(client, valid, options), code('ERR_S3CSE_CONFIG'))
        await assert.rejects(reEncryptInstructionFile(client, valid, options), code('ERR_S3CSE_CONFIG'))
      })
      assert.deepEqual(sent, [])
    }
  })

  it('a member that is about a body is none of reEncryptInstructionFile', async () => {
    const client = w.client()
    for (const more of [
      { rewrite: true },
      { copyInPartsAbove: 1 },
      { copyPartSize: 2 ** 23 },
      { instructionFileSuffix: '' },
      { instructionFileSuffix: 5 },
    ]) {
      await assert.rejects(reEncryptInstructionFile(client, { ...valid, ...more } as never), code('ERR_S3CSE_CONFIG'))
    }
    await assert.rejects(
      rotateKey(client, { ...valid, instructionFileSuffix: '.a' } as never),
      code('ERR_S3CSE_CONFIG'),
    )
  })

  it('a client without encryption', async () => {
    const message = /addEncryption/
    await assert.rejects(rotateKey(w.plain, valid), code('ERR_S3CSE_CONFIG', message))
    await assert.rejects(reEncryptInstructionFile(w.plain, valid), code('ERR_S3CSE_CONFIG', message))
    await assert.rejects(rotateKey(undefined as never, valid), code('ERR_S3CSE_CONFIG', message))
    const removed = w.client()
    removeEncryption(removed)
    await assert.rejects(rotateKey(removed, valid), code('ERR_S3CSE_CONFIG', message))
    addEncryption(removed, { keyring: oldKey })
  })

  it("the client's context for a raw key, which authenticates none", async () => {
    const key = kmsKeyring({ client: kmsClient, keyId: kms.createKey().arn })
    const client = w.client({ keyring: key, encryptionContext: { a: 'b' } })
    await put(client, 'kms to raw', 'body')
    await assert.rejects(rotate(client, 'kms to raw'), code('ERR_S3CSE_CONFIG', /KMS keyring/))
    await rotate(client, 'kms to raw', { encryptionContext: {} })
    assert.equal((await read(w.client({ keyring: newKey }), 'kms to raw')).toString(), 'body')
  })
})

describe('enforceRotation', () => {
  const same = rawKeyring(1, 'another label')

  it('refuses the key that opens the object now, whatever its label', async () => {
    const client = await putOld(w, 'same', 'body')
    const before = await w.stored('same')
    for (const to of [oldKey, same]) {
      await assert.rejects(rotate(client, 'same', { to }), code('ERR_S3CSE_ROTATION', /enforceRotation: false/))
    }
    assert.deepEqual(await w.stored('same'), before)
    assert.equal((await rotate(client, 'same', { to: same, enforceRotation: false })).outcome, 'metadata')
    assert.notEqual((await w.stored('same')).metadata['x-amz-3'], before.metadata['x-amz-3'])
    assert.equal((await read(client, 'same')).toString(), 'body')
  })

  it('judges the key that opened the object, of several that the client has', async () => {
    const both = aesKeyring({
      wrappingKey: new Uint8Array(32).fill(2),
      materialsDescription: { comment: 'new' },
      additionalKeys: [{ wrappingKey: new Uint8Array(32).fill(1), materialsDescription: { comment: 'old' } }],
    })
    await putOld(w, 'both', 'body')
    const client = w.client({ keyring: both })
    assert.equal((await rotate(client, 'both', { to: both })).outcome, 'metadata')
    await opensOnly(w, 'both', 'body')
    // It has both keys, and so cannot tell that this is done; who names the old one can.
    await assert.rejects(rotate(client, 'both', { to: both }), code('ERR_S3CSE_ROTATION'))
    assert.equal((await rotate(client, 'both', { to: both, from: { keyring: oldKey } })).outcome, 'unchanged')
  })

  it('of a keyring that does not say what it opens asks it', async () => {
    const silent: Keyring = { wrap: (request) => oldKey.wrap(request), unwrap: (request) => oldKey.unwrap(request) }
    await putOld(w, 'silent', 'body')
    const client = w.client({ keyring: silent })
    await assert.rejects(rotate(client, 'silent', { to: same }), code('ERR_S3CSE_ROTATION'))
    await rotate(client, 'silent')
    await opensOnly(w, 'silent', 'body')
  })
})

describe('from', () => {
  it('opens the object in place of the client’s keyring', async () => {
    await putOld(w, 'from', 'body')
    const client = w.client({ keyring: otherKey })
    await assert.rejects(rotate(client, 'from'), code('ERR_S3CSE_DECRYPTION_FAILED'))
    const from = counting(oldKey)
    await rotate(client, 'from', { from: { keyring: from } })
    assert.ok(from.calls.includes('unwrap'))
    await opensOnly(w, 'from', 'body')
  })

  it('the new key only writes, and the old one only reads', async () => {
    await putOld(w, 'apart', 'body')
    const [from, to] = [counting(oldKey), counting(newKey)]
    await rotate(w.client({ keyring: from }), 'apart', { to })
    assert.deepEqual([from.calls, to.calls], [['unwrap', 'unwrap'], ['wrap']])
  })
})

describe('what is refused before a key is used', () => {
  const cases = {
    'a policy': [{ commitmentPolicy: 'FORBID_ENCRYPT_ALLOW_DECRYPT' }, {}, 'ERR_S3CSE_POLICY'],
  } as const
  for (const [name, [written, read, expected]] of Object.entries(cases)) {
    it(name, async () => {
      await put(w.client({ keyring: oldKey, ...written }), name, 'body')
      const before = await w.stored(name)
      const [from, to] = [counting(oldKey), counting(newKey)]
      for (const rewrite of [false, true]) {
        await assert.rejects(rotate(w.client({ keyring: from, ...read }), name, { to, rewrite }), code(expected))
      }
      assert.deepEqual([from.calls, to.calls], [[], []])
      assert.deepEqual(await w.stored(name), before)
    })
  }

  it('an archive costs no key service a call for a rewrite', async () => {
    await putOld(w, 'archive', 'body', { StorageClass: 'GLACIER' })
    const [from, to] = [counting(oldKey), counting(newKey)]
    await assert.rejects(
      rotate(w.client({ keyring: from }), 'archive', { to, rewrite: true }),
      code('ERR_S3CSE_ROTATION'),
    )
    assert.deepEqual([from.calls, to.calls], [[], []])
  })
})

it('an envelope that was changed is refused, and not put under the new key', async () => {
  const flip = (text: string) => {
    const bytes = Buffer.from(text, 'base64')
    bytes[bytes.length >> 1]! ^= 1
    return bytes.toString('base64')
  }
  for (const name of ['x-amz-3', 'x-amz-d', 'x-amz-i']) {
    const client = await putOld(w, 'tampered', 'body')
    await w.s3.tamper(Bucket, 'tampered', ({ metadata }) => ({
      metadata: { ...metadata, [name]: flip(metadata[name]!) },
    }))
    const before = await w.stored('tampered')
    const to = counting(newKey)
    await assert.rejects(rotate(client, 'tampered', { to }), code('ERR_S3CSE_DECRYPTION_FAILED'), name)
    assert.ok(!to.calls.includes('wrap'))
    await assert.rejects(rotate(client, 'tampered', { to, rewrite: true }), code('ERR_S3CSE_DECRYPTION_FAILED'), name)
    assert.deepEqual(await w.stored('tampered'), before)
  }
})

it('metadata for which there is no room left is an error, and nothing is changed', async () => {
  const client = await putOld(w, 'full', 'body', { Metadata: { a: 'x'.repeat(1600) } })
  const before = await w.stored('full')
  const to = aesKeyring({ wrappingKey: new Uint8Array(32), materialsDescription: { a: 'y'.repeat(400) } })
  await assert.rejects(rotate(client, 'full', { to }), code('ERR_S3CSE_ENVELOPE_TOO_LARGE'))
  assert.deepEqual(await w.stored('full'), before)
  await w.plain.send(new HeadObjectCommand({ Bucket, Key: 'full' }))
})
