import { CreateKeyCommand, KMSClient } from '@aws-sdk/client-kms'
import { Buffer } from 'node:buffer'
import { randomBytes } from 'node:crypto'
import { aesKeyring, multiKeyring, rsaKeyring } from 's3-cse'
import type { Keyring } from 's3-cse'
import { kmsKeyring } from 's3-cse/kms'
import type { Inputs } from '../inputs.js'
import type { Endpoints } from '../peer-process.js'
import type { MessageKey } from '../protocol.js'

/** `KMS` is that of the environment; LocalStack makes data keys of 32 bytes only, which the one in this process does not. */
export type KeyName =
  | 'raw AES 128'
  | 'raw AES 192'
  | 'raw AES 256'
  | 'raw RSA PKCS1'
  | 'raw RSA OAEP_SHA1'
  | 'raw RSA OAEP_SHA256'
  | 'raw RSA OAEP_SHA384'
  | 'raw RSA OAEP_SHA512'
  | 'KMS'
  | 'KMS of s3-cse/testing'
export type MultiName = 'multi-keyring of two' | 'multi-keyring of three'
export type KeysName = KeyName | MultiName
export type KeyList = readonly [MessageKey, ...MessageKey[]]
type Names = readonly [KeyName, ...KeyName[]]

const members: Readonly<Record<KeysName, Names>> = {
  'raw AES 128': ['raw AES 128'],
  'raw AES 192': ['raw AES 192'],
  'raw AES 256': ['raw AES 256'],
  'raw RSA PKCS1': ['raw RSA PKCS1'],
  'raw RSA OAEP_SHA1': ['raw RSA OAEP_SHA1'],
  'raw RSA OAEP_SHA256': ['raw RSA OAEP_SHA256'],
  'raw RSA OAEP_SHA384': ['raw RSA OAEP_SHA384'],
  'raw RSA OAEP_SHA512': ['raw RSA OAEP_SHA512'],
  KMS: ['KMS'],
  'KMS of s3-cse/testing': ['KMS of s3-cse/testing'],
  'multi-keyring of two': ['raw AES 256', 'KMS of s3-cse/testing'],
  'multi-keyring of three': ['KMS of s3-cse/testing', 'raw AES 128', 'raw RSA OAEP_SHA512'],
}

export const KEYS: readonly KeysName[] = Object.keys(members) as KeysName[]
export const membersOf = (name: KeysName): Names => members[name]
export const isMulti = (name: KeysName): boolean => membersOf(name).length > 1

export interface MessageKeys {
  /** The second has the same name, and is another one. */
  readonly list: (name: KeysName, which?: 'first' | 'second') => KeyList
  /** What s3-cse writes with, or reads with: half of a key pair is enough for each. */
  readonly keyring: (keys: KeyList, use: 'write' | 'read') => Keyring
  readonly close: () => void
}

export async function makeMessageKeys(inputs: Inputs, endpoints: Endpoints, nearby: KMSClient): Promise<MessageKeys> {
  const nearbyEndpoint = await endpointOf(nearby)
  const near = { first: await arnOf(nearby), second: await arnOf(nearby) }
  const secrets = new Map<string, string>()
  const make = (name: KeyName, which: 'first' | 'second'): MessageKey => {
    const named = { namespace: 'interop', name: `${name}, schlüssel 鍵 🔑` }
    if (name === 'KMS of s3-cse/testing') return { kind: 'kms', arn: near[which], endpoint: nearbyEndpoint }
    if (name === 'KMS') {
      const key = inputs.key('kms', which)
      if (key.kind !== 'kms') throw new Error('no key of KMS')
      return { kind: 'kms', arn: key.arn, endpoint: endpoints.kms }
    }
    if (name.startsWith('raw RSA')) {
      const key = inputs.key('rsa', which)
      if (key.kind !== 'rsa') throw new Error('no RSA key')
      return { ...key, ...named, padding: name.slice('raw RSA '.length) as (MessageKey & { kind: 'rsa' })['padding'] }
    }
    const id = `${name} ${which}`
    const hex = secrets.get(id) ?? randomBytes(Number(name.slice('raw AES '.length)) / 8).toString('hex')
    secrets.set(id, hex)
    return { kind: 'aes', ...named, hex }
  }
  const { region, accessKeyId, secretAccessKey } = endpoints
  const clients = new Map<string, KMSClient>([[nearbyEndpoint, nearby]])
  const clientOf = (endpoint: string): KMSClient => {
    const client =
      clients.get(endpoint) ?? new KMSClient({ region, endpoint, credentials: { accessKeyId, secretAccessKey } })
    clients.set(endpoint, client)
    return client
  }
  return {
    list: (name, which = 'first') => {
      const [first, ...rest] = membersOf(name)
      return [make(first, which), ...rest.map((each) => make(each, which))]
    },
    keyring: ([first, ...rest], use) => {
      const generator = keyringOf(first, use, clientOf)
      if (rest.length === 0) return generator
      return multiKeyring({ generator, children: rest.map((key) => keyringOf(key, use, clientOf)) })
    },
    close: () => {
      for (const client of clients.values()) client.destroy()
    },
  }
}

function keyringOf(key: MessageKey, use: 'write' | 'read', clientOf: (endpoint: string) => KMSClient): Keyring {
  if (key.kind === 'kms') return kmsKeyring({ client: clientOf(key.endpoint), keyId: key.arn })
  const names = { keyNamespace: key.namespace, keyName: key.name }
  if (key.kind === 'aes') return aesKeyring({ wrappingKey: Buffer.from(key.hex, 'hex'), ...names })
  const half = use === 'write' ? { publicKey: key.publicKey } : { privateKey: key.privateKey }
  return rsaKeyring({ ...half, ...names, padding: key.padding })
}

async function arnOf(kms: KMSClient): Promise<string> {
  const { KeyMetadata } = await kms.send(new CreateKeyCommand({}))
  if (KeyMetadata?.Arn === undefined) throw new Error('KMS made no key')
  return KeyMetadata.Arn
}

async function endpointOf(kms: KMSClient): Promise<string> {
  const { protocol, hostname, port } = (await kms.config.endpoint?.()) ?? {}
  return `${String(protocol)}//${String(hostname)}:${String(port)}`
}
