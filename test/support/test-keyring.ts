import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import type { Context, Keyring, Suite, UnwrapRequest, WrapRequest } from '../../src/keyrings/keyring.js'

/** A keyring that a user could have written, and that says what was asked of it. */
export interface TestKeyring extends Keyring {
  /** 'wrap' and 'unwrap', in order. */
  readonly calls: string[]
  /** Every data key that it gave away, to see whether it was wiped. */
  readonly dataKeys: Uint8Array[]
}

export interface TestKeyringOptions {
  /** By V2 name. Default `AES/GCM`. */
  readonly algorithm?: string
  /** What the keyring says it opens; `undefined` to say nothing. Default: its algorithm. */
  readonly algorithms?: readonly string[] | undefined
  readonly materialsDescription?: Context
  readonly dataKey?: Uint8Array
  /** Unwraps whatever the label says. Default `false`. */
  readonly ignoresLabels?: boolean
}

const wrappingKey = Buffer.alloc(32, 9)

/** AES-GCM over the data key; bound to the suite's name, and for `kms+context` to the whole stored context. */
export function testKeyring(options: TestKeyringOptions = {}): TestKeyring {
  const { algorithm = 'AES/GCM', materialsDescription = {} } = options
  const algorithms = 'algorithms' in options ? options.algorithms : [algorithm]
  const calls: string[] = []
  const dataKeys: Uint8Array[] = []
  const aad = (suite: Suite, context: Context): Buffer =>
    Buffer.from(algorithm.startsWith('kms') ? suite.name + JSON.stringify(Object.entries(context).sort()) : suite.name)

  return {
    ...(algorithms && { algorithms }),
    calls,
    dataKeys,
    wrap({ suite, context }: WrapRequest) {
      calls.push('wrap')
      const dataKey = Uint8Array.from(options.dataKey ?? randomBytes(suite.keyLength))
      dataKeys.push(dataKey)
      const stored = algorithm.startsWith('kms')
        ? { ...context, 'aws:x-amz-cek-alg': suite.name }
        : materialsDescription
      const iv = randomBytes(12)
      const cipher = createCipheriv('aes-256-gcm', wrappingKey, iv).setAAD(aad(suite, stored))
      const ciphertext = Uint8Array.from(
        Buffer.concat([iv, cipher.update(dataKey), cipher.final(), cipher.getAuthTag()]),
      )
      const encrypted = { algorithm, provider: 'S3Keyring', info: new Uint8Array(0), ciphertext }
      return { dataKey, encryptedDataKeys: [encrypted], context: stored }
    },
    unwrap({ suite, context, encryptedDataKeys }: UnwrapRequest) {
      calls.push('unwrap')
      const { algorithm: label, ciphertext } = encryptedDataKeys[0]!
      if (ciphertext.length < 28 || (label !== algorithm && options.ignoresLabels !== true)) return undefined
      try {
        const decipher = createDecipheriv('aes-256-gcm', wrappingKey, ciphertext.subarray(0, 12))
          .setAAD(aad(suite, context))
          .setAuthTag(ciphertext.subarray(-16))
        const plain = Buffer.concat([decipher.update(ciphertext.subarray(12, -16)), decipher.final()])
        const dataKey = Uint8Array.from(plain)
        dataKeys.push(dataKey)
        return dataKey
      } catch {
        return undefined
      }
    },
  }
}

/** Only for reading, by whatever function. */
export function readingKeyring(unwrap: (request: UnwrapRequest) => Uint8Array | undefined): Keyring {
  return { wrap: () => Promise.reject(new Error('this keyring does not write')), unwrap }
}
