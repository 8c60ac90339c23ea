import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import type { S3Client } from '@aws-sdk/client-s3'

import type { EncryptionOptions } from '../../src/index.js'
import { flipBase64 } from '../attacks/support.js'
import { allKinds } from '../attacks/kinds.js'
import { code } from '../support/errors.js'
import { loadVectors } from '../support/vectors.js'
import { Bucket, get, pattern, put, world } from '../support/world.js'

const w = await world()
const { kinds } = await allKinds()
const vectors = loadVectors()
const plaintext = pattern(150)

const modes: readonly [name: string, options: Partial<EncryptionOptions>][] = [
  ['unauthenticated', { rangeReads: 'unauthenticated' }],
  ['whole object', { rangeReads: 'whole-object' }],
  ['whole object, delayed', { rangeReads: 'whole-object', delayedAuthentication: true }],
]

/** Of a read that must fail: everything that tells one error from another. */
async function failure(client: S3Client, Key: string, Range?: string): Promise<object> {
  try {
    const output = await get(client, Key, Range === undefined ? {} : { Range })
    await output.Body!.transformToByteArray()
  } catch (error) {
    assert.ok(error instanceof Error)
    const { name, message, code } = error as Error & { code?: string }
    return { name, message, code, cause: error.cause, members: Object.keys(error) }
  }
  return assert.fail('it was read')
}

const resized = (text: string | undefined, length: number): string => {
  const bytes = Buffer.alloc(length)
  Buffer.from(text ?? '', 'base64').copy(bytes)
  return bytes.toString('base64')
}

describe('an envelope that was changed', () => {
  for (const { wrap, keyring, context } of kinds) {
    for (const [mode, options] of modes) {
      it(`${wrap}, ${mode}: a range fails like the whole object`, async () => {
        const settings = { keyring, ...(wrap === 'kms+context' && { encryptionContext: context }) }
        const writer = w.client(settings)
        const reader = w.client({ ...settings, ...options })
        await put(writer, 'good', plaintext)
        const { metadata, body } = await w.stored('good')
        const flipped = (name: string, bit: number) => ({ ...metadata, [name]: flipBase64(metadata[name], bit) })
        const codes = new Set<unknown>()
        for (const changed of [
          ...[0, 6, 8].map((bit) => ({ ...metadata, 'x-amz-c': flipText(metadata['x-amz-c']!, bit) })),
          ...[0, 100, 223].map((bit) => flipped('x-amz-d', bit)),
          ...[0, 100, 223].map((bit) => flipped('x-amz-i', bit)),
          ...[0, 77].map((bit) => flipped('x-amz-3', bit)),
          ...[20, 27, 29, 40].map((length) => ({ ...metadata, 'x-amz-d': resized(metadata['x-amz-d'], length) })),
          ...[20, 40].map((length) => ({ ...metadata, 'x-amz-i': resized(metadata['x-amz-i'], length) })),
          ...['x-amz-c', 'x-amz-d', 'x-amz-i', 'x-amz-3', 'x-amz-w'].map((name) =>
            Object.fromEntries(Object.entries(metadata).filter(([key]) => key !== name)),
          ),
        ]) {
          await w.s3.put(Bucket, 'bad', { body, metadata: changed })
          const whole = await failure(reader, 'bad')
          codes.add((whole as { code?: string }).code)
          for (const Range of ['bytes=0-5', 'bytes=100-', 'bytes=-5', 'bytes=0-149', 'bytes=10-1000']) {
            assert.deepEqual(await failure(reader, 'bad', Range), whole, Range)
          }
        }
        assert.deepEqual([...codes].sort(), ['ERR_S3CSE_DECRYPTION_FAILED', 'ERR_S3CSE_ENVELOPE_INVALID'])
        const { Body } = await get(reader, 'good', { Range: 'bytes=10-1000' })
        assert.deepEqual(Buffer.from(await Body!.transformToByteArray()), plaintext.subarray(10))
      })

      it(`${wrap}, ${mode}: another key, policy or context fails like the whole object`, async () => {
        const right = wrap === 'kms+context' ? { encryptionContext: context } : {}
        const refused: [Partial<EncryptionOptions>, Partial<EncryptionOptions>, code: string][] = [
          [{}, { keyring: kinds.find((kind) => kind.wrap === wrap)!.other }, 'ERR_S3CSE_DECRYPTION_FAILED'],
          [{ commitmentPolicy: 'FORBID_ENCRYPT_ALLOW_DECRYPT' }, {}, 'ERR_S3CSE_POLICY'],
        ]
        if (wrap === 'kms+context') refused.push([{}, { encryptionContext: { a: 'b' } }, 'ERR_S3CSE_CONTEXT_MISMATCH'])
        for (const [written, read, expected] of refused) {
          await put(w.client({ keyring, ...right, ...written }), 'refused', plaintext)
          const reader = w.client({ keyring, ...right, ...options, ...read })
          const whole = await failure(reader, 'refused')
          assert.equal((whole as { code?: string }).code, expected)
          assert.deepEqual(await failure(reader, 'refused', 'bytes=0-5'), whole)
          assert.deepEqual(await failure(reader, 'refused', 'bytes=-5'), whole)
        }
      })
    }
  }
})

/** One bit of the text itself. */
function flipText(text: string, bit: number): string {
  const bytes = Buffer.from(text, 'latin1')
  bytes[bit >> 3]! ^= 1 << (bit & 7)
  return bytes.toString('latin1')
}

describe("ranges of other clients' objects", () => {
  const byWriter = new Map(
    vectors.map((vector) => [`${vector.title.split(' ')[0]} ${vector.format} ${vector.wrapAlgorithm}`, vector]),
  )
  const chosen = [...byWriter.values()].filter(({ plaintextLength }) => plaintextLength > 0)

  it('of each writer, format and wrap', async () => {
    assert.ok(chosen.length >= 10, `${chosen.length} objects`)
    for (const vector of chosen) {
      const { s3Key, plaintextLength: length, contentAlgorithm } = vector
      await vector.seed(w.s3, Bucket)
      const common = vector.options()
      const output = await get(w.client(common), s3Key)
      const whole = Buffer.from(await output.Body!.transformToByteArray())
      vector.check(whole)
      const last = Math.max(0, length - 5)
      for (const [mode, options] of modes) {
        const reader = w.client({ ...common, ...options })
        if (contentAlgorithm.includes('CBC') && mode !== 'unauthenticated') {
          await assert.rejects(get(reader, s3Key, { Range: 'bytes=0-0' }), code('ERR_S3CSE_RANGE_REFUSED'))
          continue
        }
        for (const [Range, start, end] of [
          ['bytes=0-5', 0, Math.min(6, length)],
          ['bytes=0-0', 0, 1],
          [`bytes=${last}-${length - 1}`, last, length],
          [`bytes=0-${length - 1}`, 0, length],
          [`bytes=${last}-${length + 1000}`, last, length],
          ['bytes=-3', Math.max(0, length - 3), length],
        ] as const) {
          const { Body, ContentRange } = await get(reader, s3Key, { Range })
          const bytes = Buffer.from(await Body!.transformToByteArray())
          assert.deepEqual(bytes, whole.subarray(start, end), `${vector.title}: ${Range}`)
          assert.equal(ContentRange, `bytes ${start}-${end - 1}/${length}`)
        }
      }
    }
  })
})
