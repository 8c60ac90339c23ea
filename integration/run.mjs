// Tests against servers, clients and runtimes of others, which are installed when they are first needed (docs/testing.md).
//   npm run test:integration                                  all parts, then the table of what was tried
//   npm run test:integration -- contract [target…]            one part: contract, interop, runtimes or load
import { spawnSync } from 'node:child_process'
import { rmSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const PARTS = ['contract', 'interop', 'runtimes', 'load']

const [part, ...rest] = process.argv.slice(2)
if (part !== undefined && !PARTS.includes(part)) {
  console.error(`no part is called ${part}: ${PARTS.join(', ')}`)
  process.exit(2)
}

const run = (script, ...args) => {
  const node = ['--import', 'tsx', '--conditions', 's3-cse-source']
  const started = Date.now()
  console.log(`\n## ${script} ${args.join(' ')}`)
  const { status, signal } = spawnSync(process.execPath, [...node, script, ...args], { cwd: root, stdio: 'inherit' })
  const seconds = Math.round((Date.now() - started) / 1000)
  console.log(`## ${script}: ${status === 0 ? 'passed' : `failed (${signal ?? status})`} after ${seconds} s`)
  return status === 0
}

if (part !== undefined) process.exit(run(`integration/${part}/run.mjs`, ...rest) ? 0 : 1)

// A table of old runs would say that something passes which was not tried.
rmSync(`${root}/integration/results`, { recursive: true, force: true })
const failed = PARTS.filter((each) => !run(`integration/${each}/run.mjs`, ...(each === 'load' ? ['--quick'] : [])))
if (failed.length === 0 && !run('integration/compatibility.ts', '--check')) failed.push('compatibility')
if (failed.length > 0) console.error(`failed: ${failed.join(', ')}`)
process.exit(failed.length > 0 ? 1 : 0)
