import assert from 'node:assert/strict'
import test, { describe } from 'node:test'
import fc from 'fast-check'
import { CseError } from '../../src/errors.js'
import { kinds, plaintext, refusal, refusedEverywhere, writer } from '../support/s3ec-kinds.js'
import { changed, load, store } from '../support/s3ec-objects.js'

for (const kind of kinds) {
  describe(`${kind.version} ${kind.algorithm}`, () => {
    const good = store(writer(kind), plaintext)

    test('the good object reads', async () => {
      assert.deepEqual(await load(writer(kind), await good), plaintext)
      assert.deepEqual(
        [...kind.checked, ...kind.unauthenticated].sort(),
        [...new Set([...kind.checked, ...kind.unauthenticated])].sort(),
      )
      const { metadata } = await good
      for (const key of Object.keys(metadata)) assert.ok([...kind.checked, ...kind.unauthenticated].includes(key), key)
    })

    test('each key removed', async () => {
      const { metadata, body } = await good
      for (const key of Object.keys(metadata)) {
        const stored = { metadata: changed(metadata, { [key]: undefined }), body }
        if (kind.unauthenticated.includes(key) || key === 'x-amz-tag-len') {
          assert.deepEqual(await load(writer(kind), stored), plaintext)
        } else await refusedEverywhere(kind, stored, ['ENVELOPE_INVALID'])
      }
    })

    test('each bit of each checked value flipped', async () => {
      const { metadata, body } = await good
      let flips = 0
      for (const key of kind.checked) {
        const value = String(metadata[key])
        for (let at = 0; at < value.length; at++) {
          for (let bit = 1; bit < 256; bit <<= 1) {
            const flipped = value.slice(0, at) + String.fromCharCode(value.charCodeAt(at) ^ bit) + value.slice(at + 1)
            await refusal(writer(kind), { metadata: changed(metadata, { [key]: flipped }), body })
            flips++
          }
        }
      }
      assert.ok(flips > 800)
    })

    test('each bit of each Base64 value flipped underneath', async () => {
      const { metadata, body } = await good
      for (const key of kind.checked.filter((name) => /-(key-v2|iv|3|d|i)$/.test(name))) {
        const bytes = Buffer.from(String(metadata[key]), 'base64')
        for (let bit = 0; bit < bytes.length * 8; bit++) {
          const flipped = Buffer.from(bytes)
          flipped[bit >> 3]! ^= 1 << (bit & 7)
          const code = await refusal(writer(kind), {
            metadata: changed(metadata, { [key]: flipped.toString('base64') }),
            body,
          })
          assert.equal(code, 'DECRYPTION_FAILED')
        }
      }
    })

    test('each bit of the body flipped, and every truncation and extension', async () => {
      const { metadata, body } = await good
      for (let bit = 0; bit < body.length * 8; bit++) {
        const flipped = Uint8Array.from(body)
        flipped[bit >> 3]! ^= 1 << (bit & 7)
        assert.equal(await refusal(writer(kind), { metadata, body: flipped }), 'DECRYPTION_FAILED')
      }
      for (let end = 0; end < body.length; end++) {
        const code = await refusal(writer(kind), { metadata, body: body.subarray(0, end) })
        assert.equal(code, end < 16 ? 'ENVELOPE_INVALID' : 'DECRYPTION_FAILED')
        await refusal(writer(kind), { metadata, body: body.subarray(body.length - end) })
        await refusal(writer(kind), { metadata, body: Uint8Array.from([...body, ...body.subarray(0, end + 1)]) })
      }
    })

    test('what nothing authenticates changes no plaintext', async () => {
      const { metadata, body } = await good
      const value = fc.oneof(
        fc.string({ unit: 'binary', maxLength: 40 }),
        fc.json({ maxDepth: 1 }),
        fc.constant('{"tenant":"z"}'),
      )
      let read = 0
      await fc.assert(
        fc.asyncProperty(fc.constantFrom(...kind.unauthenticated), value, async (key, text) => {
          const stored = { metadata: changed(metadata, { [key]: text }), body }
          const result: unknown = await load(writer(kind), stored).catch((error: unknown) => error)
          if (result instanceof Uint8Array) {
            assert.deepEqual(result, plaintext)
            read++
          } else assert.ok(result instanceof CseError)
        }),
        { numRuns: 300 },
      )
      assert.ok(read > 0)
    })
  })
}

test('any metadata gives an envelope, none, or a typed error', async () => {
  const kind = kinds[3]!
  const { metadata, body } = await store(writer(kind), plaintext)
  const keys = fc.constantFrom(
    ...kinds.flatMap(({ checked, unauthenticated }) => [...checked, ...unauthenticated]),
    'x-amz-key',
    'other',
  )
  const values = fc.oneof(
    fc.constantFrom(...Object.values(metadata), '', '{}', '115', '12', '02', 'AES/GCM', '=?UTF-8?Q?{}?='),
    fc.string({ unit: 'binary', maxLength: 20 }),
    fc.base64String({ maxLength: 40 }),
  )
  await fc.assert(
    fc.asyncProperty(fc.dictionary(keys, values, { maxKeys: 5 }), fc.boolean(), async (changes, onTop) => {
      const stored = { metadata: onTop ? { ...metadata, ...changes } : changes, body }
      const result: unknown = await load(writer(kind), stored).catch((error: unknown) => error)
      if (result instanceof Uint8Array) assert.deepEqual(result, plaintext)
      else
        assert.ok(
          result instanceof CseError || (result instanceof Error && result.message === 'no envelope'),
          String(result),
        )
    }),
    { numRuns: 1500 },
  )
})
