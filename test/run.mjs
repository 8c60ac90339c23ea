// Runs the test files with node's own runner. Node 20's runner takes neither globs nor directories of .ts files (it
// would run nothing and call that a success), so the files are listed here, and an empty list is an error.
// Arguments are parts of file names to run only those: `node test/run.mjs s3ec kms`.
//
// The runner starts a process for each file it is given, and half of what a small file takes is loading TypeScript and
// the SDK: the files of a folder share processes, a few to each.
import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { fileURLToPath, pathToFileURL } from 'node:url'

const FILES_PER_PROCESS = 7

const root = fileURLToPath(new URL('..', import.meta.url))
const wanted = process.argv.slice(2)
const files = readdirSync(fileURLToPath(new URL('.', import.meta.url)), { recursive: true })
  .map((name) => `test/${String(name).replaceAll('\\', '/')}`)
  .filter((name) => name.endsWith('.test.ts') && (wanted.length === 0 || wanted.some((part) => name.includes(part))))
  .sort()
if (files.length === 0) {
  console.error(`no test file matches ${wanted.join(', ') || 'test/**/*.test.ts'}`)
  process.exit(1)
}

// Mocked classes are mocked for a whole process.
const isAlone = (file) => readFileSync(root + file, 'utf8').includes("from 'aws-sdk-client-mock'")

// Node 20 can spin for ever when a process that has nothing left to do takes itself apart (Environment::CleanupHandles
// waits for a request that is none any more). Such a process ends here, after everybody else who waits for its end; one
// that has something left to do still does not end.
const LEAVE = `process.once('beforeExit', () => process.once('exit', (code) => process.reallyExit(process.exitCode ?? code)))
`

// Each file is a suite: its hooks are for its own tests, and none is run before all files of the process are loaded.
const suites = (members) =>
  "import { describe } from 'node:test'\n" +
  LEAVE +
  members.map((file) => `describe('${file}', () => import('${pathToFileURL(root + file).href}'))\n`).join('')

const folders = new Map()
for (const file of files) {
  const folder = isAlone(file) ? file.replaceAll('/', '-') : file.split('/')[1]
  folders.set(folder, [...(folders.get(folder) ?? []), file])
}
// Its own, so that two runs at a time do not disturb each other.
const directory = `${root}node_modules/.cache/s3-cse-tests/${process.pid}`
mkdirSync(directory, { recursive: true })
process.on('exit', () => rmSync(directory, { recursive: true, force: true }))
const groups = []
// The package's own tests take longest, and so begin first.
for (const [folder, members] of [...folders].sort(([a], [b]) => Number(b === 'package') - Number(a === 'package'))) {
  const count = Math.ceil(members.length / FILES_PER_PROCESS)
  for (let i = 0; i < count; i++) {
    const group = `${directory}/${folder}-${i + 1}.test.mjs`
    writeFileSync(group, suites(members.filter((_, index) => index % count === i)))
    groups.push(group)
  }
}
console.log(`${files.length} test files in ${groups.length} processes`)

const { status, signal } = spawnSync(
  process.execPath,
  ['--expose-gc', '--import', 'tsx', '--conditions', 's3-cse-source', '--test', '--test-concurrency=2', ...groups],
  { cwd: root, stdio: 'inherit' },
)
if (signal !== null) console.error(`the test runner was ended by ${signal}`)
process.exit(status ?? 1)
