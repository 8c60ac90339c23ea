import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { aesKeyring } from '../../src/keyrings/aes.js'
import type { EncryptionOptions } from '../../src/index.js'
import type { Keyring } from '../../src/keyrings/keyring.js'
import { kmsKeyring } from '../../src/keyrings/kms.js'
import { rsaKeyring } from '../../src/keyrings/rsa.js'
import type { KmsServer, S3Server } from '../../src/testing/index.js'

/** Reads test/vectors/s3ec; its README.md describes the files. */

type VectorKey =
  | { readonly type: 'aes-256'; readonly hex: string }
  | { readonly type: 'rsa-2048'; readonly privateKeyPem: string; readonly publicKeyPem: string }
  | { readonly type: 'kms'; readonly arn: string }

interface KmsAnswer {
  readonly keyId: string
  readonly ciphertextBlob: string
  readonly encryptionContext: Readonly<Record<string, string>>
  readonly plaintext: string
}

interface VectorObject {
  readonly name: string
  readonly format: 'V1' | 'V2' | 'V3'
  readonly contentAlgorithm: string
  readonly wrapAlgorithm: string
  readonly envelope: 'metadata' | 'instruction-file'
  readonly key: string
  readonly s3Key: string
  readonly metadata: Readonly<Record<string, string>>
  readonly contentType?: string
  readonly body?: string
  readonly bodyFile?: string
  readonly instructionFile?: {
    readonly s3Key: string
    readonly metadata: Readonly<Record<string, string>>
    readonly contentType?: string
    readonly body: string
  }
  readonly encryptionContext?: Readonly<Record<string, string>>
  readonly materialsDescription?: Readonly<Record<string, string>>
  readonly plaintextLength: number
  readonly plaintextSha256: string
}

interface VectorFile {
  readonly writer: { readonly package: string; readonly version: string; readonly language: string }
  readonly keys: Readonly<Record<string, VectorKey>>
  readonly kms: readonly KmsAnswer[]
  readonly objects: readonly VectorObject[]
}

/** One stored object with what is needed to read it. */
export interface Vector extends VectorObject {
  /** Writer and name, unique over all files. */
  readonly title: string
  /** The stored bytes. */
  sealed(): Uint8Array
  /** A new keyring that opens this object; KMS is answered from the file. */
  keyring(): Keyring
  /** What a client needs to read it, and nothing else: keyring, context, suffix and the switches of its format, content and wrap. */
  options(): Partial<EncryptionOptions> & { readonly keyring: Keyring }
  /** Puts it into a bucket as its writer stored it, with its instruction file. */
  seed(s3: S3Server, bucket: string): Promise<void>
  /** The wrapping key, as a file that a program would keep it in; undefined for KMS. */
  readonly secret: { readonly name: 'secret.key' | 'private.pem'; readonly bytes: Uint8Array } | undefined
  /** Teaches a KMS to open the data key, where it is wrapped by KMS. */
  teach(kms: KmsServer): void
  /** Throws if these are not the plaintext's length and SHA-256. */
  check(plaintext: Uint8Array): void
}

const folder = new URL('../vectors/s3ec/', import.meta.url)

export function loadVectors(): Vector[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith('.json'))
    .sort()
    .flatMap((name) => {
      const file = JSON.parse(readFileSync(new URL(name, folder), 'utf8')) as VectorFile
      return file.objects.map((object) => toVector(name.slice(0, -'.json'.length), file, object))
    })
}

function toVector(writer: string, file: VectorFile, object: VectorObject): Vector {
  return {
    ...object,
    title: `${writer} ${object.name}`,
    sealed: () =>
      object.bodyFile === undefined
        ? new Uint8Array(Buffer.from(object.body!, 'base64'))
        : new Uint8Array(readFileSync(new URL(object.bodyFile, folder))),
    keyring: () => keyringFor(file, object),
    options: () => ({ keyring: keyringFor(file, object), ...needsOf(object) }),
    async seed(s3, bucket) {
      const type = (contentType: string | undefined) =>
        contentType === undefined ? {} : { headers: { 'content-type': contentType } }
      const { s3Key, metadata, contentType, instructionFile } = object
      await s3.put(bucket, s3Key, { body: this.sealed(), metadata, ...type(contentType) })
      if (instructionFile === undefined) return
      const { body, ...own } = instructionFile
      await s3.put(bucket, own.s3Key, { body: Buffer.from(body), metadata: own.metadata, ...type(own.contentType) })
    },
    secret: secretOf(file.keys[object.key]!),
    teach(kms) {
      if (file.keys[object.key]!.type !== 'kms') return
      for (const { keyId, ciphertextBlob, encryptionContext, plaintext } of file.kms) {
        kms.know({
          keyId,
          ciphertextBlob: Buffer.from(ciphertextBlob, 'base64'),
          encryptionContext,
          plaintext: Buffer.from(plaintext, 'base64'),
        })
      }
    },
    check(plaintext) {
      const found = `${plaintext.length} bytes, ${createHash('sha256').update(plaintext).digest('hex')}`
      const expected = `${object.plaintextLength} bytes, ${object.plaintextSha256}`
      if (found !== expected) throw new Error(`${writer} ${object.name}: ${found} instead of ${expected}`)
    },
  }
}

function secretOf(key: VectorKey): Vector['secret'] {
  switch (key.type) {
    case 'aes-256':
      return { name: 'secret.key', bytes: Buffer.from(key.hex, 'hex') }
    case 'rsa-2048':
      return { name: 'private.pem', bytes: Buffer.from(key.privateKeyPem) }
    case 'kms':
      return undefined
  }
}

/** Written out from the README's table of what was stored, not from the tables of the library. */
function needsOf(object: VectorObject): Partial<EncryptionOptions> {
  const { format, contentAlgorithm, wrapAlgorithm, encryptionContext, s3Key, instructionFile } = object
  const current = ['AES/GCM', 'RSA-OAEP-SHA1', 'kms+context', '02', '12', '22']
  const legacy = {
    ...(contentAlgorithm.includes('CBC') && { content: true }),
    ...(!current.includes(wrapAlgorithm) && { wrapping: true }),
  }
  return {
    ...(format !== 'V3' && { commitmentPolicy: 'REQUIRE_ENCRYPT_ALLOW_DECRYPT' }),
    ...(Object.keys(legacy).length > 0 && { legacy }),
    ...(encryptionContext && { encryptionContext }),
    ...(instructionFile && { instructionFile: { suffix: instructionFile.s3Key.slice(s3Key.length) } }),
  }
}

function keyringFor(file: VectorFile, object: VectorObject): Keyring {
  const key = file.keys[object.key]!
  const { materialsDescription = {} } = object
  switch (key.type) {
    case 'aes-256':
      return aesKeyring({ wrappingKey: Buffer.from(key.hex, 'hex'), materialsDescription })
    case 'rsa-2048':
      return rsaKeyring({ privateKey: key.privateKeyPem, materialsDescription })
    case 'kms':
      return kmsKeyring({ keyId: key.arn, client: { send: async (command) => answer(file.kms, command) } })
  }
}

/** KMS Decrypt out of the file: a blob opens under exactly its key and its context. */
function answer(answers: readonly KmsAnswer[], command: object): unknown {
  const { input } = command as {
    input: { KeyId: string; CiphertextBlob: Uint8Array; EncryptionContext: Record<string, string> }
  }
  const blob = Buffer.from(input.CiphertextBlob).toString('base64')
  const found = answers.find(
    ({ keyId, ciphertextBlob, encryptionContext }) =>
      keyId === input.KeyId && ciphertextBlob === blob && sorted(encryptionContext) === sorted(input.EncryptionContext),
  )
  if (found === undefined) {
    throw Object.assign(new Error('no such blob, key and context'), { name: 'InvalidCiphertextException' })
  }
  return { KeyId: found.keyId, Plaintext: new Uint8Array(Buffer.from(found.plaintext, 'base64')) }
}

function sorted(context: Readonly<Record<string, string>>): string {
  return JSON.stringify(Object.entries(context).sort(([a], [b]) => (a < b ? -1 : 1)))
}
