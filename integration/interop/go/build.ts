import { cp, readFile } from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { cached } from '../../support/cache.js'
import { command } from '../../support/command.js'
import type { PeerCommand } from '../peer-process.js'

const SOURCES = fileURLToPath(new URL('.', import.meta.url))
const FILES = ['main.go', 'go.mod', 'go.sum'] as const

export interface GoProgram {
  /** The folder beside this file. */
  readonly folder: string
  /** The module whose absence from the module proxy is no error. */
  readonly optional?: string
  /** Names a variable of the environment that holds a directory with the source of the optional module. */
  readonly sourceVariable?: string
}

/** Builds a program in the cache. */
export async function buildGo(program: GoProgram): Promise<PeerCommand | { readonly unavailable: string }> {
  const { folder, optional, sourceVariable } = program
  const files = new Map(FILES.map((name) => [name, path.join(SOURCES, folder, name)] as const))
  const protocol = path.join(SOURCES, 'peer', 'protocol.go')
  const source = sourceVariable === undefined ? undefined : process.env[sourceVariable]
  const key = [
    source ?? '',
    ...(await Promise.all([...files.values(), protocol].map((file) => readFile(file, 'utf8')))),
  ]
  const go = { missing: 'Go 1.24 or newer', env: await environment() }
  try {
    const directory = await cached(`go-${folder}`, key.join('\0'), async (directory) => {
      for (const [name, file] of files) await cp(file, path.join(directory, name))
      await cp(protocol, path.join(directory, 'protocol.go'))
      const options = { ...go, cwd: directory }
      if (source !== undefined) {
        await command('go', ['mod', 'edit', '-replace', `${optional}=${path.resolve(source)}`], options)
      }
      // With a replaced module its sums in go.sum are not used, and go may take them out.
      const mod = source === undefined ? 'readonly' : 'mod'
      await command('go', ['mod', 'download'], { ...options, attempts: 3 })
      await command('go', ['build', `-mod=${mod}`, '-trimpath', '-o', 'program', '.'], options)
    })
    return { program: path.join(directory, 'program'), args: [] }
  } catch (error) {
    const { message } = error as Error
    const refused = optional !== undefined && message.includes(optional) && /\b(?:403|404|410)\b/.test(message)
    if (!refused) throw error
    return { unavailable: `the Go module proxy does not serve ${optional}` }
  }
}

/** Without the way around the proxy, so that a refusal is seen as one; what comes is held against go.sum. */
async function environment(): Promise<NodeJS.ProcessEnv> {
  const proxies = (await command('go', ['env', 'GOPROXY'], { missing: 'Go 1.24 or newer' })).trim()
  const withoutDirect = proxies.replace(/[,|]direct$/, '')
  return { GOPROXY: withoutDirect, GOFLAGS: '-buildvcs=false', GOWORK: 'off' }
}
