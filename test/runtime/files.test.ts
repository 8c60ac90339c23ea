import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import {
  chmod,
  link,
  lstat,
  mkdir,
  mkdtemp,
  open,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { pathToFileURL } from 'node:url'

import { files } from '../../src/runtime/node-files.js'
import type { FilePlace, PartialFile } from '../../src/runtime/runtime.js'
import { code } from '../support/errors.js'
import { pattern } from '../support/world.js'

let directory: string
let path: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 's3-cse-test-'))
  path = join(directory, 'name.bin')
})
afterEach(() => rm(directory, { recursive: true }))

const names = async () => (await readdir(directory)).sort()
const modeOf = async (file: string) => (await stat(file)).mode & 0o777
const bytes = pattern(100_000)

async function written(place: FilePlace, data: Uint8Array = bytes): Promise<PartialFile> {
  const file = await place.create()
  await file.write(0, data)
  return file
}

describe('a file that is put in place', () => {
  it('is private beside its place, and then there in one step', async () => {
    const place = await files.place(path)
    assert.equal(place.path, path)
    const file = await place.create()
    const [name = ''] = await names()
    assert.match(name, /^\.name\.bin\..*\.s3-cse-part$/)
    assert.equal(await modeOf(join(directory, name)), 0o600)
    await file.write(50_000, bytes.subarray(50_000))
    await file.write(0, bytes.subarray(0, 50_000))
    const back = new Uint8Array(1000)
    await file.read(49_500, back)
    assert.deepEqual(Buffer.from(back), bytes.subarray(49_500, 50_500))
    assert.equal(await file.size(), bytes.length)
    await file.sync()
    await file.publish(bytes.length)
    assert.deepEqual(await names(), ['name.bin'])
    assert.ok((await readFile(path)).equals(bytes))
  })

  it('has the mode of any new file, or of the one that it replaces', async () => {
    await (await written(await files.place(path))).publish(bytes.length)
    await writeFile(join(directory, 'other'), '')
    assert.equal(await modeOf(path), await modeOf(join(directory, 'other')))
    for (const mode of [0o640, 0o400, 0o755]) {
      await chmod(path, mode)
      await (await written(await files.place(path))).publish(bytes.length)
      assert.equal(await modeOf(path), mode)
    }
    assert.deepEqual(await names(), ['name.bin', 'other'])
  })

  it('replaces a symbolic link, not what that points to', async () => {
    const target = join(directory, 'target')
    await writeFile(target, 'as it was')
    await symlink(target, path)
    await (await written(await files.place(path))).publish(bytes.length)
    assert.ok((await lstat(path)).isFile())
    assert.equal(await readFile(target, 'utf8'), 'as it was')
  })

  it('can be named by a file: URL, and have a name that is as long as names can be', async () => {
    for (const name of ['a b%20', 'x'.repeat(255), 'ü'.repeat(127), '\u{1f600}'.repeat(63)]) {
      const long = join(directory, name)
      await (await written(await files.place(pathToFileURL(long)))).publish(bytes.length)
      assert.ok((await readFile(long)).equals(bytes), name)
    }
  })

  it('leaves nothing behind when it is removed, once or twice', async () => {
    const file = await written(await files.place(path))
    await file.remove()
    await file.remove()
    assert.deepEqual(await names(), [])
    await assert.rejects(file.write(0, bytes), code('ERR_S3CSE_FILE', /could not be written/))
  })

  it('that cannot be put there is an error, and can be removed', async () => {
    const file = await written(await files.place(path))
    await mkdir(path)
    await assert.rejects(file.publish(bytes.length), code('ERR_S3CSE_FILE', /name\.bin could not be replaced/))
    await file.remove()
    assert.deepEqual(await names(), ['name.bin'])
  })

  it('that is shorter than what is read is an error', async () => {
    const file = await written(await files.place(path))
    await assert.rejects(file.read(bytes.length - 1, new Uint8Array(2)), code('ERR_S3CSE_FILE', /could not be read/))
    await file.remove()
  })
})

describe('a place where no file can be put', () => {
  const refuses = async (where: string | URL, systemCode: string) => {
    await assert.rejects(files.place(where), (error: Error) => {
      code('ERR_S3CSE_FILE')(error)
      assert.equal((error.cause as { code?: unknown }).code, systemCode)
      assert.ok(error.message.includes(systemCode))
      return true
    })
  }

  it('is a directory, something below a file or a missing directory, or a device', async () => {
    await writeFile(join(directory, 'file'), '')
    await refuses(directory, 'EISDIR')
    await refuses(`${path}/`, 'EISDIR')
    await refuses(join(directory, 'missing', 'name'), 'ENOENT')
    await refuses(join(directory, 'file', 'name'), 'ENOTDIR')
    await refuses('/dev/null', 'EINVAL')
    const server = createServer().listen(path)
    await once(server, 'listening')
    await refuses(path, 'EINVAL')
    server.close()
  })

  it('is no path', async () => {
    for (const wrong of ['', 'a\0b', new URL('https://example.com/x')]) {
      await assert.rejects(files.place(wrong), code('ERR_S3CSE_CONFIG'))
    }
  })

  it('is a directory that vanished meanwhile', async () => {
    await mkdir(join(directory, 'sub'))
    const place = await files.place(join(directory, 'sub', 'name'))
    await rm(join(directory, 'sub'), { recursive: true })
    await assert.rejects(place.create(), code('ERR_S3CSE_FILE', /created/))
    assert.equal(await place.claim(), undefined)
  })
})

describe('a partial file that was left', () => {
  const leave = async (place: FilePlace) => {
    await (await written(place)).leave()
    const [name = ''] = await names()
    return join(directory, name)
  }

  it('is given to one claim, with what is in it', async () => {
    const place = await files.place(path)
    await leave(place)
    const claims = await Promise.all(Array.from({ length: 5 }, () => place.claim()))
    const [file, ...more] = claims.filter((one) => one !== undefined)
    assert.ok(file !== undefined && more.length === 0)
    assert.equal(await file.size(), bytes.length)
    await file.write(3, new Uint8Array(2))
    await file.publish(bytes.length)
    assert.deepEqual(
      (await readFile(path)).subarray(0, 6),
      Buffer.from([bytes[0]!, bytes[1]!, bytes[2]!, 0, 0, bytes[5]!]),
    )
    assert.deepEqual(await names(), ['name.bin'])
  })

  it('is for its own place only, and not given away while somebody works on it', async () => {
    const place = await files.place(path)
    const working = await place.create()
    assert.equal(await place.claim(), undefined)
    await working.leave()
    for (const other of ['name.bi', 'name.bin2', `name.bin${'x'.repeat(80)}`]) {
      assert.equal(await (await files.place(join(directory, other))).claim(), undefined)
    }
    const file = await place.claim()
    assert.ok(file !== undefined)
    await file.remove()
    // Names that begin alike, where only the beginning is shown.
    const long = join(directory, 'y'.repeat(80))
    await leave(await files.place(long))
    assert.equal(await (await files.place(`${long}z`)).claim(), undefined)
  })

  it('is not taken if it is a link, has another name, or others may change it', async () => {
    const place = await files.place(path)
    const left = await leave(place)
    const victim = join(directory, 'victim')
    await chmod(left, 0o666)
    assert.equal(await place.claim(), undefined)
    await chmod(left, 0o600)
    await link(left, victim)
    assert.equal(await place.claim(), undefined)
    await rm(left)
    await symlink(victim, left)
    assert.equal(await place.claim(), undefined)
    await rm(left)
    await mkdir(left)
    assert.equal(await place.claim(), undefined)
    assert.ok((await readFile(victim)).equals(bytes))
  })

  it('of a process that was killed is claimed; of one that lives, here or elsewhere, it is not', async () => {
    const script = join(directory, 'child.mts')
    const source = new URL('../../src/runtime/node-files.ts', import.meta.url).href
    await writeFile(
      script,
      `import { files } from ${JSON.stringify(source)}
       const file = await (await files.place(process.argv[2]!)).create()
       await file.write(0, Buffer.from('of the child'))
       process.send!('written')
       setInterval(() => undefined, 1000)`,
    )
    const place = await files.place(path)
    const child = fork(script, [path], { execArgv: ['--import', 'tsx', '--conditions', 's3-cse-source'] })
    const exit = once(child, 'exit')
    try {
      assert.equal((await once(child, 'message'))[0], 'written')
      assert.equal(await place.claim(), undefined)
    } finally {
      child.kill('SIGKILL')
      await exit
    }
    await rm(script)
    const [name = ''] = await names()
    // The same process on another machine.
    const [, host = ''] = /\.([0-9a-f]{8})-\d+-\d+-/.exec(name) ?? []
    const foreign = name.replace(`.${host}-`, `.${host === '00000000' ? '1' : '0'}0000000-`)
    assert.notEqual(foreign, name)
    await writeFile(join(directory, foreign), '', { mode: 0o600 })
    const file = await place.claim()
    assert.ok(file !== undefined)
    assert.equal(await file.size(), 'of the child'.length)
    await file.remove()
    assert.equal(await place.claim(), undefined)
    assert.deepEqual(await names(), [foreign])
  })

  it('of a process whose number was given to another is claimed', { skip: process.platform !== 'linux' }, async () => {
    const place = await files.place(path)
    const working = await place.create()
    const [name = ''] = await names()
    await writeFile(join(directory, name.replace(/-(\d+)-([0-9a-f]{16})\./, '-1$1-$2.')), 'older', { mode: 0o600 })
    const file = await place.claim()
    assert.equal(await file?.size(), 5)
    await file?.remove()
    await working.remove()
  })
})

describe('a file handle', () => {
  it('is written at any place and stays open', async () => {
    const handle = await open(path, 'w+')
    try {
      const file = files.openFile(handle)
      assert.ok(file !== undefined)
      await file.write(10, bytes.subarray(0, 10))
      await file.truncate(15)
      assert.equal(await file.size(), 15)
      assert.equal((await handle.stat()).size, 15)
    } finally {
      await handle.close()
    }
    await assert.rejects(files.openFile(handle)?.size() ?? Promise.resolve(), code('ERR_S3CSE_FILE', /file handle/))
  })

  it('is nothing else', () => {
    for (const value of [undefined, null, 3, 'path', {}, { fd: 3 }, process.stdout]) {
      assert.equal(files.openFile(value), undefined)
    }
  })
})
