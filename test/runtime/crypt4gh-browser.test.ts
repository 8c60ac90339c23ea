import { FetchHttpHandler } from '@smithy/fetch-http-handler'
import assert from 'node:assert/strict'
import { mkdtemp, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'
import { fileURLToPath, pathToFileURL } from 'node:url'

import { GetObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { build, type Metafile } from 'esbuild'

import * as node from '../../src/crypt4gh.js'
import { plaintextOf, publicKey, sealedOf, secretKey, validVectors } from '../support/crypt4gh-vectors.js'
import { code } from '../support/errors.js'
import { Bucket, pattern, world } from '../support/world.js'

/** Crypt4GH as a browser has it: bundled with the browser's runtime, and run here. */
const root = fileURLToPath(new URL('../..', import.meta.url))
const directory = await mkdtemp(join(tmpdir(), 's3-cse-test-'))
after(() => rm(directory, { recursive: true }))
await symlink(join(root, 'node_modules'), join(directory, 'node_modules'))

async function bundle(entry: string): Promise<{ readonly module: Browser; readonly metafile: Metafile }> {
  const outfile = join(directory, `${entry.replaceAll('/', '-')}.mjs`)
  const { metafile } = await build({
    stdin: {
      contents: `export * from '${join(root, 'src', entry)}'; export * from '${join(root, 'src/index.ts')}'`,
      resolveDir: root,
    },
    alias: {
      '#runtime/crypt4gh': join(root, 'src/runtime/browser-crypt4gh.ts'),
      '#runtime/key-files': join(root, 'src/runtime/browser-key-files.ts'),
      '#runtime': join(root, 'src/runtime/browser.ts'),
    },
    bundle: true,
    format: 'esm',
    platform: 'browser',
    external: ['@aws-sdk/*'],
    metafile: true,
    outfile,
  })
  return { module: (await import(pathToFileURL(outfile).href)) as Browser, metafile }
}

const inputs = ({ inputs: found }: Metafile): string[] => Object.keys(found)
type Browser = typeof import('../../src/crypt4gh.js') & typeof import('../../src/index.js')
const { module: browser, metafile } = await bundle('crypt4gh.ts')
const w = await world()

function client(name: string): S3Client {
  const plain = new S3Client({ ...w.s3.clientConfig, requestHandler: new FetchHttpHandler() })
  const keyring = browser.x25519Keyring({
    secretKey: secretKey(name),
    recipients: [publicKey('alice'), publicKey('bob')],
  })
  return browser.addEncryption(plain, { keyring, format: browser.crypt4gh({ experimentalAuthenticatedMode: 'read' }) })
}

async function get(from: S3Client, Key: string, Range?: string): Promise<Buffer> {
  const { Body } = await from.send(new GetObjectCommand({ Bucket, Key, Range }))
  return Buffer.from(await Body!.transformToByteArray())
}

describe('Crypt4GH in a browser', () => {
  it('is bundled without anything of Node, and nobody else’s bundle has its ciphers', async () => {
    assert.ok(
      inputs(metafile).some((path) => path.includes('@noble/ciphers')),
      'it brings ChaCha20-Poly1305',
    )
    assert.deepEqual(
      inputs(metafile).filter((path) => /runtime\/node|^node:/.test(path)),
      [],
    )
    const core = await bundle('index.ts')
    assert.deepEqual(
      inputs(core.metafile).filter((path) => /@noble|crypt4gh/.test(path)),
      [],
    )
  })

  it('writes what Node reads, and reads what Node writes, whole and in ranges', async () => {
    const onNode = w.client({
      keyring: node.x25519Keyring({ secretKey: secretKey('bob'), recipients: [publicKey('alice')] }),
      format: node.crypt4gh(),
    })
    for (const length of [0, 1, 65536, 200_001]) {
      const body = pattern(length)
      await client('alice').send(new PutObjectCommand({ Bucket, Key: 'web', Body: new Blob([body]) }))
      assert.deepEqual(await get(onNode, 'web'), body)
      await onNode.send(new PutObjectCommand({ Bucket, Key: 'node', Body: body }))
      assert.deepEqual(await get(client('alice'), 'node'), body)
      if (length > 10) assert.deepEqual(await get(client('alice'), 'node', 'bytes=-9'), body.subarray(-9))
      const output = await client('bob').send(new GetObjectCommand({ Bucket, Key: 'web' }))
      await output.Body!.transformToByteArray()
      assert.equal(browser.encryptionInfo(output)?.envelope?.integrity, 'ordered')
    }
    await w.s3.tamper(Bucket, 'node', ({ body }) => void (body[100_000]! ^= 1))
    await assert.rejects(get(client('alice'), 'node'), code('ERR_S3CSE_DECRYPTION_FAILED'))
  })

  it('reads the vectors', async () => {
    for (const vector of validVectors) {
      await w.plain.send(new PutObjectCommand({ Bucket, Key: vector.id, Body: sealedOf(vector) }))
      const found = await get(client(vector.recipients[0]!), vector.id)
      assert.equal(Buffer.compare(found, plaintextOf(vector)), 0, vector.id)
    }
  })
})
