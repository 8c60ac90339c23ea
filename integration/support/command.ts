import { spawn } from 'node:child_process'
import { setTimeout } from 'node:timers/promises'

export interface CommandOptions {
  readonly cwd?: string
  readonly env?: NodeJS.ProcessEnv
  /** How often it is tried, for what asks a registry. Default 1. */
  readonly attempts?: number
  /** What the program is needed for and where it comes from, for the error that says that it is missing. */
  readonly missing?: string
}

/** Runs a program to its end and returns what it printed; a failure is an error with the last lines of its output. */
export async function command(program: string, args: readonly string[], options: CommandOptions = {}): Promise<string> {
  const { attempts = 1 } = options
  for (let attempt = 1; ; attempt++) {
    try {
      return await once(program, args, options)
    } catch (error) {
      if (attempt >= attempts || (error as NodeJS.ErrnoException).code === 'ENOENT') throw error
      console.log(`# ${program} failed, attempt ${attempt} of ${attempts}: ${(error as Error).message.slice(-300)}`)
      await setTimeout(5000 * attempt)
    }
  }
}

function once(program: string, args: readonly string[], options: CommandOptions): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      cwd: options.cwd,
      env: { ...process.env, ...options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let output = ''
    let errors = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text))
    child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text))
    child.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') {
        reject(error)
        return
      }
      const missing = new Error(`${program} is missing${options.missing === undefined ? '' : `: ${options.missing}`}`)
      reject(Object.assign(missing, { code: 'ENOENT' }))
    })
    child.on('close', (code, signal) => {
      if (code === 0) {
        resolve(output)
        return
      }
      const last = `${output}\n${errors}`.trim().split('\n').slice(-20).join('\n')
      reject(new Error(`${program} ${args.join(' ')} ended with ${signal ?? String(code)}:\n${last}`))
    })
  })
}

/** Whether a program is there. */
export async function has(program: string, ...args: string[]): Promise<boolean> {
  return command(program, args.length > 0 ? args : ['--version']).then(
    () => true,
    () => false,
  )
}
