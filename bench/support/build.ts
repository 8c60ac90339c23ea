/**
 * What is measured runs as plain JavaScript in a plain Node process: the library from dist, as users have it, and the
 * subjects compiled beside it, without a loader that takes memory and time of its own.
 */
import { spawnSync } from 'node:child_process'
import { readdirSync, rmSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { buildSync } from 'esbuild'

const bench = fileURLToPath(new URL('..', import.meta.url))

export const resultsDirectory: string = path.join(bench, 'results')

export interface Subjects {
  /** The compiled file of a subject. */
  file(name: string): string
  remove(): void
}

/** Builds dist and the subjects. They lie within the package, so that `s3-cse` is the package itself. */
export function buildSubjects(): Subjects {
  const root = path.dirname(bench)
  const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm'
  const { status } = spawnSync(npm, ['run', '--silent', 'build'], {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
    shell: process.platform === 'win32',
  })
  if (status !== 0) throw new Error('npm run build failed')
  const outdir = path.join(resultsDirectory, `build-${process.pid}`)
  const sources = ['subjects', 'support'].flatMap((folder) =>
    readdirSync(path.join(bench, folder))
      .filter((name) => name.endsWith('.ts'))
      .map((name) => path.join(bench, folder, name)),
  )
  buildSync({ entryPoints: sources, outbase: bench, outdir, format: 'esm', platform: 'node', target: 'node20' })
  return {
    file: (name) => path.join(outdir, 'subjects', `${name}.js`),
    remove: () => rmSync(outdir, { recursive: true, force: true }),
  }
}
