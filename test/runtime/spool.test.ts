import assert from 'node:assert/strict'
import { mkdtemp, readdir, readlink, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'

import { createSpool } from '../../src/runtime/node-spool.js'
import { code } from '../support/errors.js'
import { pattern } from '../support/world.js'

let directory: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 's3-cse-test-'))
})
afterEach(() => rm(directory, { recursive: true }))

/** Descriptors of this process that are files of `directory`, by what /proc says of them. */
async function openFiles(): Promise<{ path: string; mode: number }[]> {
  const found = []
  for (const fd of await readdir('/proc/self/fd')) {
    const link = `/proc/self/fd/${fd}`
    const path = await readlink(link).catch(() => '')
    if (path.startsWith(directory)) found.push({ path, mode: (await stat(link)).mode & 0o777 })
  }
  return found
}

describe('spool', () => {
  it('is private, has no name, and is gone when it is closed', async () => {
    const spool = await createSpool(directory)
    assert.deepEqual(await readdir(directory), [])
    const files = await openFiles()
    assert.equal(files.length, 1)
    assert.equal(files[0]?.mode, 0o600)
    await spool.close()
    await spool.close()
    assert.deepEqual(await openFiles(), [])
  })

  it('gives back what was written, at any place', async () => {
    const spool = await createSpool(directory)
    await spool.write(Uint8Array.of(1, 2, 3))
    await spool.write(Uint8Array.of(4, 5))
    const into = new Uint8Array(3)
    await spool.read(1, into)
    assert.deepEqual(into, Uint8Array.of(2, 3, 4))
    await assert.rejects(spool.read(4, into), code('ERR_S3CSE_SPOOL', /read/))
    await spool.close()
  })

  it('gives back what is longer than one write to the system', async () => {
    const spool = await createSpool(directory)
    const bytes = pattern(1_000_003)
    await spool.write(bytes.subarray(0, 1))
    await spool.write(bytes.subarray(1))
    const into = new Uint8Array(bytes.length)
    await spool.read(0, into)
    assert.ok(bytes.equals(into))
    await spool.close()
  })

  it('reports a directory that does not exist, and writes and reads after close', async () => {
    await assert.rejects(createSpool(join(directory, 'missing')), (error) => {
      code('ERR_S3CSE_SPOOL', /created.*spool\.directory/)(error)
      assert.equal(((error as Error).cause as NodeJS.ErrnoException).code, 'ENOENT')
      return true
    })
    const spool = await createSpool(directory)
    await spool.close()
    await assert.rejects(spool.write(Uint8Array.of(1)), code('ERR_S3CSE_SPOOL', /written/))
    await assert.rejects(spool.read(0, new Uint8Array(1)), code('ERR_S3CSE_SPOOL', /read/))
  })
})
