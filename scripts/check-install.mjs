// Installs the packed package as a user does, first without the KMS client and then with it, and sends an object through
// it each time. Expects dist to be built; needs the package registry.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const project = mkdtempSync(path.join(tmpdir(), 's3-cse-install-'))

const run = (program, ...args) => {
  console.log(`$ ${program} ${args.join(' ')}`)
  execFileSync(program, args, { cwd: project, stdio: 'inherit' })
}
// The versions that were tested, not the newest of the day.
const tested = (name) => {
  const manifest = path.join(root, 'node_modules', name, 'package.json')
  return `${name}@${JSON.parse(readFileSync(manifest, 'utf8')).version}`
}

const roundTrip = (keyring) => `
import assert from 'node:assert/strict'
import { GetObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { addEncryption, aesKeyring, encryptionInfo } from 's3-cse'
import { startKms, startS3 } from 's3-cse/testing'
const [server, kms] = [await startS3({ buckets: ['my-bucket'] }), await startKms()]
try {
  const s3 = addEncryption(new S3Client(server.clientConfig), { keyring: ${keyring} })
  const name = { Bucket: 'my-bucket', Key: 'k' }
  await s3.send(new PutObjectCommand({ ...name, Body: 'hello' }))
  assert.ok(!Buffer.from((await server.object('my-bucket', 'k')).body).includes('hello'))
  const output = await s3.send(new GetObjectCommand(name))
  assert.equal(await output.Body.transformToString(), 'hello')
  console.log('stored and read back:', encryptionInfo(output).envelope.wrapAlgorithm)
  s3.destroy()
} finally {
  await Promise.all([server.close(), kms.close()])
}
`

try {
  writeFileSync(path.join(project, 'package.json'), '{ "private": true, "type": "module" }\n')
  run('npm', 'pack', root, '--ignore-scripts', '--loglevel=error')
  const tarball = readdirSync(project).find((name) => name.endsWith('.tgz'))
  run('npm', 'install', '--no-audit', '--no-fund', `./${tarball}`, tested('@aws-sdk/client-s3'))
  const installed = readdirSync(path.join(project, 'node_modules/@aws-sdk'))
  assert.ok(!installed.includes('client-kms'), 'the KMS client was installed, though it is optional')
  writeFileSync(path.join(project, 'aes.mjs'), roundTrip('aesKeyring({ wrappingKey: new Uint8Array(32) })'))
  run('node', 'aes.mjs')

  run('npm', 'install', '--no-audit', '--no-fund', tested('@aws-sdk/client-kms'))
  const imports = "import { KMSClient } from '@aws-sdk/client-kms'\nimport { kmsKeyring } from 's3-cse/kms'\n"
  const keyring = 'kmsKeyring({ client: new KMSClient(kms.clientConfig), keyId: kms.createKey().arn })'
  writeFileSync(path.join(project, 'kms.mjs'), imports + roundTrip(keyring))
  run('node', 'kms.mjs')
} finally {
  rmSync(project, { recursive: true, force: true })
}
