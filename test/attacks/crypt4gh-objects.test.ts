// Crypt4GH objects whose metadata lie, whose parts were moved, or whose uploads have odd ends.
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { describe, it } from 'node:test'

import { CopyObjectCommand, GetObjectCommand, HeadObjectCommand, type S3Client } from '@aws-sdk/client-s3'

import {
  bytesOf,
  editList,
  foreignPiecesOf,
  messageOf,
  packetFor,
  piecesOf,
  SEALED,
  SEGMENT,
} from './crypt4gh-support.js'
import { crypt4gh, encrypt, rearrange, x25519Keyring } from '../../src/crypt4gh.js'
import { CseError, download, encryptionInfo, plaintextSizes, requestOptions } from '../../src/index.js'
import type { Keyring } from '../../src/index.js'
import { folder } from '../client/download-support.js'
import { publicKey, secretKey } from '../support/crypt4gh-vectors.js'
import { code } from '../support/errors.js'
import { complete, completed, create, MiB, PART, send } from '../support/resume.js'
import { Bucket, bodyOf, get, pattern, put, read, world } from '../support/world.js'

const w = await world({ etag: 'random', verifyPayload: false, recordBodyBytes: 0 })
const files = folder(w)
const bob: Keyring = x25519Keyring({ secretKey: secretKey('bob') })
const alice: Keyring = x25519Keyring({
  secretKey: secretKey('alice'),
  recipients: [publicKey('alice'), publicKey('bob')],
})

const reader = (keyring = bob): S3Client => w.client({ keyring, format: crypt4gh() })

async function ranged(from: S3Client, Key: string, Range: string): Promise<Buffer> {
  const { Body } = await from.send(new GetObjectCommand({ Bucket, Key, Range }))
  return Buffer.from((await Body?.transformToByteArray()) ?? [])
}

function same(found: Uint8Array, expected: Uint8Array, what: string): void {
  assert.equal(found.length, expected.length, `${what}: length`)
  assert.equal(Buffer.compare(found, expected), 0, what)
}

describe('metadata that lie', () => {
  const plaintext = pattern(3 * SEGMENT + 100)
  const hints = [
    '',
    '1',
    '10,0',
    '124,0',
    '232,0',
    '232,1',
    '232,0,0',
    '232,0,7',
    '232,0,196708',
    '232,0,9007199254740991',
    '65796,0',
    '99999999,1',
    '232,0,999999999999999999999',
    '-1,0',
  ]

  for (const hint of hints) {
    it(`never change what is read: ${JSON.stringify(hint)}`, async () => {
      const { message } = await encrypt(plaintext, { keyring: alice })
      const list = await packetFor(publicKey('bob'), editList(10, 20, SEGMENT, 2 * SEGMENT))
      const { packets, segments } = await foreignPiecesOf(message)
      const edited = messageOf({ packets: [...packets, list], segments })
      const kept = Buffer.concat([plaintext.subarray(10, 30), plaintext.subarray(SEGMENT + 30, 3 * SEGMENT + 30)])
      for (const [name, body, expected] of [
        ['plain', message, plaintext],
        ['edited', edited, kept],
      ] as const) {
        await put(w.plain, name, body, { Metadata: { 's3-cse-crypt4gh': hint } })
        const client = reader()
        same(await read(client, name), expected, `${name}, whole`)
        for (const [start, end] of [
          [0, 1],
          [SEGMENT - 1, SEGMENT + 1],
          [expected.length - 1, expected.length],
          [15, 40],
        ] as const) {
          const found = await ranged(client, name, `bytes=${start}-${end - 1}`)
          same(found, expected.subarray(start, end), `${name} from ${start}`)
        }
        const suffix = await ranged(client, name, 'bytes=-9')
        assert.deepEqual(suffix, expected.subarray(-9))
        await assert.rejects(ranged(client, name, `bytes=${expected.length}-`), { name: 'InvalidRange' })
        await download(client, { Bucket, Key: name }, files.path, { partSize: PART })
        assert.equal(Buffer.compare(await readFile(files.path), expected), 0)
        // What they say is shown where no key is used, and nowhere else.
        const { Body, ContentLength } = await get(client, name)
        assert.equal(ContentLength, expected.length)
        await Body?.transformToByteArray()
        await client.send(new HeadObjectCommand({ Bucket, Key: name }))
        const sizes = await plaintextSizes(client, { Bucket, Contents: [{ Key: name }] })
        assert.ok(sizes.has(name), 'it is listed')
        await client.send(new CopyObjectCommand({ Bucket, Key: 'copy', CopySource: `${Bucket}/${name}` }))
        assert.equal(Buffer.compare(await read(client, 'copy'), expected), 0)
      }
    })
  }

  it('do not make a message of what is none', async () => {
    await put(w.plain, 'none', 'plain text', { Metadata: { 's3-cse-crypt4gh': '124,0' } })
    await assert.rejects(read(reader(), 'none'), code('ERR_S3CSE_ENVELOPE_INVALID'))
    const passing = w.client({ keyring: bob, format: crypt4gh(), passthrough: () => true })
    await assert.rejects(read(passing, 'none'), code('ERR_S3CSE_ENVELOPE_INVALID'))
  })
})

describe('what begins as a message does, and is none', () => {
  it('is a plain object to who takes those, and to nobody else', async () => {
    const start = Buffer.from('crypt4gh\x01\0\0\0\x05\0\0\0', 'latin1')
    for (const body of [start, Buffer.concat([start, Buffer.alloc(40, 1)])]) {
      await put(w.plain, 'short', body)
      await assert.rejects(read(reader(), 'short'), code('ERR_S3CSE_ENVELOPE_INVALID'))
      const passing = w.client({ keyring: bob, format: crypt4gh(), passthrough: () => true })
      assert.deepEqual(await read(passing, 'short'), body)
    }
  })
})

describe('an edit list', () => {
  it('is applied alike to whole reads, to ranges that are known or not, and to downloads', async () => {
    const plaintext = pattern(4 * SEGMENT + 1000)
    const { message } = await encrypt(plaintext, { keyring: alice })
    const { packets, segments } = await foreignPiecesOf(message)
    const lists: readonly (readonly number[])[] = [
      [0, 1],
      [SEGMENT, 1],
      [SEGMENT - 1, 2],
      [0, SEGMENT, 0, 1, 0, SEGMENT],
      [0, 0, 5, 0, 0, 10],
      [5, 5, 5, 5, 5, 5, 3 * SEGMENT],
      [plaintext.length - 1],
      [plaintext.length],
      [0, 0],
      [plaintext.length - 3, 3],
      [SEGMENT + 7, 2 * SEGMENT, 9, 1],
    ]
    for (const list of lists) {
      const kept: Uint8Array[] = []
      let at = 0
      list.forEach((length, index) => {
        if (index % 2 === 1) kept.push(plaintext.subarray(at, at + length))
        at += length
      })
      if (list.length % 2 === 1) kept.push(plaintext.subarray(at))
      const expected = Buffer.concat(kept)
      const packet = await packetFor(publicKey('bob'), editList(...list))
      await put(w.plain, 'list', messageOf({ packets: [...packets, packet], segments }))
      const client = reader()
      assert.equal(Buffer.compare(await read(client, 'list'), expected), 0, String(list))
      for (const start of [0, 1, 4, 5, 9, SEGMENT - 1, SEGMENT, expected.length - 1]) {
        if (start < 0 || start >= expected.length) continue
        for (const length of [1, 2, 11, SEGMENT + 1]) {
          const found = await ranged(client, 'list', `bytes=${start}-${start + length - 1}`)
          assert.equal(Buffer.compare(found, expected.subarray(start, start + length)), 0, `${String(list)}: ${start}`)
        }
      }
      await download(client, { Bucket, Key: 'list' }, files.path, { partSize: PART })
      assert.equal(Buffer.compare(await readFile(files.path), expected), 0, `${String(list)}: download`)
    }
  })

  it('of a large object is downloaded in parallel', async () => {
    const plaintext = pattern(17 * MiB + 5)
    const { message } = await encrypt(plaintext, { keyring: alice })
    const { packets, segments } = await foreignPiecesOf(message)
    const lengths = [100, 6 * MiB, 3, 1, MiB - 1, 7 * MiB]
    const packet = await packetFor(publicKey('bob'), editList(...lengths))
    await put(w.plain, 'large', messageOf({ packets: [...packets, packet], segments }))
    await download(reader(), { Bucket, Key: 'large' }, files.path, { partSize: PART })
    const second = 100 + 6 * MiB + 3
    const third = second + 1 + MiB - 1
    const expected = Buffer.concat([
      plaintext.subarray(100, 100 + 6 * MiB),
      plaintext.subarray(second, second + 1),
      plaintext.subarray(third, third + 7 * MiB),
    ])
    assert.equal(Buffer.compare(await readFile(files.path), expected), 0)
  })
})

describe('a part of a message, as an object of its own', () => {
  it('is read in its order also where its header is known', async () => {
    const { message } = await encrypt(pattern(8 * SEGMENT), { keyring: alice })
    const part = piecesOf(await bytesOf(rearrange(message, { keyring: bob, to: alice, start: SEGMENT })))
    const segments = [...part.segments]
    ;[segments[3], segments[4]] = [segments[4]!, segments[3]!]
    await put(w.plain, 'moved', messageOf({ ...part, segments }))
    const client = reader()
    assert.equal((await ranged(client, 'moved', 'bytes=0-9')).length, 10)
    for (const index of [3, 4]) {
      const at = index * SEGMENT
      await assert.rejects(ranged(client, 'moved', `bytes=${at}-${at + 9}`), code('ERR_S3CSE_DECRYPTION_FAILED'))
    }
    assert.equal((await ranged(client, 'moved', `bytes=${2 * SEGMENT}-${2 * SEGMENT + 9}`)).length, 10)
  })
})

describe('an upload in parts', () => {
  for (const [mode, options] of [
    ['method 0', {}],
    ['the draft mode', { experimentalAuthenticatedMode: 'write' }],
  ] as const) {
    for (const known of [false, true]) {
      const how = `${mode}, length ${known ? 'known' : 'not known'}`

      it(`of any lengths of parts is read as it was written (${how})`, async () => {
        const client = w.client({ keyring: alice, format: crypt4gh(options) })
        const cases: readonly (readonly number[])[] = [
          [0],
          [1],
          [SEGMENT],
          [PART],
          [PART, SEGMENT],
          [PART, 0],
          [PART + 1, PART + 77, 3],
          [PART + SEGMENT - 1, SEGMENT + 1],
          [PART + SEGMENT - 1, 1],
        ]
        for (const lengths of cases) {
          const length = lengths.reduce((sum, one) => sum + one, 0)
          const body = pattern(length)
          const upload = await create(client, 'odd', known ? { plaintextLength: length } : {})
          const parts = []
          let at = 0
          for (const [index, one] of lengths.entries()) {
            const sent = await send(client, upload, index + 1, body.subarray(at, (at += one)))
            parts.push(completed(index + 1, sent))
          }
          await complete(client, upload, parts)
          const output = await get(client, 'odd')
          const chunks: Uint8Array[] = []
          for await (const chunk of bodyOf(output)) chunks.push(chunk as Uint8Array)
          assert.equal(Buffer.compare(Buffer.concat(chunks), body), 0, String(lengths))
          const integrity = encryptionInfo(output)?.envelope?.integrity
          if (mode !== 'method 0' || known) assert.equal(integrity, 'ordered', String(lengths))
          const { ContentLength } = await client.send(new HeadObjectCommand({ Bucket, Key: 'odd' }))
          assert.equal(ContentLength, length, String(lengths))
          const stored = Buffer.from((await w.stored('odd')).body)
          const header = 16 + 2 * (mode === 'method 0' ? 108 : 116)
          const nonces = new Set<string>()
          for (let from = header; from < stored.length; from += SEALED) {
            nonces.add(stored.subarray(from, from + 12).toString('hex'))
          }
          assert.equal(
            nonces.size,
            Math.ceil((stored.length - header) / SEALED),
            `${String(lengths)}: each has its own nonce`,
          )
        }
      })
    }
  }

  it('of a known length is not completed with less, and what is behind its end is not sent', async () => {
    const client = w.client({ keyring: alice, format: crypt4gh() })
    const upload = await create(client, 'less', { plaintextLength: 2 * PART })
    const first = completed(1, await send(client, upload, 1, pattern(PART)))
    await assert.rejects(
      complete(client, upload, [first]),
      (error: unknown) =>
        error instanceof CseError && ['ERR_S3CSE_BODY_LENGTH', 'ERR_S3CSE_CONFIG'].includes(error.code),
    )
    assert.equal(await w.s3.object(Bucket, 'less'), undefined)
  })
})

describe('a header that is known', () => {
  it('is used for nobody with another keyring, also where that is given with the request only', async () => {
    await put(w.client({ keyring: alice, format: crypt4gh() }), 'known', pattern(3 * SEGMENT))
    const client = reader()
    await ranged(client, 'known', 'bytes=0-9')
    const carol = x25519Keyring({ secretKey: secretKey('carol') })
    const pinned = x25519Keyring({ secretKey: secretKey('bob'), senderPublicKey: publicKey('carol') })
    for (const keyring of [carol, pinned]) {
      const input = requestOptions({ Bucket, Key: 'known', Range: 'bytes=0-9' }, { keyring })
      await assert.rejects(client.send(new GetObjectCommand(input)), code('ERR_S3CSE_DECRYPTION_FAILED'))
    }
    assert.equal((await ranged(client, 'known', 'bytes=0-9')).length, 10)
  })
})
