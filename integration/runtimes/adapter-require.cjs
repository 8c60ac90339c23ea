// The smoke suite as a CommonJS program has the package: by require() of ES modules, which Node has from 20.19 and 22.12.
const assert = require('node:assert/strict')
const kms = require('@aws-sdk/client-kms')
const s3 = require('@aws-sdk/client-s3')
const { Upload } = require('@aws-sdk/lib-storage')
const { getSignedUrl } = require('@aws-sdk/s3-request-presigner')
const { clean, control, failures, node } = require('./adapter-environment.mjs')
const { session } = require('./session.mjs')

const cells = []
async function cell(name, run) {
  try {
    await run()
    cells.push({ name })
  } catch (error) {
    cells.push({ name, error: String(error?.stack ?? error) })
  }
}

/** By require() it is the same module as by import. */
async function isTheSame(name, exported) {
  const required = require(name)
  for (const one of exported) assert.equal(typeof required[one], 'function', `${name} has no ${one}`)
  assert.equal(required[exported[0]], (await import(name))[exported[0]])
}

async function roundTrip() {
  const { addEncryption } = require('s3-cse')
  const { kmsKeyring } = require('s3-cse/kms')
  const { startKms, startS3 } = require('s3-cse/testing')
  const [server, keys] = await Promise.all([startS3({ buckets: ['my-bucket'] }), startKms()])
  const [plain, client] = [new s3.S3Client(server.clientConfig), new kms.KMSClient(keys.clientConfig)]
  try {
    addEncryption(plain, { keyring: kmsKeyring({ client, keyId: keys.createKey().arn }) })
    const name = { Bucket: 'my-bucket', Key: 'k' }
    await plain.send(new s3.PutObjectCommand({ ...name, Body: 'hello' }))
    assert.equal((await server.object('my-bucket', 'k')).size, 21)
    assert.equal(await (await plain.send(new s3.GetObjectCommand(name))).Body.transformToString(), 'hello')
  } finally {
    plain.destroy()
    client.destroy()
    await Promise.all([server.close(), keys.close()])
  }
}

async function main() {
  await cell("require('s3-cse')", () =>
    isTheSame('s3-cse', ['addEncryption', 'encryptedView', 'aesKeyring', 'download']),
  )
  await cell("require('s3-cse/kms')", () => isTheSame('s3-cse/kms', ['kmsKeyring', 'kmsDiscoveryKeyring']))
  await cell("require('s3-cse/testing')", () => isTheSame('s3-cse/testing', ['startS3', 'startKms']))
  await cell('a server and a client in one CommonJS program', roundTrip)
  await session(control(), { s3, kms, Upload, getSignedUrl, node }, failures, cells)
  await clean()
}

main()
