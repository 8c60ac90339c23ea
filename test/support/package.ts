import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, readFile, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

/** The directory of the checkout. */
export const root: string = fileURLToPath(new URL('../..', import.meta.url))

/** Runs a program; resolves to what it printed on stdout, rejects with all that it printed. Coverage is not collected in it. */
export async function run(program: string, args: readonly string[], cwd: string): Promise<string> {
  const env = { ...process.env, NODE_V8_COVERAGE: undefined, NODE_OPTIONS: undefined, NODE_TEST_CONTEXT: undefined }
  return new Promise((resolve, reject) => {
    execFile(program, args, { cwd, env, maxBuffer: 1 << 26 }, (error, stdout, stderr) => {
      if (error === null) resolve(stdout)
      else reject(new Error(`${path.basename(program)} ${args.join(' ')}\n${stdout}\n${stderr}`))
    })
  })
}

/** A directory of its own outside the checkout, so that nothing resolves into the checkout by accident. */
export async function temporaryDirectory(): Promise<string> {
  return mkdtemp(path.join(tmpdir(), 's3-cse-package-'))
}

/**
 * Builds and packs the package without touching the checkout's dist, and unpacks the tarball: `<directory>/package` is
 * what `npm install s3-cse` would put into node_modules.
 */
export async function buildPackage(directory: string): Promise<string> {
  const source = path.join(directory, 'source')
  await mkdir(source)
  for (const name of ['package.json', 'README.md', 'CHANGELOG.md', 'SECURITY.md', 'LICENSE', 'docs', 'src', 'test']) {
    await cp(path.join(root, name), path.join(source, name), { recursive: true })
  }
  const tsc = path.join(root, 'node_modules/typescript/bin/tsc')
  await run(process.execPath, [tsc, '-p', 'tsconfig.build.json', '--outDir', path.join(source, 'dist')], root)
  await run('npm', ['pack', '--ignore-scripts', '--loglevel=error', '--pack-destination', directory], source)
  await run('tar', ['-xzf', path.join(directory, `s3-cse-${await version()}.tgz`), '-C', directory], directory)
  return path.join(directory, 'package')
}

/** A project whose node_modules has the unpacked package and, as links, the checkout's copies of `packages` only. */
export async function makeProject(directory: string, unpacked: string, packages: readonly string[]): Promise<void> {
  const modules = path.join(directory, 'node_modules')
  await mkdir(modules, { recursive: true })
  await cp(unpacked, path.join(modules, 's3-cse'), { recursive: true })
  for (const name of packages) {
    await mkdir(path.dirname(path.join(modules, name)), { recursive: true })
    await symlink(path.join(root, 'node_modules', name), path.join(modules, name), 'junction')
  }
}

export async function remove(directory: string): Promise<void> {
  await rm(directory, { recursive: true, force: true })
}

async function version(): Promise<string> {
  const manifest = JSON.parse(await readFile(path.join(root, 'package.json'), 'utf8')) as { version: string }
  return manifest.version
}
