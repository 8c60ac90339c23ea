import assert from 'node:assert/strict'
import { createECDH, createPublicKey, createVerify, ECDH, generateKeyPairSync, sign } from 'node:crypto'
import { describe, test } from 'node:test'
import { compressPoint, curves, decompressPoint, integerOf } from '../../src/runtime/ec-point.js'
import { decodeSignature, fittingSignature, signatureLengths } from '../../src/runtime/ecdsa-der.js'
import { nodeEcdsa } from '../../src/runtime/node-ecdsa.js'
import type { CurveName, Ecdsa } from '../../src/runtime/ecdsa.js'
import { webEcdsa } from '../../src/runtime/web-ecdsa.js'
import { hex, pattern, wycheproof } from '../crypto/helpers.js'
import { code } from '../support/errors.js'

interface EcdsaGroup {
  readonly publicKey: { readonly uncompressed: string }
  readonly tests: readonly {
    readonly tcId: number
    readonly msg: string
    readonly sig: string
    readonly result: string
  }[]
}

const RUNTIMES: readonly (readonly [string, Ecdsa])[] = [
  ['node:crypto', nodeEcdsa],
  ['WebCrypto', webEcdsa],
]
const CURVES = [
  { curve: 'P-256', file: 'ecdsa_secp256r1_sha256_test', node: 'prime256v1', hash: 'sha256', length: 71, point: 33 },
  { curve: 'P-384', file: 'ecdsa_secp384r1_sha384_test', node: 'secp384r1', hash: 'sha384', length: 103, point: 49 },
] as const
const PREFIXES: Readonly<Record<CurveName, string>> = {
  'P-256': '3059301306072a8648ce3d020106082a8648ce3d030107034200',
  'P-384': '3076301006072a8648ce3d020106052b81040022036200',
}

/** By node:crypto alone, from the compressed point on. */
function verifies(curve: CurveName, publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  const { node, hash } = CURVES.find((row) => row.curve === curve)!
  const point = ECDH.convertKey(publicKey, node, undefined, 'hex', 'uncompressed') as string
  const key = createPublicKey({ key: Buffer.from(PREFIXES[curve] + point, 'hex'), format: 'der', type: 'spki' })
  return createVerify(hash).update(message).verify(key, signature)
}

for (const [name, ecdsa] of RUNTIMES) {
  for (const { curve, file, node, hash, length, point } of CURVES) {
    describe(`ECDSA over ${curve} on ${name}`, () => {
      test('Wycheproof', async (t) => {
        const vectors = wycheproof<EcdsaGroup>(t, file)
        if (vectors === undefined) return
        const count = { valid: 0, invalid: 0 }
        for (const { publicKey, tests } of vectors.testGroups) {
          const compressed = compressPoint(hex(publicKey.uncompressed))
          for (const one of tests) {
            const verifier = (await ecdsa.verifier(curve, compressed))!
            const message = hex(one.msg)
            verifier.update(message.subarray(0, 3))
            verifier.update(message.subarray(3))
            const isValid = await verifier.verify(hex(one.sig))
            assert.equal(isValid, one.result === 'valid', `test ${one.tcId}`)
            count[isValid ? 'valid' : 'invalid']++
          }
        }
        assert.deepEqual(count, curve === 'P-256' ? { valid: 174, invalid: 310 } : { valid: 194, invalid: 310 })
      })

      test('every signature has the one length, and is valid for everyone', async () => {
        for (let i = 0; i < 300; i++) {
          const pair = await ecdsa.generate(curve)
          assert.equal(pair.publicKey.length, point)
          const message = pattern(i * 7)
          const signer = pair.signer()
          signer.update(message.subarray(0, 100))
          const rest = message.slice(100)
          signer.update(rest)
          // They are taken at once.
          rest.fill(0)
          const signature = await signer.sign()
          assert.equal(signature.length, length)
          assert.ok(verifies(curve, pair.publicKey, message, signature), `${i}`)
          if (i > 20) continue
          const verifier = (await ecdsa.verifier(curve, pair.publicKey))!
          verifier.update(message)
          assert.equal(await verifier.verify(signature), true)
          for (const [other, bytes] of [
            [signature, Uint8Array.of(...message, 0)],
            [signature.map((byte, at) => (at === length - 1 ? byte ^ 1 : byte)), message],
          ] as const) {
            const refusing = (await ecdsa.verifier(curve, pair.publicKey))!
            refusing.update(bytes)
            assert.equal(await refusing.verify(other), false)
          }
        }
      })

      test('what node:crypto signs is verified, whatever its length', async () => {
        const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: node })
        const der = publicKey.export({ format: 'der', type: 'spki' })
        const compressed = compressPoint(der.subarray(-(2 * (point - 1) + 1)))
        const lengths = new Set<number>()
        for (let i = 0; i < 60; i++) {
          const signature = sign(hash, pattern(i), privateKey)
          lengths.add(signature.length)
          const verifier = (await ecdsa.verifier(curve, compressed))!
          verifier.update(pattern(i))
          assert.equal(await verifier.verify(signature), true)
        }
        assert.ok(lengths.size > 1)
      })

      test('what is no compressed point of the curve makes no verifier', async () => {
        const anotherCurve = curve === 'P-256' ? 'P-384' : 'P-256'
        const ecdh = createECDH(node)
        ecdh.generateKeys()
        const good = ecdh.getPublicKey(undefined, 'compressed') as unknown as Buffer
        assert.ok(await ecdsa.verifier(curve, good))
        const changed = (change: (bytes: Buffer) => void): Buffer => {
          const bytes = Buffer.from(good)
          change(bytes)
          return bytes
        }
        const wrong: Uint8Array[] = [
          new Uint8Array(0),
          Uint8Array.of(0),
          good.subarray(0, -1),
          Buffer.concat([good, Buffer.of(0)]),
          ecdh.getPublicKey(),
          changed((bytes) => (bytes[0] = 4)),
          changed((bytes) => (bytes[0] = 0)),
          changed((bytes) => bytes.fill(0xff, 1)),
          (await ecdsa.generate(anotherCurve)).publicKey,
        ]
        for (const bytes of wrong) assert.equal(await ecdsa.verifier(curve, bytes), undefined, bytes.toString())
        // A coordinate has one form: the field's prime is not to be added to it.
        const { prime, size } = curves[curve]
        const small = Array.from({ length: 64 }, (_, x) => Uint8Array.of(2, ...new Uint8Array(size - 1), x))
        const onCurve = small.filter((bytes) => decompressPoint(curve, bytes) !== undefined)
        assert.ok(onCurve.length > 0)
        for (const bytes of onCurve) {
          const sum = prime + integerOf(bytes.subarray(1))
          const other = Buffer.from(`02${sum.toString(16).padStart(2 * size, '0')}`, 'hex')
          assert.equal(await ecdsa.verifier(curve, other), undefined)
        }
        // About half of all x are of no point.
        let refused = 0
        for (let x = 1; x <= 64; x++) {
          const bytes = new Uint8Array(point)
          bytes[0] = 2
          bytes[point - 1] = x
          if ((await ecdsa.verifier(curve, bytes)) === undefined) refused++
        }
        assert.ok(refused > 10 && refused < 54, String(refused))
      })

      test('a pair signs once, and a verifier verifies once', async () => {
        const used = code('ERR_S3CSE_CONFIG')
        const pair = await ecdsa.generate(curve)
        const signer = pair.signer()
        assert.throws(() => pair.signer(), used)
        signer.update(pattern(10))
        const signature = await signer.sign()
        assert.throws(() => signer.update(pattern(1)), used)
        await assert.rejects(async () => signer.sign(), used)
        const verifier = (await ecdsa.verifier(curve, pair.publicKey))!
        verifier.update(pattern(10))
        assert.equal(await verifier.verify(signature), true)
        assert.throws(() => verifier.update(pattern(1)), used)
        await assert.rejects(async () => verifier.verify(signature), used)
        for (const destroy of ['pair', 'signer'] as const) {
          const gone = await ecdsa.generate(curve)
          const late = gone.signer()
          if (destroy === 'pair') gone.destroy()
          else late.destroy()
          late.destroy()
          gone.destroy()
          await assert.rejects(async () => late.sign(), used)
        }
        const unused = await ecdsa.generate(curve)
        unused.destroy()
        assert.throws(() => unused.signer(), used)
      })
    })
  }
}

test('WebCrypto takes 64 MiB and no byte more, for both', async () => {
  const tooLarge = code('ERR_S3CSE_BODY_TOO_LARGE', /64 MiB/)
  const chunk = new Uint8Array(32 * 1024 * 1024)
  const pair = await webEcdsa.generate('P-256')
  const signer = pair.signer()
  signer.update(chunk)
  signer.update(chunk)
  const signature = await signer.sign()
  const verifier = (await webEcdsa.verifier('P-256', pair.publicKey))!
  verifier.update(chunk)
  verifier.update(chunk)
  assert.equal(await verifier.verify(signature), true)
  const another = (await webEcdsa.generate('P-256')).signer()
  for (const taking of [another, (await webEcdsa.verifier('P-256', pair.publicKey))!]) {
    taking.update(chunk)
    taking.update(chunk)
    assert.throws(() => taking.update(Uint8Array.of(1)), tooLarge)
  }
  await assert.rejects(async () => another.sign(), code('ERR_S3CSE_CONFIG'))
})

test('points go both ways, and are those of node:crypto', () => {
  for (const { curve, node } of CURVES) {
    for (let i = 0; i < 40; i++) {
      const ecdh = createECDH(node)
      const point = ecdh.generateKeys()
      const compressed = compressPoint(point)
      assert.equal(Buffer.from(compressed).toString('hex'), ecdh.getPublicKey('hex', 'compressed'))
      assert.deepEqual(decompressPoint(curve, compressed), Uint8Array.from(point))
    }
  }
})

test('of both forms of a signature the one of the right length is taken, and neither where neither has it', () => {
  for (const { curve, length } of CURVES) {
    const { order, size } = curves[curve]
    const half = 1n << BigInt(8 * size - 1)
    const small = half >> 1n
    assert.equal(signatureLengths[curve], length)
    for (const [r, s] of [
      [half, small],
      [half, order - small],
      [small, half],
      [small, order - half - 5n],
    ] as const) {
      const signature = fittingSignature(curve, { r, s })
      // Near the middle both forms may be short ones.
      if (signature === undefined) {
        assert.equal(s, order - half - 5n)
        continue
      }
      assert.equal(signature.length, length)
      const decoded = decodeSignature(curve, signature)!
      assert.equal(decoded.r, r)
      assert.ok(decoded.s === s || decoded.s === order - s)
    }
    for (const [r, s] of [
      [0n, half],
      [half, 0n],
      [1n, half],
      [small >> 8n, small],
      [half, 1n],
    ] as const) {
      assert.equal(fittingSignature(curve, { r, s }), undefined, `${r} ${s}`)
    }
  }
})

test('DER is strict to the byte', () => {
  const decodes = (text: string): boolean => decodeSignature('P-256', hex(text)) !== undefined
  assert.ok(decodes('3006020101020101'))
  assert.ok(decodes('30070202008002017f'))
  for (const text of [
    '',
    '30',
    '3000',
    '3003020101',
    '3006020101020101ff',
    '3007020101020101ff',
    '308106020101020101',
    '3106020101020101',
    '3006030101020101',
    '3006020100020101',
    '3006020101020100',
    '3006020181020101',
    '300702020001020101',
    '3005020002020101',
    '3006020101020201',
    '300602010102017f00',
    '3080020101020101',
  ]) {
    assert.ok(!decodes(text), text)
  }
  const order = curves['P-256'].order.toString(16)
  assert.ok(!decodes(`3026022100${order}020101`))
  assert.ok(decodes(`3026022100${(curves['P-256'].order - 1n).toString(16)}020101`))
  assert.ok(!decodes(`302702220000${order}020101`))
  assert.equal(integerOf(hex('0102030405060708090a')), 0x0102030405060708090an)
})
