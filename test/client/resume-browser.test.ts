// The library as a browser has it: states are written and read with WebCrypto, and are the same as those of Node.
import { FetchHttpHandler } from '@smithy/fetch-http-handler'
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { after, it } from 'node:test'
import { fileURLToPath, pathToFileURL } from 'node:url'

import { S3Client } from '@aws-sdk/client-s3'
import { build } from 'esbuild'

import * as node from '../../src/index.js'
import { code } from '../support/errors.js'
import { changed, completed, create, finish, log, PART, send, source } from '../support/resume.js'
import { Bucket, world } from '../support/world.js'

const root = fileURLToPath(new URL('../..', import.meta.url))
const directory = await mkdtemp(path.join(tmpdir(), 's3-cse-resume-'))
after(() => rm(directory, { recursive: true }))
await symlink(path.join(root, 'node_modules'), path.join(directory, 'node_modules'))
const outfile = path.join(directory, 'bundle.mjs')
await build({
  entryPoints: [path.join(root, 'src/index.ts')],
  alias: { '#runtime': path.join(root, 'src/runtime/browser.ts') },
  bundle: true,
  format: 'esm',
  platform: 'browser',
  external: ['@aws-sdk/*'],
  outfile,
})
const browser = (await import(pathToFileURL(outfile).href)) as typeof node

const w = await world({ recordBodyBytes: 0, verifyPayload: false, etag: 'random' })
const wrappingKey = new Uint8Array(32).fill(7)
const clients: S3Client[] = []
after(() => clients.forEach((client) => client.destroy()))
function browserClient(): S3Client {
  const client = new S3Client({ ...w.s3.clientConfig, requestHandler: new FetchHttpHandler() })
  clients.push(client)
  return browser.addEncryption(client, { keyring: browser.aesKeyring({ wrappingKey }) })
}
const nodeClient = () => w.client({ keyring: node.aesKeyring({ wrappingKey }) })
const parts = source(PART, PART, 1000)

const sides = [
  ['browser', browser, browserClient, node, nodeClient],
  ['Node', node, nodeClient, browser, browserClient],
] as const
for (const [side, here, client, there, otherClient] of sides) {
  for (const stateKey of [undefined, new Uint8Array(randomBytes(32))]) {
    it(`${side} ${stateKey === undefined ? 'saves' : 'saves with a stateKey'}, another one goes on`, async () => {
      const Key = `${side} ${String(stateKey?.length)}`
      const first = client()
      const saved = log()
      const name = await create(first, Key, { saveUpload: saved.save, stateKey, partSize: PART })
      await send(first, name, 1, parts[0])
      const state = await here.exportUpload(first, name, { worker: true, stateKey })
      for (const text of [saved.text.slice(0, -5), state, saved.text]) {
        const worker = otherClient()
        const imported = await there.importUpload(worker, { Bucket, Key }, text, { stateKey })
        await assert.rejects(
          send(worker, name, 1, changed(parts[0]!, 0)),
          code('ERR_S3CSE_UPLOAD_STATE', /other bytes/),
        )
        if (text !== state) continue
        const output = await send(worker, name, 3, parts[2])
        await here.importReceipts(first, name, [await there.uploadReceipt(output)])
        assert.equal(imported.Parts.length, 1)
      }
      const last = otherClient()
      const imported = await there.importUpload(last, { Bucket, Key }, saved.text, { stateKey })
      assert.deepEqual(
        imported.Parts.map(({ PartNumber }) => PartNumber),
        [1, 3],
      )
      const second = completed(2, await send(last, name, 2, parts[1]))
      await finish(last, { ...imported, Parts: [...imported.Parts, second] }, parts)
    })
  }
}
