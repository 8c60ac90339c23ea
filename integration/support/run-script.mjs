// Runs a TypeScript file of this repository as a program of its own, and ends as it does.
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** Its exit code, at least 1 if it was ended by a signal. What this process is told to end by, it is told as well. */
export function runScript(script, args, options = []) {
  return new Promise((resolve, reject) => {
    const node = [...options, '--import', 'tsx', '--conditions', 's3-cse-source', script, ...args]
    const child = spawn(process.execPath, node, { cwd: root, stdio: 'inherit' })
    const forward = (signal) => child.kill(signal)
    for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, forward)
    child.on('error', reject)
    child.on('close', (code) => {
      for (const signal of ['SIGINT', 'SIGTERM']) process.off(signal, forward)
      resolve(code ?? 1)
    })
  })
}
