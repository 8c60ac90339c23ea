/** What the runtimes under test talk to: the runner's own S3 and KMS, and a place to ask for the job and to report. */
import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { startKms, startS3 } from 's3-cse/testing'

/** What came of one case; without an error it passed. */
export interface Outcome {
  readonly name: string
  readonly error?: string
}

export interface Report {
  readonly cells: readonly Outcome[]
  /** The adapter itself failed. */
  readonly failed?: string
}

/** Which part of the suite, and under which keys of the bucket. */
export interface Job {
  readonly prefix: string
  readonly cases: boolean
  readonly writes: boolean
  readonly peers: readonly { readonly name: string; readonly prefix: string }[]
}

export interface Session {
  /** Where the adapter asks and reports. */
  readonly address: string
  readonly report: Promise<Report>
  close(): Promise<void>
}

export interface Ground {
  /** `files`: what a page is made of, by path. */
  session(
    job: Job,
    files?: Readonly<Record<string, { readonly type: string; readonly text: string }>>,
  ): Promise<Session>
  close(): Promise<void>
}

const bucket = 'runtimes'

/**
 * What a bucket's CORS configuration has to expose to pages that read encrypted objects: envelopes (V1, V2, V3), the
 * caller's own metadata, and what the SDK looks at (of parts, lib-storage repeats the checksums). S3 takes no wildcards
 * here.
 */
export const EXPOSED_HEADERS: readonly string[] = [
  'ETag',
  'Content-Range',
  'x-amz-version-id',
  'x-amz-mp-parts-count',
  'x-amz-checksum-type',
  ...['crc32', 'crc32c', 'crc64nvme', 'sha1', 'sha256'].map((name) => `x-amz-checksum-${name}`),
  ...['c', '3', 'w', 'd', 'i', 'm', 't'].map((name) => `x-amz-meta-x-amz-${name}`),
  ...['key', 'key-v2', 'iv', 'cek-alg', 'wrap-alg', 'tag-len', 'matdesc', 'unencrypted-content-length'].map(
    (name) => `x-amz-meta-x-amz-${name}`,
  ),
  'x-amz-meta-x-amz-crypto-instr-file',
  'x-amz-meta-color',
]

export async function startGround(): Promise<Ground> {
  const s3 = await startS3({ buckets: [bucket], cors: { exposeHeaders: EXPOSED_HEADERS }, recordBodyBytes: 0 })
  const kms = await startKms({ cors: true })
  s3.onRequest((request) => {
    // Until the client goes away, or the server does.
    if (request.key?.includes('never-answered') === true && request.method !== 'OPTIONS')
      return new Promise(() => undefined)
    return undefined
  })
  const rsa = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  })
  const shared = {
    bucket,
    s3: s3.clientConfig,
    kms: kms.clientConfig,
    keyId: kms.createKey().arn,
    otherKeyId: kms.createKey().arn,
    wrappingKey: randomBytes(32).toString('base64'),
    rsa,
  }
  return {
    session: (job, files = {}) => startSession({ ...shared, ...job }, files),
    async close() {
      await Promise.all([s3.close(), kms.close()])
    },
  }
}

async function startSession(
  job: Job,
  files: Readonly<Record<string, { readonly type: string; readonly text: string }>>,
): Promise<Session> {
  let reported: (report: Report) => void = () => undefined
  const report = new Promise<Report>((resolve) => (reported = resolve))
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const path = request.url ?? '/'
    const file = files[path]
    if (path === '/job') response.setHeader('content-type', 'application/json').end(JSON.stringify(job))
    else if (path === '/report') {
      const text = Buffer.concat((await request.toArray()) as Buffer[]).toString()
      response.end()
      reported(JSON.parse(text) as Report)
    } else if (file !== undefined) response.setHeader('content-type', file.type).end(file.text)
    else response.writeHead(404).end()
  }
  const server = createServer((request, response) => {
    answer(request, response).catch((error: unknown) => {
      reported({ cells: [], failed: `the report cannot be read: ${String(error)}` })
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    address: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    report,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
