// The packed package on every runtime: `node integration/runtimes/run.mjs [node20 node22 node24 bun deno cjs browser]`.
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))
const args = ['--import', 'tsx', '--conditions', 's3-cse-source', 'integration/runtimes/run.ts']
const { status } = spawnSync(process.execPath, [...args, ...process.argv.slice(2)], { cwd: root, stdio: 'inherit' })
process.exit(status ?? 1)
