/**
 * One process collects and can only write, another one can read: they share no secret. The writer has the public key
 * alone, so that whoever breaks into it finds nothing that opens what it has stored.
 *
 * This program starts itself a second time, as the reader, which gets the private key over a pipe.
 */
import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { GetObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { addEncryption, CseError, rsaKeyring } from 's3-cse'
import { startS3, type S3ClientConfig } from 's3-cse/testing'

const object = { Bucket: 'my-bucket', Key: 'report' }

async function write(config: S3ClientConfig, publicKey: string): Promise<void> {
  const s3 = addEncryption(new S3Client(config), { keyring: rsaKeyring({ publicKey }) })
  await s3.send(new PutObjectCommand({ ...object, Body: 'for the reader only' }))

  // The writer cannot take back what it wrote.
  const refused = (error: unknown): boolean => error instanceof CseError && error.code === 'ERR_S3CSE_CONFIG'
  await assert.rejects(s3.send(new GetObjectCommand(object)), refused)
  s3.destroy()
}

async function read(config: S3ClientConfig, privateKey: string): Promise<string | undefined> {
  const s3 = addEncryption(new S3Client(config), { keyring: rsaKeyring({ privateKey }) })
  const { Body } = await s3.send(new GetObjectCommand(object))
  return Body?.transformToString()
}

interface Assignment {
  readonly config: S3ClientConfig
  readonly privateKey: string
}

if (process.argv[2] === 'reader') {
  const [assignment] = (await once(process, 'message')) as [Assignment]
  process.send?.(await read(assignment.config, assignment.privateKey))
  process.disconnect()
} else {
  const server = await startS3({ buckets: [object.Bucket] })
  const { publicKey, privateKey } = generateKeyPairSync('rsa', {
    modulusLength: 3072,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  })

  await write(server.clientConfig, publicKey)

  const reader = fork(fileURLToPath(import.meta.url), ['reader'])
  reader.send({ config: server.clientConfig, privateKey } satisfies Assignment)
  const [text] = (await Promise.race([
    once(reader, 'message'),
    once(reader, 'exit').then(([status]) =>
      Promise.reject(new Error(`the reader ended with status ${String(status)}`)),
    ),
  ])) as [string]
  assert.equal(text, 'for the reader only')
  console.log(
    `written with the public key by process ${process.pid}, read with the private one by ${String(reader.pid)}`,
  )

  await server.close()
}
