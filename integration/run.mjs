// Tests against servers, clients and runtimes of others, which are installed when they are first needed (docs/testing.md).
//   npm run test:integration                                  all parts, then the table of what was tried
//   npm run test:integration -- contract [target…]            one part: contract, interop, runtimes or load
import { rmSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { runScript } from './support/run-script.mjs'

const PARTS = ['contract', 'interop', 'runtimes', 'load']

const [part, ...rest] = process.argv.slice(2)
if (part !== undefined && !PARTS.includes(part)) {
  console.error(`no part is called ${part}: ${PARTS.join(', ')}`)
  process.exit(2)
}

let stopped = false
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => (stopped = true))

const run = async (script, ...args) => {
  if (stopped) return false
  const started = Date.now()
  console.log(`\n## ${script} ${args.join(' ')}`)
  const code = await runScript(script, args)
  const seconds = Math.round((Date.now() - started) / 1000)
  console.log(`## ${script}: ${code === 0 ? 'passed' : `failed (${code})`} after ${seconds} s`)
  return code === 0
}

if (part !== undefined) process.exit((await run(`integration/${part}/run.mjs`, ...rest)) ? 0 : 1)

// A table of old runs would say that something passes which was not tried.
rmSync(fileURLToPath(new URL('results', import.meta.url)), { recursive: true, force: true })
const failed = []
for (const each of PARTS) {
  if (!(await run(`integration/${each}/run.mjs`, ...(each === 'load' ? ['--quick'] : [])))) failed.push(each)
}
if (failed.length === 0 && !(await run('integration/compatibility.ts', '--check'))) failed.push('compatibility')
if (failed.length > 0) console.error(`failed: ${failed.join(', ')}`)
process.exit(failed.length > 0 ? 1 : 0)
