// Crypt4GH objects that get other recipients, and parts of them.
import { Upload } from '@aws-sdk/lib-storage'
import type { S3Client } from '@aws-sdk/client-s3'
import assert from 'node:assert/strict'
import { before, beforeEach, describe, it } from 'node:test'

import { crypt4gh, x25519Keyring } from '../../src/crypt4gh.js'
import { generateKeyPair } from '../../src/crypt4gh/key-pair.js'
import { inspect, rearrange, reencrypt, rotateKey } from '../../src/index.js'
import type { Keyring } from '../../src/index.js'
import { code } from '../support/errors.js'
import { isProbe, nothingLeft } from '../support/rotate.js'
import { Bucket, get, pattern, put, read, world } from '../support/world.js'

const MiB = 1024 ** 2
const PART = 5 * MiB
const w = await world({ recordBodyBytes: 0 })

const pairs = await Promise.all([1, 2, 3].map(() => generateKeyPair()))
/** Reads as one of them, and writes for others. */
function person(own: number, recipients: readonly number[] = [own]): Keyring {
  const keyOf = (one: number) => pairs[one]?.publicKey ?? new Uint8Array()
  return x25519Keyring({ secretKey: pairs[own]?.secretKey ?? new Uint8Array(), recipients: recipients.map(keyOf) })
}
const [old, next, other] = [person(0), person(1), person(2)]
const by = (who: Keyring): S3Client => w.client({ keyring: who, format: crypt4gh() })

async function reads(key: string, who: Keyring, body: Uint8Array): Promise<void> {
  assert.ok((await read(by(who), key)).equals(body), `${key} is something else`)
}

async function readsNot(key: string, who: Keyring): Promise<void> {
  await assert.rejects(read(by(who), key), code('ERR_S3CSE_DECRYPTION_FAILED'))
}

async function part(key: string, who: Keyring, first: number, last: number): Promise<Buffer> {
  const { Body } = await get(by(who), key, { Range: `bytes=${first}-${last}` })
  return Buffer.from((await Body?.transformToByteArray()) ?? [])
}

beforeEach(() => {
  w.s3.requests.length = 0
})

describe('an object of 30 MiB', () => {
  const body = pattern(30 * MiB + 12_345)

  /** As one of them writes it for two. */
  async function upload(key: string): Promise<void> {
    const client = by(person(0, [0, 2]))
    await new Upload({ client, partSize: PART, params: { Bucket, Key: key, Body: body, Metadata: { a: 'b' } } }).done()
    w.s3.requests.length = 0
  }

  for (const trim of [false, true]) {
    it(`is read by the new recipient and not by the old one; by another ${trim ? 'neither (trim)' : 'as before'}`, async () => {
      const key = `trim ${trim}`
      await upload(key)
      const { bytesCopied, bytesMoved, facts } = await reencrypt(by(old), { Bucket, Key: key, to: next, trim })
      assert.equal(facts.format, 'crypt4gh')
      assert.ok(bytesMoved < PART && bytesCopied > 25 * MiB, `${bytesMoved} bytes were moved`)
      const downloads = w.s3.requests.filter(({ operation, key: of }) => operation === 'GetObject' && of === key)
      assert.ok(downloads.length <= 2 && downloads.every(({ headers }) => headers.range !== undefined))
      await reads(key, next, body)
      await readsNot(key, old)
      if (trim) await readsNot(key, other)
      else await reads(key, other, body)
      assert.equal((await w.stored(key)).metadata.a, 'b')
      assert.equal((await get(by(next), key)).ContentLength, body.length)
      assert.deepEqual(
        await part(key, next, 10 * MiB + 3, 10 * MiB + 70_000),
        body.subarray(10 * MiB + 3, 10 * MiB + 70_001),
      )
      assert.equal((await inspect(by(next), { Bucket, Key: key })).status, 'encrypted')
      nothingLeft(w)
    })
  }

  it('has parts, at any byte, that are read whole and by ranges', async () => {
    await upload('source')
    const ranges = [
      [0, 1],
      [65_535, 65_537],
      [100_001, 300_003],
      [70_000, 8 * MiB + 5],
      [3 * MiB + 1, undefined],
    ] as const
    for (const [start, end = body.length] of ranges) {
      const key = `part ${start}`
      const wanted = body.subarray(start, end)
      const CopySource = { Bucket, Key: 'source' }
      const { plaintextLength } = await rearrange(by(old), { Bucket, Key: key, CopySource, to: next, start, end })
      assert.equal(plaintextLength, wanted.length)
      await reads(key, next, wanted)
      await readsNot(key, old)
      await readsNot(key, other)
      const [first, last] = [Math.floor(wanted.length / 3), Math.floor(wanted.length / 2)]
      assert.deepEqual(await part(key, next, first, last), wanted.subarray(first, last + 1))
      assert.ok(
        (await w.stored(key)).body.length < wanted.length * 1.001 + 2 * 65_600 + 500,
        'more is stored than needed',
      )
    }
    nothingLeft(w)
  })

  it('has no part behind its end', async () => {
    await upload('source')
    const input = { Bucket, Key: 'none', CopySource: { Bucket, Key: 'source' }, start: body.length }
    await assert.rejects(rearrange(by(old), input), code('ERR_S3CSE_CONFIG'))
    assert.ok(w.s3.requests.every(({ operation }) => operation === 'HeadObject' || operation === 'GetObject'))
  })
})

describe('a small object', () => {
  const body = pattern(1000)
  before(() => put(by(old), 'probed', body))

  it('that others have stored, without a hint in its metadata, is re-encrypted', async () => {
    await put(by(old), 'written', body)
    const { body: stored } = await w.stored('written')
    await put(w.plain, 'foreign', stored)
    await reencrypt(by(old), { Bucket, Key: 'foreign', to: next })
    await reads('foreign', next, body)
    await readsNot('foreign', old)
  })

  it('is re-encrypted for several, and back', async () => {
    await put(by(old), 'several', body)
    await reencrypt(by(old), { Bucket, Key: 'several', to: person(0, [1, 2]) })
    for (const who of [next, other]) await reads('several', who, body)
    await readsNot('several', old)
    await reencrypt(by(next), { Bucket, Key: 'several', to: person(1, [0]), trim: true })
    await reads('several', old, body)
    for (const who of [next, other]) await readsNot('several', who)
  })

  it('that is empty as well', async () => {
    await put(by(old), 'empty', new Uint8Array(0))
    await reencrypt(by(old), { Bucket, Key: 'empty', to: next })
    await reads('empty', next, new Uint8Array(0))
    await readsNot('empty', old)
  })

  it('gets a new key by rotateKey, which refuses one that the old key is among', async () => {
    await put(by(old), 'rotated', body)
    const same = { Bucket, Key: 'rotated', to: person(1, [0, 1]) }
    await assert.rejects(rotateKey(by(old), same), code('ERR_S3CSE_ROTATION', /would open the new header/))
    await reads('rotated', old, body)
    assert.equal((await rotateKey(by(old), { ...same, to: next })).outcome, 'header')
    await reads('rotated', next, body)
    await readsNot('rotated', old)
    assert.equal((await rotateKey(by(old), { ...same, to: next })).outcome, 'unchanged')
  })

  it('is not for who has no key of it', async () => {
    await put(by(old), 'theirs', body)
    const stored = await w.stored('theirs')
    await assert.rejects(
      reencrypt(by(other), { Bucket, Key: 'theirs', to: other }),
      code('ERR_S3CSE_DECRYPTION_FAILED'),
    )
    assert.deepEqual(await w.stored('theirs'), stored)
    assert.equal(w.s3.requests.filter(isProbe).length, 0)
  })
})
