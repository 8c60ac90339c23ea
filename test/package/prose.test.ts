import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { root } from '../support/package.js'

const APART = new Set(['.git', 'node_modules', 'dist', 'coverage', 'docs-api', 'vectors', 'results'])

function textFiles(directory: string): string[] {
  return readdirSync(path.join(root, directory), { withFileTypes: true }).flatMap((entry) => {
    if (APART.has(entry.name)) return []
    const name = path.posix.join(directory, entry.name)
    if (entry.isDirectory()) return textFiles(name)
    return entry.isFile() && !readFileSync(path.join(root, name)).includes(0) ? [name] : []
  })
}

// Each with a text that it must find, put together so that this file does not contain it.
const UNWANTED: readonly [what: string, pattern: RegExp, example: string][] = [
  ['the path of somebody’s machine', /(?<![\w.~-])\/(home|Users|root|work)\/\w/, ['', 'home', 'me'].join('/')],
  ['the host of a package registry', /\bregistry\.[a-z0-9-]+\.[a-z]{2,}/i, ['registry', 'example', 'org'].join('.')],
  ['the number of a task', /\bissue #?\d{1,2}\b/i, ['issue', '3'].join(' ')],
]

test('no file of the project names a machine, a registry or a task', () => {
  const files = textFiles('.')
  assert.ok(files.includes('package-lock.json') && files.includes('README.md') && files.length > 50)
  const found: string[] = []
  for (const file of files) {
    const text = readFileSync(path.join(root, file), 'utf8')
    for (const [what, pattern] of UNWANTED) {
      const match = pattern.exec(text)
      if (match !== null) found.push(`${file}: ${what}: ${match[0]}`)
    }
  }
  assert.deepEqual(found, [])
})

test('each of these is found where it is', () => {
  for (const [what, pattern, example] of UNWANTED) assert.match(`see ${example} there`, pattern, what)
})

test('package-lock.json has integrity for every package and no download addresses', () => {
  const lock = JSON.parse(readFileSync(path.join(root, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, { integrity?: string; resolved?: string; link?: boolean }>
  }
  const packages = Object.entries(lock.packages).filter(([name]) => name !== '')
  assert.ok(packages.length > 50)
  assert.deepEqual(
    packages.filter(([, { resolved }]) => resolved !== undefined).map(([name]) => name),
    [],
  )
  assert.deepEqual(
    packages.filter(([, { integrity }]) => integrity === undefined).map(([name]) => name),
    [],
  )
})
