import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { GetObjectCommand } from '@aws-sdk/client-s3'
import { encryptionInfo, rsaKeyring } from '../../src/index.js'
import type { Keyring } from '../../src/index.js'
import { bytesOf, code, holds, MIB, put, read } from './support-objects.js'
import { aes, check } from './support.js'
import type { Place } from './support.js'

const FORMATS = {
  V3: {},
  V2: { commitmentPolicy: 'FORBID_ENCRYPT_ALLOW_DECRYPT' },
} as const
const rsa = rsaKeyring(generateKeyPairSync('rsa', { modulusLength: 2048 }))
const KEYRINGS: Readonly<Record<string, (t: Place) => Keyring | Promise<Keyring>>> = {
  AES: () => aes,
  RSA: () => rsa,
  KMS: (t) => t.kmsKeyring(),
}
const SIZES = [0, 1, 15, 16, 17, 8191, 65_535, 65_536, 65_537, MIB + 5]

for (const [format, options] of Object.entries(FORMATS)) {
  for (const [kind, keyringOf] of Object.entries(KEYRINGS)) {
    const uses = kind === 'KMS' ? 'both' : 's3'
    for (const size of SIZES) {
      check(
        `put and get, ${format}, ${kind} keyring: ${size} bytes`,
        async (t) => {
          const client = t.client({ keyring: await keyringOf(t), ...options })
          const at = { Bucket: t.Bucket, Key: t.key() }
          await put(client, at, bytesOf(size))
          await holds(client, t.plain, at, bytesOf(size))
        },
        { uses },
      )
    }

    check(
      `put and get, ${format}, ${kind} keyring: the envelope says what it is`,
      async (t) => {
        const client = t.client({ keyring: await keyringOf(t), ...options })
        const at = { Bucket: t.Bucket, Key: t.key() }
        const written = encryptionInfo(await put(client, at, 'text'))
        const output = await client.send(new GetObjectCommand(at))
        assert.equal(await output.Body!.transformToString(), 'text')
        const info = encryptionInfo(output)
        assert.deepEqual([written?.envelope?.version, info?.envelope?.version], [format, format])
        assert.deepEqual([info?.storedLength, info?.authentication], [20, 'verified'])
        assert.deepEqual(output.Metadata, {})
        assert.equal(output.ContentLength, 4)
      },
      { uses },
    )
  }
}

check(
  'put and get, KMS: the encryption context is asked for',
  async (t) => {
    const keyring = await t.kmsKeyring()
    const at = { Bucket: t.Bucket, Key: t.key() }
    const client = t.client({ keyring, encryptionContext: { tenant: 'a', größe: 'größer <&>"\\' } })
    await put(client, at, 'text')
    assert.equal((await read(client, at)).toString(), 'text')
    for (const encryptionContext of [{ tenant: 'b' }, { tenant: 'a' }, {}]) {
      const other = t.client({ keyring, encryptionContext })
      await assert.rejects(read(other, at), code('ERR_S3CSE_CONTEXT_MISMATCH'))
    }
  },
  { uses: 'both' },
)

const PROPERTIES = {
  ContentType: 'text/x-test; charset=utf-8',
  CacheControl: 'max-age=60',
  ContentDisposition: 'attachment; filename="a b.txt"',
  ContentLanguage: 'de',
} as const

check('put and get: properties of the object are kept', async (t) => {
  const client = t.client()
  const at = { Bucket: t.Bucket, Key: t.key() }
  await put(client, at, 'text', { ...PROPERTIES, Expires: new Date('2040-01-01T00:00:00Z') })
  const output = await client.send(new GetObjectCommand(at))
  await output.Body!.transformToString()
  for (const [name, value] of Object.entries(PROPERTIES)) assert.equal(output[name as 'ContentType'], value)
  assert.equal(output.ExpiresString, 'Sun, 01 Jan 2040 00:00:00 GMT')
})

check('put and get: Content-Encoding of the caller is kept, for bytes', async (t) => {
  const at = { Bucket: t.Bucket, Key: t.key() }
  await put(t.client(), at, bytesOf(100), { ContentEncoding: 'x-own' })
  const output = await t.client().send(new GetObjectCommand(at))
  await output.Body!.transformToByteArray()
  assert.equal(output.ContentEncoding, 'x-own')
})

check("put and get: the user's metadata are kept, and nothing else is shown", async (t) => {
  const client = t.client()
  const at = { Bucket: t.Bucket, Key: t.key() }
  const Metadata = { one: '1', quoted: 'a "b" \\c', spaces: 'a  b', json: '{"a":[1,2]}' }
  await put(client, at, 'text', { Metadata })
  const output = await client.send(new GetObjectCommand(at))
  await output.Body!.transformToString()
  assert.deepEqual(output.Metadata, Metadata)
})

check('put and get: the key is any text', async (t) => {
  const client = t.client()
  for (const name of ['a b+c%20&d=e', 'ä/ö/漢字', "quotes'()*!~"]) {
    const at = { Bucket: t.Bucket, Key: t.key(name) }
    await put(client, at, name)
    assert.equal((await read(client, at)).toString(), name)
  }
})

check('put and get: a second object under the same key replaces the first', async (t) => {
  const client = t.client()
  const at = { Bucket: t.Bucket, Key: t.key() }
  for (const text of ['first', 'the second']) {
    await put(client, at, text)
    assert.equal((await read(client, at)).toString(), text)
  }
})

check('put and get: 64 objects at a time', async (t) => {
  const client = t.client()
  const prefix = t.key('many')
  await Promise.all(
    Array.from({ length: 64 }, async (_, index) => {
      const at = { Bucket: t.Bucket, Key: `${prefix}-${index}` }
      await put(client, at, bytesOf(1000 + index))
      await holds(client, t.plain, at, bytesOf(1000 + index))
    }),
  )
})

check('put and get: larger than what is held in memory, over a temporary file', async (t) => {
  const client = t.client({ maxBufferedBytes: MIB })
  const at = { Bucket: t.Bucket, Key: t.key() }
  await put(client, at, bytesOf(3 * MIB))
  await holds(client, t.plain, at, bytesOf(3 * MIB))
})

check('put and get: larger than what is held in memory, read twice', async (t) => {
  const client = t.client({ maxBufferedBytes: MIB, spool: false })
  const at = { Bucket: t.Bucket, Key: t.key() }
  await put(client, at, bytesOf(3 * MIB))
  await holds(client, t.plain, at, bytesOf(3 * MIB))
})

check('put and get: delayed authentication', async (t) => {
  const at = { Bucket: t.Bucket, Key: t.key() }
  await put(t.client(), at, bytesOf(3 * MIB))
  await holds(t.client({ delayedAuthentication: true }), t.plain, at, bytesOf(3 * MIB))
})
