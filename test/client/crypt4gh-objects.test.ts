// Crypt4GH objects: written in one request, in parts, continued; read whole, in ranges and as downloads; and what is refused.
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { beforeEach, describe, it } from 'node:test'
import { CopyObjectCommand, GetObjectCommand, HeadObjectCommand, type S3Client } from '@aws-sdk/client-s3'
import { Upload } from '@aws-sdk/lib-storage'

import { crypt4gh, x25519Keyring, type Crypt4ghOptions } from '../../src/crypt4gh.js'
import { esdk } from '../../src/esdk.js'
import {
  aesKeyring,
  download,
  encryptionInfo,
  importUpload,
  multiKeyring,
  rearrange,
  requestOptions,
  s3ec,
} from '../../src/index.js'
import { cachingKeyring, type EncryptionOptions, type Keyring } from '../../src/index.js'
import { publicKey, secretKey } from '../support/crypt4gh-vectors.js'
import { code } from '../support/errors.js'
import { complete, completed, create, finish, log, MiB, PART, partsSent, send, source } from '../support/resume.js'
import { Bucket, get, pattern, put, read, world } from '../support/world.js'
import { folder } from './download-support.js'

const w = await world({ etag: 'random', verifyPayload: false, recordBodyBytes: 0 })
const files = folder(w)
const SEGMENT = 65536
const SEALED = SEGMENT + 28

const alice: Keyring = x25519Keyring({
  secretKey: secretKey('alice'),
  recipients: [publicKey('alice'), publicKey('bob')],
  senderPublicKey: publicKey('alice'),
})
const bob: Keyring = x25519Keyring({ secretKey: secretKey('bob'), senderPublicKey: [publicKey('alice')] })
const carol: Keyring = x25519Keyring({ secretKey: secretKey('carol') })

function client(options: Crypt4ghOptions = {}, more: Partial<EncryptionOptions> = {}): S3Client {
  return w.client({ keyring: alice, format: crypt4gh(options), ...more })
}

async function ranged(from: S3Client, Key: string, Range: string): Promise<Buffer> {
  const { Body } = await from.send(new GetObjectCommand({ Bucket, Key, Range }))
  return Buffer.from((await Body?.transformToByteArray()) ?? [])
}

async function integrityOf(from: S3Client, Key: string): Promise<unknown> {
  const output = await get(from, Key)
  await output.Body?.transformToByteArray()
  return encryptionInfo(output)?.envelope?.integrity
}

/** The stored object with its segments as `change` gives them. */
async function rearranged(Key: string, to: string, change: (segments: Buffer[]) => Buffer[]): Promise<void> {
  const { body, metadata } = await w.stored(Key)
  const stored = Buffer.from(body)
  const header = 16 + 108 * stored.readUInt32LE(12)
  const segments: Buffer[] = []
  for (let at = header; at < stored.length; at += SEALED) segments.push(stored.subarray(at, at + SEALED))
  await put(w.plain, to, Buffer.concat([stored.subarray(0, header), ...change(segments)]), { Metadata: metadata })
}

beforeEach(() => {
  w.s3.requests.length = 0
  w.s3.faults.length = 0
})

const MODES: readonly (readonly [string, Crypt4ghOptions])[] = [
  ['method 0', {}],
  ['the draft mode', { experimentalAuthenticatedMode: 'write' }],
]

describe('an object in one request', () => {
  for (const [name, options] of MODES) {
    it(`of any length, in ${name}`, async () => {
      for (const length of [0, 1, SEGMENT - 1, SEGMENT, SEGMENT + 1, 3 * SEGMENT, 200_000]) {
        const body = pattern(length)
        const writer = client(options)
        await put(writer, 'one', body)
        const stored = await w.stored('one')
        const isDraft = name !== 'method 0'
        const ends = isDraft || length % SEGMENT > 0 ? 28 + (length % SEGMENT) : 0
        assert.equal(stored.body.length, 16 + 2 * (isDraft ? 116 : 108) + Math.floor(length / SEGMENT) * SEALED + ends)
        for (const keyring of [alice, bob]) {
          const reader = client(options, { keyring })
          assert.deepEqual(await read(reader, 'one'), body)
          assert.equal((await reader.send(new HeadObjectCommand({ Bucket, Key: 'one' }))).ContentLength, length)
          assert.equal(await integrityOf(reader, 'one'), 'ordered')
        }
        await assert.rejects(read(client(options, { keyring: carol }), 'one'), code('ERR_S3CSE_DECRYPTION_FAILED'))
      }
    })
  }

  it('streams, and what is recognised by its first bytes only', async () => {
    const body = pattern(300_000)
    async function* chunks(): AsyncGenerator<Uint8Array> {
      for (let at = 0; at < body.length; at += 70_001) yield body.subarray(at, at + 70_001)
    }
    const params = requestOptions({ Bucket, Key: 'stream', Body: chunks() }, {})
    await put(client(), 'stream', params.Body, { ContentLength: body.length })
    const { body: stored, metadata } = await w.stored('stream')
    assert.deepEqual(Object.keys(metadata), ['s3-cse-crypt4gh'])
    await put(w.plain, 'bare', stored)
    const reader = w.client({ alsoRead: [crypt4gh()], keyring: both })
    for (const Key of ['stream', 'bare']) assert.deepEqual(await read(reader, Key), body)
    assert.equal(await integrityOf(reader, 'bare'), 'ordered')
  })

  it('has no two segments or packets with one nonce', async () => {
    await put(client(), 'nonces', pattern(20 * SEGMENT))
    const stored = Buffer.from((await w.stored('nonces')).body)
    const header = 16 + 2 * 108
    const nonces = Array.from({ length: 20 }, (_, i) => stored.subarray(header + i * SEALED, header + i * SEALED + 12))
    assert.equal(new Set(nonces.map((nonce) => nonce.toString('hex'))).size, 20)
    await put(client(), 'again', pattern(20 * SEGMENT))
    const again = Buffer.from((await w.stored('again')).body)
    assert.ok(
      nonces.every((nonce) => !again.includes(nonce)),
      'another object has others',
    )
  })
})

const both: Keyring = {
  wrap: (request) => (request.suite.format === 'crypt4gh' ? alice : aes).wrap(request),
  unwrap: (request) => (request.suite.format === 'crypt4gh' ? bob : aes).unwrap(request),
}
const aes = aesKeyring({ wrappingKey: new Uint8Array(32).fill(7) })

describe('ranges', () => {
  it('read the segments that they need, in one request where the header is known', async () => {
    const body = pattern(40 * SEGMENT + 5)
    await put(client(), 'range', body)
    const reader = client({}, { keyring: bob })
    assert.deepEqual(await ranged(reader, 'range', 'bytes=65530-65545'), body.subarray(65530, 65546))
    w.s3.requests.length = 0
    assert.deepEqual(await ranged(reader, 'range', 'bytes=1000000-1000009'), body.subarray(1_000_000, 1_000_010))
    const [request, ...more] = w.s3.requests
    assert.equal(more.length, 0)
    const at = 232 + 15 * SEALED
    assert.equal(request?.headers.range, `bytes=${at}-${at + SEALED - 1}`)
    assert.deepEqual(await ranged(reader, 'range', 'bytes=-7'), body.subarray(-7))
    assert.deepEqual(await ranged(reader, 'range', `bytes=${body.length - 1}-`), body.subarray(-1))
    await assert.rejects(ranged(reader, 'range', `bytes=${body.length}-`), { name: 'InvalidRange' })
  })

  it('of another keyring do not use a header that the first has opened', async () => {
    await put(client(), 'other', pattern(3 * SEGMENT))
    const reader = client({}, { keyring: bob })
    await ranged(reader, 'other', 'bytes=0-9')
    const input = requestOptions({ Bucket, Key: 'other', Range: 'bytes=0-9' }, { keyring: carol })
    await assert.rejects(reader.send(new GetObjectCommand(input)), code('ERR_S3CSE_DECRYPTION_FAILED'))
  })
})

describe('segments that were moved', () => {
  const changes: Readonly<Record<string, (segments: Buffer[]) => Buffer[]>> = {
    swapped: ([a, b, ...rest]) => [b!, a!, ...rest],
    repeated: ([a, ...rest]) => [a!, a!, ...rest],
    'without the first': ([, ...rest]) => rest,
    'without one in the middle': ([a, , ...rest]) => [a!, ...rest],
    'without the last': (all) => all.slice(0, -1),
    'without the last two': (all) => all.slice(0, -2),
    'without any': () => [],
  }
  for (const [mode, options] of MODES) {
    for (const [name, change] of Object.entries(changes)) {
      it(`${name}: noticed in ${mode}, whole and in ranges`, async () => {
        for (const length of [4 * SEGMENT, 3 * SEGMENT + 9]) {
          await put(client(options), 'whole', pattern(length))
          if (mode === 'method 0') await rearranged('whole', 'moved', change)
          else {
            const { body, metadata } = await w.stored('whole')
            const stored = Buffer.from(body)
            const segments: Buffer[] = []
            for (let at = 248; at < stored.length; at += SEALED) segments.push(stored.subarray(at, at + SEALED))
            const moved = Buffer.concat([stored.subarray(0, 248), ...change(segments)])
            await put(w.plain, 'moved', moved, { Metadata: metadata })
          }
          const reader = client(options, { keyring: bob })
          await assert.rejects(read(reader, 'moved'), code('ERR_S3CSE_DECRYPTION_FAILED'))
          if (name.startsWith('without the last') || name === 'without any') {
            await assert.rejects(ranged(reader, 'moved', 'bytes=-1'), code('ERR_S3CSE_DECRYPTION_FAILED'))
            await assert.rejects(ranged(reader, 'moved', 'bytes=0-0'), code('ERR_S3CSE_DECRYPTION_FAILED'))
          }
        }
      })
    }
  }

  it('are not mixed with those of a data key that somebody has put beside it', async () => {
    await put(client(), 'mine', pattern(2 * SEGMENT))
    const evil = client(
      {},
      { keyring: x25519Keyring({ secretKey: secretKey('carol'), recipients: [publicKey('bob')] }) },
    )
    await put(evil, 'evil', pattern(2 * SEGMENT))
    const [mine, other] = await Promise.all(
      ['mine', 'evil'].map(async (Key) => Buffer.from((await w.stored(Key)).body)),
    )
    const start = Buffer.from(mine!.subarray(0, 16))
    start.writeUInt32LE(3, 12)
    const header = Buffer.concat([start, mine!.subarray(16, 232), other!.subarray(16, 124)])
    const mixed = Buffer.concat([header, mine!.subarray(232, 232 + SEALED), other!.subarray(124 + SEALED)])
    await put(w.plain, 'mixed', mixed)
    const reader = w.client({ keyring: x25519Keyring({ secretKey: secretKey('bob') }), format: crypt4gh() })
    await assert.rejects(read(reader, 'mixed'), code('ERR_S3CSE_DECRYPTION_FAILED'))
    // Of a sender who is known, packets of others are not even opened.
    await put(w.plain, 'extra', Buffer.concat([header, mine!.subarray(232)]))
    assert.deepEqual(await read(client({}, { keyring: bob }), 'extra'), pattern(2 * SEGMENT))
  })
})

describe('an upload in parts', () => {
  for (const [mode, options] of MODES) {
    for (const length of [2 * (PART + MiB) + 12_345, 2 * (PART + MiB), 3 * PART + 1]) {
      it(`of ${length} bytes in ${mode}, with a part that has to be sent again`, async () => {
        const from = client(options)
        const body = pattern(length)
        w.s3.fail({ match: ({ operation }) => operation === 'UploadPart', status: 503, times: 2 })
        const params = { Bucket, Key: 'parts', Body: body }
        await new Upload({
          client: from,
          params,
          partSize: length % PART === 1 ? PART : PART + MiB,
          queueSize: 3,
        }).done()
        assert.deepEqual(await read(from, 'parts'), body)
        assert.deepEqual(await ranged(from, 'parts', 'bytes=-3'), body.subarray(-3))
        assert.equal((await from.send(new HeadObjectCommand({ Bucket, Key: 'parts' }))).ContentLength, length)
        assert.equal(await integrityOf(from, 'parts'), mode === 'method 0' ? 'segment' : 'ordered')
      })
    }
  }

  it('whose length is known when it is created has an end, too', async () => {
    for (const length of [2 * (PART + MiB) + 12_345, 2 * (PART + MiB)]) {
      const [from, body] = [client(), pattern(length)]
      const params = requestOptions({ Bucket, Key: 'known', Body: body }, { plaintextLength: length })
      await new Upload({ client: from, params, partSize: PART + MiB }).done()
      assert.deepEqual(await read(from, 'known'), body)
      assert.equal(await integrityOf(from, 'known'), 'ordered')
      await rearranged('known', 'cut', (segments) => segments.slice(0, -1))
      await assert.rejects(read(from, 'cut'), code('ERR_S3CSE_DECRYPTION_FAILED'))
      await rearranged('known', 'swapped', ([a, b, ...rest]) => [b!, a!, ...rest])
      await assert.rejects(read(from, 'swapped'), code('ERR_S3CSE_DECRYPTION_FAILED'))
    }
  })

  it('of another length than was said is not completed', async () => {
    for (const format of [crypt4gh(), s3ec()]) {
      const from = w.client({ format, keyring: both })
      for (const plaintextLength of [2 * PART, 2 * PART - 1]) {
        const upload = await create(from, 'wrong', { plaintextLength })
        await assert.rejects(
          (async () => {
            const sent = [1, 2].map((number) => (number === 1 ? pattern(PART) : pattern(1000)))
            const parts = []
            for (const [index, body] of sent.entries()) {
              parts.push(completed(index + 1, await send(from, upload, index + 1, body)))
            }
            await complete(from, upload, parts)
          })(),
          (error: unknown) => ['ERR_S3CSE_BODY_LENGTH', 'ERR_S3CSE_CONFIG'].includes((error as { code: string }).code),
        )
        assert.equal(await w.s3.object(Bucket, 'wrong'), undefined)
      }
      await assert.rejects(
        put(from, 'wrong', 'abc', requestOptions({}, { plaintextLength: 4 })),
        code('ERR_S3CSE_BODY_LENGTH'),
      )
    }
  })

  it('whose order was changed is refused, even though its end is not bound', async () => {
    const [from, body] = [client(), pattern(2 * PART)]
    await new Upload({ client: from, params: { Bucket, Key: 'order', Body: body }, partSize: PART }).done()
    await rearranged('order', 'swapped', ([a, b, ...rest]) => [b!, a!, ...rest])
    await assert.rejects(read(from, 'swapped'), code('ERR_S3CSE_DECRYPTION_FAILED'))
    await rearranged('order', 'late', ([, ...rest]) => rest)
    await assert.rejects(read(from, 'late'), code('ERR_S3CSE_DECRYPTION_FAILED'))
    // What is missing at the end nobody can tell.
    await rearranged('order', 'cut', (segments) => segments.slice(0, -1))
    assert.deepEqual(await read(from, 'cut'), body.subarray(0, -SEGMENT))
  })
})

describe('a part that was cut out', () => {
  it('has its segments from the first on, in their order, and no others', async () => {
    const body = pattern(6 * SEGMENT + 10)
    await put(client(), 'source', body)
    const [start, end] = [2 * SEGMENT + 5, 4 * SEGMENT + 5]
    await rearrange(client(), { Bucket, Key: 'part', CopySource: { Bucket, Key: 'source' }, start, end })
    assert.deepEqual(await read(client({}, { keyring: alice }), 'part'), body.subarray(start, end))
    const whole = Buffer.from((await w.stored('source')).body).subarray(232)
    const at = (index: number): Buffer => whole.subarray(index * SEALED, (index + 1) * SEALED)
    const part = Buffer.from((await w.stored('part')).body)
    const header = part.subarray(0, part.length - 3 * SEALED)
    const stored = async (...segments: Buffer[]): Promise<Buffer> => {
      await put(w.plain, 'made', Buffer.concat([header, ...segments]))
      return read(client(), 'made')
    }
    assert.deepEqual(await stored(at(2), at(3), at(4)), body.subarray(start, end))
    for (const segments of [
      [at(3), at(4), at(5)],
      [at(0), at(1), at(2)],
      [at(0), at(1), at(2), at(3), at(4), at(5)],
      [at(2), at(4), at(3)],
      [at(2), at(2), at(3)],
      [at(2), at(3)],
      [],
    ]) {
      await assert.rejects(stored(...segments), code('ERR_S3CSE_DECRYPTION_FAILED'))
    }
  })
})

describe('a part in the draft mode', () => {
  it('has the end of the message, an empty segment included', async () => {
    const from = client({ experimentalAuthenticatedMode: 'write' })
    for (const length of [4 * SEGMENT, 3 * SEGMENT + 9]) {
      const body = pattern(length)
      await put(from, 'draft', body)
      const cut = { Bucket, Key: 'tail', CopySource: { Bucket, Key: 'draft' }, start: 2 * SEGMENT + 3, overwrite: true }
      await rearrange(from, { ...cut, end: length })
      assert.deepEqual(await read(from, 'tail'), body.subarray(2 * SEGMENT + 3))
      assert.equal(await integrityOf(from, 'tail'), 'ordered')
      await assert.rejects(rearrange(from, { ...cut, end: length - SEGMENT }), code('ERR_S3CSE_RANGE_REFUSED'))
    }
  })
})

describe('a saved upload', () => {
  const parts = source(PART, PART, 1000)
  const whole = Buffer.concat(parts)
  for (const [mode, options] of MODES) {
    for (const known of [undefined, whole.length]) {
      it(`in ${mode}, ${known === undefined ? 'of no known length' : 'of known length'}, is finished by another client`, async () => {
        const saved = log()
        const extra = known === undefined ? {} : { plaintextLength: known }
        const name = await create(client(options), 'saved', { saveUpload: saved.save, partSize: PART, ...extra })
        const first = client(options)
        const imported = await importUpload(first, { Bucket, Key: 'saved' }, saved.text, { saveUpload: saved.save })
        assert.equal(imported.UploadId, name.UploadId)
        await send(first, imported, 2, parts[1])
        const second = client(options)
        const again = await importUpload(second, { Bucket, Key: 'saved' }, saved.text, { saveUpload: saved.save })
        await finish(second, again, parts)
        assert.deepEqual(await read(client(options, { keyring: bob }), 'saved'), whole)
        assert.deepEqual(partsSent(w.s3).length > 0, true)
        const ordered = mode !== 'method 0' || known !== undefined
        assert.equal(await integrityOf(client(options), 'saved'), ordered ? 'ordered' : 'segment')
      })
    }
  }

  it('is continued with a key of its own by who cannot read', async () => {
    const writer = x25519Keyring({ recipients: [publicKey('bob')] })
    const saved = log()
    const stateKey = new Uint8Array(32).fill(3)
    const options = { keyring: writer, format: crypt4gh() }
    await create(w.client(options), 'blind', { saveUpload: saved.save, partSize: PART, stateKey })
    const second = w.client(options)
    const again = await importUpload(second, { Bucket, Key: 'blind' }, saved.text, { saveUpload: saved.save, stateKey })
    const sent = []
    for (const [index, part] of parts.entries()) {
      sent.push(completed(index + 1, await send(second, again, index + 1, part)))
    }
    await complete(second, again, sent)
    const reader = w.client({ keyring: x25519Keyring({ secretKey: secretKey('bob') }), format: crypt4gh() })
    assert.deepEqual(await read(reader, 'blind'), whole)
    await assert.rejects(
      create(w.client(options), 'blind', { saveUpload: saved.save, partSize: PART }),
      code('ERR_S3CSE_UPLOAD_STATE'),
    )
  })

  it('is not continued in another mode', async () => {
    const saved = log()
    await create(client(), 'mode', { saveUpload: saved.save, partSize: PART })
    const other = client({ experimentalAuthenticatedMode: 'write' })
    await assert.rejects(importUpload(other, { Bucket, Key: 'mode' }, saved.text), code('ERR_S3CSE_POLICY'))
    assert.deepEqual(partsSent(w.s3), [])
  })
})

describe('what is asked of messages that are read', () => {
  it('is that their order and end are bound, where that is required', async () => {
    const strict = client({ requireOrdered: true })
    await put(strict, 'strict', pattern(2 * SEGMENT))
    assert.deepEqual(await read(strict, 'strict'), pattern(2 * SEGMENT))
    const params = { Bucket, Key: 'loose', Body: pattern(2 * PART) }
    await new Upload({ client: client(), params, partSize: PART }).done()
    await assert.rejects(read(strict, 'loose'), code('ERR_S3CSE_POLICY'))
    await assert.rejects(ranged(strict, 'loose', 'bytes=0-9'), code('ERR_S3CSE_POLICY'))
    assert.deepEqual(await read(client(), 'loose'), pattern(2 * PART))
    assert.throws(() => crypt4gh({ requireOrdered: 1 as never }), code('ERR_S3CSE_CONFIG'))
  })

  it('is another keyring than what the client writes is', async () => {
    await put(client(), 'theirs', pattern(70_000))
    for (const [keyring, format] of [
      [aes, s3ec()],
      [aesKeyring({ wrappingKey: new Uint8Array(32).fill(7), keyNamespace: 'a', keyName: 'b' }), esdk()],
    ] as const) {
      const from = w.client({ keyring, format, alsoRead: [crypt4gh({ keyring: bob })] })
      assert.deepEqual(await read(from, 'theirs'), pattern(70_000))
      assert.deepEqual(await ranged(from, 'theirs', 'bytes=65530-65539'), pattern(70_000).subarray(65_530, 65_540))
      await put(from, 'mine', 'abc')
      assert.deepEqual(await read(from, 'mine'), Buffer.from('abc'))
      assert.equal((await w.stored('mine')).metadata['s3-cse-crypt4gh'], undefined)
    }
    // What is for Crypt4GH itself is asked before it.
    const own = w.client({ keyring: alice, format: crypt4gh({ keyring: carol }) })
    assert.deepEqual(await read(own, 'theirs'), pattern(70_000))
    assert.throws(() => crypt4gh({ keyring: aes }), code('ERR_S3CSE_CONFIG'))
    assert.throws(() => crypt4gh({ keyring: {} as Keyring }), code('ERR_S3CSE_CONFIG'))
  })
})

describe('around it', () => {
  it('is downloaded in parallel', async () => {
    const body = pattern(12 * MiB + 77)
    await put(client(), 'parallel', body)
    await download(client({}, { keyring: bob }), { Bucket, Key: 'parallel' }, files.path, { partSize: PART })
    assert.deepEqual(await readFile(files.path), body)
  })

  it('is copied as it is', async () => {
    await put(client(), 'from', pattern(70_000))
    await client().send(new CopyObjectCommand({ Bucket, Key: 'copied', CopySource: `${Bucket}/from` }))
    assert.deepEqual(await read(client({}, { keyring: bob }), 'copied'), pattern(70_000))
  })

  it('is told apart by clients that do not read it', async () => {
    await put(client(), 'foreign', 'abc')
    await assert.rejects(read(w.client(), 'foreign'), (error: unknown) => {
      assert.match((error as Error).message, /alsoRead: \[crypt4gh\(\{ keyring \}\)\]/)
      return code('ERR_S3CSE_ENVELOPE_INVALID')(error)
    })
  })

  it('takes no keyring, context or key that is not for it, at set-up', () => {
    const format = crypt4gh()
    const wrong: Partial<EncryptionOptions>[] = [
      { keyring: aes, format },
      { keyring: alice },
      { keyring: alice, format: esdk() },
      { keyring: alice, format, encryptionContext: { a: 'b' } },
      { keyring: alice, format, bind: 'key' } as unknown as Partial<EncryptionOptions>,
    ]
    for (const options of wrong) assert.throws(() => w.client(options), code('ERR_S3CSE_CONFIG'))
    assert.throws(() => multiKeyring({ generator: alice }), code('ERR_S3CSE_CONFIG'))
    assert.throws(
      () => w.client({ keyring: cachingKeyring(alice, { maxAge: 1000 }), format }),
      code('ERR_S3CSE_CONFIG'),
    )
    assert.throws(() => crypt4gh({ maxPackets: 0 }), code('ERR_S3CSE_CONFIG'))
    assert.throws(() => crypt4gh({ experimentalAuthenticatedMode: true as never }), code('ERR_S3CSE_CONFIG'))
    assert.throws(() => crypt4gh({ wrong: 1 } as never), code('ERR_S3CSE_CONFIG'))
  })
})
