import assert from 'node:assert/strict'
import {
  constants,
  createHash,
  generateKeyPairSync,
  privateDecrypt,
  publicEncrypt,
  randomBytes,
  webcrypto,
  type KeyObject,
} from 'node:crypto'
import { describe, test } from 'node:test'
import { rsaKeyring, type RsaKeyringOptions } from '../../src/keyrings/rsa.js'
import type { RsaKeyInput } from '../../src/runtime/runtime.js'
import { ciphertextOf, config, encryptedKey, flip, foreign, unwrap, v2, v3 } from './support.js'

const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
const other = generateKeyPairSync('rsa', { modulusLength: 2048 })
const larger = generateKeyPairSync('rsa', { modulusLength: 3072 })
const oaep = { padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha1' }
const tick = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** An object's wrapped key as another program could have made it, over any block. */
function wrapOf(block: Uint8Array, padding: object = oaep): Parameters<typeof unwrap>[1] {
  const ciphertext = new Uint8Array(publicEncrypt({ key: publicKey, ...padding }, block))
  return { context: {}, encryptedDataKeys: [encryptedKey('RSA-OAEP-SHA1', ciphertext)] }
}
const block = (length: number, key: Uint8Array, name: string): Uint8Array =>
  Uint8Array.from([length, ...key, ...Buffer.from(name)])

async function cryptoKey(
  key: KeyObject,
  usage: 'encrypt' | 'decrypt',
  extractable = false,
): Promise<webcrypto.CryptoKey> {
  const [form, type] = key.type === 'public' ? (['spki', 'spki'] as const) : (['pkcs8', 'pkcs8'] as const)
  const der = key.export({ format: 'der', type: form as 'spki' })
  return webcrypto.subtle.importKey(type, der, { name: 'RSA-OAEP', hash: 'SHA-1' }, extractable, [usage])
}

describe('rsaKeyring', () => {
  test('writes a block that node:crypto opens: length, key, content algorithm', async () => {
    const keyring = rsaKeyring({ publicKey })
    for (const [suite, length] of [
      [v2, 50],
      [v3, 36],
    ] as const) {
      const wrapped = await keyring.wrap({ suite, context: {} })
      const opened = privateDecrypt({ key: privateKey, ...oaep }, ciphertextOf(wrapped))
      assert.equal(opened.length, length)
      assert.deepEqual(new Uint8Array(opened), block(32, wrapped.dataKey, suite.name))
      const [key] = wrapped.encryptedDataKeys
      assert.deepEqual({ ...key, ciphertext: 0 }, { ...encryptedKey('RSA-OAEP-SHA1', new Uint8Array()), ciphertext: 0 })
    }
  })

  for (const keyLength of [16, 24, 32]) {
    test(`reads what node:crypto wrote, data key of ${keyLength} bytes`, async () => {
      const key = randomBytes(keyLength)
      const suite = { ...v3, keyLength }
      const opened = await unwrap(rsaKeyring({ privateKey }), wrapOf(block(keyLength, key, '115')), { suite })
      assert.deepEqual(opened, new Uint8Array(key))
    })
  }

  test('round trip with a given data key, which stays as it is', async () => {
    const keyring = rsaKeyring({ publicKey, privateKey })
    const mine = randomBytes(32)
    const before = Buffer.from(mine)
    const wrapped = await keyring.wrap({ suite: v2, context: {}, dataKey: mine })
    assert.deepEqual(await unwrap(keyring, wrapped, { suite: v2 }), new Uint8Array(mine))
    wrapped.dataKey.fill(0)
    assert.deepEqual(mine, before)
  })

  test('a block that is not exactly right is undefined', async () => {
    const key = randomBytes(32)
    const keyring = rsaKeyring({ privateKey })
    assert.deepEqual(await unwrap(keyring, wrapOf(block(32, key, '115'))), new Uint8Array(key), 'the test itself')
    const cases: Record<string, Uint8Array> = {
      empty: new Uint8Array(0),
      'one byte': Uint8Array.of(32),
      'length byte 31': block(31, key, '115'),
      'length byte 33': block(33, key, '115'),
      'length byte 0': block(0, key, '115'),
      'length byte 24, key of 24': block(24, key.subarray(0, 24), '115'),
      'no name': block(32, key, ''),
      'name cut': block(32, key, '11'),
      'other name': block(32, key, '116'),
      'V2 name': block(32, key, 'AES/GCM/NoPadding'),
      'trailing byte': block(32, key, '115\0'),
      'trailing text': block(32, key, '1150'),
      'short key': block(32, key.subarray(0, 31), '115'),
      'key alone': key,
    }
    for (const [name, bytes] of Object.entries(cases)) {
      assert.equal(await unwrap(keyring, wrapOf(bytes)), undefined, name)
    }
  })

  test('everything else that is wrong with the object is undefined', async () => {
    const keyring = rsaKeyring({ publicKey, privateKey })
    const wrapped = await keyring.wrap({ suite: v3, context: {} })
    const ciphertext = ciphertextOf(wrapped)
    const keys = (...changed: Uint8Array[]): object => ({
      encryptedDataKeys: changed.map((one) => encryptedKey('RSA-OAEP-SHA1', one)),
    })
    const right = block(32, randomBytes(32), '115')
    const cases: Record<string, [Parameters<typeof unwrap>[1], object]> = {
      'other suite': [wrapped, { suite: v2 }],
      'other key length': [wrapped, { suite: { ...v3, keyLength: 16 } }],
      'first byte': [wrapped, keys(flip(ciphertext, 0))],
      'last byte': [wrapped, keys(flip(ciphertext, 255))],
      truncated: [wrapped, keys(ciphertext.subarray(0, 255))],
      extended: [wrapped, keys(Uint8Array.from([...ciphertext, 0]))],
      'leading zero': [wrapped, keys(Uint8Array.from([0, ...ciphertext]))],
      empty: [wrapped, keys(new Uint8Array(0))],
      zeros: [wrapped, keys(new Uint8Array(256))],
      'not less than the modulus': [wrapped, keys(new Uint8Array(256).fill(255))],
      'two keys': [wrapped, keys(ciphertext, ciphertext)],
      'no key': [wrapped, keys()],
      'another algorithm': [wrapped, { encryptedDataKeys: [encryptedKey('AES/GCM', ciphertext)] }],
      'legacy name': [
        wrapped,
        { encryptedDataKeys: [encryptedKey('RSA/ECB/OAEPWithSHA-256AndMGF1Padding', ciphertext)] },
      ],
      'PKCS#1 v1.5': [wrapOf(right, { padding: constants.RSA_PKCS1_PADDING }), {}],
      'OAEP with SHA-256': [wrapOf(right, { ...oaep, oaepHash: 'sha256' }), {}],
      'OAEP with a label': [wrapOf(right, { ...oaep, oaepLabel: Buffer.from('x') }), {}],
    }
    for (const [name, [what, change]] of Object.entries(cases)) {
      assert.equal(await unwrap(keyring, what, change), undefined, name)
    }
    assert.equal(await unwrap(rsaKeyring({ privateKey: other.privateKey }), wrapped), undefined, 'another key')
    assert.equal(await unwrap(rsaKeyring({ privateKey: larger.privateKey }), wrapped), undefined, 'a larger key')
  })

  test('a ciphertext without its leading zero is undefined, though it is the same number', async () => {
    const keyring = rsaKeyring({ publicKey, privateKey })
    let wrapped = await keyring.wrap({ suite: v3, context: {} })
    while (ciphertextOf(wrapped)[0] !== 0) wrapped = await keyring.wrap({ suite: v3, context: {} })
    assert.deepEqual(await unwrap(keyring, wrapped), wrapped.dataKey)
    const shorter = [encryptedKey('RSA-OAEP-SHA1', ciphertextOf(wrapped).subarray(1))]
    assert.equal(await unwrap(keyring, wrapped, { encryptedDataKeys: shorter }), undefined)
  })

  test('a public key alone cannot read, decided before anything else', async () => {
    const keyring = rsaKeyring({ publicKey })
    const wrapped = await keyring.wrap({ suite: v3, context: {} })
    for (const change of [{}, { encryptedDataKeys: [] }, { suite: foreign }]) {
      await assert.rejects(unwrap(keyring, wrapped, change), config(/cannot read: no private key/))
    }
  })

  test('a private key alone cannot write, decided before anything else', async () => {
    const keyring = rsaKeyring({ privateKey })
    for (const suite of [v3, foreign]) {
      await assert.rejects(
        async () => keyring.wrap({ suite, context: { a: '' } }),
        config(/cannot write: no public key/),
      )
    }
  })

  test('context, data key and format are checked', async () => {
    const keyring = rsaKeyring({ publicKey, privateKey })
    await assert.rejects(async () => keyring.wrap({ suite: v3, context: { a: '' } }), config(/materialsDescription/))
    await assert.rejects(
      async () => keyring.wrap({ suite: v3, context: {}, dataKey: randomBytes(31) }),
      config(/32 bytes/),
    )
    await assert.rejects(async () => keyring.wrap({ suite: foreign, context: {} }), config(/does not support format/))
    await assert.rejects(unwrap(keyring, wrapOf(randomBytes(9)), { suite: foreign }), config(/does not support format/))
  })

  test('it is frozen and says what it opens', () => {
    const keyring = rsaKeyring({ publicKey })
    assert.deepEqual(keyring.algorithms, ['RSA-OAEP-SHA1', 'RSA/ECB/OAEPWithSHA-256AndMGF1Padding', 'RSA'])
    assert.ok(Object.isFrozen(keyring) && Object.isFrozen(keyring.algorithms))
  })
})

describe('rsaKeyring: keys', () => {
  test('every form of a key', async () => {
    const pem = { format: 'pem' } as const
    const der = { format: 'der' } as const
    const publicForms: RsaKeyInput[] = [
      publicKey,
      publicKey.export({ ...pem, type: 'spki' }).toString(),
      publicKey.export({ ...der, type: 'spki' }),
      publicKey.export({ ...der, type: 'pkcs1' }),
      await cryptoKey(publicKey, 'encrypt'),
    ]
    const privateForms: RsaKeyInput[] = [
      privateKey,
      privateKey.export({ ...pem, type: 'pkcs8' }).toString(),
      privateKey.export({ ...der, type: 'pkcs8' }),
      privateKey.export({ ...der, type: 'pkcs1' }),
      await cryptoKey(privateKey, 'decrypt'),
    ]
    for (const [index, form] of publicForms.entries()) {
      const pair = rsaKeyring({ publicKey: form, privateKey: privateForms[(index + 2) % privateForms.length]! })
      const wrapped = await pair.wrap({ suite: v3, context: {} })
      for (const secret of privateForms) {
        assert.deepEqual(await unwrap(rsaKeyring({ privateKey: secret }), wrapped), wrapped.dataKey)
      }
    }
  })

  test('bytes are copied at the call', async () => {
    const mine = new Uint8Array(publicKey.export({ format: 'der', type: 'spki' }))
    const before = createHash('sha256').update(mine).digest('hex')
    const keyring = rsaKeyring({ publicKey: mine })
    assert.equal(createHash('sha256').update(mine).digest('hex'), before)
    mine.fill(0)
    const wrapped = await keyring.wrap({ suite: v3, context: {} })
    assert.deepEqual(await unwrap(rsaKeyring({ privateKey }), wrapped), wrapped.dataKey)
  })

  test('a pair that does not belong together is a CONFIG error at the call', () => {
    assert.throws(() => rsaKeyring({ publicKey, privateKey: other.privateKey }), config(/do not belong together/))
    assert.throws(() => rsaKeyring({ publicKey, privateKey: larger.privateKey }), config(/do not belong together/))
  })

  test('such a pair of CryptoKeys is one at the first use, and no unhandled rejection before', async () => {
    const keyring = rsaKeyring({
      publicKey: await cryptoKey(publicKey, 'encrypt'),
      privateKey: await cryptoKey(other.privateKey, 'decrypt'),
    })
    await tick()
    await assert.rejects(async () => keyring.wrap({ suite: v3, context: {} }), config(/do not belong together/))
  })

  test('a CryptoKey for something else is a CONFIG error', async () => {
    const wrong = await cryptoKey(privateKey, 'decrypt')
    const write = async (): Promise<unknown> => rsaKeyring({ publicKey: wrong }).wrap({ suite: v3, context: {} })
    await assert.rejects(write, config(/rsaKeyring: publicKey/))
  })

  const bad: Record<string, [unknown, RegExp]> = {
    'no options': [undefined, /options must be an object/],
    'no key': [{}, /give publicKey \(to write\), privateKey \(to read\) or both/],
    'only additional keys': [{ additionalKeys: [{ privateKey, materialsDescription: { a: '' } }] }, /give publicKey/],
    'private as public': [{ publicKey: privateKey }, /rsaKeyring: publicKey/],
    'public as private': [{ privateKey: publicKey }, /rsaKeyring: privateKey/],
    'PEM of the other half': [
      { publicKey: privateKey.export({ format: 'pem', type: 'pkcs8' }) },
      /rsaKeyring: publicKey/,
    ],
    'EC key': [{ publicKey: generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey }, /rsaKeyring: publicKey/],
    '1024 bits': [{ publicKey: generateKeyPairSync('rsa', { modulusLength: 1024 }).publicKey }, /2048 bits/],
    text: [{ privateKey: 'not a key but perhaps a password' }, /rsaKeyring: privateKey/],
    number: [{ privateKey: 42 }, /rsaKeyring: privateKey/],
    null: [{ publicKey: null }, /rsaKeyring: publicKey/],
    'misspelt option': [{ publicKey, privatKey: privateKey }, /unknown option "privatKey"/],
    'entry with a public key': [
      { privateKey, additionalKeys: [{ privateKey: publicKey, materialsDescription: { a: '' } }] },
      /additionalKeys: privateKey/,
    ],
    'entry without key': [
      { privateKey, additionalKeys: [{ materialsDescription: { a: '' } }] },
      /privateKey is missing/,
    ],
    'equal descriptions': [
      { privateKey, additionalKeys: [{ privateKey: other.privateKey, materialsDescription: {} }] },
      /same materialsDescription/,
    ],
  }
  for (const [name, [options, message]] of Object.entries(bad)) {
    test(`${name} is a CONFIG error at the call`, () => {
      assert.throws(
        () => rsaKeyring(options as RsaKeyringOptions),
        (error: Error) => {
          assert.doesNotMatch(error.message, /password|BEGIN|MII/)
          assert.equal(error.cause, undefined)
          return config(message)(error)
        },
      )
    })
  }
})

describe('rsaKeyring: materials descriptions', () => {
  test('are stored, and choose the key', async () => {
    const now = rsaKeyring({ publicKey, privateKey, materialsDescription: { key: 'now' } })
    const before = rsaKeyring({ publicKey: other.publicKey, materialsDescription: { key: 'before' } })
    const keyring = rsaKeyring({
      privateKey,
      materialsDescription: { key: 'now' },
      additionalKeys: [{ privateKey: other.privateKey, materialsDescription: { key: 'before' } }],
    })
    for (const writer of [now, before]) {
      const wrapped = await writer.wrap({ suite: v3, context: {} })
      assert.deepEqual(await unwrap(keyring, wrapped), wrapped.dataKey)
      const swapped = writer === now ? { key: 'before' } : { key: 'now' }
      assert.equal(await unwrap(keyring, wrapped, { context: swapped }), undefined)
    }
    const wrapped = await now.wrap({ suite: v3, context: {} })
    assert.deepEqual({ ...wrapped.context }, { key: 'now' })
    assert.deepEqual(await unwrap(keyring, wrapped, { context: { key: 'unknown' } }), wrapped.dataKey)
  })

  test('a public key with additional private keys reads their objects only', async () => {
    const before = { key: 'before' }
    const keyring = rsaKeyring({
      publicKey,
      additionalKeys: [{ privateKey: other.privateKey, materialsDescription: before }],
    })
    const old = await rsaKeyring({ publicKey: other.publicKey, materialsDescription: before }).wrap({
      suite: v3,
      context: {},
    })
    assert.deepEqual(await unwrap(keyring, old), old.dataKey)
    assert.equal(await unwrap(keyring, await keyring.wrap({ suite: v3, context: {} })), undefined)
  })
})
