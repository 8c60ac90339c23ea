/** The package as users get it: packed, and installed from its tarball beside the SDK. */
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { whenTold } from '../support/ending.js'
import { command } from '../support/command.js'

export const root: string = fileURLToPath(new URL('../..', import.meta.url))
const own = fileURLToPath(new URL('.', import.meta.url))

/** What the build and the package are made from. */
const SOURCES = ['package.json', 'tsconfig.json', 'tsconfig.build.json', 'scripts', 'src', 'docs']
const PAPERS = ['README.md', 'LICENSE', 'CHANGELOG.md', 'SECURITY.md']

const SDK = [
  '@aws-sdk/client-s3',
  '@aws-sdk/client-kms',
  '@aws-sdk/lib-storage',
  '@aws-sdk/s3-request-presigner',
] as const

/** Run by the runtimes themselves, so plain JavaScript. */
const PROGRAMS = [
  'smoke.mjs',
  'smoke-kit.mjs',
  'smoke-writes.mjs',
  'smoke-reads.mjs',
  'smoke-keys.mjs',
  'exchange.mjs',
  'session.mjs',
]
const ADAPTERS = ['adapter-environment.mjs', 'adapter-node.mjs', 'adapter-require.cjs', 'adapter-browser.mjs']

export interface Installed {
  /** A project with the package, the SDK and the smoke suite. */
  readonly directory: string
  /** Names and versions of the SDK's packages, of the lock file. */
  readonly sdk: Readonly<Record<string, string>>
  remove(): Promise<void>
}

/** Builds and packs apart from the checkout, whose dist belongs to others. */
export async function installPackage(): Promise<Installed> {
  const directory = await mkdtemp(path.join(tmpdir(), 's3-cse-runtimes-'))
  const remove = (): Promise<void> => rm(directory, { recursive: true, force: true })
  whenTold(remove)
  try {
    const tarball = await pack(path.join(directory, 'build'))
    const project = path.join(directory, 'project')
    await mkdir(project)
    await writeFile(path.join(project, 'package.json'), '{ "private": true, "type": "module" }\n')
    const sdk = await lockedVersions()
    const wanted = [tarball, ...Object.entries(sdk).map(([name, version]) => `${name}@${version}`)]
    await command('npm', ['install', '--no-audit', '--no-fund', '--loglevel=error', ...wanted], {
      cwd: project,
      attempts: 3,
    })
    for (const name of [...PROGRAMS, ...ADAPTERS]) await cp(path.join(own, name), path.join(project, name))
    return { directory: project, sdk, remove }
  } catch (error) {
    await remove()
    throw error
  }
}

async function pack(build: string): Promise<string> {
  await mkdir(build)
  for (const name of [...SOURCES, ...PAPERS])
    await cp(path.join(root, name), path.join(build, name), { recursive: true })
  await symlink(path.join(root, 'node_modules'), path.join(build, 'node_modules'))
  await command('npm', ['run', 'build'], { cwd: build })
  const printed = await command('npm', ['pack', '--json', '--ignore-scripts', '--loglevel=error'], { cwd: build })
  const [packed] = JSON.parse(printed) as { filename: string }[]
  if (packed === undefined) throw new Error(`npm pack says nothing of a tarball: ${printed}`)
  return path.join(build, packed.filename)
}

async function lockedVersions(): Promise<Record<string, string>> {
  const lock = JSON.parse(await readFile(path.join(root, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, { version: string } | undefined>
  }
  return Object.fromEntries(
    SDK.map((name) => {
      const version = lock.packages[`node_modules/${name}`]?.version
      if (version === undefined) throw new Error(`${name} is not in package-lock.json`)
      return [name, version]
    }),
  )
}
