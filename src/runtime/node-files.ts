import { open, rename, unlink, lstat, stat, constants, type FileHandle } from 'node:fs/promises'
import { dirname, resolve, sep } from 'node:path'
import { fileURLToPath } from 'node:url'

import { configError, CseError } from '../errors.js'
import { abandoned, newName, type PartialName } from './node-partial-names.js'
import type { FilePlace, Files, OpenFile, PartialFile } from './runtime.js'

const PRIVATE = 0o600

export function fileError(what: string, path: string | undefined, cause: unknown): CseError {
  const { code } = cause as { code?: unknown }
  const reason = typeof code === 'string' ? ` (${code})` : ''
  return new CseError('ERR_S3CSE_FILE', `${path ?? 'The file handle'} could not be ${what}${reason}.`, { cause })
}

/** Methods of an open file; `path` is for messages. */
function openFileOf(handle: FileHandle, path: string | undefined): OpenFile {
  const attempt = async <T>(what: string, action: () => Promise<T>): Promise<T> => {
    try {
      return await action()
    } catch (error) {
      throw fileError(what, path, error)
    }
  }
  return {
    write: (offset, data) =>
      attempt('written', async () => {
        for (let done = 0; done < data.length;) {
          const { bytesWritten } = await handle.write(data, done, data.length - done, offset + done)
          done += bytesWritten
        }
      }),
    read: (offset, into) =>
      attempt('read', async () => {
        for (let done = 0; done < into.length;) {
          const { bytesRead } = await handle.read(into, done, into.length - done, offset + done)
          if (bytesRead === 0) throw new Error('the file is shorter than what was written to it')
          done += bytesRead
        }
      }),
    size: () => attempt('examined', async () => (await handle.stat()).size),
    truncate: (length) => attempt('truncated', () => handle.truncate(length)),
    sync: () => attempt('written', () => handle.sync()),
  }
}

/** What a new file of this process is readable by: its umask, or the directory's default access list, decides that. */
async function modeOfNewFile(name: PartialName): Promise<number> {
  const path = newName(name)
  const handle = await open(path, 'wx', 0o666)
  try {
    return (await handle.stat()).mode & 0o777
  } finally {
    await handle.close()
    await unlink(path)
  }
}

/** What the new file is readable by. Throws if something is there that is no file any more. */
async function modeFor(name: PartialName): Promise<number> {
  const found = await lstat(name.path).catch(() => undefined)
  if (found?.isFile() === true) return found.mode & 0o777
  if (found !== undefined && !found.isSymbolicLink()) throw notAFile(name.path, 'EISDIR')
  return modeOfNewFile(name).catch(() => PRIVATE)
}

/** Best effort: not every system can, and the file is in place already. */
async function syncDirectory(directory: string): Promise<void> {
  try {
    const handle = await open(directory, 'r')
    await handle.sync().finally(() => handle.close())
  } catch {
    // Its name is on the disk a little later.
  }
}

function partialFile(handle: FileHandle, path: string, name: PartialName): PartialFile {
  const file = openFileOf(handle, path)
  let closing: Promise<void> | undefined
  const close = (): Promise<void> => (closing ??= handle.close())
  return {
    ...file,
    async publish(length) {
      await file.sync()
      const mode = await modeFor(name)
      await file.truncate(length)
      await file.sync()
      try {
        // Windows renames no open file, and has no modes.
        if (process.platform === 'win32') await close()
        await rename(path, name.path)
      } catch (error) {
        throw fileError('replaced', name.path, error)
      }
      // Not before: a process that is killed must not leave plaintext to others. Some file systems have no modes.
      await handle.chmod(mode).catch(() => undefined)
      await close().catch(() => undefined)
      await syncDirectory(dirname(name.path))
    },
    async leave() {
      await close().catch(() => undefined)
      await rename(path, newName(name, 'free')).catch(() => undefined)
    },
    async remove() {
      await close().catch(() => undefined)
      await unlink(path).catch(() => undefined)
    },
  }
}

async function create(name: PartialName): Promise<PartialFile> {
  const path = newName(name)
  try {
    return partialFile(await open(path, 'wx+', PRIVATE), path, name)
  } catch (error) {
    throw fileError('created', path, error)
  }
}

/** Whether it is of the kind that `create` makes: anything else was put there by somebody else. */
function isOurs(found: Awaited<ReturnType<typeof lstat>>): boolean {
  if (!found.isFile() || found.nlink !== 1) return false
  const user = process.geteuid?.()
  return user === undefined || (found.uid === user && (Number(found.mode) & 0o077) === 0)
}

/** Of several that try this at once one succeeds: a file is renamed once. */
async function claim(name: PartialName): Promise<PartialFile | undefined> {
  for (const candidate of await abandoned(name)) {
    const path = newName(name)
    let handle: FileHandle | undefined
    try {
      if (!isOurs(await lstat(candidate))) continue
      await rename(candidate, path)
      // Not through a link that took its place meanwhile. Windows has no such flag.
      const { O_NOFOLLOW = 0 } = constants as { O_NOFOLLOW?: number }
      handle = await open(path, constants.O_RDWR | O_NOFOLLOW)
      if (isOurs(await handle.stat())) return partialFile(handle, path, name)
    } catch {
      // Taken by another, or not to be had: it counts as not there.
    }
    await handle?.close().catch(() => undefined)
  }
  return undefined
}

function pathOf(given: string | URL): string {
  let path = ''
  try {
    path = given instanceof URL ? fileURLToPath(given) : given
  } catch {
    // Not a file: URL.
  }
  if (path === '' || path.includes('\0')) throw configError('The destination must be a path or a file: URL')
  return path
}

async function place(given: string | URL): Promise<FilePlace> {
  const text = pathOf(given)
  const path = resolve(text)
  if (text.endsWith('/') || text.endsWith(sep)) throw notAFile(path, 'EISDIR')
  try {
    const found = await lstat(path)
    if (found.isDirectory()) throw notAFile(path, 'EISDIR')
    if (!found.isFile() && !found.isSymbolicLink()) throw notAFile(path, 'EINVAL')
  } catch (error) {
    if (error instanceof CseError) throw error
    if ((error as { code?: unknown }).code !== 'ENOENT') throw fileError('examined', path, error)
  }
  try {
    const parent = await stat(dirname(path))
    if (!parent.isDirectory()) throw systemError('ENOTDIR', 'its parent is not a directory')
  } catch (error) {
    throw fileError('created', path, error)
  }
  const name: PartialName = { path }
  return { path, create: () => create(name), claim: () => claim(name) }
}

function systemError(code: string, message: string): Error {
  return Object.assign(new Error(`${code}: ${message}`), { code })
}

function notAFile(path: string, code: string): CseError {
  return fileError('replaced', path, systemError(code, 'it is not a regular file'))
}

/** A FileHandle of whatever copy of node:fs/promises. */
function isFileHandle(value: unknown): value is FileHandle {
  if (typeof value !== 'object' || value === null) return false
  const { fd, write, truncate } = value as Partial<FileHandle>
  return typeof fd === 'number' && typeof write === 'function' && typeof truncate === 'function'
}

export const files: Files = Object.freeze({
  place,
  openFile: (value: unknown) => (isFileHandle(value) ? openFileOf(value, undefined) : undefined),
})
