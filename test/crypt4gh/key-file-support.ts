import { readFileSync } from 'node:fs'
import { mkdtemp, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { build } from 'esbuild'
import * as node from '../../src/crypt4gh/key-file.js'

export type KeyFiles = typeof node

const root = fileURLToPath(new URL('../..', import.meta.url))

/** The functions for key files as a browser has them: bundled with the browser's runtime, and run here. */
async function bundled(): Promise<{ browser: KeyFiles; inputs: readonly string[] }> {
  const directory = await mkdtemp(join(tmpdir(), 's3-cse-test-'))
  try {
    await symlink(join(root, 'node_modules'), join(directory, 'node_modules'))
    const outfile = join(directory, 'key-file.mjs')
    const { metafile } = await build({
      entryPoints: [join(root, 'src/crypt4gh/key-file.ts')],
      alias: {
        '#runtime/crypt4gh': join(root, 'src/runtime/browser-crypt4gh.ts'),
        '#runtime/key-files': join(root, 'src/runtime/browser-key-files.ts'),
        '#runtime': join(root, 'src/runtime/browser.ts'),
      },
      bundle: true,
      format: 'esm',
      platform: 'browser',
      metafile: true,
      outfile,
    })
    return { browser: (await import(pathToFileURL(outfile).href)) as KeyFiles, inputs: Object.keys(metafile.inputs) }
  } finally {
    await rm(directory, { recursive: true })
  }
}

const { browser, inputs } = await bundled()

/** What the browser's bundle is made of. */
export const browserInputs: readonly string[] = inputs

export const RUNTIMES: readonly (readonly ['node' | 'browser', KeyFiles])[] = [
  ['node', node],
  ['browser', browser],
]

/** One file of vectors. */
export interface KeyFileVector {
  readonly id: string
  readonly kind: string
  readonly expect: 'accept' | 'reject' | 'either'
  readonly privateKeyFile: string
  readonly passphrase?: string
  readonly secretKey?: string
  readonly publicKey?: string
  readonly publicKeyFile?: string
}

const vectors = (name: string): unknown =>
  JSON.parse(readFileSync(new URL(`../vectors/crypt4gh/${name}.json`, import.meta.url), 'utf8'))

export const keyFileVectors: readonly KeyFileVector[] = (vectors('keyfiles') as { vectors: KeyFileVector[] }).vectors

export const openssh = vectors('openssh-keys') as {
  readonly seed: string
  readonly comment: string
  readonly passphrase: string
  readonly publicKeyFile: string
  readonly files: Readonly<Record<string, string>>
}

export const pem = (bytes: Uint8Array, label = 'CRYPT4GH PRIVATE KEY'): string =>
  `-----BEGIN ${label}-----\n${Buffer.from(bytes).toString('base64')}\n-----END ${label}-----\n`

/** The bytes in a file. */
export const body = (file: string): Buffer => Buffer.from(file.trim().split(/\r?\n/).slice(1, -1).join(''), 'base64')

/** A string of Crypt4GH (2 bytes of length) or OpenSSH (4). */
export function field(value: string | Uint8Array, size: 2 | 4): Buffer {
  const bytes = Buffer.from(value as string)
  const length = Buffer.alloc(size)
  length.writeUIntBE(bytes.length, 0, size)
  return Buffer.concat([length, bytes])
}

export function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}
