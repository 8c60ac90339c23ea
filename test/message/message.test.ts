import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'

import { budget } from '../../src/bytes/budget.js'
import { sourceOfBytes } from '../../src/bytes/body.js'
import { resources } from '../../src/bytes/resources.js'
import type { ByteSource } from '../../src/runtime/runtime.js'
import { sealedSource } from '../../src/message/sealed-source.js'
import { streamedRead } from '../../src/message/streamed-read.js'
import { verifiedRead } from '../../src/message/verified-read.js'
import { code } from '../support/errors.js'
import { pattern } from '../support/world.js'
import { FRAME, framedOpener, framedSealer } from './framed.js'

async function drain(source: ByteSource): Promise<Buffer[]> {
  const chunks: Buffer[] = []
  for (let chunk = await source.next(); chunk !== undefined; chunk = await source.next())
    chunks.push(Buffer.from(chunk))
  return chunks
}

const lengths = [0, 1, FRAME - 1, FRAME, FRAME + 1, 65_536, 66_000, 66_001, 132_000, 200_123]

describe('a format with header, frames and trailer', () => {
  it('is sealed in whole frames of at least 64 KiB, in any chunking', async () => {
    for (const length of lengths) {
      for (const chunk of [77, 5000, 65_536, 300_000]) {
        const sealer = framedSealer()
        const source = sealedSource({ sealer, plaintext: sourceOfBytes(pattern(length), chunk), length })
        const chunks = await drain(source)
        source.cancel()
        assert.ok(sealer.destroyed())
        const whole = framedSealer().sealWhole(pattern(length)) as Buffer
        assert.deepEqual(Buffer.concat(chunks), whole)
        assert.equal(whole.length, sealer.sealedLength(length))
        for (const piece of sealer.pieces.slice(0, -1)) {
          assert.equal(piece.offset % FRAME, 0)
          assert.equal(piece.length % FRAME, 0)
          assert.ok(piece.length >= 65_536)
          assert.equal(piece.last, false)
        }
        assert.equal(sealer.pieces.at(-1)?.last, true)
      }
    }
  })

  it('is opened piece by piece, in any chunking, and gives nothing of a frame that was changed', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...lengths),
        fc.integer({ min: 1, max: 100_000 }),
        fc.option(fc.nat()),
        async (length, chunk, flip) => {
          const sealed = framedSealer().sealWhole(pattern(length)) as Buffer
          const body = sealed.length - 8 - 28
          const flipped = flip === null || body === 0 ? undefined : flip % body
          if (flipped !== undefined) sealed[8 + flipped]! ^= 1
          const opener = framedOpener()
          const held = resources()
          held.hold(() => opener.destroy())
          const source = streamedRead({
            opener,
            upstream: sourceOfBytes(sealed, chunk),
            sealedLength: sealed.length,
            resources: held,
          })
          const chunks: Buffer[] = []
          const reading = (async () => {
            for (let c = await source.next(); c !== undefined; c = await source.next()) chunks.push(Buffer.from(c))
          })()
          if (flipped === undefined) {
            await reading
            assert.deepEqual(Buffer.concat(chunks), pattern(length))
          } else {
            await assert.rejects(reading, code('ERR_S3CSE_DECRYPTION_FAILED'))
            const good = Math.floor(flipped / (FRAME + 16)) * FRAME
            assert.ok(Buffer.concat(chunks).length <= good)
          }
          assert.ok(opener.destroyed())
        },
      ),
      { numRuns: 60 },
    )
  })
})

describe('the guards of the pipeline', () => {
  it('a message that is verified as a whole is never released by an opener that cannot verify', async () => {
    const opener = { ...framedOpener(), authentication: 'whole' as const }
    const sealed = framedSealer().sealWhole(pattern(5000)) as Buffer
    const options = {
      opener,
      upstream: sourceOfBytes(sealed, 999),
      sealedLength: sealed.length,
      resources: resources(),
    }
    await assert.rejects(drain(streamedRead(options)), code('ERR_S3CSE_DECRYPTION_FAILED'))
    const verified = verifiedRead({
      ...options,
      upstream: sourceOfBytes(sealed, 999),
      resources: resources(),
      memory: budget(0),
      disk: budget(0),
      createSpool: undefined,
      reread: () => assert.fail('read again'),
    })
    await assert.rejects(verified.next(), code('ERR_S3CSE_DECRYPTION_FAILED'))
  })

  it('a sealed source that was cancelled gives nothing more', async () => {
    const sealer = framedSealer()
    const source = sealedSource({ sealer, plaintext: sourceOfBytes(pattern(200_000), 70_000), length: 200_000 })
    await source.next()
    source.cancel()
    source.cancel()
    assert.equal(await source.next(), undefined)
    assert.ok(sealer.destroyed())
  })
})
