import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { cacheDirectory } from './cache.js'
import { command } from './command.js'
import { whenTold } from './ending.js'

/** Servers of others that need no Docker. */
export type ServerName = 'localstack' | 'moto' | 'versitygw'

export interface RunningServer {
  readonly name: ServerName
  readonly version: string
  readonly pid: number
  /** http://127.0.0.1:<port> */
  readonly endpoint: string
  /** What `new S3Client` and `new KMSClient` take. */
  readonly clientConfig: {
    readonly endpoint: string
    readonly region: string
    readonly forcePathStyle: true
    readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string }
  }
  /** Ends it and deletes its data. */
  stop(): Promise<void>
}

/** Installs the server if it is not there yet, and starts it with no data on a free port of the loopback interface. */
export async function startServer(name: ServerName): Promise<RunningServer> {
  const script = fileURLToPath(new URL(`../servers/${name}.sh`, import.meta.url))
  const directory = await mkdtemp(path.join(tmpdir(), `s3-cse-${name}-`))
  const env = { CACHE: path.join(cacheDirectory, 'servers'), RUN: directory }
  try {
    const version = (await command(script, ['version'], { env })).trim()
    await command(script, ['install'], { env })
    const started = await command(script, ['start', String(await freePort())], { env })
    const [, pid, endpoint] = /pid=(\d+) endpoint=(\S+)/.exec(started) ?? []
    if (pid === undefined || endpoint === undefined) throw new Error(`${name} does not say where it is: ${started}`)
    const watched = watch(script, directory)
    const stop = once(async () => {
      watched.kill()
      await command(script, ['stop'], { env })
      await rm(directory, { recursive: true, force: true })
    })
    whenTold(stop)
    const credentials = { accessKeyId: 'test', secretAccessKey: 'testtesttest' }
    return {
      name,
      version,
      pid: Number(pid),
      endpoint,
      clientConfig: { endpoint, region: 'us-east-1', forcePathStyle: true, credentials },
      stop,
    }
  } catch (error) {
    await rm(directory, { recursive: true, force: true })
    throw error
  }
}

/** Ends the server if this process is killed, and so cannot do it. */
function watch(script: string, directory: string): { kill(): void } {
  const wait = 'while kill -0 "$1" 2>/dev/null; do sleep 1; done; RUN=$3 "$2" stop; rm -rf "$3"'
  const args = ['-c', wait, 'watch', String(process.pid), script, directory]
  const child = spawn('bash', args, { detached: true, stdio: 'ignore' })
  child.on('error', () => undefined)
  child.unref()
  return child
}

function once(step: () => Promise<void>): () => Promise<void> {
  let done: Promise<void> | undefined
  return () => (done ??= step())
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}
