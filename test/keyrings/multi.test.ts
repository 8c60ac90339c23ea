import assert from 'node:assert/strict'
import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { describe, test } from 'node:test'
import { s3ec } from '../../src/formats/s3ec/s3ec.js'
import { aesKeyring } from '../../src/keyrings/aes.js'
import { cachingKeyring } from '../../src/keyrings/caching.js'
import type { Keyring, WrapRequest, WrapResult } from '../../src/keyrings/keyring.js'
import { kmsKeyring } from '../../src/keyrings/kms.js'
import { kmsDiscoveryKeyring } from '../../src/keyrings/kms-discovery.js'
import { multiKeyring, type MultiKeyringOptions } from '../../src/keyrings/multi.js'
import { rsaKeyring } from '../../src/keyrings/rsa.js'
import { esdkVectors, type EsdkVector } from '../support/esdk-vectors.js'
import { isWiped } from './caching-support.js'
import { esdkKey, opens, recordedKms, signed, simpleKms, suite, toHex, vectorKeys } from './esdk-support.js'
import { config, foreign, v3 } from './support.js'

const raw = (name: string, wrappingKey = randomBytes(32)): Keyring =>
  aesKeyring({ wrappingKey, keyNamespace: 'ours', keyName: name })
const [a, b, c] = [raw('a'), raw('b'), raw('c')]
const arn = 'arn:aws:kms:us-east-1:123456789012:key/942f61da-7e23-44b4-965f-2ed93e7c0606'
const context = { tenant: 'a' }
const request: WrapRequest = { suite, context }

interface Custom extends Keyring {
  /** What it was given and gave. */
  readonly seen: Uint8Array[]
}

/** A keyring of somebody's own, with one answer changed. */
function custom(change: (result: WrapResult, request: WrapRequest) => unknown = (result) => result): Custom {
  const seen: Uint8Array[] = []
  return {
    seen,
    async wrap(asked) {
      const dataKey = asked.dataKey ?? Uint8Array.from(randomBytes(32))
      if (asked.dataKey !== undefined) seen.push(asked.dataKey)
      const given = new Uint8Array(dataKey)
      const encryptedDataKeys = [esdkKey('custom', 'key', new Uint8Array(dataKey))]
      const result = change({ dataKey: given, encryptedDataKeys, context: asked.context }, asked) as
        WrapResult | undefined
      if (result?.dataKey instanceof Uint8Array) seen.push(result.dataKey)
      return result as WrapResult
    },
    async unwrap({ encryptedDataKeys }) {
      return encryptedDataKeys.find(({ provider }) => provider === 'custom')?.ciphertext.slice()
    },
  }
}

const hasKey = ({ edks }: EsdkVector, key: string): boolean =>
  edks.some(({ providerInfo }) => providerInfo === Buffer.from(key).toString('hex'))

const throwing = (error: Error): Keyring => ({
  wrap: () => Promise.reject(error),
  unwrap: () => Promise.reject(error),
})

describe('multiKeyring', () => {
  test('the generator makes the data key, all wrap it, in order, and each opens it alone', async () => {
    const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
    const rsa = { keyNamespace: 'ours', keyName: 'rsa' }
    const { client } = simpleKms(arn)
    const kms = kmsKeyring({ client, keyId: arn })
    const multi = multiKeyring({ generator: kms, children: [a, rsaKeyring({ publicKey, ...rsa }), custom()] })
    for (const one of [suite, signed]) {
      const { dataKey, encryptedDataKeys, context: stored } = await multi.wrap({ suite: one, context })
      assert.deepEqual({ ...stored }, context)
      const providers = encryptedDataKeys.map(({ algorithm, provider }) => `${algorithm} ${provider}`)
      assert.deepEqual(providers, ['esdk aws-kms', 'esdk ours', 'esdk ours', 'esdk custom'])
      for (const alone of [kms, a, rsaKeyring({ privateKey, ...rsa }), custom(), multi]) {
        assert.deepEqual(await alone.unwrap({ suite: one, context, encryptedDataKeys }), dataKey)
      }
      assert.equal(await b.unwrap({ suite: one, context, encryptedDataKeys }), undefined)
    }
  })

  test('a given data key is wrapped by all, with a generator and without; it is neither taken nor changed', async () => {
    for (const options of [{ generator: a, children: [b] }, { children: [a, b] }]) {
      const dataKey = Uint8Array.from(randomBytes(32))
      const before = toHex(dataKey)
      const wrapped = await multiKeyring(options).wrap({ ...request, dataKey })
      assert.notEqual(wrapped.dataKey, dataKey)
      assert.equal(toHex(wrapped.dataKey), before)
      wrapped.dataKey.fill(0)
      assert.equal(toHex(dataKey), before)
      const { encryptedDataKeys } = wrapped
      for (const one of [a, b]) assert.equal(toHex(await one.unwrap({ suite, context, encryptedDataKeys })), before)
    }
  })

  test('without a generator nothing makes a data key', async () => {
    const asked = custom()
    await assert.rejects(async () => multiKeyring({ children: [asked] }).wrap(request), config(/give a generator/))
    assert.deepEqual(asked.seen, [])
  })

  test('every vector with several data keys is opened by any of its keys among strangers', async () => {
    const several = esdkVectors.filter(({ edks }) => edks.length > 1)
    assert.ok(several.length > 10)
    const keyringFor = (id: string): Keyring | undefined => {
      const key = vectorKeys[id]
      if (id === 'kms') return kmsKeyring({ client: recordedKms().client, keyId: arn })
      const names = key && { keyNamespace: key.namespace, keyName: key.name }
      if (key?.type === 'raw-aes') return aesKeyring({ wrappingKey: Buffer.from(key.key, 'hex'), ...names })
      return key?.type === 'raw-rsa'
        ? rsaKeyring({ privateKey: key.privatePem, ...names, padding: key.padding })
        : undefined
    }
    for (const vector of several) {
      for (const id of vector.decryptWith) {
        const keyring = keyringFor(id)
        if (keyring === undefined || (id === 'kms' && !hasKey(vector, arn))) continue
        await opens(multiKeyring({ generator: a, children: [b, keyring, c] }), vector)
      }
    }
  })

  test('the generator is asked first, then the children; the first that opens it is the last that is asked', async () => {
    const asked: string[] = []
    const named = (name: string, answer?: Uint8Array): Keyring => ({
      wrap: (asking) => a.wrap(asking),
      unwrap: async () => {
        asked.push(name)
        return answer
      },
    })
    const key = new Uint8Array(32).fill(1)
    const children = [named('second'), named('third', key), named('fourth', key)]
    const multi = multiKeyring({ generator: named('first'), children })
    assert.equal(await multi.unwrap({ ...request, encryptedDataKeys: [] }), key)
    assert.deepEqual(asked, ['first', 'second', 'third'])
  })

  test('errors are thrown only if no keyring opens it: the first', async () => {
    const [one, two] = [new Error('one'), new Error('two')]
    const { dataKey, encryptedDataKeys } = await a.wrap(request)
    const stored = { ...request, encryptedDataKeys }
    const multi = (...children: Keyring[]): Keyring => multiKeyring({ children })
    assert.deepEqual(await multi(throwing(one), b, a).unwrap(stored), dataKey)
    await assert.rejects(async () => multi(b, throwing(one), throwing(two)).unwrap(stored), one)
    await assert.rejects(async () => multi(throwing(two), throwing(one), b).unwrap(stored), two)
    assert.equal(await multi(b, c).unwrap(stored), undefined)
  })

  test('a data key of another length is passed over, and wiped', async () => {
    const wrong = [new Uint8Array(16).fill(1), new Uint8Array(33).fill(1)]
    const children = wrong.map((key): Keyring => ({ wrap: (asked) => a.wrap(asked), unwrap: async () => key }))
    const { dataKey, encryptedDataKeys } = await a.wrap(request)
    const found = await multiKeyring({ children: [...children, a] }).unwrap({ ...request, encryptedDataKeys })
    assert.deepEqual(found, dataKey)
    assert.ok(wrong.every(isWiped), 'a data key was not wiped')
  })

  test('one that fails fails all; every copy of the data key is wiped, whoever failed', async () => {
    const error = new Error('no permission')
    const [first, second] = [custom(), custom()]
    const multi = multiKeyring({ generator: first, children: [second, throwing(error)] })
    await assert.rejects(async () => multi.wrap(request), error)
    assert.equal(first.seen.length, 1)
    assert.equal(second.seen.length, 2)
    assert.ok([...first.seen, ...second.seen].every(isWiped), 'a data key was not wiped')
  })

  test('when all is well, only the data key that is given back is not wiped', async () => {
    const [first, second] = [custom(), custom()]
    const { dataKey } = await multiKeyring({ generator: first, children: [second] }).wrap(request)
    assert.ok(first.seen[0] === dataKey && !isWiped(dataKey), 'the data key that is given back was wiped')
    assert.ok(second.seen.length === 2 && second.seen.every(isWiped), 'a data key was not wiped')
  })

  const lies: Record<string, [(result: WrapResult) => unknown, RegExp]> = {
    'another data key': [(result) => ({ ...result, dataKey: new Uint8Array(32).fill(3) }), /another data key/],
    'a shorter data key': [(result) => ({ ...result, dataKey: new Uint8Array(16).fill(3) }), /no data key of 32 bytes/],
    'no data key': [(result) => ({ ...result, dataKey: undefined }), /no data key of 32 bytes/],
    nothing: [() => undefined, /no data key of 32 bytes/],
    'a larger context': [
      (result) => ({ ...result, context: { ...context, more: '' } }),
      /changed the encryption context/,
    ],
    'a smaller context': [(result) => ({ ...result, context: {} }), /changed the encryption context/],
    'another context': [(result) => ({ ...result, context: { tenant: 'b' } }), /changed the encryption context/],
    'no context': [(result) => ({ ...result, context: undefined }), /changed the encryption context/],
    'no encrypted data keys': [(result) => ({ ...result, encryptedDataKeys: [] }), /no encrypted data key/],
    'no list of them': [(result) => ({ ...result, encryptedDataKeys: undefined }), /no encrypted data key/],
  }
  for (const [what, [change, message]] of Object.entries(lies)) {
    test(`a keyring that gives ${what} is a CONFIG error, and the data keys are wiped`, async () => {
      const [honest, liar] = [custom(), custom(change)]
      const multi = multiKeyring({ generator: honest, children: [liar] })
      await assert.rejects(async () => multi.wrap(request), config(message))
      assert.ok([...honest.seen, ...liar.seen].every(isWiped), 'a data key was not wiped')
      if (what === 'another data key') return
      const generator = custom(change)
      await assert.rejects(async () => multiKeyring({ generator, children: [b] }).wrap(request), config(message))
      assert.ok(generator.seen.every(isWiped), 'a data key was not wiped')
    })
  }

  test('a multi-keyring may be a child', async () => {
    const inner = multiKeyring({ children: [b, c] })
    const outer = multiKeyring({ generator: a, children: [inner] })
    const { dataKey, encryptedDataKeys } = await outer.wrap(request)
    assert.equal(encryptedDataKeys.length, 3)
    for (const one of [a, b, c, inner, outer]) {
      assert.deepEqual(await one.unwrap({ ...request, encryptedDataKeys }), dataKey)
    }
  })

  test('sharesDataKeys where any of them does; a caching keyring around it works, and none around that', async () => {
    const caching = cachingKeyring(a, { maxAge: 60_000 })
    const sharing = multiKeyring({ generator: caching, children: [b] })
    assert.equal(sharing.sharesDataKeys, true)
    assert.equal(multiKeyring({ generator: b, children: [caching] }).sharesDataKeys, true)
    const multi = multiKeyring({ generator: a, children: [b] })
    assert.equal(multi.sharesDataKeys, undefined)
    assert.throws(() => cachingKeyring(sharing, { maxAge: 1 }), config(/already gives one data key/))

    const outer = cachingKeyring(multi, { maxAge: 60_000 })
    const [one, two] = [await outer.wrap(request), await outer.wrap(request)]
    assert.deepEqual(one.dataKey, two.dataKey)
    assert.deepEqual(one.encryptedDataKeys, two.encryptedDataKeys)
    assert.equal(one.encryptedDataKeys.length, 2)
    assert.deepEqual(await b.unwrap({ ...request, encryptedDataKeys: two.encryptedDataKeys }), one.dataKey)
    for (const some of [outer, caching]) some.clear()
  })

  test('an abort ends it, and is thrown', async () => {
    const controller = new AbortController()
    const { signal } = controller
    const last = custom()
    const aborting = custom((result) => {
      controller.abort()
      return result
    })
    const multi = multiKeyring({ generator: aborting, children: [last] })
    await assert.rejects(async () => multi.wrap({ ...request, signal }), { name: 'AbortError' })
    assert.deepEqual(last.seen, [])
    assert.ok(aborting.seen.every(isWiped), 'a data key was not wiped')
    const stored = { ...request, encryptedDataKeys: [], signal }
    await assert.rejects(async () => multi.unwrap(stored), { name: 'AbortError' })
  })

  test('refused when it is used: other formats', async () => {
    const multi = multiKeyring({ generator: a })
    for (const one of [v3, foreign]) {
      await assert.rejects(async () => multi.wrap({ suite: one, context: {} }), config(/does not support format/))
      await assert.rejects(
        async () => multi.unwrap({ suite: one, context: {}, encryptedDataKeys: [] }),
        config(/does not support format/),
      )
    }
    await assert.rejects(async () => multi.wrap({ ...request, dataKey: randomBytes(16) }), config(/32 bytes/))
    await assert.rejects(async () => multi.wrap({ ...request, algorithm: 'AES/GCM' }), config(/writes esdk/))
  })

  test('S3EC refuses it at set-up', () => {
    const commitmentPolicy = 'REQUIRE_ENCRYPT_REQUIRE_DECRYPT'
    const keyring = multiKeyring({ generator: a })
    assert.deepEqual(keyring.algorithms, ['esdk'])
    assert.ok(Object.isFrozen(keyring))
    assert.throws(
      () => s3ec().check({ keyring, commitmentPolicy, encryptionContext: undefined }),
      config(/fits another format/),
    )
  })

  const unnamed = aesKeyring({ wrappingKey: randomBytes(32) })
  const bad: Record<string, [unknown, RegExp]> = {
    'no options': [undefined, /options must be an object/],
    'no keyring': [{}, /give a generator, children or both/],
    'no children': [{ children: [] }, /give a generator, children or both/],
    'a misspelt option': [{ generators: [a] }, /unknown option "generators"/],
    'a generator that is none': [{ generator: {} }, /generator must be keyrings/],
    'a generator without unwrap': [{ generator: { wrap: () => undefined } }, /generator must be keyrings/],
    'a child that is none': [{ generator: a, children: [undefined] }, /children must be keyrings/],
    'a child for its own sake': [{ generator: a, children: b }, /children must be an array/],
    'a generator for S3EC only': [{ generator: unnamed }, /generator must be keyrings for messages.*keyNamespace/],
    'a child for S3EC only': [{ generator: a, children: [unnamed] }, /children must be keyrings for messages/],
    'algorithms that are no list': [{ generator: { ...a, algorithms: 'esdk' } }, /generator must be keyrings for/],
  }
  for (const [what, [options, message]] of Object.entries(bad)) {
    test(`${what} is a CONFIG error at the call`, () => {
      assert.throws(() => multiKeyring(options as MultiKeyringOptions), config(message))
    })
  }

  test('a discovery keyring may be a child for reading, and fails every write', async () => {
    const { client } = recordedKms()
    const discoveryFilter = { partition: 'aws', accountIds: ['123456789012'] }
    const multi = multiKeyring({ generator: a, children: [kmsDiscoveryKeyring({ client, discoveryFilter })] })
    await assert.rejects(async () => multi.wrap(request), config(/cannot write/))
    await opens(
      multi,
      esdkVectors.find(({ id }) => id === 'py4-kms-multi-0478')!,
    )
  })
})
