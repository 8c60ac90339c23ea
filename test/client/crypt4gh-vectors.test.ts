import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { GetObjectCommand, HeadObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3'
import type { GetObjectCommandOutput, S3Client } from '@aws-sdk/client-s3'

import { crypt4gh } from '../../src/crypt4gh.js'
import { encryptionInfo, type CseErrorCode, type Keyring } from '../../src/index.js'
import {
  negativeVectors,
  plaintextOf,
  readerOf,
  sealedOf,
  validVectors,
  type ValidVector,
} from '../support/crypt4gh-vectors.js'
import { code } from '../support/errors.js'
import { Bucket, get, world } from '../support/world.js'

const w = await world()
const format = crypt4gh({ experimentalAuthenticatedMode: 'read' })

async function put(Key: string, Body: Uint8Array): Promise<void> {
  await w.plain.send(new PutObjectCommand({ Bucket, Key, Body }))
}

const reader = (keyring: Keyring): S3Client => w.client({ keyring, format })

async function bytesOf({ Body }: GetObjectCommandOutput): Promise<Uint8Array> {
  return Body!.transformToByteArray()
}

const same = (found: Uint8Array, expected: Uint8Array, what: string): void =>
  assert.equal(Buffer.compare(found, expected), 0, what)

/** Around every place where something begins or ends. */
function rangesOf({ plaintextLength: length }: ValidVector): (readonly [number, number])[] {
  const places = [0, 1, 65535, 65536, 65537, 131071, 131072, length - 1, Math.floor(length / 2)]
  const inside = [...new Set(places)].filter((place) => place >= 0 && place < length)
  return inside.flatMap((start) => inside.filter((end) => end >= start).map((end) => [start, end] as const))
}

describe('Crypt4GH vectors, as objects', () => {
  for (const vector of validVectors) {
    const { id, recipients, plaintextLength, dataMethod } = vector
    it(`${id} is read with each recipient's key, whole and in ranges`, async () => {
      const [Key, plaintext] = [`valid/${id}`, plaintextOf(vector)]
      await put(Key, sealedOf(vector))
      for (const name of recipients) {
        const client = reader(readerOf([name]))
        const output = await client.send(new GetObjectCommand({ Bucket, Key }))
        assert.equal(output.ContentLength, plaintextLength)
        same(await bytesOf(output), plaintext, id)
        const { envelope, authentication } = encryptionInfo(output)!
        assert.equal(authentication, 'verified')
        assert.equal(envelope!.integrity, dataMethod === 1 ? 'ordered' : 'segment')
      }
      // Who has the keys of all of them has each thing several times.
      assert.equal(Buffer.compare(await bytesOf(await get(reader(readerOf(recipients)), Key)), plaintext), 0)
      const client = reader(readerOf(recipients.slice(0, 1)))
      for (const [start, last] of rangesOf(vector)) {
        const output = await client.send(new GetObjectCommand({ Bucket, Key, Range: `bytes=${start}-${last}` }))
        assert.equal(output.ContentRange, `bytes ${start}-${last}/${plaintextLength}`)
        same(await bytesOf(output), plaintext.subarray(start, last + 1), `${id} ${start}-${last}`)
      }
      const head = await client.send(new HeadObjectCommand({ Bucket, Key }))
      if (head.ContentLength !== undefined) assert.equal(head.ContentLength, plaintextLength)
    })
  }

  for (const { id, expect, reason, readers, senderPublicKey, ...vector } of negativeVectors) {
    const body = sealedOf({ id, ...vector })
    // What is not marked as a message, and does not begin as one, is a plain object, which is refused as well.
    const codes = ['ERR_S3CSE_ENVELOPE_INVALID', 'ERR_S3CSE_DECRYPTION_FAILED', 'ERR_S3CSE_NOT_ENCRYPTED']
    const read = async (Range?: string): Promise<Uint8Array> => {
      const client = reader(readerOf(readers, senderPublicKey))
      return bytesOf(await client.send(new GetObjectCommand({ Bucket, Key: `negative/${id}`, Range })))
    }
    if (expect === 'reject') {
      it(`${id} is refused (${reason})`, async () => {
        await put(`negative/${id}`, body)
        await assert.rejects(read(), (error: unknown) => codes.includes((error as { code: string }).code))
      })
    } else if (expect === 'accept') {
      it(`${id} is read: the format cannot tell (${reason})`, async () => {
        await put(`negative/${id}`, body)
        await read()
      })
    }
  }

  const either: Readonly<Record<string, CseErrorCode | number>> = {
    'm0-empty-segment': 0,
    'edit-past-end-skip': 'ERR_S3CSE_DECRYPTION_FAILED',
    'edit-2p63': 'ERR_S3CSE_DECRYPTION_FAILED',
    'edit-2p64': 'ERR_S3CSE_DECRYPTION_FAILED',
    'edit-zero-zero': 0,
  }
  it('what readers may do as they like has an answer here', async () => {
    const found = negativeVectors.filter(({ expect }) => expect === 'either')
    assert.deepEqual(found.map(({ id }) => id).sort(), Object.keys(either).sort())
    for (const vector of found) {
      const Key = `either/${vector.id}`
      await put(Key, sealedOf(vector))
      const reading = reader(readerOf(vector.readers)).send(new GetObjectCommand({ Bucket, Key })).then(bytesOf)
      const wanted = either[vector.id]
      if (typeof wanted === 'string') await assert.rejects(reading, code(wanted), vector.id)
      else assert.equal((await reading).length, wanted, vector.id)
    }
  })

  it('who has several keys reads what is there for each of them, also where it is timed', async () => {
    const vector = validVectors.find(({ editList, recipients }) => editList !== undefined && recipients.length > 1)!
    await put('several', sealedOf(vector))
    const events: string[] = []
    const onEvent = ({ type }: { readonly type: string }): void => void events.push(type)
    const client = w.client({ keyring: readerOf(vector.recipients), format, onEvent })
    same(await bytesOf(await get(client, 'several')), plaintextOf(vector), vector.id)
    assert.ok(events.includes('dataKey'), 'the keyring was timed')
  })

  it('the draft mode is not read unless it is asked for', async () => {
    const vector = validVectors.find(({ dataMethod }) => dataMethod === 1)!
    await put('draft', sealedOf(vector))
    const client = w.client({ keyring: readerOf(vector.recipients), format: crypt4gh() })
    await assert.rejects(client.send(new GetObjectCommand({ Bucket, Key: 'draft' })), code('ERR_S3CSE_POLICY'))
  })
})
