/** Runs an adapter of the smoke suite in a process of its own. */
import { spawn } from 'node:child_process'
import type { Ground, Job, Outcome } from './control.js'

/** Milliseconds until a runtime has to have reported, and then to have ended. */
const PATIENCE = 300_000
const ENDING = 30_000

export interface Program {
  readonly program: string
  /** Before the address of the runner. */
  readonly args: readonly string[]
  readonly cwd: string
  readonly env?: Readonly<Record<string, string>>
}

export async function runProgram(ground: Ground, job: Job, { program, args, cwd, env }: Program): Promise<Outcome[]> {
  const session = await ground.session(job)
  const child = spawn(program, [...args, session.address], {
    cwd,
    env: { ...process.env, NODE_OPTIONS: '', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let printed = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => (printed = (printed + text).slice(-10_000)))
  }
  const ended = new Promise<string | undefined>((resolve) => {
    child.on('error', (error) => resolve(error.message))
    child.on('close', (code, signal) => resolve(code === 0 ? undefined : `ended with ${signal ?? String(code)}`))
  })
  try {
    const early = ended.then((how) => ({ cells: [], failed: how ?? 'ended without a report' }))
    const report = await Promise.race([session.report, early, after(PATIENCE, 'no report')])
    if (report.failed !== undefined) throw new Error(`${program}: ${report.failed}\n${printed}`)
    const how = await Promise.race([ended, after(ENDING, 'still runs').then(({ failed }) => failed)])
    const ending = { name: 'the process ends by itself', ...(how !== undefined && { error: `${how}\n${printed}` }) }
    return [...report.cells, ...(job.cases ? [ending] : [])]
  } finally {
    child.kill('SIGKILL')
    await session.close()
  }
}

export function after(ms: number, failed: string): Promise<{ cells: []; failed: string }> {
  return new Promise((resolve) => {
    setTimeout(() => resolve({ cells: [], failed: `${failed} after ${ms} ms` }), ms).unref()
  })
}
