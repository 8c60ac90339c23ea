import { BranchKeyStoreNode } from '@aws-crypto/branch-keystore-node'
import { KmsHierarchicalKeyRingNode } from '@aws-crypto/client-node'
import { DynamoDBClient, GetItemCommand, type AttributeValue } from '@aws-sdk/client-dynamodb'
import { mockClient } from 'aws-sdk-client-mock'
import {
  constants,
  createDecipheriv,
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  ECDH,
  privateDecrypt,
  timingSafeEqual,
} from 'node:crypto'

import { fromAwsCryptoKeyring } from '../../src/aws-crypto.js'
import { aesKeyring, multiKeyring, rsaKeyring } from '../../src/index.js'
import { kmsDiscoveryKeyring } from '../../src/kms.js'
import type { Context, EncryptedDataKey, Keyring, Suite } from '../../src/index.js'
import { recordedKms, vectorKeys } from '../keyrings/esdk-support.js'

/** Count and pairs, sorted by the bytes of the keys; nothing where there are none. Without any code of src. */
function serialised(context: Context): Buffer {
  const number = (value: number): Buffer => Buffer.from([value >> 8, value & 255])
  const field = (text: string): Buffer => Buffer.concat([number(Buffer.byteLength(text)), Buffer.from(text)])
  const pairs = Object.entries(context).sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
  if (pairs.length === 0) return Buffer.alloc(0)
  return Buffer.concat([number(pairs.length), ...pairs.flatMap(([key, value]) => [field(key), field(value)])])
}

const big = (value: number): Buffer => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

interface Asked {
  readonly suite: Suite
  readonly context: Context
}

/** A keyring that somebody else has written: what the public interface asks for, and no more. */
function reading(open: (key: EncryptedDataKey, asked: Asked) => Buffer | undefined): Keyring {
  return {
    algorithms: ['esdk'],
    wrap: () => Promise.reject(new Error('this keyring reads')),
    unwrap({ suite, context, encryptedDataKeys }) {
      for (const key of encryptedDataKeys) {
        const dataKey = open(key, { suite, context })
        if (dataKey?.length === suite.keyLength) return Uint8Array.from(dataKey)
      }
      return undefined
    },
  }
}

interface EcdhPems {
  readonly curve: 'p256' | 'p384' | 'p521'
  readonly recipientPrivatePem: string
  readonly recipientPublicPem: string
}

const nodeCurves = { p256: 'prime256v1', p384: 'secp384r1', p521: 'secp521r1' }
/** Public keys in DER, up to the uncompressed point. */
const spki = (pem: string): Buffer => createPublicKey(pem).export({ type: 'spki', format: 'der' })

/** Static and ephemeral: the recipient sees no difference. */
export function ecdhKeyring({ curve, recipientPrivatePem, recipientPublicPem }: EcdhPems): Keyring {
  const privateKey = createPrivateKey(recipientPrivatePem)
  const der = spki(recipientPublicPem)
  const pointLength = 2 * Math.ceil({ p256: 256, p384: 384, p521: 521 }[curve] / 8) + 1
  const lead = der.subarray(0, -pointLength)
  const own = ECDH.convertKey(der.subarray(-pointLength), nodeCurves[curve], undefined, undefined, 'compressed')
  return reading(({ provider, info, ciphertext }, { context }) => {
    if (provider !== 'raw-ecdh' || ciphertext.length < 80) return undefined
    const bytes = Buffer.from(info)
    const recipientEnd = 5 + bytes.readUInt32BE(1)
    const recipient = bytes.subarray(5, recipientEnd)
    const sender = bytes.subarray(recipientEnd + 4)
    if (bytes[0] !== 1 || !recipient.equals(own as Buffer) || sender.length !== recipient.length) return undefined
    const point = ECDH.convertKey(sender, nodeCurves[curve], undefined, undefined, 'uncompressed') as Buffer
    const publicKey = createPublicKey({ key: Buffer.concat([lead, point]), format: 'der', type: 'spki' })
    const secret = diffieHellman({ privateKey, publicKey })
    const zero = Buffer.alloc(1)
    const fixed = Buffer.concat([
      Buffer.from(`ecdh-key-derivation\0${curve}\0HMAC_SHA384\0`),
      sender,
      recipient,
      zero,
      Buffer.of(1),
      zero,
      serialised(context),
    ])
    const sealed = Buffer.from(ciphertext)
    const nonce = sealed.subarray(0, 32)
    // NIST SP 800-108 in counter mode.
    const block = (i: number): Buffer =>
      createHmac('sha384', secret)
        .update(Buffer.concat([big(i), fixed, zero, nonce, big(512)]))
        .digest()
    const keys = Buffer.concat([block(1), block(2)])
    if (!timingSafeEqual(keys.subarray(0, 32), sealed.subarray(32, 64))) return undefined
    const decipher = createDecipheriv('aes-256-gcm', keys.subarray(32, 64), Buffer.alloc(12))
    decipher.setAAD(fixed)
    decipher.setAuthTag(sealed.subarray(-16))
    try {
      return Buffer.concat([decipher.update(sealed.subarray(64, -16)), decipher.final()])
    } catch {
      return undefined
    }
  })
}

/** What KMS does with an asymmetric key, done here: the context is bound by its hash. */
export function kmsRsaKeyring(key: { readonly keyId: string; readonly privatePem: string }, oaepHash: string): Keyring {
  return reading(({ provider, info, ciphertext }, { context }) => {
    if (provider !== 'aws-kms-rsa' || Buffer.from(info).toString() !== key.keyId) return undefined
    const padding = constants.RSA_PKCS1_OAEP_PADDING
    let block: Buffer
    try {
      block = privateDecrypt({ key: key.privatePem, padding, oaepHash }, ciphertext)
    } catch {
      return undefined
    }
    const hash = createHash('sha384').update(serialised(context)).digest()
    return hash.equals(block.subarray(0, hash.length)) ? block.subarray(hash.length) : undefined
  })
}

interface Hierarchy {
  readonly tableName: string
  readonly logicalKeyStoreName: string
  readonly kmsKeyArn: string
  readonly branchKeys: readonly { readonly branchKeyId: string }[]
  readonly items: readonly Readonly<Record<string, { S?: string; N?: string; B?: string }>>[]
}

/** The key store of the vectors, and AWS's keyring for each branch key of it. */
function hierarchyKeyring(hierarchy: Hierarchy): Keyring {
  const { tableName, logicalKeyStoreName, kmsKeyArn, items, branchKeys } = hierarchy
  const ddbClient = new DynamoDBClient({ region: 'us-east-1' })
  mockClient(ddbClient)
    .on(GetItemCommand, { TableName: tableName })
    .callsFake(({ Key }: GetItemCommand['input']) => {
      const found = items.find((item) => ['branch-key-id', 'type'].every((name) => item[name]?.S === Key?.[name]?.S))
      const Item = Object.entries(found ?? {}).map(([name, { S, N, B }]) => [
        name,
        (B === undefined ? (S === undefined ? { N } : { S }) : { B: Buffer.from(B, 'base64') }) as AttributeValue,
      ])
      return found === undefined ? {} : { Item: Object.fromEntries(Item) as Record<string, AttributeValue> }
    })
  const keyStore = new BranchKeyStoreNode({
    logicalKeyStoreName,
    storage: { ddbTableName: tableName, ddbClient },
    kmsConfiguration: { identifier: kmsKeyArn },
    keyManagement: { kmsClient: recordedKms().client },
  })
  const ids = [...new Set(branchKeys.map(({ branchKeyId }) => branchKeyId))]
  const children = ids.map((branchKeyId) =>
    fromAwsCryptoKeyring(
      new KmsHierarchicalKeyRingNode({ branchKeyId, keyStore, cacheLimitTtl: 60, utf8Sorting: true }),
    ),
  )
  return multiKeyring({ children })
}

/** Keys of the vectors' account in both of its regions. */
function kmsOfVectors(): Keyring {
  const discoveryFilter = { partition: 'aws', accountIds: ['123456789012'] }
  const children = ['us-east-1', 'eu-west-1'].map((region) =>
    kmsDiscoveryKeyring({ client: recordedKms(region).client, discoveryFilter }),
  )
  return multiKeyring({ children })
}

function make(id: string): Keyring {
  if (id === 'kms') return kmsOfVectors()
  const key = vectorKeys[id]
  const names = { keyNamespace: key?.namespace ?? '', keyName: key?.name ?? '' }
  if (key?.type === 'raw-aes') return aesKeyring({ wrappingKey: Buffer.from(key.key, 'hex'), ...names })
  if (key?.type === 'raw-rsa') return rsaKeyring({ privateKey: key.privatePem, padding: key.padding, ...names })
  const other: unknown = key
  if (key?.type === 'raw-ecdh') return ecdhKeyring(other as EcdhPems)
  if (key?.type === 'kms-hierarchy') return hierarchyKeyring(other as Hierarchy)
  if (key?.type !== 'kms-rsa') throw new Error(`no keyring for ${id}`)
  return kmsRsaKeyring(other as { keyId: string; privatePem: string }, id.endsWith('-sha-1') ? 'sha1' : 'sha256')
}

const made = new Map<string, Keyring>()

/** The keyring for an id of `decryptWith` or `use`; the same one each time. */
export function keyringFor(id: string): Keyring {
  const keyring = made.get(id) ?? make(id)
  made.set(id, keyring)
  return keyring
}
