import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import test, { describe } from 'node:test'
import fc from 'fast-check'
import { CseError, DecryptionError } from '../../src/errors.js'
import { s3ec } from '../../src/formats/s3ec/s3ec.js'
import { commitmentOf, hkdf, referenceMetadata, referenceOpen, referenceSeal } from '../support/s3ec-reference.js'
import { changed, load, object, store, writesV2, writesV3 } from '../support/s3ec-objects.js'
import { readingKeyring, testKeyring } from '../support/test-keyring.js'

const format = s3ec()
const policies = ['REQUIRE_ENCRYPT_REQUIRE_DECRYPT', 'REQUIRE_ENCRYPT_ALLOW_DECRYPT', 'FORBID_ENCRYPT_ALLOW_DECRYPT']
const text = new TextEncoder().encode('This is a test.\n')

function bytes(hex: string): Uint8Array {
  return Uint8Array.from(Buffer.from(hex, 'hex'))
}

const known = [
  {
    dataKey: '80d90dc4cc7e77d8a6332efa44eba56230a7fe7b89af37d1e501ab2e07c0a163',
    messageId: 'b8ea76bed24c7b85382a148cb9dcd1cfdfb765f55ded4dfa6e0c4c79',
    contentKey: '6dd14f546cc006e639126e83f5d4d1b118576bb5df97f38c6fb3a1db87bbc338',
    commitment: 'f89818bc0a346d3a3426b68e9509b6b2ae5fe1f904aa329fb73625db',
    sealed: 'f633e86a620fc0b931be145af8f9af7d42e39c33653276f143b035fa38080e11',
  },
  {
    dataKey: '501afb8227d22e75e68010414b8abdaf3064c081e8e922dafef4992036394d60',
    messageId: '61a00b4981a5aacfd136c55cb726e32d2a547dc7600a7d4675c69127',
    contentKey: 'e14786a714748d1d2c3a4a6816dec56ddf1881bbeabb4f39420ffb9f63700b2f',
    commitment: '5c1e73e47f6fe3a70d6d094283aceaa76d2975feb829212d88f0afc1',
  },
]

describe('known answers of suite 0x0073', () => {
  for (const { dataKey, messageId, contentKey, commitment, sealed } of known) {
    test(dataKey.slice(0, 8), async () => {
      const reference = { version: 'V3', dataKey: bytes(dataKey), nonce: bytes(messageId) } as const
      assert.equal(commitmentOf(reference).toString('hex'), commitment)
      assert.equal(hkdf(reference.dataKey, reference.nonce, 'DERIVEKEY', 32).toString('hex'), contentKey)
      if (sealed !== undefined) assert.deepEqual(referenceSeal(reference, text), bytes(sealed))
      const keyring = readingKeyring(() => bytes(dataKey))
      const metadata = referenceMetadata(reference, { wrap: 'AES/GCM', encryptedDataKey: Uint8Array.of(1) })
      assert.deepEqual(await load({ keyring }, { metadata, body: referenceSeal(reference, text) }), text)
    })
  }
})

const cases = [
  { version: 'V2', algorithm: 'AES/GCM', policy: writesV2 },
  { version: 'V2', algorithm: 'kms+context', policy: writesV2 },
  { version: 'V2', algorithm: 'RSA-OAEP-SHA1', policy: writesV2 },
  { version: 'V3', algorithm: 'AES/GCM', policy: writesV3 },
  { version: 'V3', algorithm: 'kms+context', policy: 'REQUIRE_ENCRYPT_REQUIRE_DECRYPT' },
  { version: 'V3', algorithm: 'RSA-OAEP-SHA1', policy: writesV3 },
] as const

for (const { version, algorithm, policy } of cases) {
  const kms = algorithm === 'kms+context'
  const map = { 'team "α"': 'ö=?x', ['__proto__']: 'a member', a: '' }
  const options = { algorithm, ...(!kms && { materialsDescription: map }) }
  const settings = (keyring = testKeyring(options)): Parameters<typeof load>[0] => ({
    keyring,
    commitmentPolicy: policy,
    ...(kms && { encryptionContext: map }),
  })

  describe(`${version} ${algorithm}`, () => {
    test('what is written reads back, here and with node:crypto alone', async () => {
      await fc.assert(
        fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), async (plaintext) => {
          const dataKey = randomBytes(32)
          const stored = await store(settings(testKeyring({ ...options, dataKey })), plaintext)
          assert.deepEqual(await load(settings(), stored), plaintext)
          const nonce = Buffer.from(stored.metadata[version === 'V2' ? 'x-amz-iv' : 'x-amz-i']!, 'base64')
          assert.deepEqual(referenceOpen({ version, dataKey, nonce }, stored.body), plaintext)
          assert.equal(stored.body.length, plaintext.length + 16)
        }),
        { numRuns: 30 },
      )
    })

    test('the metadata has exactly the keys of the format, and what they should say', async () => {
      const dataKey = randomBytes(32)
      const { metadata } = await store(settings(testKeyring({ ...options, dataKey })), text)
      const nonce = Buffer.from(metadata[version === 'V2' ? 'x-amz-iv' : 'x-amz-i']!, 'base64')
      const encryptedDataKey = Buffer.from(metadata[version === 'V2' ? 'x-amz-key-v2' : 'x-amz-3']!, 'base64')
      const mapKey = version === 'V2' ? 'x-amz-matdesc' : kms ? 'x-amz-t' : 'x-amz-m'
      const json = String(metadata[mapKey])
      assert.deepEqual(
        { ...metadata },
        referenceMetadata({ version, dataKey, nonce }, { wrap: algorithm, encryptedDataKey, map: json }),
      )
      const bound = kms ? { 'aws:x-amz-cek-alg': version === 'V2' ? 'AES/GCM/NoPadding' : '115' } : {}
      assert.deepEqual(JSON.parse(json), { ...map, ...bound })
    })

    test('an empty map', async () => {
      const keyring = testKeyring({ algorithm })
      const { metadata, body } = await store({ keyring, commitmentPolicy: policy }, text)
      const expected = kms
        ? version === 'V2'
          ? '{"aws:x-amz-cek-alg":"AES/GCM/NoPadding"}'
          : '{"aws:x-amz-cek-alg":"115"}'
        : '{}'
      if (version === 'V2') assert.equal(metadata['x-amz-matdesc'], expected)
      else assert.equal(metadata['x-amz-t'], kms ? expected : undefined)
      assert.ok(!('x-amz-m' in metadata))
      const read = { keyring: testKeyring({ algorithm }), commitmentPolicy: policy } as const
      assert.deepEqual(await load(read, { metadata, body }), text)
    })

    test('the summary says the same to the writer and to the reader', async () => {
      const { metadata, summary } = await format.seal({
        keyring: testKeyring(options),
        commitmentPolicy: policy,
        encryptionContext: kms ? map : {},
      })
      assert.deepEqual(format.recognise(metadata, object)?.summary, summary)
      assert.deepEqual(
        { ...summary, context: null },
        {
          format: 's3ec',
          version,
          contentAlgorithm: version === 'V2' ? 'AES/GCM/NoPadding' : '115',
          wrapAlgorithm: algorithm,
          suite: version === 'V2' ? 'ALG_AES_256_GCM_IV12_TAG16_NO_KDF' : 'ALG_AES_256_GCM_HKDF_SHA512_COMMIT_KEY',
          keyCommitment: version === 'V3',
          contextKind: kms ? 'encryption context' : 'materials description',
          contextKeys: Object.keys(summary.context),
          instructionFile: undefined,
          needs: {
            commitmentPolicies: version === 'V2' ? policies.slice(1) : policies,
            legacy: { content: false, wrapping: false },
          },
          context: null,
        },
      )
      assert.equal(summary.context['a'], '')
    })

    test('data keys are wiped, whether reading succeeds or not', async () => {
      const writer = testKeyring(options)
      const stored = await store(settings(writer), text)
      const reader = testKeyring(options)
      await load(settings(reader), stored)
      const flipped = stored.body.map((byte, index) => (index === 0 ? byte ^ 1 : byte))
      await assert.rejects(load(settings(reader), { ...stored, body: flipped }), DecryptionError)
      if (version === 'V3') {
        const d = Buffer.alloc(28).toString('base64')
        await assert.rejects(
          load(settings(reader), { ...stored, metadata: changed(stored.metadata, { 'x-amz-d': d }) }),
        )
      }
      assert.equal(writer.dataKeys.length, 1)
      assert.equal(reader.dataKeys.length, version === 'V3' ? 3 : 2)
      for (const key of [...writer.dataKeys, ...reader.dataKeys]) assert.deepEqual(key, new Uint8Array(32))
    })

    test('every message has an IV or message id, and a data key, of its own', async () => {
      const made = await Promise.all(Array.from({ length: 20 }, () => store(settings(), text)))
      const seen = (key: string): number => new Set(made.map(({ metadata }) => metadata[key])).size
      assert.equal(seen(version === 'V2' ? 'x-amz-iv' : 'x-amz-i'), 20)
      assert.equal(new Set(made.map(({ body }) => createHash('sha256').update(body).digest('hex'))).size, 20)
    })

    test('lengths', async () => {
      const { metadata } = await store(settings(), text)
      const envelope = format.recognise(metadata, object)!
      assert.equal(envelope.plaintextLength(16), 0)
      assert.equal(envelope.plaintextLength(1016), 1000)
      assert.equal(envelope.plaintextLength(2 ** 36 - 16), 2 ** 36 - 32)
      for (const impossible of [-1, 0, 15, 2 ** 36 - 15, 2 ** 53, 16.5, Number.NaN, Number.POSITIVE_INFINITY]) {
        assert.throws(
          () => envelope.plaintextLength(impossible),
          (error) => error instanceof CseError && error.code === 'ERR_S3CSE_ENVELOPE_INVALID',
        )
      }
    })
  })
}
