import { command, has } from './command.js'

/**
 * Sees to it that what `isThere` looks for is installed: on Debian and as root by itself, otherwise with an error that
 * says what is missing.
 */
export async function debianPackages(
  packages: readonly string[],
  what: string,
  isThere: () => Promise<boolean>,
): Promise<void> {
  if (await isThere()) return
  const install = `apt-get install ${packages.join(' ')}`
  if (process.getuid?.() !== 0 || !(await has('apt-get'))) throw new Error(`${what} is missing; on Debian: ${install}`)
  console.log(`# ${install}`)
  const env = { DEBIAN_FRONTEND: 'noninteractive' }
  await command('apt-get', ['update', '-q'], { attempts: 3, env })
  await command('apt-get', ['install', '-y', '-q', '--no-install-recommends', ...packages], { attempts: 3, env })
  if (!(await isThere())) throw new Error(`${what} is missing, although ${packages.join(', ')} have been installed`)
}
