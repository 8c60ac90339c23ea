import { build } from 'esbuild'
import { fileURLToPath } from 'node:url'
import * as node from '../../src/gcm.js'

export type Gcm = typeof node

type Runtimes = readonly [readonly ['node', Gcm], readonly ['browser', Gcm]]

let made: Promise<Runtimes> | undefined

/**
 * The entry on Node's runtime, and bundled on the browser's (WebCrypto, web streams, no disk), which Node can run. To be
 * awaited by each test file itself: a module that awaited it for all would take their tests for those of one file.
 */
export function runtimes(): Promise<Runtimes> {
  return (made ??= bundled().then((browser) => [
    ['node', node],
    ['browser', browser],
  ]))
}

async function bundled(): Promise<Gcm> {
  const root = fileURLToPath(new URL('../..', import.meta.url))
  const { outputFiles } = await build({
    entryPoints: [`${root}src/gcm.ts`],
    alias: { '#runtime': `${root}src/runtime/browser.ts` },
    bundle: true,
    format: 'esm',
    platform: 'browser',
    write: false,
  })
  const [file] = outputFiles
  return (await import(`data:text/javascript;base64,${Buffer.from(file!.contents).toString('base64')}`)) as Gcm
}

export async function collect(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = []
  for await (const chunk of chunks) all.push(chunk)
  return Buffer.concat(all)
}

/** What comes before the end, and the error there. */
export async function collectUntilError(chunks: AsyncIterable<Uint8Array>): Promise<{ bytes: Buffer; error: unknown }> {
  const all: Uint8Array[] = []
  try {
    for await (const chunk of chunks) all.push(chunk)
  } catch (error) {
    return { bytes: Buffer.concat(all), error }
  }
  return { bytes: Buffer.concat(all), error: undefined }
}

export interface Counted extends AsyncIterable<Uint8Array> {
  /** Bytes that were pulled. */
  pulled: number
  /** Whether it was read to its end or returned. */
  over: boolean
}

/** Bytes in chunks; `before` runs before each is given, with its offset, and may throw. */
export function counted(bytes: Uint8Array, size: number, before: (offset: number) => unknown = () => 0): Counted {
  async function* chunks(): AsyncGenerator<Uint8Array, void> {
    try {
      for (let at = 0; at < bytes.length; at += size) {
        await before(at)
        const chunk = bytes.slice(at, at + size)
        source.pulled += chunk.length
        yield chunk
      }
    } finally {
      source.over = true
    }
  }
  const running = chunks()
  const source: Counted = { pulled: 0, over: false, [Symbol.asyncIterator]: () => running }
  return source
}

/** A loop that is left at its first chunk. */
export async function leave(chunks: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const chunk of chunks) if (chunk.length > 0) break
}
