import assert from 'node:assert/strict'
import { constants, createPrivateKey, generateKeyPairSync, publicEncrypt, randomBytes, webcrypto } from 'node:crypto'
import { describe, test } from 'node:test'
import { rsaKeyring, type RsaKeyringOptions } from '../../src/keyrings/rsa.js'
import type { RsaPadding } from '../../src/keyrings/rsa-esdk.js'
import { hashesFor } from '../../src/keyrings/rsa-esdk.js'
import { RUNTIMES } from '../crypto/helpers.js'
import { esdkKey, opens, requestOf, signed, suite, suiteOf, toHex, vectorKeys, vectorsFor } from './esdk-support.js'
import { config, flip, foreign, unwrap, v3 } from './support.js'

const paddings: readonly RsaPadding[] = ['PKCS1', 'OAEP_SHA1', 'OAEP_SHA256', 'OAEP_SHA384', 'OAEP_SHA512']
const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
const other = generateKeyPairSync('rsa', { modulusLength: 2048 })
const names = { keyNamespace: 'ours', keyName: 'one' }
const nodeHash = (padding: RsaPadding): string => padding.slice('OAEP_'.length).toLowerCase()

const namesOf = (id: string): Pick<RsaKeyringOptions, 'keyNamespace' | 'keyName' | 'padding'> => {
  const { namespace, name, padding } = vectorKeys[id]!
  return { keyNamespace: namespace, keyName: name, padding }
}

describe('rsaKeyring: messages of the AWS Encryption SDK', () => {
  const vectors = vectorsFor((id) => vectorKeys[id]?.type === 'raw-rsa', 50)

  test('every vector under a raw RSA key is opened, by the private key alone', async () => {
    const keys = new Map([...new Set(vectors.map(([, id]) => id))].map((id) => [id, vectorKeys[id]!]))
    assert.deepEqual(new Set([...keys.values()].map(({ padding }) => padding)), new Set(paddings))
    for (const [vector, id] of vectors) {
      await opens(rsaKeyring({ privateKey: keys.get(id)!.privatePem, ...namesOf(id) }), vector)
    }
  })

  test('and by an additional key, among those of all paddings', async () => {
    const additionalKeys = [...new Set(vectors.map(([, id]) => id))].map((id) => ({
      privateKey: vectorKeys[id]!.privatePem,
      ...namesOf(id),
    }))
    const keyring = rsaKeyring({ publicKey, additionalKeys })
    for (const [vector] of vectors.filter((_, index) => index % 5 === 0)) await opens(keyring, vector)
  })

  for (const padding of paddings) {
    test(`${padding}: wrap with the public key alone, unwrap with the private key alone`, async () => {
      const writer = rsaKeyring({ publicKey, ...names, padding, materialsDescription: { a: 'not stored' } })
      const reader = rsaKeyring({ privateKey, ...names, padding })
      for (const one of [suite, signed, suiteOf(0x0014), suiteOf(0x0046)]) {
        const context = { a: 'b' }
        const { dataKey, encryptedDataKeys, context: stored } = await writer.wrap({ suite: one, context })
        assert.deepEqual({ ...stored }, context)
        const { algorithm, provider, info, ciphertext } = encryptedDataKeys[0]!
        assert.deepEqual(
          [encryptedDataKeys.length, algorithm, provider, Buffer.from(info).toString(), ciphertext.length],
          [1, 'esdk', 'ours', 'one', 256],
        )
        assert.deepEqual(await reader.unwrap({ suite: one, context, encryptedDataKeys }), dataKey)
        // Nothing binds the context.
        assert.deepEqual(await reader.unwrap({ suite: one, context: {}, encryptedDataKeys }), dataKey)
      }
    })
  }

  test('the data key that is given is wrapped', async () => {
    const dataKey = Uint8Array.from(randomBytes(32))
    const keyring = rsaKeyring({ publicKey, privateKey, ...names })
    const wrapped = await keyring.wrap({ suite, context: {}, dataKey })
    assert.notEqual(wrapped.dataKey, dataKey)
    assert.deepEqual(await unwrap(keyring, wrapped, { suite }), dataKey)
  })

  test('OAEP with SHA-256 where no padding is named', async () => {
    const { encryptedDataKeys, dataKey } = await rsaKeyring({ publicKey, ...names }).wrap({ suite, context: {} })
    const reader = rsaKeyring({ privateKey, ...names, padding: 'OAEP_SHA256' })
    assert.deepEqual(await reader.unwrap({ suite, context: {}, encryptedDataKeys }), dataKey)
  })

  test('another padding, key, name, namespace, changed bytes, a data key of another length: not ours', async () => {
    const { encryptedDataKeys } = await rsaKeyring({ publicKey, ...names }).wrap({ suite, context: {} })
    const { info, ciphertext } = encryptedDataKeys[0]!
    const reader = (more: object = {}): ReturnType<typeof rsaKeyring> => rsaKeyring({ privateKey, ...names, ...more })
    for (const keyring of [
      ...paddings.filter((one) => one !== 'PKCS1' && one !== 'OAEP_SHA256').map((padding) => reader({ padding })),
      reader({ privateKey: other.privateKey }),
      reader({ keyName: 'on' }),
      reader({ keyName: 'one2' }),
      reader({ keyNamespace: 'our' }),
    ]) {
      assert.equal(await keyring.unwrap({ suite, context: {}, encryptedDataKeys }), undefined)
    }
    const tried = async (...some: Uint8Array[]): Promise<Uint8Array | undefined> =>
      reader().unwrap({
        suite,
        context: {},
        encryptedDataKeys: some.map((bytes) => esdkKey('ours', info, bytes)),
      })
    for (const at of [0, 100, 255]) assert.equal(await tried(flip(ciphertext, at)), undefined)
    for (const length of [0, 1, 255, 257, 512]) assert.equal(await tried(new Uint8Array(length)), undefined)
    assert.equal(await tried(), undefined)
    const oaep = { key: publicKey, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: 'sha256' }
    for (const length of [0, 16, 31, 33]) {
      assert.equal(await tried(publicEncrypt(oaep, randomBytes(length))), undefined)
    }
    assert.equal((await tried(flip(ciphertext, 7), ciphertext))?.length, 32)
  })

  test('16 encrypted data keys of a message are tried, and no more', async () => {
    const { encryptedDataKeys, dataKey } = await rsaKeyring({ publicKey, ...names }).wrap({ suite, context: {} })
    const wrong = esdkKey('ours', 'one', flip(encryptedDataKeys[0]!.ciphertext, 9))
    const reader = rsaKeyring({ privateKey, ...names })
    const after = (count: number): ReturnType<typeof reader.unwrap> =>
      reader.unwrap({
        suite,
        context: {},
        encryptedDataKeys: [...Array.from({ length: count }, () => wrong), ...encryptedDataKeys],
      })
    assert.deepEqual(await after(15), dataKey)
    assert.equal(await after(16), undefined)
    // Those that are not for this key do not count.
    const foreigners = Array.from({ length: 100 }, () => esdkKey('theirs', 'one', wrong.ciphertext))
    const all = [...foreigners, ...encryptedDataKeys]
    assert.deepEqual(await reader.unwrap({ suite, context: {}, encryptedDataKeys: all }), dataKey)
  })

  test('PKCS1: bad padding gives some key of the right length, the same each time, and no error', async () => {
    const padding = 'PKCS1'
    const { encryptedDataKeys, dataKey } = await rsaKeyring({ publicKey, ...names, padding }).wrap({
      suite,
      context: {},
    })
    const { ciphertext } = encryptedDataKeys[0]!
    const reader = rsaKeyring({ privateKey, ...names, padding })
    const pkcs1 = { key: publicKey, padding: constants.RSA_PKCS1_PADDING }
    const bad = [flip(ciphertext, 200), publicEncrypt(pkcs1, randomBytes(31)), publicEncrypt(pkcs1, randomBytes(0))]
    const keys = new Set<string>()
    for (const bytes of bad) {
      const read = async (): Promise<Uint8Array | undefined> =>
        reader.unwrap({ suite, context: {}, encryptedDataKeys: [esdkKey('ours', 'one', bytes)] })
      const key = await read()
      assert.equal(key?.length, 32)
      assert.deepEqual(await read(), key)
      keys.add(toHex(key)!)
    }
    assert.equal(keys.size, 3)
    assert.ok(!keys.has(toHex(dataKey)!))
  })

  test('PKCS1 comes after the paddings that can tell', async () => {
    const { encryptedDataKeys, dataKey } = await rsaKeyring({ publicKey, ...names }).wrap({ suite, context: {} })
    const keyring = rsaKeyring({
      privateKey: other.privateKey,
      keyNamespace: 'ours',
      keyName: 'pkcs1',
      padding: 'PKCS1',
      additionalKeys: [{ privateKey, ...names }],
    })
    const all = [esdkKey('ours', 'pkcs1', randomBytes(256).fill(0, 0, 1)), ...encryptedDataKeys]
    assert.deepEqual(await keyring.unwrap({ suite, context: {}, encryptedDataKeys: all }), dataKey)
  })

  test('CryptoKeys: for the hash of the padding, or of S3EC, and for no other', async () => {
    const cryptoKeys = async (hash: string): Promise<{ publicKey: CryptoKey; privateKey: CryptoKey }> => {
      const algorithm = { name: 'RSA-OAEP', hash, modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]) }
      return await webcrypto.subtle.generateKey(algorithm, false, ['encrypt', 'decrypt'])
    }
    const sha512 = await cryptoKeys('SHA-512')
    const keyring = rsaKeyring({ ...sha512, ...names, padding: 'OAEP_SHA512' })
    const wrapped = await keyring.wrap({ suite, context: {} })
    assert.deepEqual(await unwrap(keyring, wrapped, { suite }), wrapped.dataKey)
    await assert.rejects(async () => keyring.wrap({ suite: v3, context: {} }), config(/SHA-512, and SHA-1 is needed/))
    const s3ecKey = esdkKey('S3Keyring', '', new Uint8Array(256))
    const s3ec = { context: {}, encryptedDataKeys: [{ ...s3ecKey, algorithm: 'RSA-OAEP-SHA1' }] }
    await assert.rejects(unwrap(keyring, s3ec), config(/SHA-512, and SHA-1 is needed/))
    // Imported when it is used: an error then.
    const wrong = rsaKeyring({ ...sha512, ...names })
    await assert.rejects(async () => wrong.wrap({ suite, context: {} }), config(/SHA-1 or SHA-256, not SHA-512/))

    const sha1 = await cryptoKeys('SHA-1')
    const both = rsaKeyring({ ...sha1, ...names })
    const object = await both.wrap({ suite: v3, context: {} })
    assert.deepEqual(await unwrap(both, object), object.dataKey)
    await assert.rejects(async () => both.wrap({ suite, context: {} }), config(/SHA-1, and SHA-256 is needed/))
    await assert.rejects(
      unwrap(both, { context: {}, encryptedDataKeys: [esdkKey('ours', 'one', new Uint8Array(256))] }, { suite }),
      config(/SHA-1, and SHA-256 is needed/),
    )
    const pkcs1 = rsaKeyring({ ...sha1, ...names, padding: 'PKCS1' })
    await assert.rejects(async () => pkcs1.wrap({ suite, context: {} }), config(/on Node only/))
    const pair = { publicKey: sha1.publicKey, privateKey: sha512.privateKey }
    const mixed = rsaKeyring({ ...pair, ...names, padding: 'OAEP_SHA512' })
    await assert.rejects(async () => mixed.wrap({ suite, context: {} }), config(/do not belong together/))
  })

  for (const [name, runtime] of RUNTIMES) {
    test(`${name} has OAEP with every hash, as node:crypto has it`, async () => {
      const spki = String(publicKey.export({ type: 'spki', format: 'pem' }))
      const pkcs8 = String(privateKey.export({ type: 'pkcs8', format: 'pem' }))
      for (const padding of paddings.filter((one) => one !== 'PKCS1')) {
        const hashes = hashesFor({ namespace: '', name: new Uint8Array(0), padding })
        const hash = hashes.at(-1)!
        const writer = await runtime.rsaPublicKey(spki, hashes)
        const reader = await runtime.rsaPrivateKey(pkcs8, hashes)
        assert.deepEqual([writer.hashes, reader.hashes], [hashes, hashes])
        const data = Uint8Array.from(randomBytes(32))
        assert.deepEqual(await reader.oaepDecrypt(hash, await writer.oaepEncrypt(hash, data)), data)
        const oaep = { key: publicKey, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: nodeHash(padding) }
        assert.deepEqual(await reader.oaepDecrypt(hash, publicEncrypt(oaep, data)), data)
        for (const [, another] of RUNTIMES) {
          const theirs = await another.rsaPublicKey(spki, hashes)
          assert.deepEqual(await reader.oaepDecrypt(hash, await theirs.oaepEncrypt(hash, data)), data)
        }
      }
    })
  }

  test('algorithms say whether it is for such messages', () => {
    const has = (options: RsaKeyringOptions): boolean | undefined => rsaKeyring(options).algorithms?.includes('esdk')
    assert.equal(has({ publicKey, privateKey }), false)
    assert.equal(has({ publicKey, ...names }), true)
    assert.equal(has({ publicKey, additionalKeys: [{ privateKey, ...names }] }), true)
  })

  test('refused when it is used: no names, the other half of the key, another format or wrap', async () => {
    const request = { suite, context: {} }
    const stored = { ...request, encryptedDataKeys: [] }
    const missing = config(/keyNamespace and keyName/)
    await assert.rejects(async () => rsaKeyring({ publicKey }).wrap(request), missing)
    await assert.rejects(async () => rsaKeyring({ privateKey }).unwrap(stored), missing)
    await assert.rejects(async () => rsaKeyring({ privateKey, ...names }).wrap(request), config(/no public key/))
    await assert.rejects(async () => rsaKeyring({ publicKey, ...names }).unwrap(stored), config(/no private key/))
    const keyring = rsaKeyring({ publicKey, privateKey, ...names })
    await assert.rejects(async () => keyring.wrap({ ...request, suite: foreign }), config(/does not support format/))
    await assert.rejects(async () => keyring.wrap({ ...request, algorithm: 'RSA' }), config(/writes esdk/))
    await assert.rejects(async () => keyring.wrap({ ...request, dataKey: randomBytes(16) }), config(/32 bytes/))
    await assert.rejects(async () => keyring.wrap({ suite: v3, context: { a: '' } }), config(/no encryption context/))
  })

  const bad: Record<string, [object, RegExp]> = {
    'no name': [{ keyNamespace: 'a' }, /keyName is missing/],
    'no namespace': [{ keyName: 'a' }, /keyNamespace is missing/],
    'a namespace of KMS': [{ ...names, keyNamespace: 'aws-kms-rsa' }, /must not begin with aws-kms/],
    'a name that is too long': [{ ...names, keyName: 'x'.repeat(65_536) }, /at most 65535 bytes/],
    'an unknown padding': [{ ...names, padding: 'OAEP_MD5' }, /padding must be one of OAEP_SHA1, /],
    'a padding without names': [{ padding: 'PKCS1' }, /give keyNamespace and keyName with it/],
  }
  for (const [what, [options, message]] of Object.entries(bad)) {
    test(`${what} is a CONFIG error at the call, of additional keys too`, () => {
      assert.throws(() => rsaKeyring({ publicKey, ...options }), config(message))
      const additionalKeys = [{ privateKey, materialsDescription: { a: '' }, ...options }]
      assert.throws(() => rsaKeyring({ publicKey, additionalKeys }), config(message))
    })
  }

  test('an additional key that nothing chooses, and two of one name with PKCS1, are CONFIG errors at the call', () => {
    assert.throws(() => rsaKeyring({ publicKey, additionalKeys: [{ privateKey }] }), config(/nothing chooses this key/))
    const padding = 'PKCS1'
    const additionalKeys = [{ privateKey: other.privateKey, ...names, padding } as const]
    assert.throws(() => rsaKeyring({ privateKey, ...names, additionalKeys }), config(/neither could be chosen/))
    rsaKeyring({ privateKey, ...names, additionalKeys: [{ privateKey: other.privateKey, ...names }] })
    rsaKeyring({ privateKey, ...names, keyName: 'two', additionalKeys })
  })

  test('a key of another length: not ours', async () => {
    const [vector] = vectors.find(([, id]) => id === 'rsa-4096-oaep-sha256')!
    const short = createPrivateKey(vectorKeys['rsa-2048-oaep-sha256']!.privatePem)
    const keyring = rsaKeyring({ privateKey: short, ...namesOf('rsa-4096-oaep-sha256') })
    assert.equal(await keyring.unwrap(requestOf(vector)), undefined)
  })
})
