/**
 * A process that changes the key of one object and is killed while the S3 of its parent does not answer: a fixture of the
 * tests of crashes, started by them with the job as its argument.
 */
import { S3Client } from '@aws-sdk/client-s3'

import { addEncryption, aesKeyring, rotateKey } from '../../src/index.js'
import type { Keyring, RotateKeyInput } from '../../src/index.js'
import type { S3ClientConfig } from '../../src/testing/index.js'

export interface RotateJob {
  readonly config: S3ClientConfig
  readonly bucket: string
  readonly key: string
  readonly more: Omit<RotateKeyInput, 'Bucket' | 'Key' | 'to'>
  readonly instructionFile: boolean
  /** In the user-agent header of its requests. */
  readonly name: string
}

function keyring(byte: number, comment: string): Keyring {
  return aesKeyring({ wrappingKey: new Uint8Array(32).fill(byte), materialsDescription: { comment } })
}

async function run({ config, bucket, key, more, instructionFile, name }: RotateJob): Promise<void> {
  const client = addEncryption(new S3Client({ ...config, maxAttempts: 1, customUserAgent: [['job', name]] }), {
    keyring: keyring(1, 'old'),
    instructionFile: { write: instructionFile, overwrite: instructionFile },
  })
  await rotateKey(client, { Bucket: bucket, Key: key, to: keyring(2, 'new'), ...more })
  client.destroy()
}

await run(JSON.parse(process.argv[2] ?? '') as RotateJob)
