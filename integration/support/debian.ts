import { command, has } from './command.js'

/**
 * Sees to it that what `isThere` looks for is installed: by itself on Debian, as root, with S3_CSE_INSTALL=1 in the
 * environment; otherwise with an error that says what is missing.
 */
export async function debianPackages(
  packages: readonly string[],
  what: string,
  isThere: () => Promise<boolean>,
): Promise<void> {
  if (await isThere()) return
  const install = `apt-get install ${packages.join(' ')}`
  const mayInstall = process.env.S3_CSE_INSTALL === '1' && process.getuid?.() === 0 && (await has('apt-get'))
  if (!mayInstall) {
    throw new Error(`${what} is missing from PATH; on Debian: ${install} (as root, S3_CSE_INSTALL=1 does that)`)
  }
  console.log(`# ${install}`)
  const env = { DEBIAN_FRONTEND: 'noninteractive' }
  await command('apt-get', ['update', '-q'], { attempts: 3, env })
  await command('apt-get', ['install', '-y', '-q', '--no-install-recommends', ...packages], { attempts: 3, env })
  if (!(await isThere()))
    throw new Error(`${what} is missing from PATH, although ${packages.join(', ')} have been installed`)
}
