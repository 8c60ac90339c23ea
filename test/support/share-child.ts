/**
 * A process that sends some parts of an object that another process has begun, and writes their receipts: a fixture of
 * the tests of sharing, started by them with the job as its argument.
 */
import { S3Client } from '@aws-sdk/client-s3'

import { addEncryption, importUpload, uploadReceipt } from '../../src/index.js'
import type { S3ClientConfig } from '../../src/testing/index.js'
import { changed, send, source } from './resume.js'
import { Bucket, keyring } from './world.js'

export interface ShareJob {
  readonly config: S3ClientConfig
  readonly key: string
  /** The exported state. */
  readonly state: string
  readonly lengths: readonly number[]
  /** Which parts are this process's. */
  readonly numbers: readonly number[]
  /** Of these the source is another one in this process. */
  readonly other?: readonly number[]
}

async function run({ config, key: Key, state, lengths, numbers, other = [] }: ShareJob): Promise<void> {
  const client = addEncryption(new S3Client({ ...config, maxAttempts: 1 }), { keyring })
  const upload = await importUpload(client, { Bucket, Key }, state)
  const parts = source(...lengths)
  const receipts = numbers.map(async (number) => {
    const part = parts[number - 1]!
    return uploadReceipt(await send(client, upload, number, other.includes(number) ? changed(part) : part))
  })
  console.log(JSON.stringify(await Promise.all(receipts)))
  client.destroy()
}

await run(JSON.parse(process.argv[2] ?? '') as ShareJob)
