import { createCipheriv, type CipherGCMTypes } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import type { TestContext } from 'node:test'
import { cryptoRuntime as node } from '../../src/runtime/node-crypto.js'
import type { Aes, Runtime } from '../../src/runtime/runtime.js'
import { cryptoRuntime as web } from '../../src/runtime/web-crypto.js'

type CryptoRuntime = Pick<Runtime, keyof typeof node>

/** Both kinds of runtime, side by side on Node. */
export const RUNTIMES: readonly [
  node: readonly ['node:crypto', CryptoRuntime],
  web: readonly ['WebCrypto', CryptoRuntime],
] = [
  ['node:crypto', node],
  ['WebCrypto', web],
]

/** The lengths of GCM IVs, in bytes, that these two take on Node: OpenSSL stops at 128, Node's WebCrypto begins at 12. */
export const IV_LENGTHS = { 'node:crypto': [1, 128], WebCrypto: [12, 128] } as const

/** ciphertext ‖ tag by node:crypto's one-shot cipher, without any code of src. */
export function oneShot(key: Uint8Array, iv: Uint8Array, aad: Uint8Array, plaintext: Uint8Array): Uint8Array {
  const cipher = createCipheriv(`aes-${key.length * 8}-gcm` as CipherGCMTypes, key, iv)
  cipher.setAAD(aad)
  return Uint8Array.from(Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]))
}

export const hex = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'hex'))

export const toHex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

/** Bytes that differ from place to place. */
export const pattern = (length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => (i * 31 + (i >> 8)) & 0xff)

/** The same Aes with some methods replaced. */
export const withMethods = (aes: Aes, methods: Partial<Aes>): Aes => ({ ...aes, ...methods })

interface WycheproofFile<Group> {
  readonly numberOfTests: number
  readonly testGroups: readonly Group[]
}

/** A file of Project Wycheproof beside the checkout; `undefined`, with the test marked as skipped, where it is not there. */
export function wycheproof<Group>(t: TestContext, name: string): WycheproofFile<Group> | undefined {
  const file = new URL(`../../../shared/vectors/wycheproof/${name}.json`, import.meta.url)
  if (existsSync(file)) return JSON.parse(readFileSync(file, 'utf8')) as WycheproofFile<Group>
  t.skip(`no Wycheproof vectors beside the checkout (../shared/vectors/wycheproof/${name}.json)`)
  return undefined
}
