import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { describe, test } from 'node:test'
import { oaepSha256Decode, pkcs1Decode } from '../../src/crypto/rsa-padding.js'
import { hex, RUNTIMES, toHex, wycheproof } from './helpers.js'

interface RsaGroup {
  readonly privateKeyPem: string
  readonly tests: readonly Readonly<Record<'label' | 'msg' | 'ct' | 'result', string> & { tcId: number }>[]
}

const LENGTHS = [16, 24, 32]
const SIZE = 256
const rejected = new Uint8Array(32).fill(0xee)
const [[, node]] = RUNTIMES

const join = (...parts: (Uint8Array | readonly number[])[]): Uint8Array =>
  Uint8Array.from(parts.flatMap((part) => [...part]))

const nonZero = (length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => (i % 255) + 1)

/** 00 02, bytes that are not zero, 00, a message. */
function pkcs1Block(message: Uint8Array): Uint8Array {
  return join([0, 2], nonZero(SIZE - 3 - message.length), [0], message)
}

function set(block: Uint8Array, at: number, value: number): Uint8Array {
  const changed = Uint8Array.from(block)
  changed[at < 0 ? block.length + at : at] = value
  return changed
}

describe('EME-PKCS1-v1_5 decoding', () => {
  const decode = (block: Uint8Array, lengths = LENGTHS): Uint8Array =>
    pkcs1Decode(Uint8Array.from(block), lengths, rejected)

  for (const length of LENGTHS) {
    test(`a key of ${length} bytes, if it is wanted`, () => {
      const key = Uint8Array.from(randomBytes(length))
      assert.deepEqual(decode(pkcs1Block(key)), key)
      assert.deepEqual(
        decode(
          pkcs1Block(key),
          LENGTHS.filter((one) => one !== length),
        ),
        rejected,
      )
      const zeros = new Uint8Array(length)
      assert.deepEqual(decode(pkcs1Block(zeros)), zeros, 'zeros in the key do not count as separators')
    })
  }

  test('the block is wiped, and what is returned is a copy', () => {
    const block = pkcs1Block(nonZero(32))
    const key = pkcs1Decode(block, LENGTHS, rejected)
    assert.deepEqual(block, new Uint8Array(SIZE))
    assert.deepEqual(key, nonZero(32))
    assert.notEqual(pkcs1Decode(new Uint8Array(SIZE), LENGTHS, rejected), rejected)
  })

  test('every other block gives the same kind of key', () => {
    const good = pkcs1Block(nonZero(32))
    const blocks: Record<string, Uint8Array> = {
      'first byte': set(good, 0, 1),
      'first byte, highest bit': set(good, 0, 0x80),
      'second byte 0': set(good, 1, 0),
      'second byte 1': set(good, 1, 1),
      'second byte 3': set(good, 1, 3),
      'signature block': join([0, 1], new Uint8Array(SIZE - 35).fill(255), [0], nonZero(32)),
      'no separator': set(good, -33, 1),
      'no separator, highest bit': set(good, -33, 0x80),
      'no zero anywhere': join([0, 2], nonZero(SIZE - 2)),
      'all zeros': new Uint8Array(SIZE),
      'message empty': pkcs1Block(new Uint8Array(0)),
      ...Object.fromEntries(
        [1, 15, 17, 23, 25, 31, 33, 48, 100, SIZE - 11].map((n) => [`message of ${n}`, pkcs1Block(nonZero(n))]),
      ),
      'too little padding': join([0, 2], nonZero(7), [0], nonZero(SIZE - 10)),
    }
    for (let at = 2; at < SIZE - 33; at++) blocks[`zero in the padding at ${at}`] = set(good, at, 0)
    for (const [what, block] of Object.entries(blocks)) {
      assert.equal(block.length, SIZE)
      const found = decode(block)
      assert.equal(Object.getPrototypeOf(found), Uint8Array.prototype, what)
      assert.deepEqual(found, rejected, what)
    }
  })

  test('Wycheproof: data keys are opened, all else gives the key for rejections', async (t) => {
    const file = wycheproof<RsaGroup>(t, 'rsa_pkcs1_2048_test')
    if (file === undefined) return
    const count = { opened: 0, invalid: 0, notNumbers: 0, notDataKeys: 0 }
    for (const group of file.testGroups) {
      const key = await node.rsaPrivateKey(group.privateKeyPem)
      for (const one of group.tests) {
        const block = await key.raw!.decrypt(hex(one.ct))
        const found = block && decode(block)
        if (one.result === 'valid' && LENGTHS.includes(one.msg.length / 2)) {
          assert.equal(toHex(found!), one.msg, `test ${one.tcId}`)
          count.opened++
        } else if (found === undefined) {
          assert.equal(one.result, 'invalid', `test ${one.tcId}`)
          count.notNumbers++
        } else {
          assert.deepEqual(found, rejected, `test ${one.tcId}`)
          count[one.result === 'invalid' ? 'invalid' : 'notDataKeys']++
        }
      }
    }
    assert.deepEqual(count, { opened: 2, invalid: 19, notNumbers: 6, notDataKeys: 40 })
  })
})

/** OAEP of RFC 8017 with SHA-256, written apart: any data block under any first byte. */
function oaepBlock(data: Uint8Array, mgf: 'sha1' | 'sha256', first = 0): Uint8Array {
  const mask = (seed: Uint8Array, length: number): Uint8Array => {
    const digests = Array.from({ length: Math.ceil(length / 20) }, (_, count) =>
      createHash(mgf)
        .update(seed)
        .update(Uint8Array.of(0, 0, 0, count))
        .digest(),
    )
    return Uint8Array.from(Buffer.concat(digests).subarray(0, length))
  }
  const xor = (a: Uint8Array, b: Uint8Array): Uint8Array => a.map((byte, i) => byte ^ b[i]!)
  const seed = Uint8Array.from(randomBytes(32))
  const maskedData = xor(data, mask(seed, data.length))
  return join([first], xor(seed, mask(maskedData, 32)), maskedData)
}

const labelHash = (label = ''): Uint8Array => Uint8Array.from(createHash('sha256').update(label).digest())

const oaepData = (message: Uint8Array, label?: string): Uint8Array =>
  join(labelHash(label), new Uint8Array(SIZE - 2 - 64 - message.length), [1], message)

describe('EME-OAEP decoding with SHA-256', () => {
  const decode = async (block: Uint8Array, lengths = LENGTHS): Promise<Uint8Array | undefined> =>
    oaepSha256Decode(Uint8Array.from(block), lengths)

  for (const mgf of ['sha1', 'sha256'] as const) {
    for (const length of LENGTHS) {
      test(`MGF1 with ${mgf}, a key of ${length} bytes, if it is wanted`, async () => {
        const key = Uint8Array.from(randomBytes(length))
        const block = oaepBlock(oaepData(key), mgf)
        assert.deepEqual(await decode(block), key)
        assert.equal(
          await decode(
            block,
            LENGTHS.filter((one) => one !== length),
          ),
          undefined,
        )
        const ones = new Uint8Array(length).fill(1)
        assert.deepEqual(await decode(oaepBlock(oaepData(ones), mgf)), ones, 'ones in the key are no separators')
      })
    }

    test(`MGF1 with ${mgf}: every other block is undefined`, async () => {
      const good = oaepData(nonZero(32))
      const blocks: Record<string, Uint8Array> = {
        'first byte 1': oaepBlock(good, mgf, 1),
        'first byte, highest bit': oaepBlock(good, mgf, 0x80),
        'a label': oaepBlock(oaepData(nonZero(32), 'x'), mgf),
        'no separator': oaepBlock(set(good, -33, 0), mgf),
        'separator 2': oaepBlock(set(good, -33, 2), mgf),
        'separator 81': oaepBlock(set(good, -33, 0x81), mgf),
        'all zeros': oaepBlock(join(labelHash(), new Uint8Array(SIZE - 65)), mgf),
        'message empty': oaepBlock(oaepData(new Uint8Array(0)), mgf),
      }
      for (const length of [1, 15, 17, 31, 33, 48]) {
        blocks[`message of ${length}`] = oaepBlock(oaepData(nonZero(length)), mgf)
      }
      for (let at = 0; at < 32; at++)
        blocks[`hash of the label, byte ${at}`] = oaepBlock(set(good, at, good[at]! ^ 1), mgf)
      for (let at = 32; at < good.length - 33; at++) {
        blocks[`1 at ${at}`] = oaepBlock(set(good, at, 1), mgf)
        blocks[`128 at ${at}`] = oaepBlock(set(good, at, 128), mgf)
      }
      for (const [what, block] of Object.entries(blocks)) {
        assert.equal(block.length, SIZE)
        assert.equal(await decode(block), undefined, what)
      }
      assert.ok(await decode(oaepBlock(good, mgf)), 'the test itself')
    })

    test(`Wycheproof, MGF1 with ${mgf}: data keys with an empty label are opened, all else is undefined`, async (t) => {
      const file = wycheproof<RsaGroup>(t, `rsa_oaep_2048_sha256_mgf1${mgf}_test`)
      if (file === undefined) return
      const count = { opened: 0, invalid: 0, notDataKeys: 0, label: 0 }
      for (const group of file.testGroups) {
        const key = await node.rsaPrivateKey(group.privateKeyPem)
        for (const one of group.tests) {
          const block = await key.raw!.decrypt(hex(one.ct))
          const found = block && (await decode(block))
          if (one.result === 'valid' && one.label === '' && LENGTHS.includes(one.msg.length / 2)) {
            assert.equal(toHex(found!), one.msg, `test ${one.tcId}`)
            count.opened++
          } else {
            assert.equal(found, undefined, `test ${one.tcId}`)
            count[one.result === 'invalid' ? 'invalid' : one.label === '' ? 'notDataKeys' : 'label']++
          }
        }
      }
      const { opened, invalid, notDataKeys, label } = count
      assert.deepEqual([opened + invalid + notDataKeys + label, invalid], mgf === 'sha1' ? [31, 18] : [37, 19])
      assert.equal(opened, 1)
    })

    // So that what is checked is not only what data keys have: every message of the file, by its own length.
    test(`Wycheproof, MGF1 with ${mgf}: messages of any length that is asked for`, async (t) => {
      const file = wycheproof<RsaGroup>(t, `rsa_oaep_2048_sha256_mgf1${mgf}_test`)
      if (file === undefined) return
      let opened = 0
      for (const group of file.testGroups) {
        const key = await node.rsaPrivateKey(group.privateKeyPem)
        for (const one of group.tests) {
          const block = await key.raw!.decrypt(hex(one.ct))
          const found = block && (await decode(block, [one.msg.length / 2]))
          if (one.result === 'valid' && one.label === '' && one.msg !== '') {
            assert.equal(toHex(found!), one.msg, `test ${one.tcId}`)
            opened++
          } else assert.equal(found, undefined, `test ${one.tcId}`)
        }
      }
      assert.ok(opened >= 6)
    })
  }

  test('the block is wiped', async () => {
    const block = oaepBlock(oaepData(nonZero(32)), 'sha1')
    await oaepSha256Decode(block, LENGTHS)
    assert.deepEqual(block, new Uint8Array(SIZE))
  })
})
