// Metadata with names that objects have anyway (`__proto__`), and values of sizes that no format has. Maps have no prototype; every length is exact or bounded.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { CseError } from '../../src/index.js'
import { s3ec } from '../../src/formats/s3ec/s3ec.js'
import { load } from '../support/s3ec-objects.js'
import { Bucket, get, pattern, put, world } from '../support/world.js'
import { allKinds } from './kinds.js'
import type { Kind } from './kinds.js'
import { assertRefused, base64, counting, outcomeOf, readsAll, versions } from './support.js'

const w = await world()
const { kinds, kms } = await allKinds()
const [aes, , viaKms] = kinds as readonly [Kind, Kind, Kind]
const plaintext = pattern(40)
const mapKeys = { V2: 'x-amz-matdesc', V3: 'x-amz-t' } as const

async function stored(kind: Kind, version: 'V2' | 'V3') {
  const { keyring, context: encryptionContext } = kind
  const commitmentPolicy = version === 'V2' ? 'FORBID_ENCRYPT_ALLOW_DECRYPT' : readsAll
  await put(w.client({ keyring, encryptionContext, commitmentPolicy }), 'good', plaintext)
  return w.stored('good')
}

describe('names that objects have anyway', () => {
  const names = ['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty', '__defineGetter__']

  it('in a materials description they are keys like all others, and choose no key', async () => {
    for (const [version] of versions) {
      const { metadata, body } = await stored(aes, version)
      for (const name of names) {
        for (const value of ['"polluted"', '{"polluted":"yes"}']) {
          const map = `{"${name}":${value}}`
          await w.s3.put(Bucket, 'proto', { body, metadata: { ...metadata, [mapKeys[version]]: map } })
          const client = w.client({ keyring: aes.keyring, commitmentPolicy: readsAll })
          const outcome = await outcomeOf(client, 'proto')
          // Nothing authenticates the description: a text is only a label.
          if (value.startsWith('{')) assertRefused(outcome, 'ERR_S3CSE_ENVELOPE_INVALID', map)
          else assert.deepEqual(outcome.released, plaintext)
          assert.equal(({} as { polluted?: unknown }).polluted, undefined)
        }
      }
    }
  })

  it('in an encryption context they are bound like all others', async () => {
    for (const name of names) {
      const encryptionContext = Object.fromEntries([[name, 'mine']])
      const { keyring } = viaKms
      await put(w.client({ keyring, encryptionContext }), 'proto', plaintext)
      assert.deepEqual((await outcomeOf(w.client({ keyring, encryptionContext }), 'proto')).released, plaintext)
      kms.requests.length = 0
      for (const other of [{}, Object.fromEntries([[name, 'yours']])]) {
        const outcome = await outcomeOf(w.client({ keyring, encryptionContext: other }), 'proto')
        assertRefused(outcome, 'ERR_S3CSE_CONTEXT_MISMATCH', name)
      }
      assert.equal(kms.requests.length, 0)
    }
  })

  it('in Metadata they neither pollute nor hide an envelope', async () => {
    const { metadata, body } = await stored(aes, 'V3')
    for (const name of names) {
      const key = name.toLowerCase()
      const more = Object.fromEntries([[key, 'polluted']])
      await w.s3.put(Bucket, 'proto', { body, metadata: { ...metadata, ...more } })
      const client = w.client()
      const output = await get(client, 'proto')
      assert.deepEqual(Buffer.from(await output.Body!.transformToByteArray()), plaintext)
      assert.equal(Object.getPrototypeOf(output.Metadata), Object.prototype)
      assert.equal(Object.prototype.toString.call({}), '[object Object]')
      // Nor do they make an envelope of an object that has none.
      await w.s3.put(Bucket, 'proto', { body, metadata: more })
      assertRefused(await outcomeOf(client, 'proto'), 'ERR_S3CSE_NOT_ENCRYPTED', name)
    }
    const inherited = Object.create(metadata) as Record<string, string>
    assert.equal(s3ec().recognise(inherited, { bucket: Bucket, key: 'proto' }), undefined)
  })
})

describe('sizes', () => {
  it('values of other lengths are refused before the keyring is asked', async () => {
    const sizes = { 'x-amz-iv': 12, 'x-amz-i': 28, 'x-amz-d': 28 }
    for (const [version] of versions) {
      const { metadata, body } = await stored(aes, version)
      const keyring = counting(aes.keyring)
      const client = w.client({ keyring, commitmentPolicy: readsAll })
      for (const [key, right] of Object.entries(sizes).filter(([name]) => metadata[name] !== undefined)) {
        for (const length of [0, 1, right - 1, right + 1, right + 3, 16, 96, 9000]) {
          await w.s3.put(Bucket, 'bomb', { body, metadata: { ...metadata, [key]: base64(pattern(length)) } })
          assertRefused(await outcomeOf(client, 'bomb'), 'ERR_S3CSE_ENVELOPE_INVALID', `${key}, ${length} bytes`)
        }
      }
      const edk = version === 'V2' ? 'x-amz-key-v2' : 'x-amz-3'
      for (const length of [0, 8193, 9000]) {
        await w.s3.put(Bucket, 'bomb', { body, metadata: { ...metadata, [edk]: base64(pattern(length)) } })
        assertRefused(await outcomeOf(client, 'bomb'), 'ERR_S3CSE_ENVELOPE_INVALID', `${edk}, ${length} bytes`)
      }
      assert.equal(keyring.unwraps(), 0)
    }
  })

  it('a tag of any length but 128 bits is refused', async () => {
    const { metadata, body } = await stored(aes, 'V2')
    const keyring = counting(aes.keyring)
    const client = w.client({ keyring, commitmentPolicy: readsAll })
    const lengths = [
      '96',
      '104',
      '112',
      '120',
      '64',
      '32',
      '0',
      '-128',
      '16',
      '1024',
      '128.0',
      '0128',
      '1.28e2',
      '0x80',
      'NaN',
      '',
    ]
    for (const length of lengths) {
      for (const bytes of [body, body.subarray(0, -4)]) {
        await w.s3.put(Bucket, 'bomb', { body: bytes, metadata: { ...metadata, 'x-amz-tag-len': length } })
        assertRefused(await outcomeOf(client, 'bomb'), 'ERR_S3CSE_ENVELOPE_INVALID', length)
      }
    }
    assert.equal(keyring.unwraps(), 0)
  })

  it('what the metadata says about the length is not believed', async () => {
    for (const [version] of versions) {
      const { metadata, body } = await stored(aes, version)
      const client = w.client({ commitmentPolicy: readsAll })
      for (const length of ['-1', '0', '41', String(2 ** 53), '9'.repeat(300), '1e309', 'NaN', '', '0x28', '{}']) {
        const more = { 'x-amz-unencrypted-content-length': length, 'x-amz-meta-x': length }
        await w.s3.put(Bucket, 'bomb', { body, metadata: { ...metadata, ...more } })
        const output = await get(client, 'bomb')
        assert.equal(output.ContentLength, plaintext.length)
        assert.deepEqual(Buffer.from(await output.Body!.transformToByteArray()), plaintext)
      }
    }
  })

  it('metadata beyond what S3 can return is refused, envelope or not in what is beyond', async () => {
    const { metadata, body } = await stored(aes, 'V3')
    const refused: [string, Record<string, string>][] = [
      ['one value', { ...metadata, note: 'x'.repeat(16 * 1024) }],
      ['many keys', { ...metadata, ...Object.fromEntries(Array.from({ length: 4000 }, (_, i) => [`key-${i}`, 'x'])) }],
      ['a map', { ...metadata, 'x-amz-m': `{"a":"${'x'.repeat(64 * 1024 * 1024)}"}` }],
      ['Base64', { ...metadata, 'x-amz-3': 'A'.repeat(64 * 1024 * 1024) }],
    ]
    for (const [name, bomb] of refused) {
      const settings = { keyring: counting(aes.keyring) }
      const error: unknown = await load(settings, { metadata: bomb, body }).catch((reason: unknown) => reason)
      assert.ok(error instanceof CseError, name)
      assert.equal(error.code, 'ERR_S3CSE_ENVELOPE_INVALID', name)
      assert.ok(error.message.length < 500, name)
      assert.equal(settings.keyring.unwraps(), 0)
    }
    // As a response: a little less than what Node takes as headers.
    await w.s3.put(Bucket, 'bomb', { body, metadata: { ...metadata, note: 'x'.repeat(15_000) } })
    assert.deepEqual((await outcomeOf(w.client(), 'bomb')).released, plaintext)
  })
})
