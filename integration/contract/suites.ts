import { readdirSync, readFileSync } from 'node:fs'

const REGISTERS = /^import \{[^}]*\bcheck\b[^}]*\} from '\.\/support\.js'$/m

/** Every file of this directory that registers checks. */
export function suiteNames(): string[] {
  return readdirSync(new URL('.', import.meta.url))
    .filter((name) => name.endsWith('.ts') && REGISTERS.test(readFileSync(new URL(name, import.meta.url), 'utf8')))
    .map((name) => name.slice(0, -'.ts'.length))
    .sort()
}
