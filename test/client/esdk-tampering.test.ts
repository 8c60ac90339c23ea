import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { CopyObjectCommand, HeadObjectCommand, type S3Client } from '@aws-sdk/client-s3'

import { esdk } from '../../src/esdk.js'
import type { EsdkOptions } from '../../src/esdk.js'
import { aesKeyring, encryptionInfo, requestOptions } from '../../src/index.js'
import type { EncryptionOptions, Keyring } from '../../src/index.js'
import { code } from '../support/errors.js'
import { Bucket, bodyOf, get, pattern, put, read, world } from '../support/world.js'

const w = await world()
const { s3, plain } = w
let unwraps = 0
const aes: Keyring = aesKeyring({ wrappingKey: new Uint8Array(32).fill(9), keyNamespace: 'test', keyName: 'one' })
const keyring: Keyring = {
  ...aes,
  unwrap(request) {
    unwraps++
    return aes.unwrap(request)
  },
}
function esdkClient(options: EsdkOptions = {}, more: Partial<EncryptionOptions> = {}): S3Client {
  return w.client({ keyring, format: esdk({ frameLength: F, ...options }), ...more })
}

const F = 1024
const FULL = F + 32
const SIZE = 20 * F + 100
const plaintext = pattern(SIZE)
const own = esdkClient()

/** Length of the header, as its hint says. */
async function headerOf(key: string): Promise<number> {
  const { metadata } = (await s3.object(Bucket, key))!
  return Number(metadata['s3-cse-esdk']?.split(',')[1])
}

async function fresh(key: string, change?: (body: Buffer, header: number) => Buffer, by = own): Promise<void> {
  await put(by, key, plaintext)
  if (change === undefined) return
  const header = await headerOf(key)
  await s3.tamper(Bucket, key, ({ body }) => ({ body: change(Buffer.from(body), header) }))
}

/** What came out before the error, and the error. */
async function released(from: S3Client, key: string, Range?: string): Promise<{ bytes: Buffer; error: unknown }> {
  const chunks: Buffer[] = []
  try {
    const output = await get(from, key, Range === undefined ? {} : { Range })
    for await (const chunk of bodyOf(output)) chunks.push(chunk as Buffer)
    return { bytes: Buffer.concat(chunks), error: undefined }
  } catch (error) {
    return { bytes: Buffer.concat(chunks), error }
  }
}

function flipped(at: number) {
  return (body: Buffer): Buffer => {
    body[at] = (body[at] as number) ^ 1
    return body
  }
}

describe('a message that was changed', () => {
  test('gives nothing of a frame that is not as it was written, whole or in a range', async () => {
    for (const frame of [0, 1, 10, 19]) {
      for (const at of [0, 4, 15, 16, 17, FULL - 1]) {
        await fresh('flipped', (body, header) => flipped(header + frame * FULL + at)(body))
        const whole = await released(own, 'flipped')
        assert.ok(code('ERR_S3CSE_DECRYPTION_FAILED')(whole.error))
        assert.ok(whole.bytes.length <= frame * F, `${whole.bytes.length} bytes before frame ${frame}`)
        assert.deepEqual(whole.bytes, plaintext.subarray(0, whole.bytes.length))
        const start = frame * F + 5
        const range = await released(own, 'flipped', `bytes=${start}-${start + 10}`)
        assert.ok(code('ERR_S3CSE_DECRYPTION_FAILED')(range.error))
        assert.equal(range.bytes.length, 0)
        const other = (frame + 5) % 20
        const beside = await released(own, 'flipped', `bytes=${other * F}-${other * F + 9}`)
        assert.deepEqual(beside.bytes, plaintext.subarray(other * F, other * F + 10))
        assert.equal(beside.error, undefined)
      }
    }
  })

  test('with another final frame has no length, and so no range', async () => {
    for (const at of [0, 4, 8, 20, 24, 30, 139]) {
      await fresh('final', (body, header) => flipped(header + 20 * FULL + at)(body))
      const range = await released(own, 'final', 'bytes=0-9')
      assert.ok(code('ERR_S3CSE_DECRYPTION_FAILED')(range.error), String(at))
      const whole = await released(own, 'final')
      assert.ok(code('ERR_S3CSE_DECRYPTION_FAILED')(whole.error))
      assert.ok(whole.bytes.length <= 20 * F)
    }
  })

  test('that is cut off, longer or in another order is none', async () => {
    const changes: Record<string, (body: Buffer, header: number) => Buffer> = {
      'without its final frame': (body, header) => body.subarray(0, header + 20 * FULL),
      'cut off between frames': (body, header) => body.subarray(0, header + 10 * FULL),
      'cut off in a frame': (body, header) => body.subarray(0, header + 10 * FULL + 500),
      'its final frame moved forward': (body, header) =>
        Buffer.concat([body.subarray(0, header + 19 * FULL), body.subarray(header + 20 * FULL)]),
      'one byte more': (body) => Buffer.concat([body, Buffer.alloc(1)]),
      'a frame more': (body, header) => Buffer.concat([body, body.subarray(header, header + FULL)]),
      'two frames exchanged': (body, header) =>
        Buffer.concat([
          body.subarray(0, header),
          body.subarray(header + FULL, header + 2 * FULL),
          body.subarray(header, header + FULL),
          body.subarray(header + 2 * FULL),
        ]),
      'a frame of another message': (body) => body,
    }
    await fresh('other')
    const other = Buffer.from((await s3.object(Bucket, 'other'))!.body)
    for (const [name, change] of Object.entries(changes)) {
      await fresh('cut', (body, header) => {
        if (name !== 'a frame of another message') return change(body, header)
        other.copy(body, header, header, header + FULL)
        return body
      })
      const whole = await released(own, 'cut')
      assert.ok(code('ERR_S3CSE_DECRYPTION_FAILED')(whole.error), name)
      assert.deepEqual(whole.bytes, plaintext.subarray(0, whole.bytes.length), name)
      const range = await released(own, 'cut', 'bytes=0-9')
      assert.ok(code('ERR_S3CSE_DECRYPTION_FAILED')(range.error), name)
      assert.equal(range.bytes.length, 0)
    }
  })

  test('fails alike wherever its header was changed', async () => {
    await fresh('header')
    const header = await headerOf('header')
    const message = new Set<string>()
    for (let at = 0; at < header; at += 3) {
      await fresh('header', flipped(at))
      for (const Range of [undefined, 'bytes=5-9']) {
        const { error, bytes } = await released(own, 'header', Range)
        assert.equal(bytes.length, 0)
        const { code: found } = error as { code?: string }
        const early = ['ERR_S3CSE_ENVELOPE_INVALID', 'ERR_S3CSE_POLICY', 'ERR_S3CSE_CONTEXT_MISMATCH']
        if (found === 'ERR_S3CSE_DECRYPTION_FAILED') message.add((error as Error).message)
        else assert.ok(early.includes(found ?? ''), `${at}: ${String(error)}`)
      }
    }
    assert.equal(message.size, 1)
  })

  test('metadata that lie change what HeadObject shows, and nothing that is read', async () => {
    for (const hint of ['0478,100,4096,0', '0578,340,1024,105', '0014,9999,1,0', 'nonsense', '']) {
      await fresh('hint')
      await s3.tamper(Bucket, 'hint', ({ metadata }) => ({ metadata: { ...metadata, 's3-cse-esdk': hint } }))
      assert.deepEqual(await read(own, 'hint'), plaintext)
      const { bytes, error } = await released(own, 'hint', 'bytes=-50')
      assert.equal(error, undefined)
      assert.deepEqual(bytes, plaintext.subarray(-50))
      const head = await own.send(new HeadObjectCommand({ Bucket, Key: 'hint' }))
      assert.ok(encryptionInfo(head)?.status === 'encrypted')
      if (!/^0/.test(hint)) assert.equal(head.ContentLength, SIZE)
    }
  })
})

describe('an object that is replaced while ranges of it are read', () => {
  test('is not mixed with the one before', async () => {
    const second = pattern(SIZE).reverse()
    for (const nth of [1, 2]) {
      await fresh('replaced')
      let seen = 0
      const end = s3.onRequest(async (request) => {
        if (request.operation !== 'GetObject' || request.key !== 'replaced' || seen++ !== nth) return
        await put(esdkClient(), 'replaced', second)
      })
      const { bytes, error } = await released(esdkClient(), 'replaced', 'bytes=5000-5009')
      end()
      // It is looked at once more, and is the new one then.
      assert.equal(error, undefined)
      assert.deepEqual(bytes, second.subarray(5000, 5010))
      assert.ok(seen > nth + 1)
    }
  })

  test('is looked at again where only its header was known', async () => {
    const from = esdkClient()
    await fresh('again')
    assert.deepEqual((await released(from, 'again', 'bytes=0-9')).bytes, plaintext.subarray(0, 10))
    const second = pattern(3 * F).reverse()
    await put(own, 'again', second)
    const { bytes } = await released(from, 'again', 'bytes=0-9')
    assert.deepEqual(bytes, second.subarray(0, 10))
    await assert.rejects(get(from, 'again', { Range: `bytes=${3 * F}-` }), { name: 'InvalidRange' })
  })

  test('a server that answers with another length than before is not believed', async () => {
    const from = esdkClient()
    await fresh('lying')
    await released(from, 'lying', 'bytes=0-9')
    s3.fail({ headers: { 'content-range': `bytes ${await headerOf('lying')}-9999/99999` } })
    const { error, bytes } = await released(from, 'lying', 'bytes=0-9')
    assert.equal(bytes.length, 0)
    assert.ok(code('ERR_S3CSE_RESPONSE_UNEXPECTED')(error))
  })
})

describe('what is decided before any key is used', () => {
  const cases: [string, EsdkOptions, Partial<EncryptionOptions>, EsdkOptions, Partial<EncryptionOptions>, string][] = [
    ['no commitment', {}, { commitmentPolicy: 'FORBID_ENCRYPT_ALLOW_DECRYPT' }, {}, {}, 'ERR_S3CSE_POLICY'],
    ['frames above the limit', {}, {}, { frameLength: 100, maxBodySize: F - 1 }, {}, 'ERR_S3CSE_POLICY'],
    [
      'another context',
      {},
      { encryptionContext: { a: 'b' } },
      {},
      { encryptionContext: { a: 'c' } },
      'ERR_S3CSE_CONTEXT_MISMATCH',
    ],
    ['a context that was not given', {}, { encryptionContext: { a: 'b' } }, {}, {}, 'ERR_S3CSE_CONTEXT_MISMATCH'],
    ['a larger object', {}, {}, {}, { maxObjectBytes: 1000 }, 'ERR_S3CSE_POLICY'],
  ]
  for (const [name, writes, writesMore, reads, readsMore, expected] of cases) {
    test(`${name}: ${expected}`, async () => {
      await put(esdkClient(writes, writesMore), 'policy', plaintext)
      const before = unwraps
      for (const Range of [undefined, 'bytes=0-9']) {
        const { error, bytes } = await released(esdkClient(reads, readsMore), 'policy', Range)
        assert.equal((error as { code?: string }).code, expected)
        assert.equal(bytes.length, 0)
      }
      assert.equal(unwraps, before)
    })
  }

  test('a message of three keys is refused where two are allowed', async () => {
    const { multiKeyring } = await import('../../src/index.js')
    const other = (name: string): Keyring =>
      aesKeyring({ wrappingKey: new Uint8Array(32).fill(3), keyNamespace: 'test', keyName: name })
    const three = multiKeyring({ generator: keyring, children: [other('two'), other('three')] })
    await put(w.client({ keyring: three, format: esdk() }), 'three', plaintext)
    assert.deepEqual(await read(w.client({ keyring: other('three'), format: esdk() }), 'three'), plaintext)
    const before = unwraps
    const { error } = await released(esdkClient({ maxEncryptedDataKeys: 2 }), 'three')
    assert.ok(code('ERR_S3CSE_POLICY', /3 encrypted data keys/)(error))
    await assert.rejects(
      put(w.client({ keyring: three, format: esdk({ maxEncryptedDataKeys: 2 }) }), 'three', plaintext),
      code('ERR_S3CSE_CONFIG', /maxEncryptedDataKeys/),
    )
    assert.equal(unwraps, before)
  })

  test('an encryption context that is not stored has to be given', async () => {
    const required = { requiredEncryptionContextKeys: ['tenant'] }
    const context = { tenant: 'a', purpose: 'b' }
    await put(esdkClient(required, { encryptionContext: context }), 'required', plaintext)
    assert.ok(!Buffer.from((await s3.object(Bucket, 'required'))!.body).includes('tenant'))
    assert.deepEqual(await read(esdkClient(required, { encryptionContext: context }), 'required'), plaintext)
    const wrong = esdkClient(required, { encryptionContext: { tenant: 'x', purpose: 'b' } })
    await assert.rejects(read(wrong, 'required'), code('ERR_S3CSE_DECRYPTION_FAILED'))
    const without = esdkClient(required, { encryptionContext: { purpose: 'b' } })
    await assert.rejects(read(without, 'required'), code('ERR_S3CSE_CONFIG', /tenant/))
    await assert.rejects(
      read(esdkClient({}, { encryptionContext: context }), 'required'),
      code('ERR_S3CSE_CONTEXT_MISMATCH'),
    )
    await assert.rejects(put(without, 'nothing', 'x'), code('ERR_S3CSE_CONFIG', /tenant/))
  })
})

describe('binding, copies and the rest of the client', () => {
  test('an object that was moved is not read with bind, and a copy within it is refused', async () => {
    const bound = esdkClient({}, { bind: true })
    await put(bound, 'here', plaintext)
    assert.deepEqual(await read(bound, 'here'), plaintext)
    const stored = (await s3.object(Bucket, 'here'))!
    await put(plain, 'there', Buffer.from(stored.body), { Metadata: { 's3-cse-esdk': stored.metadata['s3-cse-esdk'] } })
    await assert.rejects(read(bound, 'there'), code('ERR_S3CSE_CONTEXT_MISMATCH'))
    await assert.rejects(
      bound.send(new CopyObjectCommand({ Bucket, Key: 'copy', CopySource: `${Bucket}/here` })),
      code('ERR_S3CSE_UNSUPPORTED_COMMAND'),
    )
  })

  test('a copy takes the message and its hint along, with new metadata too', async () => {
    await put(own, 'source', plaintext, { Metadata: { color: 'red' } })
    await own.send(new CopyObjectCommand({ Bucket, Key: 'copied', CopySource: `${Bucket}/source` }))
    await own.send(
      new CopyObjectCommand({
        Bucket,
        Key: 'recoloured',
        CopySource: `${Bucket}/source`,
        MetadataDirective: 'REPLACE',
        Metadata: { color: 'blue' },
      }),
    )
    for (const [key, color] of [
      ['copied', 'red'],
      ['recoloured', 'blue'],
    ] as const) {
      assert.deepEqual(await read(own, key), plaintext)
      const head = await own.send(new HeadObjectCommand({ Bucket, Key: key }))
      assert.equal(head.ContentLength, SIZE)
      assert.deepEqual(head.Metadata, { color })
    }
  })

  test('metadata of the envelope cannot be given', async () => {
    await assert.rejects(put(own, 'reserved', 'x', { Metadata: { 'S3-cse-esdk': '' } }), code('ERR_S3CSE_CONFIG'))
    const context = { 'aws-crypto-public-key': 'x' }
    await assert.rejects(
      get(own, 'source', requestOptions({ Bucket, Key: 'source' }, { encryptionContext: context })),
      code('ERR_S3CSE_CONFIG', /reserved/),
    )
  })
})
