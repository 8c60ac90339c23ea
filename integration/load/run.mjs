// Load and faults against a real server: node integration/load/run.mjs [--quick] [--only small|large|soak] [--seed <text>]
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const main = fileURLToPath(new URL('run.ts', import.meta.url))
const node = ['--expose-gc', '--import', 'tsx', '--conditions', 's3-cse-source']
const { status } = spawnSync(process.execPath, [...node, main, ...process.argv.slice(2)], { stdio: 'inherit' })
process.exit(status ?? 1)
