/** The runtimes, each at one version, from the npm registry. */
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { cached } from '../support/cache.js'
import { command } from '../support/command.js'

export interface Pinned {
  /** The npm package. */
  readonly name: 'node' | 'bun' | 'deno'
  readonly version: string
}

/** Installs it if it is not there yet, and returns its program, which has said that it is of that version. */
export async function program({ name, version }: Pinned): Promise<string> {
  const directory = await cached(`runtime-${name}-${version}`, `${name}@${version}`, async (into) => {
    await writeFile(path.join(into, 'package.json'), '{ "private": true }\n')
    await command('npm', ['install', '--no-audit', '--no-fund', '--loglevel=error', `${name}@${version}`], {
      cwd: into,
      attempts: 3,
      missing: 'it comes with Node.js',
    })
  })
  const found = path.join(directory, 'node_modules/.bin', name)
  const said = await command(found, ['--version'])
  if (!said.split(/\s/).some((word) => word.replace(/^v/, '') === version)) {
    throw new Error(`${found} is to be ${name} ${version}, but says: ${said.trim()}`)
  }
  return found
}
