import { CreateKeyCommand, KMSClient } from '@aws-sdk/client-kms'
import type { CreateKeyCommandOutput, KMSClientConfig, ReplicateKeyCommandOutput } from '@aws-sdk/client-kms'
import { CreateBucketCommand, PutBucketVersioningCommand, S3Client } from '@aws-sdk/client-s3'
import type { S3ClientConfig } from '@aws-sdk/client-s3'
import { randomBytes } from 'node:crypto'
import { readdirSync, readlinkSync } from 'node:fs'
import { Agent } from 'node:http'
import { setTimeout } from 'node:timers/promises'
import { addEncryption, aesKeyring } from '../../src/index.js'
import type { EncryptionOptions, Keyring } from '../../src/index.js'
import { kmsKeyring } from '../../src/kms.js'
import type { KmsKeyringOptions } from '../../src/kms.js'
import { askServer } from './support-servers.js'
import type { Server, ServerKind } from './support-servers.js'

/** Where one check runs. What it makes is gone after it. */
export interface Place {
  /** Without versioning; the same for all checks of a run. */
  readonly Bucket: string
  /** A bucket with versioning; the same for all checks of a run. */
  versionedBucket(): Promise<string>
  /** A key that nothing else has; it ends in `name`. */
  key(name?: string): string
  /** Without encryption. */
  readonly plain: S3Client
  /** With encryption; under one AES key of the run, unless `options` has another keyring. */
  client(options?: Partial<EncryptionOptions>, config?: S3ClientConfig): S3Client
  /** Only for checks that say `uses: 'kms'` or `'both'`, as the other two. */
  readonly kms: KMSClient
  /** ARN of a symmetric key, the same for all checks of a run. */
  kmsKey(): Promise<string>
  /** Under `kmsKey()`, unless `options` has another `keyId`. */
  kmsKeyring(options?: Partial<KmsKeyringOptions>): Promise<Keyring>
  readonly s3: ServerKind
  readonly kmsServer: ServerKind
}

export const s3Server: Server = await askServer('S3_ENDPOINT')
export const kmsServer: Server = await askServer('KMS_ENDPOINT')

/** For clients that a check makes itself. */
export const credentials: { readonly accessKeyId: string; readonly secretAccessKey: string } = {
  accessKeyId: process.env.AWS_ACCESS_KEY_ID ?? 'test',
  secretAccessKey: process.env.AWS_SECRET_ACCESS_KEY ?? 'testtesttest',
}
const region = process.env.AWS_REGION ?? 'us-east-1'
export const s3Config: S3ClientConfig = { endpoint: s3Server.endpoint, region, forcePathStyle: true, credentials }
export const kmsConfig: KMSClientConfig = { endpoint: kmsServer.endpoint, region, credentials }

/** The keyring of clients that name none. */
export const aes: Keyring = aesKeyring({ wrappingKey: new Uint8Array(randomBytes(32)) })

/** Makes what is asked for more than once, once. */
const once = <T>(make: () => Promise<T>): (() => Promise<T>) => {
  let made: Promise<T> | undefined
  return () => (made ??= make())
}

const run = randomBytes(6).toString('hex')

async function makeBucket(name: string, versioned: boolean): Promise<string> {
  const client = new S3Client(s3Config)
  try {
    const Bucket = `s3-cse-${run}-${name}`
    await client.send(new CreateBucketCommand({ Bucket }))
    made.buckets.push(Bucket)
    if (versioned) {
      const VersioningConfiguration = { Status: 'Enabled' } as const
      await client.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration }))
    }
    return Bucket
  } finally {
    client.destroy()
  }
}

const plainBucket = once(() => makeBucket('plain', false))
const versionedBucket = once(() => makeBucket('versioned', true))
const kmsKey = once(async () => {
  const client = rememberingKms(kmsConfig)
  try {
    const { KeyMetadata } = await client.send(new CreateKeyCommand({ Description: 's3-cse contract suite' }))
    if (KeyMetadata?.Arn === undefined) throw new Error('CreateKey names no key')
    return KeyMetadata.Arn
  } finally {
    client.destroy()
  }
})

/** What this run made on the servers, and nobody else needs. */
export const made: { readonly buckets: string[]; readonly keys: string[]; readonly aliases: string[] } = {
  buckets: [],
  keys: [],
  aliases: [],
}

/** A client that remembers the keys and aliases it makes. */
export function rememberingKms(config: KMSClientConfig): KMSClient {
  const client = new KMSClient(config)
  client.middlewareStack.add(
    (next, { commandName }) =>
      async (args) => {
        const result = await next(args)
        const { KeyMetadata, ReplicaKeyMetadata } = result.output as Partial<
          CreateKeyCommandOutput & ReplicateKeyCommandOutput
        >
        // Keys that it only asked about are somebody's.
        const key = commandName === 'CreateKeyCommand' ? KeyMetadata?.Arn : ReplicaKeyMetadata?.Arn
        if (key !== undefined) made.keys.push(key)
        const { AliasName } = args.input as { AliasName?: string }
        if (commandName === 'CreateAliasCommand' && AliasName !== undefined) made.aliases.push(AliasName)
        return result
      },
    { step: 'initialize', name: 'remember' },
  )
  return client
}

let keys = 0

export interface MadePlace {
  readonly place: Place
  /** Rejects if something of the check is still in use. */
  settled(): Promise<void>
  destroy(): void
}

/** `mayUseKms`: what the check has said of itself, which decides for which servers it counts. */
export async function makePlace(mayUseKms: boolean): Promise<MadePlace> {
  const agent = new Agent({ keepAlive: true, maxSockets: 50 })
  const requestHandler = { httpAgent: agent }
  const clients: { destroy(): void }[] = [agent]
  const tracked = <T extends { destroy(): void }>(client: T): T => {
    clients.push(client)
    return client
  }
  const s3Client = (config: S3ClientConfig = {}): S3Client =>
    tracked(new S3Client({ ...s3Config, requestHandler, ...config }))
  let kms: KMSClient | undefined
  const kmsClient = (): KMSClient => {
    if (!mayUseKms) throw new Error("a check that uses KMS says so: { uses: 'kms' } or { uses: 'both' }")
    return (kms ??= tracked(rememberingKms({ ...kmsConfig, requestHandler })))
  }
  let plain: S3Client | undefined
  const place: Place = {
    Bucket: await plainBucket(),
    versionedBucket,
    key: (name = 'object') => `${String(++keys).padStart(4, '0')}/${name}`,
    get plain() {
      return (plain ??= s3Client())
    },
    client: (options = {}, config = {}) => addEncryption(s3Client(config), { keyring: aes, ...options }),
    get kms() {
      return kmsClient()
    },
    async kmsKey() {
      kmsClient()
      return kmsKey()
    },
    async kmsKeyring(options = {}) {
      return kmsKeyring({ client: kmsClient(), keyId: await kmsKey(), ...options })
    },
    s3: s3Server.kind,
    kmsServer: kmsServer.kind,
  }
  return {
    place,
    settled: () => settled(agent),
    destroy: () => clients.forEach((client) => client.destroy()),
  }
}

/** Waits a little for what is ending. */
async function settled(agent: Agent): Promise<void> {
  for (let wait = 0; ; wait += 20) {
    const busy = [...Object.keys(agent.sockets).map((name) => `a socket of ${name}`), ...spoolFiles()]
    if (busy.length === 0) return
    if (wait > 15_000) throw new Error(`still in use after the check: ${busy.join(', ')}`)
    await setTimeout(20)
  }
}

/** Temporary files of reads that this process has open: they have no name, but Linux tells which they were. */
function spoolFiles(): string[] {
  if (process.platform !== 'linux') return []
  return readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      const file = readlinkSync(`/proc/self/fd/${fd}`)
      return /s3-cse-[0-9a-f]{32}\.tmp/.test(file) ? [`the file ${file}`] : []
    } catch {
      return [] // the one of this listing
    }
  })
}
