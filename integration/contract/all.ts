/** All suites in one process, or those named as arguments: every file of this directory that registers checks is one. */
import { describe } from 'node:test'
import { suiteNames } from './suites.js'
import { finish } from './support.js'

const wanted = process.argv.slice(2)
for (const name of suiteNames()) {
  if (wanted.length > 0 && !wanted.includes(name)) continue
  describe(name, () => import(`./${name}.js`) as Promise<void>)
}
finish(wanted.length === 0)
