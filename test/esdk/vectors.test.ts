import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import { decrypt, decryptStream, openRange } from '../../src/esdk.js'
import type { DecryptMessageOptions, MessageHeader, MessageReader } from '../../src/esdk.js'
import { suites } from '../../src/formats/esdk/suites.js'
import { code } from '../support/errors.js'
import {
  checkFailure,
  expectedCodes,
  mostReleased,
  patternOf,
  readingOf,
  sha256,
} from '../support/esdk-vector-checks.js'
import { keyringFor } from '../support/esdk-custom-keyrings.js'
import { esdkNegatives, esdkVectors, messageOf, type EsdkNegative, type EsdkVector } from '../support/esdk-vectors.js'

function* pieces(bytes: Uint8Array, length: number): Generator<Uint8Array, void> {
  for (let at = 0; at < bytes.length; at += length) yield bytes.subarray(at, at + length)
}

/** What came before the error, and the error. */
async function released(chunks: AsyncIterable<Uint8Array>): Promise<{ bytes: Buffer; error: unknown }> {
  const parts: Uint8Array[] = []
  try {
    for await (const chunk of chunks) parts.push(Uint8Array.from(chunk))
    return { bytes: Buffer.concat(parts), error: undefined }
  } catch (error) {
    return { bytes: Buffer.concat(parts), error }
  }
}

function checkHeader(header: MessageHeader, vector: EsdkVector): void {
  const pairs = [...vector.encryptionContext, ...Object.entries(vector.requiredEncryptionContext ?? {})]
  assert.deepEqual(
    { ...header, encryptionContext: { ...header.encryptionContext } },
    {
      algorithmSuite: suites.find(({ id }) => id === Number.parseInt(vector.suite, 16))?.name,
      version: vector.messageVersion,
      frameLength: vector.frameLength,
      encryptionContext: Object.fromEntries(pairs),
      isSigned: vector.footerLength > 0,
      length: vector.headerLength,
    },
  )
}

/** Bytes up to which a message is also given byte by byte. */
const SMALL = 800

async function checkReads(vector: EsdkVector, options: DecryptMessageOptions): Promise<void> {
  const message = messageOf(vector)
  const { plaintext, header } = await decrypt(message, options)
  assert.equal(plaintext.length, vector.plaintextLength)
  assert.equal(sha256(plaintext), vector.plaintextSha256)
  checkHeader(header, vector)
  for (const length of [message.length, 1000, ...(message.length <= SMALL ? [1] : [])]) {
    const decryption = decryptStream(pieces(message, length), options)
    const { bytes, error } = await released(decryption)
    assert.equal(error, undefined)
    assert.ok(bytes.equals(plaintext), `in chunks of ${length}`)
    checkHeader(await decryption.header, vector)
  }
}

async function checkRanges(reader: MessageReader, vector: EsdkVector): Promise<void> {
  const { plaintextLength: size, frameLength: frame } = vector
  const plaintext = patternOf(size)
  checkHeader(reader.header, vector)
  assert.equal(reader.length, size)
  const middle = Math.floor(size / 2)
  const spans: [number, number][] = [
    [0, size],
    [0, 1],
    [Math.max(0, size - 1), size],
    [middle, middle + 3],
    [frame - 1, frame + 1],
    [frame, 2 * frame],
  ]
  for (const [from, to] of spans) {
    const [start, end] = [Math.min(from, size), Math.min(to, size)]
    assert.ok(plaintext.subarray(start, end).equals(await reader.read(start, end)), `${start}-${end}`)
  }
  const { bytes, error } = await released(reader.stream(Math.min(5, size)))
  assert.equal(error, undefined)
  assert.ok(bytes.equals(plaintext.subarray(Math.min(5, size))))
}

describe('all vectors through decrypt, decryptStream and openRange', () => {
  const read = new Map<string, number>()
  for (const suite of new Set(esdkVectors.map(({ suite }) => suite))) {
    test(`suite ${suite}`, async () => {
      for (const vector of esdkVectors.filter((one) => one.suite === suite)) {
        for (const id of vector.decryptWith) {
          try {
            const options = readingOf(id, vector.requiredEncryptionContext)
            await checkReads(vector, options)
            read.set(id, (read.get(id) ?? 0) + 1)
            if (vector.contentType !== 'framed') {
              await assert.rejects(openRange(messageOf(vector), options), code('ERR_S3CSE_RANGE_REFUSED'))
              continue
            }
            if (vector.footerLength > 0) {
              await assert.rejects(openRange(messageOf(vector), options), code('ERR_S3CSE_RANGE_REFUSED'))
            }
            const reader = await openRange(messageOf(vector), { ...options, rangesWithoutSignature: true })
            await checkRanges(reader, vector)
            reader.close()
          } catch (error) {
            throw new Error(`${vector.id} with ${id}: ${String(error)}`, { cause: error })
          }
        }
      }
    })
  }

  test('none was left out: every message, with every key', () => {
    assert.equal(esdkVectors.length, 380)
    const all = esdkVectors.flatMap(({ decryptWith }) => decryptWith)
    assert.equal(
      [...read.values()].reduce((sum, count) => sum + count, 0),
      all.length,
    )
    assert.deepEqual([...read.keys()].sort(), [...new Set(all)].sort())
  })

  test('the default policy refuses every message without commitment, and no key is used', async () => {
    for (const vector of esdkVectors.filter(({ messageVersion }) => messageVersion === 1)) {
      const options = { ...readingOf(vector.decryptWith[0]!, vector.requiredEncryptionContext), keyring: unasked }
      const policy = { ...options, commitmentPolicy: undefined }
      await assert.rejects(decrypt(messageOf(vector), policy), code('ERR_S3CSE_POLICY'), vector.id)
    }
  })
})

const unasked = {
  ...keyringFor('aes-256'),
  unwrap: (): never => {
    throw new Error('a key was used')
  },
}

/** Each way to read all of a message: what it gives before it fails. */
async function everyWay(
  message: Uint8Array,
  options: DecryptMessageOptions,
): Promise<[string, { bytes: Buffer; error: unknown }][]> {
  const whole = async function* (): AsyncGenerator<Uint8Array, void> {
    yield (await decrypt(message, options)).plaintext
  }
  const lengths = [message.length, 1000, 1].filter((length) => length > 0)
  const ways: [string, { bytes: Buffer; error: unknown }][] = [['decrypt', await released(whole())]]
  for (const length of lengths.slice(0, message.length <= SMALL ? 3 : 2)) {
    ways.push([`chunks of ${length}`, await released(decryptStream(pieces(message, length), options))])
  }
  ways.push(['an unknown length', await released(decryptStream(unsized(message), options))])
  return ways
}

/** Of a Blob the length is known, of this it is not. */
async function* unsized(message: Uint8Array): AsyncGenerator<Uint8Array, void> {
  yield* pieces(message, 300)
}

function optionsOf(vector: EsdkNegative): DecryptMessageOptions {
  const reading = readingOf(vector.use, vector.requiredEncryptionContext)
  return { ...reading, ...(vector.options as Partial<DecryptMessageOptions>) }
}

async function checkRejected(vector: EsdkNegative): Promise<void> {
  const message = messageOf(vector)
  const options = optionsOf(vector)
  const most = await mostReleased(vector)
  for (const [way, { bytes, error }] of await everyWay(message, options)) {
    checkFailure(vector, error, way)
    assert.ok(bytes.equals(patternOf(bytes.length)), `${way}: other bytes than were written`)
    assert.ok(bytes.length <= (way === 'decrypt' ? 0 : most), `${way}: ${bytes.length} bytes, not ${most} at most`)
  }
}

/** Frame lengths of 2 GiB have to be allowed, and cost nothing where the frame is short. */
const raised = { maxBodySize: 2 ** 31 - 1 }

async function checkAccepted(vector: EsdkNegative, options: DecryptMessageOptions): Promise<boolean> {
  let accepted = 0
  const ways = await everyWay(messageOf(vector), options)
  for (const [way, { bytes, error }] of ways) {
    if (error !== undefined) {
      checkFailure({ ...vector, expect: 'either' }, error, way)
      continue
    }
    accepted++
    const { plaintextLength, plaintextSha256 } = vector
    assert.ok(bytes.equals(patternOf(bytes.length)), way)
    if (plaintextLength !== undefined) assert.equal(bytes.length, plaintextLength, way)
    if (plaintextSha256 !== undefined) assert.equal(sha256(bytes), plaintextSha256, way)
  }
  // One and the same, however it is read.
  assert.ok(accepted === 0 || accepted === ways.length, `${accepted} of ${ways.length}`)
  return accepted > 0
}

describe('vectors that are no valid messages, and odd ones', () => {
  for (const stage of new Set(esdkNegatives.filter(({ expect }) => expect === 'reject').map((one) => one.stage))) {
    test(`rejected: ${stage}`, async () => {
      const vectors = esdkNegatives.filter((one) => one.expect === 'reject' && one.stage === stage)
      assert.ok(vectors.length > 0)
      for (const vector of vectors) {
        try {
          await checkRejected(vector)
        } catch (error) {
          throw new Error(`${vector.id} (${vector.reason}): ${String(error)}`, { cause: error })
        }
      }
    })
  }

  test('ranges of rejected messages of frames: an error, or bytes of frames that are good', async () => {
    for (const vector of esdkNegatives.filter(({ expect }) => expect === 'reject')) {
      const message = messageOf(vector)
      const options = { ...optionsOf(vector), rangesWithoutSignature: true }
      const reader = await openRange(message, options).catch((error: unknown) => error)
      if (reader instanceof Error) {
        assert.match((reader as { code?: string }).code ?? '', /^ERR_S3CSE_/, vector.id)
        continue
      }
      const { bytes, error } = await released((reader as MessageReader).stream())
      assert.ok(bytes.equals(patternOf(bytes.length)), vector.id)
      if (error === undefined) assert.ok(['signature', 'body'].includes(vector.stage), vector.id)
      else assert.ok(code('ERR_S3CSE_DECRYPTION_FAILED')(error), vector.id)
      ;(reader as MessageReader).close()
    }
  })

  test('accepted: odd and valid', async () => {
    const vectors = esdkNegatives.filter(({ expect }) => expect === 'accept')
    assert.equal(vectors.length, 24)
    for (const vector of vectors) {
      const options = optionsOf(vector)
      const isLong = vector.id.endsWith('-frame-2g')
      assert.ok(await checkAccepted(vector, isLong ? { ...options, ...raised } : options), vector.id)
      if (!isLong) continue
      for (const [way, { bytes, error }] of await everyWay(messageOf(vector), options)) {
        assert.ok(code('ERR_S3CSE_POLICY', /2147483647/)(error), way)
        assert.equal(bytes.length, 0)
      }
    }
  })

  test('either: a typed error or the right plaintext, whichever way it is read', async () => {
    const vectors = esdkNegatives.filter(({ expect }) => expect === 'either')
    assert.equal(vectors.length, 16)
    for (const vector of vectors) {
      await checkAccepted(vector, { ...optionsOf(vector), maxBodySize: 2 ** 32 })
    }
  })

  test('long frames that are allowed fail with the tag of the header, and no memory is taken for them', async () => {
    const vectors = esdkNegatives.filter(({ id }) => /-framelength-(max|2g)$/.test(id))
    assert.equal(vectors.length, 4)
    for (const vector of vectors) {
      const before = process.memoryUsage().arrayBuffers
      for (const [way, { bytes, error }] of await everyWay(messageOf(vector), {
        ...optionsOf(vector),
        maxBodySize: 2 ** 32,
      })) {
        assert.ok(code('ERR_S3CSE_DECRYPTION_FAILED')(error), way)
        assert.equal(bytes.length, 0)
      }
      assert.ok(process.memoryUsage().arrayBuffers - before < 2 ** 30)
    }
  })

  test('every exception to the codes of the stages is a vector', () => {
    const ids = new Set(esdkNegatives.map(({ id }) => id))
    for (const id of expectedCodes.keys()) assert.ok(ids.has(id), id)
  })
})
