import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import type { Keys, StoredObject } from './independent-reader.js'

/** The objects of test/vectors/s3ec as the independent reader takes them, without any code of the library. */

interface VectorFile {
  readonly writer: { readonly package: string; readonly version: string }
  readonly keys: Readonly<Record<string, { readonly hex?: string; readonly privateKeyPem?: string }>>
  readonly kms: readonly {
    readonly ciphertextBlob: string
    readonly encryptionContext: Readonly<Record<string, string>>
    readonly plaintext: string
  }[]
  readonly objects: readonly {
    readonly name: string
    readonly format: string
    readonly contentAlgorithm: string
    readonly wrapAlgorithm: string
    readonly envelope: string
    readonly key: string
    readonly metadata: Readonly<Record<string, string>>
    readonly body?: string
    readonly bodyFile?: string
    readonly instructionFile?: { readonly body: string }
    readonly plaintextLength: number
    readonly plaintextSha256: string
  }[]
}

export interface Vector {
  readonly title: string
  readonly writer: string
  /** Format, content, wrap and place of the envelope. */
  readonly kind: string
  readonly keys: Keys
  readonly stored: StoredObject
  readonly plaintextLength: number
  readonly plaintextSha256: string
}

const folder = new URL('../vectors/s3ec/', import.meta.url)
const names = readdirSync(folder).filter((name) => name.endsWith('.json'))
export const vectors: readonly Vector[] = names.flatMap(vectorsOf)

function vectorsOf(name: string): Vector[] {
  const file = JSON.parse(readFileSync(new URL(name, folder), 'utf8')) as VectorFile
  const sorted = (context: object): string =>
    JSON.stringify(Object.entries(context).sort(([a], [b]) => (a < b ? -1 : 1)))
  const kms: Keys['kms'] = (blob, context) => {
    const text = Buffer.from(blob).toString('base64')
    const found = file.kms.find(
      (one) => one.ciphertextBlob === text && sorted(one.encryptionContext) === sorted(context),
    )
    return found && Buffer.from(found.plaintext, 'base64')
  }
  const hexes = Object.values(file.keys).flatMap(({ hex }) => hex ?? [])
  const rsa = Object.values(file.keys).flatMap(({ privateKeyPem }) => privateKeyPem ?? [])
  const keys = { aes: hexes.map((hex) => Buffer.from(hex, 'hex')), rsa, kms }
  const writer = name.replace('.json', '')
  return file.objects.map((object) => ({
    title: `${writer}: ${object.name}`,
    writer,
    kind: `${object.format} ${object.contentAlgorithm} ${object.wrapAlgorithm} ${object.envelope}`,
    keys,
    stored: {
      metadata: object.metadata,
      body:
        object.bodyFile === undefined
          ? Buffer.from(object.body ?? '', 'base64')
          : readFileSync(new URL(object.bodyFile, folder)),
      instructionFile: object.instructionFile?.body,
    },
    plaintextLength: object.plaintextLength,
    plaintextSha256: object.plaintextSha256,
  }))
}

export const isRight = ({ plaintextLength, plaintextSha256 }: Vector, plaintext: Uint8Array): boolean =>
  plaintext.length === plaintextLength && createHash('sha256').update(plaintext).digest('hex') === plaintextSha256

/** One small object of each kind, the first that the filter lets through. */
export function oneOfEach(filter: (vector: Vector) => boolean): Vector[] {
  const kinds = new Map<string, Vector>()
  for (const vector of vectors) if (!kinds.has(vector.kind) && filter(vector)) kinds.set(vector.kind, vector)
  return [...kinds.values()]
}
