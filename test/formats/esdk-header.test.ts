import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { parseContext, serialiseContext } from '../../src/keyrings/context-bytes.js'
import { authenticateHeader } from '../../src/formats/esdk/header-auth.js'
import { bodyLength, framesIn, framesOf, FINAL_FRAME_OVERHEAD, FRAME_OVERHEAD } from '../../src/formats/esdk/frames.js'
import { openFinalFrame, openRegularFrame } from '../../src/formats/esdk/open-frames.js'
import { headerBody, sealHeader } from '../../src/formats/esdk/write-header.js'
import { parseHeader, type EsdkHeader } from '../../src/formats/esdk/header.js'
import { code } from '../support/errors.js'
import { esdkNegatives, esdkVectors, messageOf } from '../support/esdk-vectors.js'

const limits = { maxEncryptedDataKeys: 64, maxHeaderLength: 1 << 20 }

function headerOf(message: Uint8Array): EsdkHeader {
  const result = parseHeader(message, limits)
  if (!('header' in result)) throw new Error(JSON.stringify(result))
  return result.header
}

test('every vector’s header says what was put into it', () => {
  assert.ok(esdkVectors.length > 300)
  for (const vector of esdkVectors) {
    const header = headerOf(messageOf(vector))
    assert.equal(header.suite.id.toString(16).padStart(4, '0'), vector.suite, vector.id)
    assert.equal(header.version, vector.messageVersion, vector.id)
    assert.equal(header.frameLength, vector.contentType === 'framed' ? vector.frameLength : 0, vector.id)
    assert.equal(header.length, vector.headerLength, vector.id)
    assert.equal(Buffer.from(header.messageId).toString('hex'), vector.messageId, vector.id)
    assert.deepEqual(header.context, vector.encryptionContext, vector.id)
    assert.deepEqual(
      header.encryptedDataKeys.map(({ provider, info, ciphertext }) => ({
        providerId: provider,
        providerInfo: Buffer.from(info).toString('hex'),
        ciphertextLength: ciphertext.length,
      })),
      vector.edks,
      vector.id,
    )
  }
})

test('a context is stored sorted by the bytes of its keys', () => {
  for (const vector of esdkVectors) {
    const stored = serialiseContext(Object.fromEntries(vector.encryptionContext))
    const message = messageOf(vector)
    const at = vector.messageVersion === 1 ? 20 : 35
    const length = new DataView(message.buffer, message.byteOffset).getUint16(at)
    assert.deepEqual(stored && Buffer.from(stored), Buffer.from(message.subarray(at + 2, at + 2 + length)), vector.id)
  }
  assert.equal(serialiseContext({ a: 'x'.repeat(65_535) }), undefined)
  assert.equal(serialiseContext({ a: 'x'.repeat(65_535 - 7) })?.length, 65_535)
})

test('a header that is cut off asks for more, to the byte, and never throws', () => {
  const message = messageOf(esdkVectors[0]!)
  const { length } = headerOf(message)
  for (let have = 0; have < length; have++) {
    const result = parseHeader(message.subarray(0, have), limits)
    assert.ok('needs' in result && result.needs > have && result.needs <= length, `${have}: ${JSON.stringify(result)}`)
  }
})

test('the limits hold before anything is read that they are for', () => {
  const vector = esdkVectors.find(({ edks }) => edks.length > 20)!
  const message = messageOf(vector)
  const count = vector.edks.length
  assert.match(String(faultOf(message, { ...limits, maxEncryptedDataKeys: count - 1 })), /at most/)
  assert.ok('header' in parseHeader(message, { ...limits, maxEncryptedDataKeys: count }))
  const { length } = headerOf(message)
  assert.match(String(faultOf(message, { ...limits, maxHeaderLength: length - 1 })), /longer than/)
  assert.ok('header' in parseHeader(message, { ...limits, maxHeaderLength: length }))
})

const faultOf = (message: Uint8Array, some = limits): string | undefined => {
  const result = parseHeader(message, some)
  return 'fault' in result ? result.fault : undefined
}

test('what can be seen to be no header is refused with what is wrong, and base64 is named', () => {
  const bad = esdkNegatives.filter(({ stage, expect }) => stage === 'header-parse' && expect === 'reject')
  assert.ok(bad.length > 50)
  for (const vector of bad) {
    const result = parseHeader(messageOf(vector), limits)
    // Cut off, or a length that runs past the end: whoever has no more bytes to give refuses it.
    if (/truncated|past the message|too large/.test(vector.reason) && 'needs' in result) continue
    assert.ok('fault' in result, `${vector.id}: ${vector.reason}`)
    if (vector.id.includes('base64')) assert.match(result.fault, /base64/, vector.id)
  }
})

test('commitment and tag of every header fit its data key, and no other', async () => {
  for (const vector of esdkVectors) {
    const header = headerOf(messageOf(vector))
    const dataKey = Buffer.from(vector.dataKey, 'hex')
    const required = serialiseContext(vector.requiredEncryptionContext ?? {})!
    const aes = await authenticateHeader(header, dataKey, required)
    aes.destroy()
    dataKey[3]! ^= 1
    await assert.rejects(authenticateHeader(header, dataKey, required), code('ERR_S3CSE_DECRYPTION_FAILED'), vector.id)
    if (required.length === 0) continue
    dataKey[3]! ^= 1
    await assert.rejects(authenticateHeader(header, dataKey, new Uint8Array(0)), code('ERR_S3CSE_DECRYPTION_FAILED'))
  }
})

test('every framed vector opens frame by frame', async () => {
  let tried = 0
  for (const vector of esdkVectors) {
    if (vector.contentType !== 'framed') continue
    const message = messageOf(vector)
    const header = headerOf(message)
    const required = serialiseContext(vector.requiredEncryptionContext ?? {})!
    const aes = await authenticateHeader(header, Buffer.from(vector.dataKey, 'hex'), required)
    const keys = { aes, messageId: header.messageId, frameLength: header.frameLength }
    const body = message.subarray(header.length, message.length - vector.footerLength)
    const count = framesIn(body.length, header.frameLength)
    assert.ok(count, vector.id)
    const hash = createHash('sha256')
    const full = header.frameLength + FRAME_OVERHEAD
    for (let i = 0; i < count.regular; i++) {
      hash.update(await openRegularFrame(keys, i + 1, body.subarray(i * full, (i + 1) * full)))
    }
    const last = body.subarray(count.regular * full)
    hash.update(await openFinalFrame(keys, count.regular + 1, last))
    assert.equal(hash.digest('hex'), vector.plaintextSha256, vector.id)
    await assert.rejects(async () => openFinalFrame(keys, count.regular + 2, last), code('ERR_S3CSE_DECRYPTION_FAILED'))
    await assert.rejects(
      async () => openRegularFrame(keys, count.regular + 1, last),
      code('ERR_S3CSE_DECRYPTION_FAILED'),
    )
    aes.destroy()
    tried++
  }
  assert.ok(tried > 300)
})

test('lengths go both ways, also for writers that fill the final frame', () => {
  for (const frameLength of [1, 2, 8, 9, 255, 4096, 65_536]) {
    for (let length = 0; length < 4 * frameLength + 20; length += Math.max(1, Math.floor(frameLength / 7))) {
      const count = framesIn(bodyLength(length, frameLength), frameLength)
      assert.deepEqual(count, framesOf(length, frameLength))
    }
    const full = 3 * (frameLength + FRAME_OVERHEAD) + frameLength + FINAL_FRAME_OVERHEAD
    assert.deepEqual(framesIn(full, frameLength), { regular: 3, finalLength: frameLength })
    assert.equal(framesIn(full + 1, frameLength), undefined)
  }
  assert.equal(framesIn(FINAL_FRAME_OVERHEAD - 1, 5), undefined)
  assert.equal(framesIn(NaN, 5), undefined)
})

test('what is no context is told apart', () => {
  const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values)
  assert.match(String(parseContext(bytes(0))), /cut off/)
  assert.match(String(parseContext(bytes(0, 0))), /no pairs/)
  assert.match(String(parseContext(bytes(0, 1, 0, 1, 97))), /cut off/)
  assert.match(String(parseContext(bytes(0, 1, 0, 1, 0xff, 0, 0))), /UTF-8/)
  assert.match(String(parseContext(bytes(0, 2, 0, 1, 97, 0, 0, 0, 1, 97, 0, 0))), /twice/)
  assert.match(String(parseContext(bytes(0, 1, 0, 1, 97, 0, 0, 9))), /longer/)
  assert.deepEqual(parseContext(bytes(0, 1, 0, 1, 97, 0, 1, 98)), [['a', 'b']])
})

test('every header is written as it was read, body and tag', async () => {
  for (const vector of esdkVectors) {
    if (vector.contentType !== 'framed') continue
    const message = messageOf(vector)
    const header = headerOf(message)
    const body = headerBody({ ...header, context: Object.fromEntries(header.context) })
    assert.ok(typeof body !== 'string', String(body))
    assert.deepEqual(Buffer.from(body), Buffer.from(header.body), vector.id)
    const required = serialiseContext(vector.requiredEncryptionContext ?? {})!
    const aes = await authenticateHeader(header, Buffer.from(vector.dataKey, 'hex'), required)
    const whole = await sealHeader(aes, header.version, body, required)
    assert.deepEqual(Buffer.from(whole), Buffer.from(message.subarray(0, header.length)), vector.id)
    aes.destroy()
  }
})

test('what does not fit into a header is told', () => {
  const header = headerOf(messageOf(esdkVectors[0]!))
  const made = (changes: object): Uint8Array | string => headerBody({ ...header, context: {}, ...changes })
  const [key] = header.encryptedDataKeys
  assert.match(String(made({ context: { a: 'x'.repeat(65_535) } })), /context/)
  assert.match(String(made({ encryptedDataKeys: [] })), /1 to 65,535/)
  assert.match(String(made({ encryptedDataKeys: [{ ...key, info: new Uint8Array(65_536) }] })), /more than 65,535/)
})
