// A verified read passes twice over the ciphertext, and the second time it may be another: a changed file, a server that lies. Each slice is compared with what was verified before any of it is released.
import assert from 'node:assert/strict'
import { constants } from 'node:fs'
import { mkdtemp, open, readdir, readlink, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { setTimeout } from 'node:timers/promises'
import { after, afterEach, beforeEach, describe, it } from 'node:test'

import type { S3Fault } from '../../src/testing/index.js'
import { code } from '../support/errors.js'
import { bodyOf, get, pattern, put, world } from '../support/world.js'
import { versions } from './support.js'

const w = await world()
const MIB = 1024 * 1024
/** Five slices, the last of which is short. */
const plaintext = pattern(4 * MIB + 12_345)
const slices = 5
/** While a slice is released the next one is read. */
const readAhead = 1
const sliceEnd = (index: number): number => Math.min((index + 1) * MIB, plaintext.length)

const directory = await mkdtemp(join(tmpdir(), 's3-cse-attack-'))
after(() => rm(directory, { recursive: true }))

/** The temporary files in `directory` that this process has open: they have no name any more. */
async function spools(): Promise<string[]> {
  const paths = (await readdir('/proc/self/fd')).map((fd) => `/proc/self/fd/${fd}`)
  const links = await Promise.all(paths.map((path) => readlink(path).catch(() => '')))
  return paths.filter((_, i) => links[i]?.startsWith(directory))
}

/** None is left. Who reads is told of an error while the file is being closed: that is waited for, and no longer than needed. */
async function noSpools(): Promise<void> {
  for (let i = 0; i < 1000 && (await spools()).length > 0; i++) await setTimeout(5)
  assert.deepEqual(await spools(), [])
}

/** Changes the file behind a descriptor, as another process of the same user could. */
async function tamper(change: (file: Awaited<ReturnType<typeof open>>) => Promise<void>): Promise<void> {
  const found = await spools()
  assert.equal(found.length, 1, 'there is one temporary file')
  const file = await open(found[0]!, constants.O_RDWR)
  try {
    await change(file)
  } finally {
    await file.close()
  }
}

async function flip(position: number): Promise<void> {
  await tamper(async (file) => {
    const byte = Buffer.alloc(1)
    await file.read(byte, 0, 1, position)
    byte[0]! ^= 0x80
    await file.write(byte, 0, 1, position)
  })
}

interface Read {
  readonly released: Buffer
  readonly error: unknown
}

/**
 * Waits until the first slice is there: pass one is over then. The stream holds that slice and asks for no other before
 * it is taken, so that `meanwhile` runs between the slices. Then all is read.
 */
async function readOn(body: Readable, meanwhile: () => Promise<void>): Promise<Read> {
  const released: Buffer[] = []
  try {
    await new Promise<void>((resolve, reject) => {
      body.once('readable', resolve)
      body.once('error', reject)
    })
    await meanwhile()
    for await (const chunk of body) released.push(chunk as Buffer)
    return { released: Buffer.concat(released), error: undefined }
  } catch (error) {
    return { released: Buffer.concat(released), error }
  }
}

/** An error, and the plaintext before slice `index`, whole and right; nothing of the slice itself. */
function assertStopped({ released, error }: Read, index: number): void {
  code('ERR_S3CSE_DECRYPTION_FAILED')(error)
  assert.equal(released.length, index * MIB)
  assert.ok(released.equals(plaintext.subarray(0, index * MIB)))
}

beforeEach(() => {
  w.s3.faults.length = 0
})

for (const [version, commitmentPolicy] of versions) {
  const spooling = w.client({ commitmentPolicy, maxBufferedBytes: 0, spool: { directory } })
  const twice = w.client({ commitmentPolicy, maxBufferedBytes: 0, spool: false })

  describe(`${version}: the temporary file is changed after verification`, () => {
    beforeEach(() => put(spooling, 'object', plaintext))
    afterEach(noSpools)
    const reading = async () => bodyOf(await get(spooling, 'object'))

    it('not at all: the object is read', async () => {
      const { released, error } = await readOn(await reading(), async () => assert.equal((await spools()).length, 1))
      assert.equal(error, undefined)
      assert.ok(released.equals(plaintext))
    })

    for (let index = 1 + readAhead; index < slices; index++) {
      for (const [place, position] of [
        ['first', index * MIB],
        ['last', sliceEnd(index) - 1],
      ] as const) {
        it(`${place} byte of slice ${index}`, async () => {
          assertStopped(await readOn(await reading(), () => flip(position)), index)
        })
      }
    }

    it('two slices change places', async () => {
      const swap = () =>
        tamper(async (file) => {
          const [one, two] = [Buffer.alloc(MIB), Buffer.alloc(MIB)]
          await file.read(one, 0, MIB, 2 * MIB)
          await file.read(two, 0, MIB, 3 * MIB)
          await file.write(two, 0, MIB, 2 * MIB)
          await file.write(one, 0, MIB, 3 * MIB)
        })
      assertStopped(await readOn(await reading(), swap), 2)
    })

    it('the file is cut: that is an error of the file, and nothing of the slice is released', async () => {
      const { released, error } = await readOn(await reading(), () => tamper((file) => file.truncate(3 * MIB + 5)))
      code('ERR_S3CSE_SPOOL')(error)
      assert.ok(released.equals(plaintext.subarray(0, 3 * MIB)))
    })

    it('a reader that ends between two slices leaves nothing behind', async () => {
      const body = await reading()
      await readOn(body, async () => {
        body.destroy()
      })
      await noSpools()
    })
  })

  describe(`${version}: the second response is another one`, () => {
    beforeEach(() => put(twice, 'object', plaintext))

    /** Reads with this fault on the second GET. */
    async function readTwice(fault: S3Fault | undefined): Promise<Read> {
      let gets = 0
      const stop = w.s3.onRequest(({ operation, headers }) => {
        if (operation !== 'GetObject') return
        gets++
        assert.equal(headers['if-match'] !== undefined, gets === 2)
        if (gets === 2 && fault !== undefined) w.s3.fail(fault)
      })
      try {
        return await readOn(bodyOf(await get(twice, 'object')), async () => undefined)
      } finally {
        stop()
        assert.equal(gets, 2)
      }
    }
    const changedAt = (position: number): S3Fault => ({
      body: (stored) => {
        const other = Uint8Array.from(stored)
        other[position]! ^= 1
        return other
      },
    })

    it('it is the same: the object is read', async () => {
      const { released, error } = await readTwice(undefined)
      assert.equal(error, undefined)
      assert.ok(released.equals(plaintext))
    })

    for (let index = 0; index < slices; index++) {
      it(`other bytes in slice ${index} under the same ETag`, async () => {
        assertStopped(await readTwice(changedAt(index * MIB)), index)
        assertStopped(await readTwice(changedAt(sliceEnd(index) - 1)), index)
      })
    }

    it('the whole body of another object', async () => {
      assertStopped(await readTwice({ body: (stored) => Uint8Array.from(stored).reverse() }), 0)
    })

    for (const [name, fault, error] of [
      ['one byte less', { body: (stored) => stored.subarray(0, -1) }, code('ERR_S3CSE_RESPONSE_UNEXPECTED')],
      ['a byte more', { body: (s) => Buffer.concat([s, s.subarray(0, 1)]) }, code('ERR_S3CSE_RESPONSE_UNEXPECTED')],
      ['nothing', { body: () => new Uint8Array(0) }, code('ERR_S3CSE_RESPONSE_UNEXPECTED')],
      ['a range', { status: 206, headers: { 'content-range': 'bytes 0-9/10' } }, code('ERR_S3CSE_RESPONSE_UNEXPECTED')],
      ['no length', { headers: { 'content-length': undefined } }, code('ERR_S3CSE_RESPONSE_UNEXPECTED')],
      ['412', { status: 412, code: 'PreconditionFailed' }, (e: unknown) => (e as Error).name === 'PreconditionFailed'],
      ['403', { status: 403, code: 'AccessDenied' }, (e: unknown) => (e as Error).name === 'AccessDenied'],
    ] as [string, S3Fault, (error: unknown) => boolean][]) {
      it(`${name}: an error, and nothing is released`, async () => {
        const read = await readTwice(fault)
        assert.ok(error(read.error), String(read.error))
        assert.equal(read.released.length, 0)
      })
    }

    it('a body that ends early: whole slices only', async () => {
      const { released, error } = await readTwice({ truncateBody: 2 * MIB + 5 })
      assert.ok(error instanceof Error)
      assert.ok(released.length <= 2 * MIB && released.length % MIB === 0)
      assert.ok(released.equals(plaintext.subarray(0, released.length)))
    })
  })
}
