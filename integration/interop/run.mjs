// Objects both ways with the clients of others: node integration/interop/run.mjs [peer…], by names of files in peers/.
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const main = fileURLToPath(new URL('run.ts', import.meta.url))
const node = ['--import', 'tsx', '--conditions', 's3-cse-source']
const { status } = spawnSync(process.execPath, [...node, main, ...process.argv.slice(2)], { stdio: 'inherit' })
process.exit(status ?? 1)
