import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import path from 'node:path'

/** Where servers, clients and runtimes are kept once they are installed: S3_CSE_CACHE, or s3-cse in the user's cache. */
export const cacheDirectory: string = path.resolve(
  process.env.S3_CSE_CACHE ?? path.join(process.env.XDG_CACHE_HOME ?? path.join(homedir(), '.cache'), 's3-cse'),
)

/**
 * The directory of something that is installed once. `key` is all that it is made from (versions, sources): another key
 * is another directory, so that an old cache never stands for something newer. What was interrupted is made again.
 */
export async function cached(
  name: string,
  key: string,
  make: (directory: string) => Promise<unknown>,
): Promise<string> {
  const directory = path.join(cacheDirectory, `${name}-${createHash('sha256').update(key).digest('hex').slice(0, 12)}`)
  const done = path.join(directory, '.complete')
  if (existsSync(done)) return directory
  await mkdir(cacheDirectory, { recursive: true })
  const unlock = await lock(`${directory}.lock`)
  try {
    if (existsSync(done)) return directory
    await rm(directory, { recursive: true, force: true })
    await mkdir(directory, { recursive: true })
    console.log(`# installing ${name}`)
    await make(directory)
    await writeFile(done, '')
  } finally {
    await unlock()
  }
  return directory
}

/** Milliseconds. */
const SAY_AFTER = 5000
const PATIENCE = 15 * 60_000

/** Held by one process at a time, on one machine; the system takes it from a process that ends. */
function lock(file: string): Promise<() => Promise<void>> {
  return new Promise((resolve, reject) => {
    const holder = spawn('flock', [file, 'sh', '-c', 'echo held; cat'], { stdio: ['pipe', 'pipe', 'inherit'] })
    const gone = new Promise<void>((done) => holder.once('close', () => done()))
    const said = setTimeout(() => console.log(`# waiting for another process that holds ${file}`), SAY_AFTER)
    const late = setTimeout(() => {
      holder.kill()
      reject(new Error(`${file} is held by another process for ${PATIENCE / 60_000} minutes`))
    }, PATIENCE)
    const settle = (): void => {
      clearTimeout(said)
      clearTimeout(late)
    }
    holder.once('error', (error) => {
      settle()
      reject(new Error(`flock is missing; it comes with util-linux (${error.message})`))
    })
    holder.once('close', (code) => {
      settle()
      reject(new Error(`flock ended with ${code}`))
    })
    holder.stdout.once('data', () => {
      settle()
      resolve(() => {
        holder.stdin.end()
        return gone
      })
    })
  })
}
