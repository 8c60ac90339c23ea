import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { HeadObjectCommand, type S3Client } from '@aws-sdk/client-s3'

import { esdk } from '../../src/esdk.js'
import type { EsdkOptions } from '../../src/esdk.js'
import { CseError, encryptionInfo, requestOptions, s3ec } from '../../src/index.js'
import type { Context, EncryptionOptions } from '../../src/index.js'
import { checkFailure, headerOf, mostReleased, patternOf, sha256 } from '../support/esdk-vector-checks.js'
import { keyringFor } from '../support/esdk-custom-keyrings.js'
import { code } from '../support/errors.js'
import { esdkNegatives, esdkVectors, messageOf, type EsdkNegative, type EsdkVector } from '../support/esdk-vectors.js'
import { vectorKeys } from '../keyrings/esdk-support.js'
import { Bucket, bodyOf, get, put, world } from '../support/world.js'

const w = await world()

/** What is known of an object before it is read. */
type Way = 'metadata' | 'first bytes'

interface Reading {
  readonly way: Way
  readonly key: string
  readonly options: EsdkOptions
  readonly hasContext: boolean
  readonly more?: Partial<EncryptionOptions>
}

const clients = new Map<string, S3Client>()

/**
 * Objects with metadata are of the client's own format; those without are read besides S3EC where the keyring is for both:
 * as the other format, or, since S3EC takes no context with raw keys, as the own one.
 */
function clientFor({ way, key, options, hasContext, more = {} }: Reading): S3Client {
  const id = JSON.stringify([way, key, options, hasContext, more])
  const isRaw = ['raw-aes', 'raw-rsa'].includes(vectorKeys[key]?.type ?? '')
  const format = esdk({ rangesWithoutSignature: true, ...options })
  const besides = hasContext ? { format, alsoRead: [s3ec()] } : { alsoRead: [format] }
  const formats = way === 'metadata' || !isRaw ? { format } : besides
  const made =
    clients.get(id) ??
    w.client({ keyring: keyringFor(key), commitmentPolicy: 'REQUIRE_ENCRYPT_ALLOW_DECRYPT', ...formats, ...more })
  clients.set(id, made)
  return made
}

interface Given {
  readonly bytes: Buffer
  readonly error: unknown
  readonly length?: number | undefined
}

/** What came out, and the error. */
async function released(from: S3Client, Key: string, encryptionContext: Context, Range?: string): Promise<Given> {
  const chunks: Buffer[] = []
  let length: number | undefined
  try {
    const input = requestOptions({ Bucket, Key }, { encryptionContext })
    const output = await get(from, Key, Range === undefined ? input : { ...input, Range })
    length = output.ContentLength
    for await (const chunk of bodyOf(output)) chunks.push(Buffer.from(chunk as Buffer))
    assert.ok(['verified', 'segment'].includes(encryptionInfo(output)?.authentication ?? ''))
    return { bytes: Buffer.concat(chunks), error: undefined, length }
  } catch (error) {
    return { bytes: Buffer.concat(chunks), error, length }
  }
}

async function store(way: Way, message: Uint8Array, hint: string): Promise<string> {
  await put(w.plain, 'vector', message, way === 'metadata' ? { Metadata: { 's3-cse-esdk': hint } } : {})
  return 'vector'
}

/** As it is stored, without the format's own pairs. */
function storedContext(pairs: Iterable<readonly [string, string]>): Record<string, string> {
  return Object.fromEntries([...pairs].filter(([key]) => !key.startsWith('aws-crypto-')))
}

function hintOf({ suite, headerLength, frameLength, footerLength }: EsdkVector): string {
  return `${suite},${headerLength},${frameLength},${footerLength}`
}

function spansOf({ plaintextLength: size, frameLength: frame }: EsdkVector): [number, number][] {
  const middle = Math.floor(size / 2)
  const spans: [number, number][] = [
    [0, 1],
    [size - 1, size],
    [middle, Math.min(size, middle + Math.max(1, frame))],
  ]
  return size === 0 ? [] : spans
}

async function checkValid(vector: EsdkVector, key: string, way: Way, withRanges: boolean): Promise<void> {
  const { requiredEncryptionContext: required = {}, plaintextLength: size } = vector
  const isFramed = vector.contentType === 'framed'
  const options = { requiredEncryptionContextKeys: Object.keys(required) }
  const context = { ...storedContext(vector.encryptionContext), ...required }
  const hasContext = Object.keys(context).length > 0
  const from = clientFor({ way, key, options, hasContext })
  const name = await store(way, messageOf(vector), isFramed ? hintOf(vector) : 'not framed')
  const whole = await released(from, name, context)
  assert.equal(whole.error, undefined)
  assert.equal(whole.bytes.length, size)
  assert.equal(sha256(whole.bytes), vector.plaintextSha256)
  // How long somebody's footer is only the end of a message says.
  if (isFramed && vector.footerLength === 0) assert.equal(whole.length, size)
  if (!withRanges) return
  for (const [start, end] of spansOf(vector)) {
    const { bytes, error, length } = await released(from, name, context, `bytes=${start}-${end - 1}`)
    if (!isFramed) {
      assert.ok(code('ERR_S3CSE_RANGE_REFUSED')(error))
      continue
    }
    assert.equal(error, undefined)
    assert.equal(length, end - start)
    assert.ok(bytes.equals(patternOf(size).subarray(start, end)), `${start}-${end}`)
  }
  if (isFramed) {
    const head = await from.send(new HeadObjectCommand({ Bucket, Key: name }))
    const isTold = way === 'metadata' || vector.footerLength === 0
    assert.equal(head.ContentLength, isTold ? size : undefined)
  } else {
    const parts = clientFor({ way, key, options, hasContext, more: { rangeReads: 'whole-object' } })
    for (const [start, end] of spansOf(vector)) {
      const { bytes, error } = await released(parts, name, context, `bytes=${start}-${end - 1}`)
      assert.equal(error, undefined)
      assert.ok(bytes.equals(patternOf(size).subarray(start, end)), `${start}-${end}`)
    }
  }
}

const ways: readonly Way[] = ['metadata', 'first bytes']

/**
 * Every message with each of its keys, by turns with the metadata and without; those of the suites that are written by
 * default (0478, 0578) both ways. Ranges of every message, with its first key.
 */
describe('all vectors as objects', () => {
  let read = 0
  for (const suite of new Set(esdkVectors.map(({ suite }) => suite))) {
    test(`suite ${suite}`, async () => {
      for (const [index, vector] of esdkVectors.entries()) {
        if (vector.suite !== suite) continue
        const both = suite === '0478' || suite === '0578'
        for (const [number, key] of vector.decryptWith.entries()) {
          read++
          const turn = ways[(index + number) % 2] as Way
          for (const way of both && number === 0 ? ways : [turn]) {
            await checkValid(vector, key, way, number === 0 && way === turn).catch((error: unknown) => {
              throw new Error(`${vector.id} with ${key} by ${way}: ${String(error)}`, { cause: error })
            })
          }
        }
      }
    })
  }

  test('none was left out', () => {
    assert.equal(
      read,
      esdkVectors.reduce((sum, { decryptWith }) => sum + decryptWith.length, 0),
    )
  })
})

function readingOf(vector: EsdkNegative, way: Way, more: EsdkOptions = {}): [Reading, Record<string, string>] {
  const { requiredEncryptionContext: required = {}, use: key } = vector
  const { commitmentPolicy, ...limits } = vector.options ?? {}
  const options = { frameLength: 1024, requiredEncryptionContextKeys: Object.keys(required), ...limits, ...more }
  const policy = commitmentPolicy as EncryptionOptions['commitmentPolicy']
  const context = { ...storedContext(headerOf(messageOf(vector))?.context ?? []), ...required }
  const hasContext = Object.keys(context).length > 0
  return [
    { way, key, options, hasContext, ...(policy !== undefined && { more: { commitmentPolicy: policy } }) },
    context,
  ]
}

/** Without metadata what does not begin as a message is none: nothing says that it was encrypted. */
function failed(vector: EsdkNegative, error: unknown, way: Way): void {
  const isNone = error instanceof CseError && error.code === 'ERR_S3CSE_NOT_ENCRYPTED'
  if (isNone && way === 'first bytes' && vector.stage === 'header-parse') return
  checkFailure(vector, error, way)
}

async function checkRejected(vector: EsdkNegative, way: Way): Promise<void> {
  const [reading, context] = readingOf(vector, way)
  const from = clientFor(reading)
  const name = await store(way, messageOf(vector), '')
  const { bytes, error } = await released(from, name, context)
  failed(vector, error, way)
  const most = await mostReleased(vector)
  assert.ok(bytes.equals(patternOf(bytes.length)), 'other bytes than were written')
  assert.ok(bytes.length <= most, `${bytes.length} bytes, not ${most} at most`)
  const isOfBody = ['body', 'signature', 'trailing'].includes(vector.stage)
  for (const [start, end] of [
    [3, 7],
    [500, 520],
  ] as const) {
    const part = await released(from, name, context, `bytes=${start}-${end - 1}`)
    if (part.error === undefined) {
      assert.ok(isOfBody)
      assert.ok(part.bytes.equals(patternOf(end).subarray(start, start + part.bytes.length)), 'other bytes in a range')
      continue
    }
    assert.equal(part.bytes.length, 0)
    const { name: named, code: found } = part.error as { name?: string; code?: string }
    assert.ok(named === 'InvalidRange' || found?.startsWith('ERR_S3CSE_'), `${named} ${found}`)
  }
}

/** By turns with the metadata and without. */
describe('objects that are no valid messages, and odd ones', () => {
  for (const stage of new Set(esdkNegatives.filter(({ expect }) => expect === 'reject').map((one) => one.stage))) {
    test(`rejected: ${stage}`, async () => {
      const vectors = esdkNegatives.filter((one) => one.expect === 'reject' && one.stage === stage)
      for (const [index, vector] of vectors.entries()) {
        await checkRejected(vector, ways[index % 2] as Way).catch((error: unknown) => {
          throw new Error(`${vector.id} (${vector.reason}): ${String(error)}`, { cause: error })
        })
      }
    })
  }

  test('accepted, or one or the other', async () => {
    for (const [index, vector] of esdkNegatives.filter(({ expect }) => expect !== 'reject').entries()) {
      for (const way of ways) {
        const [reading, context] = readingOf(vector, way, index % 2 === 0 ? {} : { maxEncryptedDataKeys: 50 })
        const raised = clientFor({ ...reading, options: { ...reading.options, maxBodySize: 2 ** 31 - 1 } })
        const name = await store(way, messageOf(vector), '')
        const { bytes, error } = await released(raised, name, context)
        if (vector.expect === 'accept') assert.equal(error, undefined, vector.id)
        if (error !== undefined) {
          assert.ok(error instanceof CseError, vector.id)
          assert.equal(bytes.length, 0, vector.id)
          continue
        }
        assert.ok(bytes.equals(patternOf(vector.plaintextLength ?? bytes.length)), vector.id)
        if (!vector.id.endsWith('-frame-2g')) continue
        const refused = await released(clientFor(reading), name, context)
        assert.ok(code('ERR_S3CSE_POLICY', /2147483647/)(refused.error), vector.id)
        assert.equal(refused.bytes.length, 0)
      }
    }
  })
})
