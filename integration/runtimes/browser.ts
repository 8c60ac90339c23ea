/** The smoke suite in a page of headless Chromium. */
import { spawn } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { gzipSync } from 'node:zlib'
import { build, type BuildOptions, type BuildResult } from 'esbuild'
import { command, has } from '../support/command.js'
import { debianPackages } from '../support/debian.js'
import type { Ground, Job, Outcome } from './control.js'
import { after } from './programs.js'

const PATIENCE = 300_000

const PAGE =
  '<!doctype html><meta charset="utf-8"><title>s3-cse</title><script type="module" src="/page.js"></script>\n'

/** As bundlers do for browsers. */
const BUNDLE = { bundle: true, platform: 'browser', format: 'esm', minify: true, write: false, metafile: true } as const

export async function chromiumVersion(): Promise<string> {
  await debianPackages(['chromium'], 'Chromium', () => has('chromium'))
  const said = await command('chromium', ['--version'])
  const version = /\d+(?:\.\d+)+/.exec(said)?.[0]
  if (version === undefined) throw new Error(`chromium does not say its version: ${said}`)
  return version
}

export async function runChromium(ground: Ground, job: Job, project: string): Promise<Outcome[]> {
  const page = await bundle({ absWorkingDir: project, entryPoints: ['adapter-browser.mjs'] })
  const session = await ground.session(job, {
    '/': { type: 'text/html', text: PAGE },
    '/page.js': { type: 'text/javascript', text: page },
  })
  const profile = await mkdtemp(path.join(tmpdir(), 's3-cse-chromium-'))
  const switches = ['--headless=new', '--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-dev-shm-usage']
  const quiet = ['--disable-background-networking', '--disable-component-update', '--disable-sync']
  const args = [...switches, ...quiet, `--user-data-dir=${profile}`, session.address]
  // A group of its own: Chromium is many processes.
  const child = spawn('chromium', args, { detached: true, stdio: ['ignore', 'ignore', 'pipe'] })
  let printed = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => (printed = (printed + text).slice(-5000)))
  const ended = new Promise<void>((resolve) => child.on('close', () => resolve()).on('error', () => resolve()))
  try {
    const early = ended.then(() => ({ cells: [], failed: 'it ended without a report' }))
    const report = await Promise.race([session.report, early, after(PATIENCE, 'no report')])
    if (report.failed !== undefined) throw new Error(`chromium: ${report.failed}\n${printed}`)
    return [...report.cells]
  } finally {
    if (child.pid !== undefined && child.exitCode === null) process.kill(-child.pid, 'SIGKILL')
    await ended
    await session.close()
    await rm(profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 })
  }
}

async function bundle(options: BuildOptions): Promise<string> {
  const result: BuildResult<typeof BUNDLE> = await build({ ...options, ...BUNDLE })
  const inputs = Object.keys(result.metafile.inputs)
  const runtimes = inputs.filter((name) => /s3-cse\/dist\/runtime\/(?:node|browser)[^/]*\.js$/.test(name))
  const [only] = runtimes
  if (runtimes.length !== 1 || only?.endsWith('/browser.js') !== true) {
    throw new Error(`the bundle has not the browser's runtime alone: ${runtimes.join(', ')}`)
  }
  return result.outputFiles[0]?.text ?? ''
}

/** What pages import, as examples of what that weighs. */
const WEIGHED = {
  'addEncryption and aesKeyring': "export { addEncryption, aesKeyring } from 's3-cse'",
  'addEncryption and kmsKeyring': "export { addEncryption } from 's3-cse'\nexport { kmsKeyring } from 's3-cse/kms'",
  'all of s3-cse and s3-cse/kms': "export * from 's3-cse'\nexport * from 's3-cse/kms'",
}

/** Bytes, minified, without the SDK. */
export async function weights(project: string): Promise<{ what: string; bytes: number; gzipped: number }[]> {
  const found = []
  for (const [what, source] of Object.entries(WEIGHED)) {
    const entry = path.join(project, 'weighed.mjs')
    await writeFile(entry, `${source}\n`)
    const text = await bundle({ absWorkingDir: project, entryPoints: [entry], external: ['@aws-sdk/*', '@smithy/*'] })
    found.push({ what, bytes: Buffer.byteLength(text), gzipped: gzipSync(text).length })
  }
  return found
}
