// Node's modules, as far as the smoke suite uses them; Bun and Deno have them too.
import * as crypto from 'node:crypto'
import { createReadStream, existsSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { Readable } from 'node:stream'

export const failures = []
for (const event of ['unhandledRejection', 'uncaughtException']) {
  process.on(event, (error) => failures.push(`${event}: ${error?.stack ?? String(error)}`))
}

let directory
let files = 0

async function temporaryPath() {
  directory ??= await mkdtemp(join(tmpdir(), 's3-cse-smoke-'))
  return join(directory, `file-${files++}`)
}

async function temporaryFile(bytes) {
  const file = await temporaryPath()
  await writeFile(file, bytes)
  return file
}

export const node = {
  crypto,
  createReadStream,
  Readable,
  exists: async (file) => existsSync(file),
  readFile: async (file) => new Uint8Array(await readFile(file)),
  temporaryFile,
  temporaryPath,
}

export const control = () => process.argv[2]

export async function clean() {
  if (directory !== undefined) await rm(directory, { recursive: true, force: true })
}
