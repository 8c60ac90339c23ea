import { createHash, randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { opendir } from 'node:fs/promises'
import { hostname } from 'node:os'
import { basename, dirname, join } from 'node:path'

/**
 * Names of partial files: `.<name>.<hash of name>.<owner>-<random>.s3-cse-part`, beside the file they are for. The owner
 * is the process that works on the file, or `free`. So a claim is one rename, which only one of several can win, and
 * no lock has to be given back by a process that was killed.
 */
export interface PartialName {
  /** Absolute, of the file in place. */
  readonly path: string
}

type Owner = 'process' | 'free'

const SUFFIX = '.s3-cse-part'

/** With 3 bytes a character at most, the name stays below the 255 bytes of common file systems. */
const SHOWN_CHARACTERS = 40

const OWNED = /^([0-9a-f]{8})-(\d{1,10})-(\d{1,20})-[0-9a-f]{16}$/
const FREE = /^free-[0-9a-f]{16}$/

function digest(text: string, length: number): string {
  return createHash('sha256').update(text).digest('hex').slice(0, length)
}

function prefixOf(path: string): string {
  const name = basename(path)
  return `.${name.slice(0, SHOWN_CHARACTERS)}.${digest(name, 16)}.`
}

/** When a process began, where the system tells (Linux: clock ticks since boot, proc(5)): its number may be used again. */
function startOf(pid: number): string {
  try {
    const status = readFileSync(`/proc/${pid}/stat`, 'latin1')
    // Field 22; the second is a name in parentheses that may hold anything.
    return /^\d+$/.exec(status.slice(status.lastIndexOf(')') + 2).split(' ')[19] ?? '')?.[0] ?? '0'
  } catch {
    return '0'
  }
}

let self: string | undefined

function thisProcess(): string {
  return (self ??= `${digest(hostname(), 8)}-${process.pid}-${startOf(process.pid)}`)
}

export function newName({ path }: PartialName, owner: Owner = 'process'): string {
  const middle = owner === 'free' ? 'free' : thisProcess()
  return join(dirname(path), `${prefixOf(path)}${middle}-${randomBytes(8).toString('hex')}${SUFFIX}`)
}

function isAlive(pid: number, start: string): boolean {
  try {
    process.kill(pid, 0)
  } catch (error) {
    return (error as { code?: unknown }).code !== 'ESRCH'
  }
  return startOf(pid) === start
}

function isAbandoned(owner: string): boolean {
  if (FREE.test(owner)) return true
  const [, host, pid = '', start = ''] = OWNED.exec(owner) ?? []
  // Whether a process of another machine is alive cannot be known here.
  return host === digest(hostname(), 8) && !isAlive(Number(pid), start)
}

/** The partial files for this place that nobody works on. */
export async function abandoned({ path }: PartialName): Promise<string[]> {
  const found: string[] = []
  const prefix = prefixOf(path)
  try {
    for await (const { name } of await opendir(dirname(path))) {
      if (!name.startsWith(prefix) || !name.endsWith(SUFFIX)) continue
      if (isAbandoned(name.slice(prefix.length, -SUFFIX.length))) found.push(join(dirname(path), name))
    }
  } catch {
    // A directory that may be written but not listed has none that can be found.
  }
  return found
}
