import { DecryptCommand, EncryptCommand, GenerateDataKeyCommand, KMSClient } from '@aws-sdk/client-kms'
import { mockClient, type AwsClientStub } from 'aws-sdk-client-mock'
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { parseHeader } from '../../src/formats/esdk/header.js'
import { suiteById } from '../../src/formats/esdk/suites.js'
import type { Context, EncryptedDataKey, Keyring, Suite, UnwrapRequest } from '../../src/keyrings/keyring.js'
import { esdkVectors, messageOf, type EsdkVector } from '../support/esdk-vectors.js'

/** What the format asks keyrings with. */
export function suiteOf(id: number): Suite {
  const { name, keyLength, kdf } = suiteById(id)!
  return { id, format: 'esdk', name, keyLength, derivesMessageKeys: kdf !== undefined }
}

export const suite: Suite = suiteOf(0x0478)
export const signed: Suite = suiteOf(0x0578)
export const withoutKdf: Suite = suiteOf(0x0078)

export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
export const toHex = (key: Uint8Array | undefined): string | undefined => key && Buffer.from(key).toString('hex')

export function esdkKey(provider: string, info: Uint8Array | string, ciphertext: Uint8Array): EncryptedDataKey {
  return { algorithm: 'esdk', provider, info: typeof info === 'string' ? bytes(info) : info, ciphertext }
}

/** What a message's format asks the keyring for. */
export function requestOf(vector: EsdkVector): UnwrapRequest {
  const message = messageOf(vector)
  const context = Object.fromEntries(vector.encryptionContext)
  return {
    suite: suiteOf(Number.parseInt(vector.suite, 16)),
    context: { ...context, ...vector.requiredEncryptionContext },
    encryptedDataKeys: storedIn(message),
  }
}

export function storedIn(message: Uint8Array): readonly EncryptedDataKey[] {
  const result = parseHeader(message, { maxEncryptedDataKeys: 1000, maxHeaderLength: 1 << 20 })
  assert.ok('header' in result)
  return result.header.encryptedDataKeys.map(({ provider, info, ciphertext }) => ({
    algorithm: 'esdk',
    provider,
    info: new Uint8Array(info),
    ciphertext: new Uint8Array(ciphertext),
  }))
}

/** Every vector that one of these kinds of key opens, with the key's id; as many as are known to be there. */
export function vectorsFor(fits: (id: string) => boolean, least: number): readonly [EsdkVector, string][] {
  const found = esdkVectors.flatMap((vector) =>
    vector.decryptWith.filter(fits).map((id): [EsdkVector, string] => [vector, id]),
  )
  assert.ok(found.length >= least, `only ${found.length}`)
  return found
}

/** The keyring opens the message's data key, and gives the one that the vector states. */
export async function opens(keyring: Keyring, vector: EsdkVector, what: string = vector.id): Promise<void> {
  assert.equal(toHex(await keyring.unwrap(requestOf(vector))), vector.dataKey, what)
}

const read = (name: string): unknown =>
  JSON.parse(readFileSync(new URL(`../vectors/esdk/${name}`, import.meta.url), 'utf8'))

export interface VectorKey {
  readonly type: string
  readonly namespace: string
  readonly name: string
  /** hex */
  readonly key: string
  readonly padding: 'PKCS1' | 'OAEP_SHA1' | 'OAEP_SHA256' | 'OAEP_SHA384' | 'OAEP_SHA512'
  readonly privatePem: string
  readonly publicPem: string
}

export const vectorKeys = read('keys.json') as Readonly<Record<string, VectorKey>>

interface Recorded {
  readonly keyId: string
  readonly ciphertextBlob: string
  readonly encryptionContext: Context
  readonly plaintext: string
}

const recorded = read('kms.json') as readonly Recorded[]

export interface StubbedKms {
  readonly client: KMSClient
  readonly stub: AwsClientStub<KMSClient>
  /** Every Decrypt that was asked for, by the key that it named. */
  readonly asked: () => readonly (string | undefined)[]
}

export const kmsFailure = (name: string): Error => Object.assign(new Error('details of the SDK'), { name })

const keyOf = (arn: string): string => arn.slice(arn.lastIndexOf(':'))
const sameContext = (a: Context, b: Context): boolean =>
  JSON.stringify(Object.entries(a).sort()) === JSON.stringify(Object.entries(b).sort())

/**
 * A client that answers Decrypt out of kms.json, as KMS would: the context must be equal, and the key that is named must
 * be the blob's, or its replica in the client's region. `aliases`: names to key ARNs.
 */
export function recordedKms(region: string = 'us-east-1', aliases: Readonly<Record<string, string>> = {}): StubbedKms {
  const client = new KMSClient({ region })
  const stub = mockClient(client)
  stub.on(DecryptCommand).callsFake((input: DecryptCommand['input']) => {
    const blob = Buffer.from(input.CiphertextBlob!).toString('base64')
    const rows = recorded.filter(({ ciphertextBlob }) => ciphertextBlob === blob)
    const row = rows.find(({ encryptionContext }) => sameContext(encryptionContext, input.EncryptionContext ?? {}))
    if (row === undefined) throw kmsFailure('InvalidCiphertextException')
    const named = aliases[input.KeyId!] ?? input.KeyId!
    const arn = named.startsWith('arn:') ? named : `arn:aws:kms:${region}:123456789012:key/${named}`
    if (arn.split(':')[3] !== region) throw kmsFailure('NotFoundException')
    const isReplica = keyOf(arn) === keyOf(row.keyId) && keyOf(arn).startsWith(':key/mrk-')
    if (arn !== row.keyId && !isReplica) throw kmsFailure('IncorrectKeyException')
    return { Plaintext: Uint8Array.from(Buffer.from(row.plaintext, 'base64')), KeyId: arn }
  })
  return { client, stub, asked: () => stub.commandCalls(DecryptCommand).map(({ args }) => args[0].input.KeyId) }
}

/** A client whose blobs are the plaintext behind the key's ARN and the context: enough for a wrap and its unwrap. */
export function simpleKms(arn: string, region: string = arn.split(':')[3]!): StubbedKms {
  const client = new KMSClient({ region })
  const stub = mockClient(client)
  const blobOf = (plaintext: Uint8Array, context: Context): Uint8Array =>
    Buffer.from(JSON.stringify([arn, Buffer.from(plaintext).toString('hex'), Object.entries(context).sort()]))
  stub.on(GenerateDataKeyCommand).callsFake((input: GenerateDataKeyCommand['input']) => {
    const Plaintext = Uint8Array.from(randomBytes(input.NumberOfBytes!))
    return { Plaintext, CiphertextBlob: blobOf(Plaintext, input.EncryptionContext!), KeyId: arn }
  })
  stub.on(EncryptCommand).callsFake((input: EncryptCommand['input']) => ({
    CiphertextBlob: blobOf(input.Plaintext!, input.EncryptionContext!),
    KeyId: arn,
  }))
  stub.on(DecryptCommand).callsFake((input: DecryptCommand['input']) => {
    const [key, plaintext, context] = JSON.parse(Buffer.from(input.CiphertextBlob!).toString()) as [
      string,
      string,
      [string, string][],
    ]
    if (!sameContext(Object.fromEntries(context), input.EncryptionContext!)) {
      throw kmsFailure('InvalidCiphertextException')
    }
    if (key !== arn) throw kmsFailure('IncorrectKeyException')
    return { Plaintext: Uint8Array.from(Buffer.from(plaintext, 'hex')), KeyId: arn }
  })
  return { client, stub, asked: () => stub.commandCalls(DecryptCommand).map(({ args }) => args[0].input.KeyId) }
}
