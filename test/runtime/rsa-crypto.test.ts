import assert from 'node:assert/strict'
import {
  constants,
  createHmac,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  privateDecrypt,
  publicEncrypt,
} from 'node:crypto'
import { describe, test } from 'node:test'
import type { RsaKeyInput } from '../../src/runtime/runtime.js'
import { hex, pattern, RUNTIMES, toHex, wycheproof } from '../crypto/helpers.js'

interface RsaGroup {
  readonly privateKeyPkcs8: string
  readonly privateKeyPem: string
  readonly tests: readonly {
    readonly tcId: number
    readonly label: string
    readonly msg: string
    readonly ct: string
    readonly result: string
  }[]
}

const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
const small = generateKeyPairSync('rsa', { modulusLength: 1024 })
const pss = generateKeyPairSync('rsa-pss', { modulusLength: 2048 })
const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' })

const pem = (key: typeof publicKey, type: 'spki' | 'pkcs1' | 'pkcs8' | 'sec1'): string =>
  String(key.export({ type: type, format: 'pem' }))
const der = (key: typeof publicKey, type: 'spki' | 'pkcs1' | 'pkcs8'): Uint8Array =>
  Uint8Array.from(key.export({ type: type as 'spki', format: 'der' }) as Buffer)
const latin1 = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'latin1'))
const encrypted = { cipher: 'aes-256-cbc', passphrase: 'secret' } as const

const cryptoKey = async (
  kind: 'public' | 'private',
  usages: KeyUsage[],
  algorithm = { name: 'RSA-OAEP', hash: 'SHA-1' },
  from = kind === 'public' ? publicKey : privateKey,
): Promise<CryptoKey> => {
  const form = kind === 'public' ? 'spki' : 'pkcs8'
  return crypto.subtle.importKey(form, der(from, form) as Uint8Array<ArrayBuffer>, algorithm, false, usages)
}

const [[, node]] = RUNTIMES

for (const [name, runtime] of RUNTIMES) {
  const isNode = runtime === node

  describe(`RSA-OAEP-SHA1 on ${name}`, () => {
    test('every form of key that is taken', async () => {
      const publics: Record<string, RsaKeyInput> = {
        'SPKI PEM': pem(publicKey, 'spki'),
        'SPKI PEM as bytes': latin1(pem(publicKey, 'spki')),
        'PEM with text around it and CRLF': `Some words\r\n${pem(publicKey, 'spki').replaceAll('\n', '\r\n')}\r\nmore`,
        'SPKI DER': der(publicKey, 'spki'),
        CryptoKey: await cryptoKey('public', ['encrypt']),
        ...(isNode && {
          'PKCS#1 PEM': pem(publicKey, 'pkcs1'),
          'PKCS#1 DER': der(publicKey, 'pkcs1'),
          KeyObject: publicKey,
        }),
      }
      const privates: Record<string, RsaKeyInput> = {
        'PKCS#8 PEM': pem(privateKey, 'pkcs8'),
        'PKCS#8 DER': der(privateKey, 'pkcs8'),
        CryptoKey: await cryptoKey('private', ['decrypt']),
        ...(isNode && {
          'PKCS#1 PEM': pem(privateKey, 'pkcs1'),
          'PKCS#1 DER': der(privateKey, 'pkcs1'),
          KeyObject: privateKey,
        }),
      }
      const reader = await runtime.rsaPrivateKey(der(privateKey, 'pkcs8'))
      for (const [form, key] of Object.entries(publics)) {
        const writer = await runtime.rsaPublicKey(key)
        assert.equal(writer.modulusLength, 256, form)
        const sealed = await writer.oaepEncrypt('SHA-1', pattern(50))
        assert.equal(Object.getPrototypeOf(sealed), Uint8Array.prototype)
        assert.equal(sealed.length, 256, form)
        assert.deepEqual(await reader.oaepDecrypt('SHA-1', sealed), pattern(50), form)
      }
      const sealed = await (await runtime.rsaPublicKey(pem(publicKey, 'spki'))).oaepEncrypt('SHA-1', pattern(36))
      for (const [form, key] of Object.entries(privates)) {
        const opener = await runtime.rsaPrivateKey(key)
        assert.equal(opener.modulusLength, 256, form)
        assert.deepEqual(await opener.oaepDecrypt('SHA-1', sealed), pattern(36), form)
        for (const wrong of [pattern(256), pattern(255), pattern(257), new Uint8Array(0), new Uint8Array(256)]) {
          assert.equal(await opener.oaepDecrypt('SHA-1', wrong), undefined, form)
        }
      }
    })

    test('a key length that is no multiple of 8 bits is rounded up', async () => {
      const odd = generateKeyPairSync('rsa', { modulusLength: 2052 })
      const writer = await runtime.rsaPublicKey(pem(odd.publicKey, 'spki'))
      assert.equal(writer.modulusLength, 257)
      assert.equal((await writer.oaepEncrypt('SHA-1', pattern(36))).length, 257)
    })

    const OTHER = /-----BEGIN|PEM text, DER/
    const refusedPublic: [string, () => unknown, RegExp][] = [
      ['a private key as PEM', () => pem(privateKey, 'pkcs8'), /not a private key.*public half/],
      ['a private key as PKCS#1 PEM', () => pem(privateKey, 'pkcs1'), /not a private key/],
      ['a private key as DER', () => der(privateKey, 'pkcs8'), /not a private key/],
      ['a private key under a public label', () => pem(privateKey, 'pkcs8').replaceAll('PRIVATE', 'PUBLIC'), /private/],
      ['a private CryptoKey', async () => cryptoKey('private', ['decrypt']), /not a private key/],
      [
        'an encrypted private key',
        () => privateKey.export({ type: 'pkcs8', format: 'pem', ...encrypted }),
        /passphrase/,
      ],
      ['an EC key as PEM', () => pem(ec.publicKey, 'spki'), isNode ? /is for ec/ : /cannot read/],
      ['a certificate', () => '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----', /holds a CERTIFICATE/],
      ['two keys', () => pem(publicKey, 'spki').repeat(2), /2 blocks/],
      ['1024 bits', () => pem(small.publicKey, 'spki'), /at least 2048 bits.*1024/],
      ['a wrong usage', async () => cryptoKey('public', ['wrapKey']), /usages must include 'encrypt'/],
      [
        'a CryptoKey for SHA-256',
        async () => cryptoKey('public', ['encrypt'], { name: 'RSA-OAEP', hash: 'SHA-256' }),
        /SHA-1, not SHA-256/,
      ],
      [
        'a CryptoKey for signatures',
        async () => cryptoKey('public', ['verify'], { name: 'RSA-PSS', hash: 'SHA-1' }),
        /this one is for RSA-PSS/,
      ],
      ['a short CryptoKey', async () => cryptoKey('public', ['encrypt'], undefined, small.publicKey), /2048 bits/],
      ['text', () => 'ssh-rsa AAAA', OTHER],
      ['no text', () => '', OTHER],
      ['PEM that is not Base64', () => '-----BEGIN PUBLIC KEY-----\n=A=\n-----END PUBLIC KEY-----', OTHER],
      ['garbage bytes', () => pattern(300), OTHER],
      ['garbage DER', () => Uint8Array.of(0x30, 1, 2, 3), isNode ? OTHER : /cannot read/],
      ['no bytes', () => new Uint8Array(0), OTHER],
      ['an object', () => ({ type: 'public' }), OTHER],
      ['nothing', () => undefined, OTHER],
      ['null', () => null, OTHER],
      ...((isNode
        ? [
            ['a private KeyObject', () => privateKey, /not a private key/],
            ['a private key as PKCS#1 DER', () => der(privateKey, 'pkcs1'), /not a private key/],
            [
              'a private PKCS#1 key under a public label',
              () => pem(privateKey, 'pkcs1').replaceAll('PRIVATE', 'PUBLIC'),
              /not a private/,
            ],
            ['an EC KeyObject', () => ec.publicKey, /is for ec/],
            ['an RSA-PSS key', () => pss.publicKey, /is for rsa-pss/],
          ]
        : [
            ['a KeyObject', () => publicKey, OTHER],
            ['PKCS#1', () => pem(publicKey, 'pkcs1'), /give SPKI/],
          ]) as [string, () => unknown, RegExp][]),
    ]
    const refusedPrivate: [string, () => unknown, RegExp][] = [
      ['a public key as PEM', () => pem(publicKey, 'spki'), /not a public key/],
      ['a public key as DER', () => der(publicKey, 'spki'), /not a public key/],
      ['a public CryptoKey', async () => cryptoKey('public', ['encrypt']), /not a public key/],
      ['an encrypted PEM', () => privateKey.export({ type: 'pkcs8', format: 'pem', ...encrypted }), /passphrase/],
      [
        'an encrypted PKCS#1 PEM',
        () => privateKey.export({ type: 'pkcs1', format: 'pem', ...encrypted }),
        /passphrase/,
      ],
      ['an EC PEM', () => pem(ec.privateKey, 'sec1'), /holds an EC PRIVATE KEY/],
      ['an EC key as PKCS#8', () => pem(ec.privateKey, 'pkcs8'), isNode ? /is for ec/ : /cannot read/],
      ['1024 bits', () => pem(small.privateKey, 'pkcs8'), /at least 2048 bits/],
      ['a wrong usage', async () => cryptoKey('private', ['unwrapKey']), /usages must include 'decrypt'/],
      ['garbage', () => pattern(30), OTHER],
      ...((isNode
        ? [
            ['a public KeyObject', () => publicKey, /not a public key/],
            ['an encrypted DER', () => privateKey.export({ type: 'pkcs8', format: 'der', ...encrypted }), /passphrase/],
            ['an RSA-PSS key', () => pem(pss.privateKey, 'pkcs8'), /is for rsa-pss/],
          ]
        : [['a KeyObject', () => privateKey, OTHER]]) as [string, () => unknown, RegExp][]),
    ]
    for (const [what, key, message] of refusedPublic) {
      test(`no public key: ${what}`, async () => {
        await assert.rejects(async () => runtime.rsaPublicKey((await key()) as RsaKeyInput), {
          name: 'TypeError',
          message,
        })
      })
    }
    for (const [what, key, message] of refusedPrivate) {
      test(`no private key: ${what}`, async () => {
        await assert.rejects(async () => runtime.rsaPrivateKey((await key()) as RsaKeyInput), {
          name: 'TypeError',
          message,
        })
      })
    }

    test('Wycheproof, with an empty label', async (t) => {
      const file = wycheproof<RsaGroup>(t, 'rsa_oaep_2048_sha1_mgf1sha1_test')
      if (file === undefined) return
      const count = { valid: 0, invalid: 0, label: 0 }
      for (const group of file.testGroups) {
        for (const key of [hex(group.privateKeyPkcs8), group.privateKeyPem]) {
          const reader = await runtime.rsaPrivateKey(key)
          const writer = await runtime.rsaPublicKey(pem(createPublicKey(group.privateKeyPem), 'spki'))
          for (const one of group.tests) {
            const found = await reader.oaepDecrypt('SHA-1', hex(one.ct))
            if (one.result === 'valid' && one.label === '') {
              assert.equal(toHex(found!), one.msg, `test ${one.tcId}`)
              assert.equal(
                toHex((await reader.oaepDecrypt('SHA-1', await writer.oaepEncrypt('SHA-1', hex(one.msg))))!),
                one.msg,
              )
              count.valid++
            } else {
              // Made with a label: not for us, so that these fail as well.
              assert.equal(found, undefined, `test ${one.tcId}`)
              count[one.label === '' ? 'invalid' : 'label']++
            }
          }
        }
      }
      assert.deepEqual(count, { valid: 2 * 10, invalid: 2 * 19, label: 2 * 7 })
    })
  })
}

test('node:crypto and WebCrypto read each other', async () => {
  const spki = pem(publicKey, 'spki')
  const pkcs8 = pem(createPrivateKey(pem(privateKey, 'pkcs1')), 'pkcs8')
  for (const [, writing] of RUNTIMES) {
    for (const [, reading] of RUNTIMES) {
      const sealed = await (await writing.rsaPublicKey(spki)).oaepEncrypt('SHA-1', pattern(50))
      assert.deepEqual(await (await reading.rsaPrivateKey(pkcs8)).oaepDecrypt('SHA-1', sealed), pattern(50))
    }
  }
})

describe('RSA without the runtime’s paddings', () => {
  const privates = (): [string, RsaKeyInput][] => [
    ['PKCS#8 PEM', pem(privateKey, 'pkcs8')],
    ['PKCS#8 DER', der(privateKey, 'pkcs8')],
    ['PKCS#1 PEM', pem(privateKey, 'pkcs1')],
    ['PKCS#1 DER', der(privateKey, 'pkcs1')],
    ['KeyObject', privateKey],
  ]
  const raw = { key: publicKey, padding: constants.RSA_NO_PADDING }

  test('gives every block as it is, leading zeros too', async () => {
    const blocks = [0, 1, 2, 100, 255, 256].map((zeros) =>
      pattern(256)
        .fill(0, 0, zeros)
        .fill(1, zeros, zeros + 1),
    )
    for (const [form, key] of privates()) {
      const opener = await node.rsaPrivateKey(key)
      for (const block of blocks) {
        const found = await opener.raw!.decrypt(Uint8Array.from(publicEncrypt(raw, block)))
        assert.equal(Object.getPrototypeOf(found), Uint8Array.prototype)
        assert.deepEqual(found, block, form)
      }
    }
  })

  test('what is no number below the modulus, written in full, is undefined', async () => {
    const opener = await node.rsaPrivateKey(privateKey)
    const modulus = Uint8Array.from(Buffer.from(publicKey.export({ format: 'jwk' }).n!, 'base64url'))
    assert.equal(modulus.length, 256)
    const below = Uint8Array.from(modulus)
    below[255]! -= 1
    assert.equal((await opener.raw!.decrypt(below))?.length, 256)
    const good = Uint8Array.from(publicEncrypt(raw, pattern(256)))
    const cases = [
      modulus,
      new Uint8Array(256).fill(255),
      good.subarray(1),
      Uint8Array.of(0, ...good),
      new Uint8Array(0),
    ]
    for (const ciphertext of cases) assert.equal(await opener.raw!.decrypt(ciphertext), undefined)
    // A shorter number is refused for its length, though it is one.
    assert.equal(await opener.raw!.decrypt(new Uint8Array(255).fill(1)), undefined)
  })

  test('the secret for rejections is the key’s, in whatever form it came, and no other key’s', async () => {
    const derived = createHmac('sha512', 's3-cse RSA implicit rejection v1').update(der(privateKey, 'pkcs1')).digest()
    for (const [form, key] of privates()) {
      const opener = await node.rsaPrivateKey(key)
      assert.deepEqual(await opener.raw!.rejectionSecret(), Uint8Array.from(derived), form)
      assert.deepEqual(await opener.raw!.rejectionSecret(), Uint8Array.from(derived), form)
    }
    const other = generateKeyPairSync('rsa', { modulusLength: 2048 })
    const theirs = await (await node.rsaPrivateKey(other.privateKey)).raw!.rejectionSecret()
    assert.notDeepEqual(theirs, Uint8Array.from(derived))
  })

  test('PKCS#1 v1.5 is written as RFC 8017 has it', async () => {
    for (const key of [pem(publicKey, 'spki'), der(publicKey, 'pkcs1'), publicKey]) {
      const sealed = await (await node.rsaPublicKey(key)).pkcs1Encrypt!(pattern(32))
      assert.equal(Object.getPrototypeOf(sealed), Uint8Array.prototype)
      const block = privateDecrypt({ key: privateKey, padding: constants.RSA_NO_PADDING }, sealed)
      assert.deepEqual([block.length, block[0], block[1], block[223]], [256, 0, 2, 0])
      assert.ok(block.subarray(2, 223).every((byte) => byte !== 0))
      assert.deepEqual(Uint8Array.from(block.subarray(224)), pattern(32))
    }
  })

  test('WebCrypto has neither, nor has a CryptoKey on Node', async () => {
    for (const [, runtime] of RUNTIMES) {
      assert.equal((await runtime.rsaPrivateKey(await cryptoKey('private', ['decrypt']))).raw, undefined)
      assert.equal('pkcs1Encrypt' in (await runtime.rsaPublicKey(await cryptoKey('public', ['encrypt']))), false)
    }
    const [, [, web]] = RUNTIMES
    assert.equal((await web.rsaPrivateKey(pem(privateKey, 'pkcs8'))).raw, undefined)
    assert.equal('pkcs1Encrypt' in (await web.rsaPublicKey(pem(publicKey, 'spki'))), false)
  })
})
