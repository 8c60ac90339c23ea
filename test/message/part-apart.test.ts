// Which parts are sealed off the main thread, and what becomes of those whose upload is over meanwhile.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import type { PositionalSealer } from '../../src/message/sealer.js'
import { pattern } from '../support/world.js'
import { framed, partsOf, v3 } from './multipart-support.js'

const MIB = 1024 * 1024
const plaintext = pattern(7 * MIB + 4096)

interface Watched {
  readonly sealer: PositionalSealer
  /** The lengths of what was sealed apart. */
  readonly apart: number[]
}

async function watched(
  before: () => Promise<void> = async () => undefined,
  states: Uint8Array[] = [],
): Promise<Watched> {
  const made = await v3.sealer()
  const apart: number[] = []
  const { sealPieces } = made
  assert.ok(sealPieces !== undefined)
  return {
    apart,
    sealer: {
      ...made,
      async sealPieces(offset, lengths, bytes, into, hash) {
        apart.push(...lengths)
        const result = await sealPieces(offset, lengths, bytes, into, hash)
        states.push(...result.states)
        await before()
        return result
      },
    },
  }
}

describe('sealing off the main thread', () => {
  it('is for parts of 1 MiB and more, in slices, once', async () => {
    const { sealer, apart } = await watched()
    const parts = await partsOf(sealer, { minPartBytes: 1000 })
    const [a, b, c, d] = [MIB - 16, MIB, 2 * MIB + 5 * 16, 1500]
    await parts.send(1, plaintext.subarray(0, a))
    assert.deepEqual(apart, [])
    await parts.send(2, plaintext.subarray(a, a + b))
    assert.deepEqual(apart.splice(0), [MIB])
    await parts.send(3, plaintext.subarray(a + b, a + b + c))
    assert.deepEqual(apart.splice(0), [MIB, MIB, 80])
    // Compared before anything is sealed: see "the same position with different bytes".
    await parts.send(3, plaintext.subarray(a + b, a + b + c))
    await parts.send(4, plaintext.subarray(a + b + c, a + b + c + d))
    assert.deepEqual(apart, [])
    const whole = v3.whole(plaintext.subarray(0, a + b + c + d))
    assert.equal(Buffer.compare(await parts.complete(4), whole), 0)
  })

  it('is not for parts that begin within a block', async () => {
    const { sealer, apart } = await watched()
    const parts = await partsOf(sealer, { minPartBytes: 1000 })
    await parts.send(1, plaintext.subarray(0, 2 * MIB + 1))
    assert.deepEqual(apart.splice(0), [MIB, MIB, 1])
    await parts.send(2, plaintext.subarray(2 * MIB + 1, 4 * MIB + 2))
    assert.deepEqual(apart, [])
  })

  it('is not for formats that cannot', async () => {
    const sealer = await framed.sealer()
    assert.equal(sealer.sealPieces, undefined)
    const parts = await partsOf(sealer)
    await parts.send(1, plaintext.subarray(0, 2 * MIB))
    assert.equal(Buffer.compare(await parts.complete(1), framed.whole(plaintext.subarray(0, 2 * MIB))), 0)
  })

  it('of an upload that ends meanwhile gives nothing', async () => {
    const states: Uint8Array[] = []
    let destroy = (): void => undefined
    const { sealer } = await watched(async () => destroy(), states)
    const parts = await partsOf(sealer)
    const over = new Error('over')
    destroy = () => parts.m.destroy(over)
    await assert.rejects(parts.send(1, plaintext.subarray(0, 2 * MIB)), over)
    assert.deepEqual(states, [new Uint8Array(16), new Uint8Array(16)])
  })

  it('is waited for by the next attempt, also when its own has ended', async () => {
    let go = (): void => undefined
    const { sealer } = await watched(() => new Promise<void>((resolve) => (go = resolve)))
    const parts = await partsOf(sealer)
    const body = plaintext.subarray(0, 2 * MIB)
    const attempt = parts.m.begin(1, body.length, 'bytes')
    await attempt.place()
    const sealing = attempt.sealBytes(body)
    attempt.end()
    let second = false
    const again = parts.send(1, body).then(() => (second = true))
    await new Promise((resolve) => setTimeout(resolve, 50))
    assert.equal(second, false)
    go()
    await sealing
    await again
    assert.equal(Buffer.compare(await parts.complete(1), v3.whole(body)), 0)
  })

  it('says that the upload is over, whoever notices first', async () => {
    const made = await v3.sealer()
    const over = new Error('over')
    const { sealPieces } = made
    const parts = await partsOf({
      ...made,
      sealPieces(...given) {
        const sealing = sealPieces!(...given)
        parts.m.destroy(over)
        return sealing
      },
    })
    await assert.rejects(parts.send(1, plaintext.subarray(0, 2 * MIB)), over)
  })
})
