import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { corsOf } from './cors.js'
import { contextBytes } from './kms-blob.js'
import { handle, type KmsService } from './kms-http.js'
import { KmsKeys, type KmsKey, type KmsKeyState } from './kms-keys.js'
import type { KmsClientConfig, KmsCreatedKey, KmsKeyOptions, KmsKnownBlob, KmsOptions, KmsServer } from './kms-types.js'

/**
 * Starts a KMS inside this process, on a loopback port, for tests: an ordinary `KMSClient` talks to it over HTTP.
 * Rejects with a TypeError for an origin with more than one `*`.
 *
 * ```ts
 * const kms = await startKms({ keys: ['alias/orders'] })
 * const client = new KMSClient(kms.clientConfig)
 * // … use client …
 * await kms.close()
 * ```
 *
 * It has symmetric and RSA encryption keys in any number of accounts and regions, aliases, multi-region keys, and the
 * operations CreateKey, DescribeKey, EnableKey, DisableKey, ScheduleKeyDeletion, CancelKeyDeletion, CreateGrant (whose
 * tokens grant nothing), CreateAlias, UpdateAlias, DeleteAlias, ListAliases,
 * ReplicateKey, RotateKeyOnDemand (without KMS's limit on their number), GetPublicKey, GenerateDataKey,
 * GenerateDataKeyWithoutPlaintext, Encrypt, Decrypt and ReEncrypt; all others answer UnknownOperationException. It is
 * strict where KMS is: limits, key states, the encryption context, IncorrectKeyException and InvalidCiphertextException.
 * Key ids and alias names belong to the caller's account and to the region that the request is signed for; other
 * accounts' keys are named by ARN.
 *
 * It is not a key store: keys live in memory, signatures are not verified, and every caller may use every key (policies
 * and grants are not there; `fail` answers with AccessDeniedException where a test wants it).
 */
export async function startKms(options: KmsOptions = {}): Promise<KmsServer> {
  const { accountId = '111122223333', region = 'us-east-1', keys = [], recordRequests = 10_000 } = options
  const store = new KmsKeys()
  const service: KmsService = {
    state: { keys: store, known: new Map() },
    accountId,
    requests: [],
    recordRequests,
    faults: [],
    cors: corsOf(options.cors, 'startKms'),
  }
  const createKey = (key: KmsKeyOptions = {}): KmsCreatedKey => {
    const { alias, replicaRegions = [], ...rest } = key
    const created = store.create({ accountId, region, ...rest, replicaRegions })
    if (alias !== undefined) store.createAlias(alias, created)
    const replicaArns = replicaRegions.map((where) => created.arn.replace(`:${created.region}:`, `:${where}:`))
    return { keyId: created.keyId, arn: created.arn, replicaArns }
  }
  for (const alias of keys) createKey({ alias })

  const server = createServer((message, response) => void handle(service, message, response))
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', resolve)
  })
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const clientConfig: KmsClientConfig = {
    endpoint,
    region,
    credentials: { accessKeyId: 'AKIAEXAMPLEFORTESTS0', secretAccessKey: 'no-secret-in-process-kms' },
  }
  let closed: Promise<void> | undefined
  const close = (): Promise<void> =>
    (closed ??= new Promise((resolve) => {
      server.close(() => resolve())
      server.closeAllConnections()
    }))

  return Object.freeze({
    endpoint,
    clientConfig,
    requests: service.requests,
    faults: service.faults,
    fail: (...faults) => void service.faults.push(...faults),
    createKey,
    setKeyState: (arn, state) => setState(store.byArn(arn), arn, state),
    know: (blob) => know(service, blob),
    close,
    [Symbol.asyncDispose]: close,
  } satisfies KmsServer)
}

function setState(key: KmsKey | undefined, arn: string, state: KmsKeyState): void {
  if (key === undefined) throw new TypeError(`there is no key ${arn}`)
  key.state = state
}

function know({ state }: KmsService, blob: KmsKnownBlob): void {
  const [, region, accountId, keyId] = /^arn:aws:kms:([a-z0-9-]+):(\d{12}):key\/([A-Za-z0-9-]+)$/.exec(blob.keyId) ?? []
  if (region === undefined || accountId === undefined || keyId === undefined) {
    throw new TypeError('keyId must be a key ARN of partition aws')
  }
  if (state.keys.byArn(blob.keyId) === undefined) state.keys.create({ region, accountId, keyId })
  state.known.set(Buffer.from(blob.ciphertextBlob).toString('base64'), {
    keyArn: blob.keyId,
    context: contextBytes(Object.entries(blob.encryptionContext ?? {})),
    plaintext: new Uint8Array(blob.plaintext),
  })
}
