import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { Readable } from 'node:stream'
import { after, describe, it } from 'node:test'

import { DecryptCommand } from '@aws-sdk/client-kms'
import { AbortMultipartUploadCommand } from '@aws-sdk/client-s3'
import type { S3Client } from '@aws-sdk/client-s3'
import { Upload } from '@aws-sdk/lib-storage'

import {
  download,
  encryptionInfo,
  exportUpload,
  importUpload,
  requestOptions,
  rsaKeyring,
  s3ec,
} from '../../src/index.js'
import type { EncryptionOptions, Keyring, LegacyWriting } from '../../src/index.js'
import { kmsKeyring } from '../../src/kms.js'
import { kmsWorld } from '../attacks/support.js'
import { code } from '../support/errors.js'
import { checkStored } from '../support/independent-check.js'
import { envelopeOf, readStored } from '../support/independent-reader.js'
import type { Keys } from '../support/independent-reader.js'
import { Bucket, get, keyring as aes, pattern, put, read, world } from '../support/world.js'
import { begin, existing } from './multipart-support.js'

const MIB = 1024 * 1024
const w = await world()
const { kms, client: kmsClient } = await kmsWorld()
const { arn: keyId } = kms.createKey()
const pair = generateKeyPairSync('rsa', { modulusLength: 2048 })
const forbid = 'FORBID_ENCRYPT_ALLOW_DECRYPT'
const directory = await mkdtemp(path.join(tmpdir(), 's3-cse-legacy-'))
after(() => rm(directory, { recursive: true, force: true }))

interface Kind {
  readonly writing: LegacyWriting
  readonly keyring: Keyring
  /** Absent: KMS is asked. */
  readonly keys?: Keys
  readonly expected: { readonly format: string; readonly content: string; readonly wrap: string | undefined }
  readonly legacy: { readonly wrapping: true; readonly content?: true }
}

const CBC = 'AES/CBC/PKCS5Padding'
const GCM = 'AES/GCM/NoPadding'
const viaKms = kmsKeyring({ client: kmsClient, keyId })
const kinds: readonly Kind[] = [
  {
    writing: 'V1-CBC',
    keyring: aes,
    keys: { aes: [new Uint8Array(32).fill(7)] },
    expected: { format: 'V1', content: CBC, wrap: undefined },
    legacy: { wrapping: true, content: true },
  },
  {
    writing: 'V1-CBC',
    keyring: rsaKeyring(pair),
    keys: { rsa: [pair.privateKey] },
    expected: { format: 'V1', content: CBC, wrap: undefined },
    legacy: { wrapping: true, content: true },
  },
  {
    writing: 'V2-KMS-CBC',
    keyring: viaKms,
    expected: { format: 'V2', content: CBC, wrap: 'kms' },
    legacy: { wrapping: true, content: true },
  },
  {
    writing: 'V2-KMS-GCM',
    keyring: viaKms,
    expected: { format: 'V2', content: GCM, wrap: 'kms' },
    legacy: { wrapping: true },
  },
]

function client(kind: Kind, more: Partial<EncryptionOptions> = {}): S3Client {
  const { keyring, legacy, writing } = kind
  return w.client({
    keyring,
    legacy,
    commitmentPolicy: forbid,
    format: s3ec({ insecureLegacyWriting: writing }),
    ...more,
  })
}

/** By a reader that shares no code with the writer, and by the writer's rules for itself. */
async function judge(kind: Kind, key: string, plaintext: Uint8Array, file?: string): Promise<void> {
  const { metadata, body } = await w.stored(key)
  const instructionFile = file === undefined ? undefined : Buffer.from((await w.stored(file)).body).toString()
  const stored = { metadata, body, instructionFile }
  checkStored(stored)
  const { format, content, wrap, encryptedDataKey, map } = envelopeOf(stored)
  assert.deepEqual({ format, content, wrap }, kind.expected)
  assert.ok(readStored(stored, kind.keys ?? (await kmsKeys(encryptedDataKey, { ...map }))).equals(plaintext))
}

/** As somebody who knows no more than what is stored. */
async function kmsKeys(CiphertextBlob: Uint8Array, EncryptionContext: Record<string, string>): Promise<Keys> {
  const { Plaintext } = await kmsClient.send(new DecryptCommand({ CiphertextBlob, EncryptionContext }))
  return { kms: () => Plaintext }
}

function* chunks(bytes: Uint8Array, length: number): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += length) yield bytes.subarray(at, at + length)
}

for (const kind of kinds) {
  const name = `${kind.writing} with ${kind.keyring === aes ? 'AES' : kind.keyring === viaKms ? 'KMS' : 'RSA'}`
  const cbc = kind.expected.content === CBC
  describe(name, () => {
    it('PutObject of every length, in memory and as a stream of any chunks', async () => {
      const s3 = client(kind)
      for (const length of [0, 1, 15, 16, 17, 31, 32, 1000, 65_536, 65_541, MIB + 7]) {
        const plaintext = pattern(length)
        const output = await put(s3, 'object', plaintext)
        assert.equal(encryptionInfo(output)?.envelope?.version, kind.expected.format)
        await judge(kind, 'object', plaintext)
        assert.ok((await read(s3, 'object')).equals(plaintext))
        for (const size of length > 100_000 ? [70_001] : [1 + (length >> 3), 16]) {
          await put(s3, 'stream', Readable.from(chunks(plaintext, size)), { ContentLength: length })
          await judge(kind, 'stream', plaintext)
        }
      }
    })

    it('Upload in parts, in parallel; the whole read, the download and ranges', async () => {
      const s3 = client(kind)
      const plaintext = pattern(13 * MIB + 5)
      const params = { Bucket, Key: 'upload', Body: plaintext }
      await new Upload({ client: s3, params, partSize: 5 * MIB + 3, queueSize: 4 }).done()
      await judge(kind, 'upload', plaintext)
      assert.ok((await read(s3, 'upload')).equals(plaintext))
      const spooled = client(kind, { maxBufferedBytes: 0 })
      assert.ok((await read(spooled, 'upload')).equals(plaintext))

      const file = path.join(directory, 'copy')
      const result = await download(s3, { Bucket, Key: 'upload' }, file)
      assert.equal(result.ContentLength, plaintext.length)
      assert.ok((await readFile(file)).equals(plaintext))

      const unauthenticated = client(kind, { rangeReads: 'unauthenticated' })
      for (const [Range, start, end] of [
        ['bytes=0-0', 0, 1],
        ['bytes=15-17', 15, 18],
        ['bytes=5242870-5242900', 5_242_870, 5_242_901],
        [`bytes=${plaintext.length - 3}-`, plaintext.length - 3, plaintext.length],
        ['bytes=-40', plaintext.length - 40, plaintext.length],
        [`bytes=1048576-99999999`, MIB, plaintext.length],
      ] as const) {
        const output = await get(unauthenticated, 'upload', { Range })
        assert.equal(output.ContentRange, `bytes ${start}-${end - 1}/${plaintext.length}`)
        assert.equal(output.ContentLength, end - start)
        assert.equal(encryptionInfo(output)?.authentication, 'none')
        const bytes = Buffer.from(await output.Body!.transformToByteArray())
        assert.ok(bytes.equals(plaintext.subarray(start, end)), Range)
      }
      await assert.rejects(get(unauthenticated, 'upload', { Range: `bytes=${plaintext.length}-` }), {
        name: 'InvalidRange',
        ActualObjectSize: String(plaintext.length),
      })
      const whole = client(kind, { rangeReads: 'whole-object' })
      if (cbc) {
        await assert.rejects(get(whole, 'upload', { Range: 'bytes=0-9' }), code('ERR_S3CSE_RANGE_REFUSED', /verified/))
      }
    })

    it('with the envelope in an instruction file', async () => {
      const s3 = client(kind, { instructionFile: { write: true } })
      const Key = `filed ${name}`
      await put(s3, Key, pattern(100), { Metadata: { color: 'red' } })
      assert.deepEqual((await w.stored(Key)).metadata, { color: 'red' })
      await judge(kind, Key, pattern(100), `${Key}.instruction`)
      assert.ok((await read(s3, Key)).equals(pattern(100)))
    })

    it('an upload that another client goes on with, part by part', async () => {
      const s3 = client(kind)
      const parts = [pattern(5 * MIB), pattern(5 * MIB).reverse(), pattern(20)]
      const first = await begin(s3, 'resumed', {}, { partSize: 5 * MIB })
      await first.part(1, parts[0])
      const state = await exportUpload(s3, { Bucket, Key: 'resumed', UploadId: first.id })
      const other = client(kind)
      const { UploadId, Parts } = await importUpload(other, { Bucket, Key: 'resumed' }, state)
      const second = existing(other, 'resumed', UploadId)
      await second.part(2, parts[1])
      await second.part(3, parts[2])
      await second.complete([...Parts, ...second.parts()])
      await judge(kind, 'resumed', Buffer.concat(parts))
    })

    it('is not read back without its switches, nor by default', async () => {
      await put(client(kind), 'object', 'x')
      await assert.rejects(
        read(client(kind, { legacy: { content: true } }), 'object'),
        code('ERR_S3CSE_LEGACY_DISABLED', /wrapping: true/),
      )
      if (cbc) {
        await assert.rejects(
          read(client(kind, { legacy: { wrapping: true } }), 'object'),
          code('ERR_S3CSE_LEGACY_DISABLED', /content: true/),
        )
      }
      const strict = w.client({ keyring: kind.keyring, legacy: kind.legacy })
      await assert.rejects(read(strict, 'object'), code('ERR_S3CSE_POLICY', /REQUIRE_ENCRYPT_ALLOW_DECRYPT/))
    })
  })
}

describe('what is refused', () => {
  const make = (options: Partial<EncryptionOptions>): S3Client => w.client(options)

  it('legacy writing under a policy that demands commitment, and other names', () => {
    for (const commitmentPolicy of [undefined, 'REQUIRE_ENCRYPT_ALLOW_DECRYPT'] as const) {
      const format = s3ec({ insecureLegacyWriting: 'V1-CBC' })
      assert.throws(() => make({ format, commitmentPolicy }), code('ERR_S3CSE_CONFIG', /FORBID_ENCRYPT_ALLOW_DECRYPT/))
    }
    for (const writing of ['V1', 'V2', '', true, {}, 'toString', null]) {
      const options = { insecureLegacyWriting: writing as LegacyWriting }
      assert.throws(() => s3ec(options), code('ERR_S3CSE_CONFIG', /V1-CBC, V2-KMS-CBC, V2-KMS-GCM/))
    }
    assert.throws(() => s3ec({ legacy: true } as object), code('ERR_S3CSE_CONFIG', /unknown option/))
  })

  it('keyrings that have not the wrap of the format', () => {
    const pairs: readonly [LegacyWriting, Keyring][] = [
      ['V1-CBC', viaKms],
      ['V2-KMS-CBC', aes],
      ['V2-KMS-GCM', rsaKeyring(pair)],
      ['V1-CBC', { wrap: (request) => aes.wrap(request), unwrap: (request) => aes.unwrap(request) }],
    ]
    for (const [writing, keyring] of pairs) {
      const options = { keyring, commitmentPolicy: forbid, format: s3ec({ insecureLegacyWriting: writing }) } as const
      assert.throws(() => make(options), code('ERR_S3CSE_CONFIG', /insecureLegacyWriting: .* with the wrap/))
    }
  })

  it('a keyring that wraps in another way than it was asked', async () => {
    const stubborn: Keyring = {
      ...aes,
      wrap: ({ suite, context }) => aes.wrap({ suite, context }),
    }
    const s3 = make({ keyring: stubborn, commitmentPolicy: forbid, format: s3ec({ insecureLegacyWriting: 'V1-CBC' }) })
    await assert.rejects(put(s3, 'stubborn', 'x'), code('ERR_S3CSE_CONFIG', /does not write/))
    assert.equal(await w.s3.object(Bucket, 'stubborn'), undefined)
  })

  it('an upload that is continued by a client that writes something else', async () => {
    const [kind] = kinds
    const s3 = client(kind!)
    const upload = await begin(s3, 'other', {}, { partSize: 5 * MIB })
    await upload.part(1, pattern(5 * MIB))
    const state = await exportUpload(s3, { Bucket, Key: 'other', UploadId: upload.id })
    const modern = w.client({ commitmentPolicy: forbid, legacy: { wrapping: true, content: true } })
    await assert.rejects(importUpload(modern, { Bucket, Key: 'other' }, state), code('ERR_S3CSE_POLICY', /format V1/))
    await w.plain.send(new AbortMultipartUploadCommand({ Bucket, Key: 'other', UploadId: upload.id }))
  })

  it('parts of CBC content out of order, after a while; and workers', async () => {
    const s3 = client(kinds[0]!, { uploadPartWait: 50 })
    const upload = await begin(s3, 'unordered', {}, { partSize: 5 * MIB })
    await assert.rejects(upload.part(2, pattern(5 * MIB)), code('ERR_S3CSE_UPLOAD_STATE', /encrypts in order.*part 1/))
    const name = { Bucket, Key: 'unordered', UploadId: upload.id }
    const state = await exportUpload(s3, name, { worker: true })
    const worker = client(kinds[0]!)
    await assert.rejects(importUpload(worker, name, state), code('ERR_S3CSE_UPLOAD_STATE', /in order/))
    await upload.part(1, pattern(5 * MIB))
    await upload.part(2, pattern(5))
    await upload.complete()
    assert.ok((await read(s3, 'unordered')).equals(Buffer.concat([pattern(5 * MIB), pattern(5)])))
  })
})

it('an encryption context is stored, authenticated, and compared where it is given', async () => {
  const kind = kinds[3]!
  const s3 = client(kind, { encryptionContext: { tenant: 'a b' } })
  await put(s3, 'context', 'x')
  const { metadata } = await w.stored('context')
  assert.deepEqual(JSON.parse(metadata['x-amz-matdesc'] ?? ''), { tenant: 'a b', kms_cmk_id: keyId })
  assert.equal((await read(s3, 'context')).toString(), 'x')
  assert.equal((await read(client(kind), 'context')).toString(), 'x')
  const wrong = requestOptions({ Bucket, Key: 'context' }, { encryptionContext: { tenant: 'b' } })
  await assert.rejects(get(s3, 'context', wrong), code('ERR_S3CSE_CONTEXT_MISMATCH'))
})
