import { cp, readdir, readFile } from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { cached } from '../../support/cache.js'
import { command, has } from '../../support/command.js'
import { debianPackages } from '../../support/debian.js'
import type { PeerCommand } from '../peer-process.js'

const SOURCES = fileURLToPath(new URL('.', import.meta.url))
/** The client keeps at most one object of the matrix, and its parts, in memory. */
const JVM = ['-Xmx512m', '-XX:+UseSerialGC', '-Dfile.encoding=UTF-8']

/** Maven's repository is shared, and not made for several that fill it at once. */
let last: Promise<unknown> = Promise.resolve()

/**
 * Builds a program in the cache: the dependencies of the pom in the first of the folders beside this file, and the sources
 * in all of them.
 */
export function buildJava(folders: readonly [string, ...string[]]): Promise<PeerCommand> {
  const built = last.then(() => build(folders))
  last = built.catch(() => undefined)
  return built
}

async function build([folder, ...shared]: readonly [string, ...string[]]): Promise<PeerCommand> {
  await debianPackages(['default-jdk-headless', 'maven'], 'a JDK 17 or newer, or Maven', isThere)
  const pom = path.join(SOURCES, folder, 'pom.xml')
  const sources = (await Promise.all([folder, ...shared].map(javaFiles))).flat()
  const key = await Promise.all([pom, ...sources].map((file) => readFile(file, 'utf8')))
  const directory = await cached(`java-${folder}`, key.join('\0'), async (directory) => {
    const [lib, classes] = [path.join(directory, 'lib'), path.join(directory, 'classes')]
    await cp(pom, path.join(directory, 'pom.xml'))
    const copy = ['-q', '-B', 'dependency:copy-dependencies', '-DincludeScope=runtime', `-DoutputDirectory=${lib}`]
    await command('mvn', copy, { cwd: directory, attempts: 3 })
    const options = ['-encoding', 'UTF-8', '-proc:none', '-nowarn']
    await command('javac', [...options, '-d', classes, '-cp', path.join(lib, '*'), ...sources])
  })
  const classPath = [path.join(directory, 'classes'), path.join(directory, 'lib', '*')].join(path.delimiter)
  const quiet = '-Daws.java.v1.disableDeprecationAnnouncement=true'
  return { program: 'java', args: [...JVM, quiet, '-cp', classPath, 'Peer'] }
}

async function isThere(): Promise<boolean> {
  const version = await command('javac', ['-version']).catch(() => '')
  const [, major = '0'] = /javac (\d+)/.exec(version) ?? []
  return Number(major) >= 17 && (await has('java', '-version')) && (await has('mvn'))
}

async function javaFiles(folder: string): Promise<string[]> {
  const names = await readdir(path.join(SOURCES, folder))
  return names
    .filter((name) => name.endsWith('.java'))
    .sort()
    .map((name) => path.join(SOURCES, folder, name))
}
