/** All suites in one process, or those named as arguments: every file of this directory that registers checks is one. */
import { readdirSync, readFileSync } from 'node:fs'
import { describe } from 'node:test'
import { finish } from './support.js'

const REGISTERS = /^import \{[^}]*\bcheck\b[^}]*\} from '\.\/support\.js'$/m

const there = readdirSync(new URL('.', import.meta.url))
  .filter((name) => name.endsWith('.ts') && REGISTERS.test(readFileSync(new URL(name, import.meta.url), 'utf8')))
  .map((name) => name.slice(0, -'.ts'.length))
  .sort()
const wanted = process.argv.slice(2)
for (const name of wanted) {
  if (!there.includes(name)) throw new Error(`no suite is called ${name}: ${there.join(', ')}`)
}
for (const name of there) {
  if (wanted.length > 0 && !wanted.includes(name)) continue
  describe(name, () => import(`./${name}.js`) as Promise<void>)
}
finish(wanted.length === 0)
