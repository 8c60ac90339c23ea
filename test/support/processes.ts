import { build } from 'esbuild'
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { mkdtemp, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

/** How a process ended, and what it wrote. */
export interface Ended {
  readonly signal: NodeJS.Signals | null
  readonly status: number | null
  readonly output: string
  readonly errors: string
}

const directory = await mkdtemp(path.join(tmpdir(), 's3-cse-processes-'))
// Of all the files that use it.
process.on('exit', () => rmSync(directory, { recursive: true }))
// Where they find the packages that they need.
await symlink(fileURLToPath(new URL('../../node_modules', import.meta.url)), path.join(directory, 'node_modules'))

const programs = new Map<string, Promise<string>>()

/** A program beside this file in one file of JavaScript: translated once for many processes, which then begin at once. */
function bundled(program: string): Promise<string> {
  const found = programs.get(program)
  if (found !== undefined) return found
  const outfile = path.join(directory, `${program}.mjs`)
  const bundling = build({
    entryPoints: [fileURLToPath(new URL(`${program}.ts`, import.meta.url))],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    conditions: ['s3-cse-source'],
    packages: 'external',
    logLevel: 'error',
  }).then(() => outfile)
  programs.set(program, bundling)
  return bundling
}

/** Runs a program beside this file in a process of its own. `during` may end it; that it ended is waited for in any case. */
export async function runProcess(
  program: string,
  job: unknown,
  during: (child: ChildProcess) => Promise<void> = () => Promise.resolve(),
): Promise<Ended> {
  const file = await bundled(program)
  // What is in the bundle is no source that anybody wants to know the coverage of.
  const env = { ...process.env, NODE_V8_COVERAGE: '' }
  const child = spawn(process.execPath, [file, JSON.stringify(job)], { stdio: ['ignore', 'pipe', 'pipe'], env })
  let [output, errors] = ['', '']
  child.stdout.on('data', (text: Buffer) => (output += text.toString()))
  child.stderr.on('data', (text: Buffer) => (errors += text.toString()))
  const ended = once(child, 'close') as Promise<[number | null, NodeJS.Signals | null]>
  try {
    await Promise.race([during(child), ended])
  } catch (error) {
    child.kill('SIGKILL')
    throw error
  }
  const [status, signal] = await ended
  return { signal, status, output, errors }
}
