import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { describe, it } from 'node:test'

import { s3ec } from '../../src/index.js'
import type { EncryptionOptions, Format } from '../../src/index.js'
import { Bucket, bodyOf, get, pattern, put, read, world } from '../support/world.js'

const w = await world()

/** A format that says how many sealers and openers are alive: each of them holds a content key. */
function counting(): { format: Format; alive: () => number; made: () => number } {
  const inner = s3ec()
  let made = 0
  const destroyed = new Set<object>()
  const watched = <T extends { destroy(): void }>(holder: T): T => {
    made++
    const id = {}
    const destroy = holder.destroy.bind(holder)
    return {
      ...holder,
      destroy: () => {
        destroyed.add(id)
        destroy()
      },
    }
  }
  const format: Format = {
    ...inner,
    async seal(request) {
      const sealed = await inner.seal(request)
      return { ...sealed, sealer: watched(sealed.sealer) }
    },
    recognise(metadata, object) {
      const envelope = inner.recognise(metadata, object)
      return envelope && { ...envelope, open: async (request) => watched(await envelope.open(request)) }
    },
  }
  return { format, alive: () => made - destroyed.size, made: () => made }
}

async function gone(alive: () => number): Promise<void> {
  for (let i = 0; i < 1000 && alive() > 0; i++) await new Promise((resolve) => setTimeout(resolve, 10))
  assert.equal(alive(), 0)
}

describe('content keys are wiped', () => {
  it('after a PutObject, however it ends', async () => {
    const { format, alive, made } = counting()
    const client = w.client({ format })
    const stream = (): Readable => Readable.from([pattern(70_000), pattern(70_000)])
    await put(client, 'x', pattern(10))
    await put(client, 'x', stream(), { ContentLength: 140_000 })
    await assert.rejects(put(client, 'x', stream(), { ContentLength: 150_000 }))
    await assert.rejects(put(client, 'x', 'x', { Metadata: { note: 'n'.repeat(2000) } }))
    const nobody = w.client({ format }, { credentials: () => Promise.reject(new Error('no credentials')) })
    await assert.rejects(put(nobody, 'x', stream(), { ContentLength: 140_000 }), /no credentials/)
    w.s3.fail({ match: ({ key }) => key === 'denied', status: 403, code: 'AccessDenied' })
    await assert.rejects(put(client, 'denied', stream(), { ContentLength: 140_000 }), { name: 'AccessDenied' })
    assert.equal(made(), 6)
    await gone(alive)
  })

  const modes: Partial<EncryptionOptions>[] = [
    {},
    { maxBufferedBytes: 0 },
    { maxBufferedBytes: 0, spool: false },
    { delayedAuthentication: true },
  ]
  for (const options of modes) {
    it(`after a GetObject with ${JSON.stringify(options)}, however it ends`, async () => {
      const { format, alive, made } = counting()
      const client = w.client({ format, ...options })
      await put(w.client(), 'y', pattern(3_000_000))
      await read(client, 'y')
      bodyOf(await get(client, 'y')).destroy()
      const begun = bodyOf(await get(client, 'y'))
      begun.read()
      begun.destroy()
      await w.s3.tamper(Bucket, 'y', ({ body }) => void (body[2_999_999]! ^= 1))
      await assert.rejects(read(client, 'y'))
      assert.equal(made(), 4)
      await gone(alive)
    })
  }
})
