import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import path from 'node:path'
import { setTimeout } from 'node:timers/promises'

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

/** Held by one process at a time, on one machine; that of a process which has ended is taken over. */
async function lock(file: string): Promise<() => Promise<void>> {
  for (;;) {
    try {
      await writeFile(file, String(process.pid), { flag: 'wx' })
      return () => rm(file, { force: true })
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    }
    const holder = Number(await readFile(file, 'utf8').catch(() => ''))
    if (holder > 0 && !isRunning(holder)) await rm(file, { force: true })
    await setTimeout(200)
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH'
  }
}
