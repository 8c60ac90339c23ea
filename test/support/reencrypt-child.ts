/** A process that gives one object a new header, to be killed: a fixture of the tests of crashes. */
import { S3Client } from '@aws-sdk/client-s3'

import { addEncryption, reencrypt } from '../../src/index.js'
import type { S3ClientConfig } from '../../src/testing/index.js'
import { headerFormat, recipients } from './header-format.js'

export interface ReencryptJob {
  readonly config: S3ClientConfig
  readonly bucket: string
  /** Also in the user-agent header of its requests. */
  readonly key: string
  readonly copyPartSize: number
}

async function run({ config, bucket, key, copyPartSize }: ReencryptJob): Promise<void> {
  const client = addEncryption(new S3Client({ ...config, maxAttempts: 1, customUserAgent: [['job', key]] }), {
    keyring: recipients([1]),
    format: headerFormat(),
  })
  await reencrypt(client, { Bucket: bucket, Key: key, to: recipients([2]), copyPartSize })
  client.destroy()
}

await run(JSON.parse(process.argv[2] ?? '') as ReencryptJob)
