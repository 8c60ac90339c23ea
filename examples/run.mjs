// Runs every example but the demo, each in a process of its own, and fails if one fails: `npm run examples`.
import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const directory = fileURLToPath(new URL('.', import.meta.url))
const names = readdirSync(directory)
  .filter((name) => name.endsWith('.ts') && name !== 'demo.ts')
  .sort()
if (names.length === 0) throw new Error(`no example in ${directory}`)

const failed = names.filter((name) => {
  console.log(`\n${name}`)
  const options = ['--import', 'tsx', '--conditions', 's3-cse-source', name]
  return spawnSync(process.execPath, options, { cwd: directory, stdio: 'inherit' }).status !== 0
})
if (failed.length > 0) {
  console.error(`\nfailed: ${failed.join(', ')}`)
  process.exit(1)
}
console.log(`\n${names.length} examples, all as they say`)
