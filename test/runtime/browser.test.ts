import { FetchHttpHandler } from '@smithy/fetch-http-handler'
import assert from 'node:assert/strict'
import { mkdtemp, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { fileURLToPath, pathToFileURL } from 'node:url'

import { GetObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { build } from 'esbuild'

import type { EncryptionOptions, Keyring } from '../../src/index.js'
import { code } from '../support/errors.js'
import { Bucket, pattern, world } from '../support/world.js'

/**
 * The library as a browser has it (WebCrypto, web streams, no disk), bundled with the browser's runtime and run here:
 * Node has the same globals. The fetch request handler is the one of the SDK's browser build.
 */
const root = fileURLToPath(new URL('../..', import.meta.url))
const directory = await mkdtemp(join(tmpdir(), 's3-cse-test-'))
after(() => rm(directory, { recursive: true }))
await symlink(join(root, 'node_modules'), join(directory, 'node_modules'))
const outfile = join(directory, 'bundle.mjs')
const { metafile } = await build({
  entryPoints: [join(root, 'src/index.ts')],
  alias: { '#runtime': join(root, 'src/runtime/browser.ts') },
  bundle: true,
  format: 'esm',
  platform: 'browser',
  external: ['@aws-sdk/*'],
  metafile: true,
  outfile,
})
const { addEncryption, aesKeyring, rsaKeyring } = (await import(
  pathToFileURL(outfile).href
)) as typeof import('../../src/index.js')

const w = await world()
const MIB = 1024 * 1024
const aes = aesKeyring({ wrappingKey: new Uint8Array(32).fill(7) })

function client(options: Partial<EncryptionOptions> = {}, keyring: Keyring = aes): S3Client {
  const plain = new S3Client({ ...w.s3.clientConfig, requestHandler: new FetchHttpHandler() })
  return addEncryption(plain, { keyring, ...options })
}

async function get(reader: S3Client): Promise<Buffer> {
  const { Body } = await reader.send(new GetObjectCommand({ Bucket, Key: 'browser' }))
  return Buffer.from(await Body!.transformToByteArray())
}

describe('the browser’s runtime', () => {
  it('is bundled without anything of Node', () => {
    const inputs = Object.keys(metafile.inputs)
    assert.ok(inputs.some((path) => path.endsWith('runtime/browser.ts')))
    assert.deepEqual(
      inputs.filter((path) => /runtime\/node|^node:/.test(path)),
      [],
    )
  })

  for (const [name, options] of [
    ['in memory', {}],
    ['read twice', { maxBufferedBytes: MIB }],
    ['delayed', { delayedAuthentication: true }],
    ['V2', { commitmentPolicy: 'FORBID_ENCRYPT_ALLOW_DECRYPT' }],
  ] as const) {
    it(`${name}: puts and gets at every size, and refuses changed bytes`, async () => {
      const writer = client({ ...options, maxBufferedBytes: 64 * MIB })
      const reader = client(options)
      for (const length of [0, 1, 1000, MIB, 3 * MIB + 5]) {
        const Body = new Blob([pattern(length)])
        await writer.send(new PutObjectCommand({ Bucket, Key: 'browser', Body }))
        assert.deepEqual(await get(reader), pattern(length))
        // Node reads what the browser wrote.
        const node = w.client({ commitmentPolicy: 'REQUIRE_ENCRYPT_ALLOW_DECRYPT' })
        const { Body: stream } = await node.send(new GetObjectCommand({ Bucket, Key: 'browser' }))
        assert.deepEqual(Buffer.from(await stream!.transformToByteArray()), pattern(length))
        await w.s3.tamper(Bucket, 'browser', ({ body }) => void (body[length >> 1]! ^= 1))
        await assert.rejects(get(reader), code('ERR_S3CSE_DECRYPTION_FAILED'))
      }
    })
  }

  it('wraps with RSA, from PEM and from CryptoKeys', async () => {
    const pair = await crypto.subtle.generateKey(
      { name: 'RSA-OAEP', modulusLength: 2048, publicExponent: Uint8Array.of(1, 0, 1), hash: 'SHA-1' },
      true,
      ['encrypt', 'decrypt'],
    )
    const pem = async (key: CryptoKey, format: 'spki' | 'pkcs8', label: string) =>
      `-----BEGIN ${label}-----\n${Buffer.from(await crypto.subtle.exportKey(format, key)).toString('base64')}\n-----END ${label}-----`
    const writers = [
      rsaKeyring({ publicKey: pair.publicKey }),
      rsaKeyring({ publicKey: await pem(pair.publicKey, 'spki', 'PUBLIC KEY') }),
    ]
    const readers = [
      rsaKeyring({ privateKey: pair.privateKey }),
      rsaKeyring({ privateKey: await pem(pair.privateKey, 'pkcs8', 'PRIVATE KEY') }),
    ]
    for (const writer of writers) {
      await client({}, writer).send(new PutObjectCommand({ Bucket, Key: 'browser', Body: 'rsa' }))
      for (const reader of readers) assert.equal((await get(client({}, reader))).toString(), 'rsa')
    }
    await assert.rejects(get(client()), code('ERR_S3CSE_ENVELOPE_INVALID'))
  })

  it('says so when the key is wrong', async () => {
    await client().send(new PutObjectCommand({ Bucket, Key: 'browser', Body: 'x' }))
    const other = aesKeyring({ wrappingKey: new Uint8Array(32).fill(8) })
    await assert.rejects(get(client({}, other)), code('ERR_S3CSE_DECRYPTION_FAILED'))
  })
})
