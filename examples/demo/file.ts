/** The file that the demo sends. */
import { createHash } from 'node:crypto'
import { open } from 'node:fs/promises'
import path from 'node:path'
import type { Readable } from 'node:stream'

/** What one object can hold: 2^39 - 256 bits of plaintext (NIST SP 800-38D, section 5.2.1.1). */
const MAX_BYTES = 64 * 1024 ** 3 - 32

function refuse(message: string): never {
  console.error(`demo: ${message}`)
  process.exit(1)
}

/** The file that the arguments name, or this Node executable. Ends the process with status 1 if it cannot be sent. */
export async function inputFile(args: readonly string[]): Promise<{ file: string; size: number }> {
  const [given, ...others] = args
  if (others.length > 0) refuse('give one file: npm run demo -- <file>')
  // npm changes the working directory to the project's; the path was meant from where the user stands.
  const file = given === undefined ? process.execPath : path.resolve(process.env.INIT_CWD ?? '.', given)
  try {
    const handle = await open(file)
    const found = await handle.stat()
    await handle.close()
    if (!found.isFile()) refuse(`${file} is not a file`)
    if (found.size > MAX_BYTES) refuse(`${file} is larger than one object can be (64 GiB - 32 bytes)`)
    return { file, size: found.size }
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    return refuse(code === 'ENOENT' ? `there is no file ${file}` : `${file} cannot be read: ${message}`)
  }
}

/** In hexadecimal, without holding the stream in memory. */
export async function sha256(stream: Readable): Promise<string> {
  const hash = createHash('sha256')
  for await (const chunk of stream) hash.update(chunk as Buffer)
  return hash.digest('hex')
}

export function hex(data: Uint8Array): string {
  return [...data].map((byte) => byte.toString(16).padStart(2, '0')).join(' ')
}

/** The bytes that `bytes=a-b` or `bytes=-n` means in a file. */
export async function rangeOf(file: string, range: string, size: number): Promise<Uint8Array> {
  const [first = '', last = ''] = range.replace('bytes=', '').split('-')
  const start = first === '' ? Math.max(0, size - Number(last)) : Number(first)
  const end = first === '' ? size : Math.min(size, Number(last) + 1)
  const handle = await open(file)
  try {
    const { buffer } = await handle.read(new Uint8Array(end - start), 0, end - start, start)
    return buffer
  } finally {
    await handle.close()
  }
}
