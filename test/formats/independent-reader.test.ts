import assert from 'node:assert/strict'
import { constants, createCipheriv, createHash, generateKeyPairSync, publicEncrypt } from 'node:crypto'
import { test } from 'node:test'
import { envelopeOf, readStored, type StoredObject } from '../support/independent-reader.js'
import { isRight, oneOfEach, type Vector, vectors } from '../support/independent-vectors.js'

test('all vectors decrypt to their length and SHA-256', () => {
  assert.equal(vectors.length, 363)
  assert.equal(new Set(vectors.map(({ kind }) => kind)).size, 25)
  for (const vector of vectors) assert.ok(isRight(vector, readStored(vector.stored, vector.keys)), vector.title)
})

test('without the key of its kind nothing opens', () => {
  for (const vector of oneOfEach(() => true)) {
    const kind = /kms| 12 /.test(vector.kind) ? 'kms' : /RSA| 22 /.test(vector.kind) ? 'rsa' : 'aes'
    const { [kind]: own, ...others } = vector.keys
    assert.ok(own !== undefined)
    assert.throws(() => readStored(vector.stored, others), vector.title)
    assert.ok(isRight(vector, readStored(vector.stored, { [kind]: own })), vector.title)
  }
})

/** Base64 with one bit of what it stands for changed, and any other text with one of its own. */
function flipped(value: string, at: number): string {
  const bytes = Buffer.from(value, 'base64')
  const isBase64 = bytes.length >= 12 && bytes.toString('base64') === value
  const changed = isBase64 ? bytes : Buffer.from(value)
  changed[Math.floor(changed.length * at)]! ^= 1
  return changed.toString(isBase64 ? 'base64' : 'utf8')
}

/** Where each bit counts: materials descriptions of raw keys, and lengths, are nobody's. */
const COUNTS = /^x-amz-(key|key-v2|iv|cek-alg|wrap-alg|c|3|w|d|i|t)$/

function withValue({ stored }: Vector, name: string, change: (value: string) => string): StoredObject {
  const { metadata, instructionFile } = stored
  if (name in metadata) return { ...stored, metadata: { ...metadata, [name]: change(metadata[name]!) } }
  const file = JSON.parse(instructionFile!) as Record<string, string>
  return { ...stored, instructionFile: JSON.stringify({ ...file, [name]: change(file[name]!) }) }
}

test('a bit changed in any part, and nobody gets the plaintext', () => {
  // CBC alone authenticates nothing: other bytes may come out, but not with a plaintext of nothing but padding.
  for (const vector of oneOfEach(({ plaintextLength }) => plaintextLength > 0 && plaintextLength < 100)) {
    const fails = (stored: StoredObject, what: string): void => {
      const read = (): Buffer => readStored(stored, vector.keys)
      if (!vector.kind.includes('CBC')) {
        assert.throws(read, `${vector.title}: ${what}`)
        return
      }
      let plaintext: Buffer
      try {
        plaintext = read()
      } catch {
        return
      }
      assert.ok(!isRight(vector, plaintext), `${vector.title}: ${what}`)
    }
    const { values, wrap } = envelopeOf(vector.stored)
    const parts = Object.keys(values).filter((name) => COUNTS.test(name))
    if (wrap?.startsWith('kms') === true && 'x-amz-matdesc' in values) parts.push('x-amz-matdesc')
    if (values['x-amz-tag-len'] === '128') parts.push('x-amz-tag-len')
    assert.ok(parts.length >= 2)
    for (const part of parts) {
      for (const at of [0, 0.5, 0.99]) {
        fails(
          withValue(vector, part, (value) => flipped(value, at)),
          part,
        )
      }
    }
    const { body } = vector.stored
    for (const at of [0, body.length >> 1, body.length - 1]) {
      fails({ ...vector.stored, body: body.map((byte, index) => (index === at ? byte ^ 1 : byte)) }, `body ${at}`)
    }
    fails({ ...vector.stored, body: body.subarray(0, -1) }, 'a body that is cut')
    fails({ ...vector.stored, body: new Uint8Array(0) }, 'no body')
  }
})

const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })

test('what no vector has: short data keys, and the names AES and RSA for the oldest wraps', () => {
  const plaintext = Buffer.from('short keys')
  const encrypt = (algorithm: string, key: Uint8Array, iv: Uint8Array | null, data: Uint8Array): Buffer => {
    const cipher = createCipheriv(algorithm, key, iv)
    return Buffer.concat([cipher.update(data), cipher.final()])
  }
  for (const size of [16, 24, 32]) {
    const [wrapping, dataKey, iv] = [Buffer.alloc(size, 9), Buffer.alloc(size, 7), Buffer.alloc(16, 5)]
    const body = encrypt(`aes-${size * 8}-cbc`, dataKey, iv, plaintext)
    const wraps = {
      AES: encrypt(`aes-${size * 8}-ecb`, wrapping, null, dataKey),
      RSA: publicEncrypt({ key: publicKey, padding: constants.RSA_PKCS1_PADDING }, dataKey),
    }
    for (const [wrap, wrapped] of Object.entries(wraps)) {
      const [edk, keys] = [wrapped.toString('base64'), { aes: [wrapping], rsa: [privateKey] }]
      const shared = { 'x-amz-iv': iv.toString('base64'), 'x-amz-matdesc': '{}' }
      const v1 = { ...shared, 'x-amz-key': edk }
      const v2 = { ...shared, 'x-amz-key-v2': edk, 'x-amz-cek-alg': 'AES/CBC/PKCS5Padding', 'x-amz-wrap-alg': wrap }
      for (const metadata of [v1, v2]) assert.deepEqual(readStored({ metadata, body }, keys), plaintext)
    }
  }
})

test('a wrap that is not as it should be does not open, whatever it holds', () => {
  const [dataKey, iv] = [Buffer.alloc(32, 7), Buffer.alloc(12, 5)]
  const cipher = createCipheriv('aes-256-gcm', dataKey, iv)
  const body = Buffer.concat([cipher.update('text'), cipher.final(), cipher.getAuthTag()])
  const reads = (wrap: string, wrapped: Uint8Array, map = '{}'): boolean => {
    const metadata = {
      'x-amz-key-v2': Buffer.from(wrapped).toString('base64'),
      'x-amz-iv': iv.toString('base64'),
      'x-amz-cek-alg': 'AES/GCM/NoPadding',
      'x-amz-wrap-alg': wrap,
      'x-amz-matdesc': map,
      'x-amz-tag-len': '128',
    }
    try {
      return readStored({ metadata, body }, { rsa: [privateKey], kms: () => dataKey }).toString() === 'text'
    } catch {
      return false
    }
  }
  const context = (content: string): string => JSON.stringify({ 'aws:x-amz-cek-alg': content })
  assert.ok(reads('kms+context', Buffer.from('blob'), context('AES/GCM/NoPadding')))
  assert.ok(!reads('kms+context', Buffer.from('blob'), context('115')))
  assert.ok(!reads('kms+context', Buffer.from('blob')))

  const sha1 = (content: string): Buffer => {
    const padding = constants.RSA_PKCS1_OAEP_PADDING
    const block = Buffer.concat([Buffer.from([32]), dataKey, Buffer.from(content)])
    return publicEncrypt({ key: publicKey, padding, oaepHash: 'sha1' }, block)
  }
  assert.ok(reads('RSA-OAEP-SHA1', sha1('AES/GCM/NoPadding')))
  for (const other of ['115', '', 'AES/GCM/NoPadding ']) assert.ok(!reads('RSA-OAEP-SHA1', sha1(other)))

  const raw = (block: Buffer): Buffer => publicEncrypt({ key: publicKey, padding: constants.RSA_NO_PADDING }, block)
  const pkcs1 = (...start: number[]): Buffer => {
    const block = Buffer.alloc(256 - 32, 1)
    block.set(start)
    block[223] = 0
    return raw(Buffer.concat([block, dataKey]))
  }
  assert.ok(reads('RSA', pkcs1(0, 2)))
  assert.ok(!reads('RSA', pkcs1(0, 1)))
  assert.ok(!reads('RSA', pkcs1(1, 2)))
  assert.ok(!reads('RSA', pkcs1(0, 2, 1, 1, 0)))

  const mask = (seed: Uint8Array, length: number): Buffer => {
    const blocks = Array.from({ length: Math.ceil(length / 32) }, (_, i) =>
      createHash('sha256')
        .update(seed)
        .update(Buffer.from([0, 0, 0, i]))
        .digest(),
    )
    return Buffer.concat(blocks).subarray(0, length)
  }
  const xor = (a: Buffer, b: Buffer): Buffer => Buffer.from(a.map((byte, i) => byte ^ b[i]!))
  const oaep = (label: string, separator: number, start = 0): Buffer => {
    const data = Buffer.alloc(223)
    createHash('sha256').update(label).digest().copy(data)
    data[223 - 33] = separator
    dataKey.copy(data, 223 - 32)
    const seed = Buffer.alloc(32, 3)
    const masked = xor(data, mask(seed, 223))
    return raw(Buffer.concat([Buffer.from([start]), xor(seed, mask(masked, 32)), masked]))
  }
  const name = 'RSA/ECB/OAEPWithSHA-256AndMGF1Padding'
  assert.ok(reads(name, oaep('', 1)))
  assert.ok(!reads(name, oaep('label', 1)))
  assert.ok(!reads(name, oaep('', 2)))
  assert.ok(!reads(name, oaep('', 1, 1)))
})
