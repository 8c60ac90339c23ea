import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdir, symlink, writeFile } from 'node:fs/promises'
import path from 'node:path'
import ts from 'typescript'
import { root } from './package.js'

/**
 * A program from a document. Every ```ts block of README.md and docs/*.md belongs to one: a block starts a program, and
 * one right after the line `<!-- continues -->` (which does not show on the page) goes on with the one before. What a
 * comment after a `console.log(…)` says is what the line prints.
 */
export interface Snippet {
  /** For messages: README.md:12. */
  readonly name: string
  /** Each line stands where it stands in the document, so that compiler and stack traces point there. */
  readonly code: string
  readonly prints: readonly string[]
}

export function extractSnippets(document: string, markdown: string): Snippet[] {
  const lines = markdown.split('\n')
  const programs: { start: number; code: string[] }[] = []
  for (let at = 0; at < lines.length; at++) {
    if (!/^ *```(ts|typescript|js|javascript)\b/.test(lines[at]!)) continue
    const start = at + 1
    const end = lines.findIndex((line, index) => index >= start && /^ *```$/.test(line))
    if (end < 0) throw new Error(`${document}:${start}: a block without an end`)
    const before = lines.slice(0, at).findLast((line) => line.trim() !== '')
    const last = programs.at(-1)
    let program = { start, code: Array<string>(start).fill('') }
    if (before?.trim() !== '<!-- continues -->') programs.push(program)
    else if (last === undefined) throw new Error(`${document}:${start}: continues nothing`)
    else program = last
    while (program.code.length < start) program.code.push('')
    program.code.push(...lines.slice(start, end))
    at = end
  }
  return programs.map(({ start, code }) => {
    const printing = code
      .map((line) => /console\.log\(.*\)(?:\s*\/\/ (.*))?$/.exec(line))
      .filter((match) => match !== null)
    const silent = printing.find(([, text]) => text === undefined)
    if (silent !== undefined) throw new Error(`${document}: what does this print? ${silent[0]}`)
    return { name: `${document}:${start}`, code: code.join('\n'), prints: printing.map(([, text]) => text!) }
  })
}

/** Writes the programs into a project in which `s3-cse` is the checkout, as `npm install` of a local folder does it. */
export async function writeSnippets(directory: string, snippets: readonly Snippet[]): Promise<string[]> {
  const modules = path.join(directory, 'node_modules')
  await mkdir(modules, { recursive: true })
  await symlink(root, path.join(modules, 's3-cse'), 'junction')
  for (const name of ['@aws-crypto', '@aws-sdk', '@smithy', '@types', 'aws-sdk-client-mock']) {
    await symlink(path.join(root, 'node_modules', name), path.join(modules, name), 'junction')
  }
  await writeFile(path.join(directory, 'package.json'), '{ "type": "module" }')
  const files = snippets.map(({ name }) => path.join(directory, `${name.replaceAll(/[/:]/g, '-')}.ts`))
  await Promise.all(files.map((file, index) => writeFile(file, snippets[index]!.code)))
  return files
}

/** What the compiler says of the programs; empty if nothing. */
export function typeCheck(files: readonly string[]): string {
  const program = ts.createProgram(files, {
    target: ts.ScriptTarget.ES2023,
    lib: ['lib.es2023.d.ts', 'lib.dom.d.ts', 'lib.dom.iterable.d.ts', 'lib.dom.asynciterable.d.ts'],
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    moduleDetection: ts.ModuleDetectionKind.Force,
    customConditions: ['s3-cse-source'],
    strict: true,
    noEmit: true,
    skipLibCheck: true,
    types: ['node'],
    typeRoots: [path.join(root, 'node_modules/@types')],
  })
  const sources = files.map((file) => program.getSourceFile(file)!)
  const found = sources.flatMap((file) => [
    ...program.getSyntacticDiagnostics(file),
    ...program.getSemanticDiagnostics(file),
  ])
  return ts.formatDiagnostics([...program.getOptionsDiagnostics(), ...found], {
    getCanonicalFileName: String,
    getCurrentDirectory: () => path.dirname(files[0] ?? root),
    getNewLine: () => '\n',
  })
}

/** How a program ended: the lines it printed, and the error where it threw one. */
export interface Outcome {
  readonly printed: string[]
  readonly error?: string
}

// One process for all of them, one after the other: loading the SDK takes longer than any of them.
const RUNNER = `
import { pathToFileURL } from 'node:url'
import { format } from 'node:util'
const outcomes = []
for (const file of process.argv.slice(2)) {
  const outcome = { printed: [] }
  console.log = (...values) => outcome.printed.push(...format(...values).split('\\n'))
  try { await import(pathToFileURL(file).href) } catch (error) { outcome.error = String(error?.stack ?? error) }
  outcomes.push(outcome)
}
process.stdout.write(JSON.stringify(outcomes), () => process.exit())
`

/** Runs the programs in a process of their own; the SDK's clients find their servers through `env`. */
export async function runSnippets(files: readonly string[], env: Readonly<Record<string, string>>): Promise<Outcome[]> {
  const directory = path.dirname(files[0]!)
  const runner = path.join(directory, 'runner.mjs')
  await writeFile(runner, RUNNER)
  const stdout = await new Promise<string>((resolve, reject) => {
    execFile(
      process.execPath,
      ['--no-warnings', '--import', import.meta.resolve('tsx'), '--conditions', 's3-cse-source', runner, ...files],
      { cwd: directory, env: { ...process.env, NODE_TEST_CONTEXT: undefined, ...env }, timeout: 60_000 },
      (error, out, err) => (error === null ? resolve(out) : reject(new Error(`${error.message}\n${out}\n${err}`))),
    )
  })
  const outcomes = JSON.parse(stdout) as Outcome[]
  assert.equal(outcomes.length, files.length)
  return outcomes
}
