import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { Agent } from 'node:http'
import { KMSClient } from '@aws-sdk/client-kms'
import { S3Client } from '@aws-sdk/client-s3'
import type { S3ClientConfig, ServiceInputTypes, ServiceOutputTypes } from '@aws-sdk/client-s3'
import type { FinalizeRequestMiddleware } from '@smithy/types'
import { aesKeyring, encryptedView, rsaKeyring } from '../../src/index.js'
import type { Keyring } from '../../src/index.js'
import { kmsDiscoveryKeyring, kmsKeyring } from '../../src/kms.js'
import type { KmsServer } from '../../src/testing/index.js'

/** Objects are written and read by three kinds of keys; those of AES and KMS have two each, between which they rotate. */
export const FAMILIES = ['aes', 'rsa', 'kms'] as const
export type Family = (typeof FAMILIES)[number]

export interface Clients {
  /** Reads both keys of its family; writes with the first. */
  readonly of: Readonly<Record<Family, S3Client>>
  /** Not encrypting. */
  readonly plain: S3Client
  /** To which and from which an object of the family rotates, in turn. */
  readonly keyrings: Readonly<Record<'aes' | 'kms', readonly [Keyring, Keyring]>>
  /** Requests that were sent once more by the SDK. */
  retries(): number
  /** Sockets that a request, or a Body, holds. */
  socketsInUse(): number
  destroy(): void
}

export interface ClientSetup {
  readonly s3: S3ClientConfig
  readonly kms: KmsServer
  readonly kmsKeys: readonly [string, string]
  readonly spool: string
  /** Bytes: larger objects are spooled, or read twice. */
  readonly maxBufferedBytes: number
  readonly maxSockets: number
}

const pair = generateKeyPairSync('rsa', { modulusLength: 2048 })
const aesKeys = [randomBytes(32), randomBytes(32)] as const

export function makeClients({ s3, kms, kmsKeys, spool, maxBufferedBytes, maxSockets }: ClientSetup): Clients {
  const agent = new Agent({ keepAlive: true, maxSockets })
  const kmsAgent = new Agent({ keepAlive: true, maxSockets })
  const requestHandler = { httpAgent: agent, connectionTimeout: 10_000, requestTimeout: 60_000 }
  const plain = new S3Client({ ...s3, maxAttempts: 5, requestHandler })
  let sent = 0
  let commands = 0
  plain.middlewareStack.addRelativeTo(
    counting(() => (commands += 1)),
    { name: 'loadCountCommands', relation: 'before', toMiddleware: 'retryMiddleware' },
  )
  plain.middlewareStack.addRelativeTo(
    counting(() => (sent += 1)),
    { name: 'loadCountRequests', relation: 'after', toMiddleware: 'retryMiddleware' },
  )
  const kmsClient = new KMSClient({ ...kms.clientConfig, requestHandler: { httpAgent: kmsAgent } })
  const [a, b] = aesKeys
  const first = { wrappingKey: a, materialsDescription: { key: 'a' } }
  const second = { wrappingKey: b, materialsDescription: { key: 'b' } }
  const kmsRing = (keyId: string): Keyring => kmsKeyring({ client: kmsClient, keyId })
  const accountIds = [kmsKeys[0].split(':')[4] ?? '']
  const anyKms = kmsDiscoveryKeyring({ client: kmsClient, discoveryFilter: { accountIds, partition: 'aws' } })
  const writing = kmsRing(kmsKeys[0])
  const view = (keyring: Keyring, keep: { directory: string } | false): S3Client =>
    encryptedView(plain, { keyring, maxBufferedBytes, spool: keep })
  return {
    of: {
      aes: view(aesKeyring({ ...first, additionalKeys: [second] }), { directory: spool }),
      rsa: view(rsaKeyring(pair), { directory: spool }),
      // Without a disk: what is too large for memory is read twice.
      kms: view({ wrap: (request) => writing.wrap(request), unwrap: (request) => anyKms.unwrap(request) }, false),
    },
    plain,
    keyrings: { aes: [aesKeyring(first), aesKeyring(second)], kms: [writing, kmsRing(kmsKeys[1])] },
    retries: () => sent - commands,
    socketsInUse: () => Object.values(agent.sockets).reduce((sum, sockets) => sum + (sockets?.length ?? 0), 0),
    destroy() {
      plain.destroy()
      kmsClient.destroy()
      agent.destroy()
      kmsAgent.destroy()
    },
  }
}

/** A middleware that counts and passes on. */
function counting(count: () => void): FinalizeRequestMiddleware<ServiceInputTypes, ServiceOutputTypes> {
  return (next) => (args) => {
    count()
    return next(args)
  }
}
