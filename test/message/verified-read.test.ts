import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { budget } from '../../src/bytes/budget.js'
import { sourceOfBytes } from '../../src/bytes/body.js'
import { resources } from '../../src/bytes/resources.js'
import type { Resources } from '../../src/bytes/resources.js'
import { gcmOpener } from '../../src/crypto/gcm-message.js'
import { SLICE_LENGTH, verifiedRead } from '../../src/message/verified-read.js'
import type { VerifiedReadOptions } from '../../src/message/verified-read.js'
import { cryptoRuntime } from '../../src/runtime/node-crypto.js'
import type { ByteSource, Spool } from '../../src/runtime/runtime.js'
import { oneShot } from '../crypto/helpers.js'
import { pattern } from '../support/world.js'

const key = pattern(32)
const iv = new Uint8Array(12).fill(1)
const aad = Uint8Array.of(0, 0x73)
/** Five slices, the last of which is short. */
const plaintext = pattern(4 * SLICE_LENGTH + 12_345)
const sealed = oneShot(key, iv, aad, plaintext)

interface Reading {
  readonly source: ByteSource
  readonly held: Resources
  /** Offsets of the reads that were begun, and how many of them are not over. */
  readonly reads: number[]
  readonly pending: () => number
  readonly closed: () => boolean
}

interface Doing {
  readonly beforeWrite?: (offset: number) => void
  readonly observe?: VerifiedReadOptions['observe']
}

/** A spooled read; `beforeRead` runs before a read of the file is answered, and may throw. */
async function spooled(
  beforeRead: (offset: number) => Promise<void> = async () => undefined,
  { beforeWrite = () => undefined, observe }: Doing = {},
): Promise<Reading> {
  const file = new Uint8Array(sealed.length)
  const reads: number[] = []
  let end = 0
  let pending = 0
  let closed = false
  const spool: Spool = {
    async write(data) {
      beforeWrite(end)
      file.set(data, end)
      end += data.length
    },
    async read(offset, into) {
      if (into.length === 0) return
      reads.push(offset)
      pending++
      try {
        await beforeRead(offset)
        into.set(file.subarray(offset, offset + into.length))
      } finally {
        pending--
      }
    },
    close: async () => void (closed = true),
  }
  const opener = gcmOpener({ aes: await cryptoRuntime.aes(key), iv, aad })
  const held = resources()
  held.hold(() => opener.destroy())
  const source = verifiedRead({
    opener,
    upstream: sourceOfBytes(sealed, 300_000),
    sealedLength: sealed.length,
    resources: held,
    memory: budget(0),
    disk: budget(sealed.length),
    createSpool: async () => spool,
    reread: () => assert.fail('read again'),
    observe,
  })
  return { source, held, reads, pending: () => pending, closed: () => closed }
}

describe('a spooled read', () => {
  it('reads one slice ahead, no more, and each once', async () => {
    const { source, reads, pending, closed } = await spooled(() => new Promise(setImmediate))
    let released = 0
    for (let chunk = await source.next(); chunk !== undefined; chunk = await source.next()) {
      assert.ok(Buffer.from(chunk).equals(plaintext.subarray(released, released + chunk.length)))
      const slice = Math.floor(released / SLICE_LENGTH)
      assert.equal(reads.length, Math.min(slice + 2, 5))
      assert.ok(pending() <= 1)
      released += chunk.length
    }
    assert.equal(released, plaintext.length)
    assert.deepEqual(
      reads,
      [0, 1, 2, 3, 4].map((index) => index * SLICE_LENGTH),
    )
    assert.ok(closed())
  })

  it('a slice that cannot be read fails when its turn has come', async () => {
    const { source, closed } = await spooled(async (offset) => {
      if (offset === 2 * SLICE_LENGTH) throw new Error('bad sector')
    })
    let released = 0
    await assert.rejects(async () => {
      for (let chunk = await source.next(); chunk !== undefined; chunk = await source.next()) {
        released += chunk.length
        await new Promise(setImmediate)
      }
    }, /bad sector/)
    assert.equal(released, 2 * SLICE_LENGTH)
    assert.ok(closed())
    assert.equal(await source.next(), undefined)
  })

  it('a read ahead that fails when nobody wants it any more is nobody’s error', async () => {
    let fail: (error: Error) => void = () => undefined
    const { source, pending, closed } = await spooled((offset) =>
      offset === SLICE_LENGTH ? new Promise((_, reject) => (fail = reject)) : Promise.resolve(),
    )
    assert.ok(await source.next())
    assert.equal(pending(), 1)
    source.cancel()
    fail(new Error('closed'))
    // An unhandled rejection would fail the test.
    for (let i = 0; i < 5; i++) await new Promise(setImmediate)
    assert.equal(pending(), 0)
    assert.ok(closed())
  })

  it('tells of a write that fails, and that nothing was verified', async () => {
    const told: unknown[] = []
    const { source, closed } = await spooled(undefined, {
      beforeWrite: (offset) => {
        if (offset === 2 * SLICE_LENGTH) throw new Error('disk full')
      },
      observe: (step, bytes, _milliseconds, ok) => void told.push([step, bytes, ok]),
    })
    await assert.rejects(source.next(), /disk full/)
    assert.ok(closed())
    assert.deepEqual(told, [
      ['verify', sealed.length, false],
      ['spool', 2 * SLICE_LENGTH, false],
    ])
  })
})
