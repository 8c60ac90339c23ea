import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { root } from '../support/package.js'

const read = (name: string): string => readFileSync(path.join(root, name), 'utf8')

test('docs/errors.md has one row for each code of CseErrorCode, in its order, with meaning and remedy', () => {
  const union = /export type CseErrorCode =([\s\S]*?)\n\n/.exec(read('src/errors.ts'))![1]!
  const codes = [...union.matchAll(/\| '(ERR_S3CSE_\w+)'/g)].map(([, code]) => code)
  const rows = read('docs/errors.md')
    .split('\n')
    .filter((line) => line.startsWith('| `ERR_'))
    .map((line) => line.slice(1, -1).split('|'))
  assert.ok(codes.length > 10)
  assert.deepEqual(
    rows.map(([code]) => code!.trim()),
    codes.map((code) => `\`${code}\``),
  )
  for (const row of rows) assert.ok(row.length === 3 && row.every((cell) => cell.trim().length > 10), row[0])
})

test('README and docs name no code that the union does not have', () => {
  const codes = new Set([...read('src/errors.ts').matchAll(/\| '(ERR_S3CSE_\w+)'/g)].map(([, code]) => code))
  const used = [...read('docs/errors.md').matchAll(/ERR_S3CSE_\w+/g), ...read('README.md').matchAll(/ERR_S3CSE_\w+/g)]
  assert.ok(used.length > 0)
  assert.deepEqual(
    used.map(([code]) => code).filter((code) => !codes.has(code)),
    [],
  )
})
