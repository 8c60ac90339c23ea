import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { cached } from '../../support/cache.js'
import { command, has } from '../../support/command.js'
import { debianPackages } from '../../support/debian.js'
import type { PeerCommand } from '../peer-process.js'

const folder = fileURLToPath(new URL('.', import.meta.url))
const OLDEST: Oldest = [3, 10]

type Oldest = readonly [major: number, minor: number]

/** A virtual environment with what a file of constraints names, and nothing of any other version. */
export async function pythonProgram(
  name: string,
  script: string,
  packages: readonly string[],
  oldest: Oldest = OLDEST,
): Promise<PeerCommand> {
  const constraints = path.join(folder, `${name}.constraints.txt`)
  await debianPackages(['python3-venv'], 'venv of Python 3', () => has('python3', '-c', 'import venv, ensurepip'))
  const version = (await command('python3', ['-c', 'import sys; print(*sys.version_info[:3])'])).trim().split(' ')
  const [major = 0, minor = 0] = version.map(Number)
  if (major < oldest[0] || (major === oldest[0] && minor < oldest[1])) {
    throw new Error(`python3 is ${version.join('.')}: ${name} needs ${oldest.join('.')} or newer`)
  }
  const key = [version.join('.'), ...packages, await readFile(constraints, 'utf8')].join('\n')
  const environment = await cached(`python-${name}`, key, async (directory) => {
    await command('python3', ['-m', 'venv', directory])
    const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--constraint', constraints]
    await command(path.join(directory, 'bin/python'), [...pip, ...packages], { attempts: 3 })
  })
  return { program: path.join(environment, 'bin/python'), args: [path.join(folder, script)] }
}
