// Messages of the AWS Encryption SDK in parts, continued elsewhere, downloaded, and what a signature changes.
import assert from 'node:assert/strict'
import { beforeEach, describe, it } from 'node:test'
import { GetObjectCommand, HeadObjectCommand, type S3Client } from '@aws-sdk/client-s3'
import { Upload } from '@aws-sdk/lib-storage'

import { esdk } from '../../src/esdk.js'
import type { EsdkOptions } from '../../src/esdk.js'
import { aesKeyring, encryptionInfo, importUpload, requestOptions, rotateKey, s3ec } from '../../src/index.js'
import type { EncryptionOptions, Keyring } from '../../src/index.js'
import { code } from '../support/errors.js'
import { complete, completed, create, finish, log, MiB, PART, partsSent, send, source } from '../support/resume.js'
import { esdkVectors, messageOf } from '../support/esdk-vectors.js'
import { Bucket, bodyOf, get, pattern, put, read, world } from '../support/world.js'
import { folder } from './download-support.js'

const w = await world({ etag: 'random', verifyPayload: false, recordBodyBytes: 0 })
const files = folder(w)
const keyring: Keyring = aesKeyring({ wrappingKey: new Uint8Array(32).fill(9), keyNamespace: 'test', keyName: 'one' })
const signed: EsdkOptions = { algorithmSuite: 'ALG_AES_256_GCM_HKDF_SHA512_COMMIT_KEY_ECDSA_P384' }

function esdkClient(options: EsdkOptions = {}, more: Partial<EncryptionOptions> = {}, config: object = {}): S3Client {
  return w.client({ keyring, format: esdk(options), ...more }, config)
}

async function ranged(client: S3Client, Key: string, Range: string, options: object = {}): Promise<Buffer> {
  const { Body } = await client.send(new GetObjectCommand(requestOptions({ Bucket, Key, Range }, options)))
  return Buffer.from((await Body?.transformToByteArray()) ?? [])
}

beforeEach(() => {
  w.s3.requests.length = 0
  w.s3.faults.length = 0
})

const KIB = 1024

describe('an upload in parts', () => {
  for (const [name, options] of [
    ['without a signature', {}],
    ['signed', signed],
    ['of frames that fill no part', { frameLength: 70_001 }],
  ] as const) {
    it(`${name}, with a part that has to be sent again`, async () => {
      const client = esdkClient(options)
      const body = pattern(2 * (PART + MiB) + 12_345)
      w.s3.fail({ match: ({ operation }) => operation === 'UploadPart', status: 503, times: 2 })
      await new Upload({
        client,
        params: { Bucket, Key: 'again', Body: body },
        partSize: PART + MiB,
        queueSize: 3,
      }).done()
      assert.deepEqual(await read(client, 'again'), body)
      const head = await client.send(new HeadObjectCommand({ Bucket, Key: 'again' }))
      assert.equal(head.ContentLength, body.length)
    })
  }

  it('fills its frames exactly: the final one is empty, and goes with the trailer', async () => {
    const client = esdkClient({ frameLength: 64 * KIB })
    const body = pattern(2 * PART)
    await new Upload({ client, params: { Bucket, Key: 'exact', Body: body }, partSize: PART }).done()
    assert.deepEqual(await read(client, 'exact'), body)
    assert.deepEqual(await ranged(client, 'exact', 'bytes=-3'), body.subarray(-3))
  })
})

describe('a saved upload', () => {
  const parts = source(PART, PART, 1000)
  const whole = Buffer.concat(parts)

  it('is finished by another client, which sends what is missing only', async () => {
    const saved = log()
    const name = await create(esdkClient(), 'saved', { saveUpload: saved.save, partSize: PART })
    const first = esdkClient()
    const imported = await importUpload(first, { Bucket, Key: 'saved' }, saved.text, { saveUpload: saved.save })
    assert.equal(imported.UploadId, name.UploadId)
    await send(first, imported, 2, parts[1])
    const second = esdkClient()
    const again = await importUpload(second, { Bucket, Key: 'saved' }, saved.text)
    w.s3.requests.length = 0
    await finish(second, again, parts)
    assert.deepEqual(partsSent(w.s3), [1, 3])
    assert.deepEqual(await read(esdkClient(), 'saved'), whole)
    const stored = await w.stored('saved')
    assert.deepEqual(Object.keys(stored.metadata), ['s3-cse-esdk'])
  })

  it('is not continued with other frames, another suite or another key', async () => {
    const saved = log()
    await create(esdkClient(), 'other', { saveUpload: saved.save, partSize: PART })
    const input = { Bucket, Key: 'other' }
    await assert.rejects(importUpload(esdkClient({ frameLength: 4096 }), input, saved.text), code('ERR_S3CSE_POLICY'))
    await assert.rejects(importUpload(esdkClient(signed), input, saved.text), code('ERR_S3CSE_POLICY'))
    const wrong = aesKeyring({ wrappingKey: new Uint8Array(32).fill(1), keyNamespace: 'test', keyName: 'one' })
    await assert.rejects(
      importUpload(esdkClient({}, { keyring: wrong }), input, saved.text),
      code('ERR_S3CSE_DECRYPTION_FAILED'),
    )
    await assert.rejects(
      importUpload(w.client({ keyring, format: s3ec() }), input, saved.text),
      code('ERR_S3CSE_ENVELOPE_INVALID', /alsoRead: \[esdk\(\)\]/),
    )
  })

  it('is continued with a state key by who may not decrypt', async () => {
    const stateKey = new Uint8Array(32).fill(4)
    const writer: Keyring = { ...keyring, unwrap: () => undefined }
    const own = (): S3Client => esdkClient({}, { keyring: writer })
    const saved = log()
    await create(own(), 'state-key', { saveUpload: saved.save, stateKey, partSize: PART })
    const client = own()
    const imported = await importUpload(client, { Bucket, Key: 'state-key' }, saved.text, { stateKey })
    const outputs = []
    for (const [index, part] of parts.entries()) outputs.push(await send(client, imported, index + 1, part))
    await complete(
      client,
      imported,
      outputs.map((output, index) => completed(index + 1, output)),
    )
    assert.deepEqual(await read(esdkClient(), 'state-key'), whole)
  })

  it('that is signed is refused before it begins', async () => {
    const saved = log()
    await assert.rejects(
      create(esdkClient(signed), 'signed-state', { saveUpload: saved.save, partSize: PART }),
      code('ERR_S3CSE_UPLOAD_STATE'),
    )
    assert.equal(w.s3.requests.length, 0)
  })
})

describe('a signed message', () => {
  const F = 1000
  const body = pattern(20 * F + 7)
  const writes = esdkClient({ ...signed, frameLength: F })

  it('is as long as was known beforehand, and holds its last frame back', async () => {
    for (let i = 0; i < 20; i++) await put(writes, 'length', body)
    const stored = await w.stored('length')
    const [suite, header, frame, footer] = (stored.metadata['s3-cse-esdk'] ?? '').split(',').map(Number)
    assert.deepEqual([suite, frame, footer], [578, F, 105])
    assert.equal(stored.body.length, Number(header) + 20 * (F + 32) + 7 + 40 + 105)
    const flipped = Buffer.from(stored.body)
    flipped[flipped.length - 1] = (flipped.at(-1) ?? 0) ^ 1
    await w.s3.tamper(Bucket, 'length', () => ({ body: flipped }))
    const chunks: Buffer[] = []
    await assert.rejects(async () => {
      for await (const chunk of bodyOf(await get(writes, 'length'))) chunks.push(chunk as Buffer)
    }, code('ERR_S3CSE_DECRYPTION_FAILED'))
    assert.ok(Buffer.concat(chunks).length <= 20 * F)
  })

  it('has no ranges unless they are asked for without the signature, or of the whole', async () => {
    await put(writes, 'ranges', body)
    await assert.rejects(ranged(writes, 'ranges', 'bytes=0-9'), code('ERR_S3CSE_RANGE_REFUSED', /signed/))
    const unsigned = esdkClient({ ...signed, frameLength: F, rangesWithoutSignature: true })
    for (const from of [unsigned, unsigned]) {
      assert.deepEqual(await ranged(from, 'ranges', 'bytes=5000-5999'), body.subarray(5000, 6000))
      assert.deepEqual(await ranged(from, 'ranges', 'bytes=-9'), body.subarray(-9))
    }
    assert.deepEqual(
      await ranged(writes, 'ranges', 'bytes=5000-5999', { rangeReads: 'whole-object' }),
      body.subarray(5000, 6000),
    )
    const stored = await w.stored('ranges')
    const flipped = Buffer.from(stored.body)
    flipped[flipped.length - 1] = (flipped.at(-1) ?? 0) ^ 1
    await w.s3.tamper(Bucket, 'ranges', () => ({ body: flipped }))
    await assert.rejects(
      ranged(writes, 'ranges', 'bytes=5000-5999', { rangeReads: 'whole-object' }),
      code('ERR_S3CSE_DECRYPTION_FAILED'),
    )
    await assert.rejects(
      ranged(writes, 'ranges', 'bytes=5000-5999', { rangeReads: 'unauthenticated' }),
      code('ERR_S3CSE_RANGE_REFUSED'),
    )
  })

  it('of another writer, whose signature has any length, is read in ranges and by its end', async () => {
    const vectors = esdkVectors.filter(
      ({ footerLength, contentType, decryptWith, plaintextLength, requiredEncryptionContext }) =>
        footerLength > 0 &&
        contentType === 'framed' &&
        decryptWith.includes('aes-256') &&
        plaintextLength > 300 &&
        requiredEncryptionContext === undefined,
    )
    assert.ok(new Set(vectors.map(({ footerLength }) => footerLength)).size > 3)
    const { vectorKeys } = await import('../keyrings/esdk-support.js')
    const { namespace, name, key } = vectorKeys['aes-256']!
    const own = aesKeyring({ wrappingKey: Buffer.from(key, 'hex'), keyNamespace: namespace, keyName: name })
    for (const vector of vectors) {
      const encryptionContext = Object.fromEntries(
        vector.encryptionContext.filter(([name]) => name !== 'aws-crypto-public-key'),
      )
      await put(w.plain, vector.id, messageOf(vector))
      const policy = { commitmentPolicy: 'REQUIRE_ENCRYPT_ALLOW_DECRYPT', keyring: own, encryptionContext } as const
      const whole = await read(esdkClient({}, policy), vector.id)
      assert.equal(whole.length, vector.plaintextLength)
      const from = esdkClient({ rangesWithoutSignature: true }, policy)
      assert.deepEqual(await ranged(from, vector.id, 'bytes=-100'), whole.subarray(-100), vector.id)
      const strict = esdkClient({}, { ...policy, rangeReads: 'whole-object' })
      assert.deepEqual(await ranged(strict, vector.id, 'bytes=100-199'), whole.subarray(100, 200))
    }
  })
})

describe('a message without frames', () => {
  const vector = esdkVectors.find(
    ({ contentType, decryptWith, plaintextLength, suite }) =>
      contentType === 'non-framed' && decryptWith.includes('aes-256') && plaintextLength > 300 && suite === '0478',
  )!

  it('is verified as a whole; of it a range only as other formats give it', async () => {
    const { vectorKeys } = await import('../keyrings/esdk-support.js')
    const { namespace, name, key } = vectorKeys['aes-256']!
    const own = aesKeyring({ wrappingKey: Buffer.from(key, 'hex'), keyNamespace: namespace, keyName: name })
    await put(w.plain, 'unframed', messageOf(vector))
    const encryptionContext = Object.fromEntries(vector.encryptionContext)
    const client = esdkClient({}, { keyring: own, encryptionContext })
    const whole = await read(client, 'unframed')
    assert.equal(whole.length, vector.plaintextLength)
    await assert.rejects(ranged(client, 'unframed', 'bytes=0-9'), code('ERR_S3CSE_RANGE_REFUSED'))
    const byWhole = await client.send(
      new GetObjectCommand(
        requestOptions({ Bucket, Key: 'unframed', Range: 'bytes=10-19' }, { rangeReads: 'whole-object' }),
      ),
    )
    assert.equal(byWhole.ContentRange, `bytes 10-19/${whole.length}`)
    assert.deepEqual(Buffer.from((await byWhole.Body?.transformToByteArray()) ?? []), whole.subarray(10, 20))
    const unauthenticated = await client.send(
      new GetObjectCommand(
        requestOptions({ Bucket, Key: 'unframed', Range: 'bytes=10-19' }, { rangeReads: 'unauthenticated' }),
      ),
    )
    assert.deepEqual(Buffer.from((await unauthenticated.Body?.transformToByteArray()) ?? []), whole.subarray(10, 20))
    assert.equal(encryptionInfo(unauthenticated)?.authentication, 'none')
  })
})

describe('a download', () => {
  it('reads a message in parallel, and a signed or foreign one too', async () => {
    for (const [key, options] of [
      ['plain', {}],
      ['signed', signed],
    ] as const) {
      const client = esdkClient({ ...options, frameLength: 4096 })
      const body = pattern(700_123)
      await put(client, key, body)
      const result = await files.get(client, key)
      assert.equal(result.ContentLength, body.length)
      assert.deepEqual(await files.content(), body)
      const { body: message } = await w.stored(key)
      await put(w.plain, 'foreign', Buffer.from(message))
      await files.get(w.client({ keyring, alsoRead: [esdk()] }), 'foreign')
      assert.deepEqual(await files.content(), body)
      const changed = Buffer.from(message)
      changed[400_000] = (changed[400_000] ?? 0) ^ 1
      await put(w.plain, 'foreign', changed)
      await assert.rejects(files.get(esdkClient(), 'foreign'), code('ERR_S3CSE_DECRYPTION_FAILED'))
    }
    w.s3.requests.length = 0
    await files.get(esdkClient(), 'plain')
    assert.ok(files.ranges().length > 5)
  })
})

describe('with one socket', () => {
  const oneSocket = { requestHandler: { httpAgent: { maxSockets: 1 }, socketAcquisitionWarningTimeout: 60_000 } }

  it('nothing waits for itself', { timeout: 60_000 }, async () => {
    const body = pattern(300_000)
    const options = { frameLength: 4096 }
    await put(esdkClient(options), 'socket', body)
    const { body: message } = await w.stored('socket')
    await put(w.plain, 'socket-foreign', Buffer.from(message))
    await put(w.plain, 'socket-plain', body)
    const client = w.client({ keyring, alsoRead: [esdk()], passthrough: () => true }, oneSocket)
    for (const key of ['socket', 'socket-foreign', 'socket-plain']) {
      assert.deepEqual(await read(client, key), body)
      assert.deepEqual(await ranged(client, key, 'bytes=100000-100099'), body.subarray(100_000, 100_100))
      assert.deepEqual(await ranged(client, key, 'bytes=-5'), body.subarray(-5))
      const head = await client.send(new HeadObjectCommand({ Bucket, Key: key }))
      assert.equal(head.ContentLength, body.length)
    }
    const strict = w.client({ keyring, alsoRead: [esdk()] }, oneSocket)
    for (let i = 0; i < 3; i++) {
      await assert.rejects(ranged(strict, 'socket-plain', 'bytes=0-9'), code('ERR_S3CSE_NOT_ENCRYPTED'))
      await assert.rejects(ranged(strict, 'socket', 'bytes=300000-'), { name: 'InvalidRange' })
    }
    assert.deepEqual(await read(strict, 'socket'), body)
  })
})

describe('a new key', () => {
  it('needs the message to be written anew', async () => {
    const client = esdkClient()
    const body = pattern(100_000)
    await put(client, 'rotate', body, { Metadata: { color: 'red' } })
    const to = aesKeyring({ wrappingKey: new Uint8Array(32).fill(8), keyNamespace: 'test', keyName: 'two' })
    const input = { Bucket, Key: 'rotate', to }
    await assert.rejects(rotateKey(client, input), code('ERR_S3CSE_ROTATION'))
    const result = await rotateKey(client, { ...input, rewrite: true })
    assert.equal(result.outcome, 'rewritten')
    const output = await get(esdkClient({}, { keyring: to }), 'rotate')
    assert.deepEqual(Buffer.from((await output.Body?.transformToByteArray()) ?? []), body)
    assert.deepEqual(output.Metadata, { color: 'red' })
  })
})
