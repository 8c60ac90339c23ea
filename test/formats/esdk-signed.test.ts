import {
  buildClient,
  CommitmentPolicy,
  RawAesKeyringNode,
  RawAesWrappingSuiteIdentifier,
} from '@aws-crypto/client-node'
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { resources } from '../../src/bytes/resources.js'
import { sourceOfBytes } from '../../src/bytes/body.js'
import { FINAL_FRAME_OVERHEAD, FRAME_OVERHEAD } from '../../src/formats/esdk/frames.js'
import { headerKey } from '../../src/formats/esdk/header-auth.js'
import { signedFrameOpener } from '../../src/formats/esdk/signed-opener.js'
import { signedFrameSealer } from '../../src/formats/esdk/signed-sealer.js'
import { serialiseContext } from '../../src/keyrings/context-bytes.js'
import type { Opener } from '../../src/message/opener.js'
import { sealedSource } from '../../src/message/sealed-source.js'
import type { PositionalSealer } from '../../src/message/sealer.js'
import { streamedRead } from '../../src/message/streamed-read.js'
import { cryptoRuntime as nodeRuntime } from '../../src/runtime/node-crypto.js'
import { nodeEcdsa } from '../../src/runtime/node-ecdsa.js'
import type { ByteSource } from '../../src/runtime/runtime.js'
import { cryptoRuntime as webRuntime } from '../../src/runtime/web-crypto.js'
import { webEcdsa } from '../../src/runtime/web-ecdsa.js'
import { code } from '../support/errors.js'
import { esdkNegatives, esdkVectors, messageOf } from '../support/esdk-vectors.js'
import {
  bytes,
  chunkings,
  collect,
  headerOf,
  independentRead,
  messageFor,
  PUBLIC_KEY,
  RAW_KEY,
  sourceIn,
  unwrap,
  type Collected,
  type Made,
} from './esdk-signed-support.js'

const RUNTIMES = [
  ['node:crypto', nodeRuntime, nodeEcdsa],
  ['WebCrypto', webRuntime, webEcdsa],
] as const
const SUITES = [
  [0x0214, 'prime256v1'],
  [0x0346, 'secp384r1'],
  [0x0378, 'secp384r1'],
  [0x0578, 'secp384r1'],
] as const
const failed = code('ERR_S3CSE_DECRYPTION_FAILED')
const refused = code('ERR_S3CSE_CONFIG')
const impossible = (length: number): Error => new Error(`no message has ${length} bytes`)

async function openerOf(
  message: Uint8Array,
  dataKey: Uint8Array,
  required: Readonly<Record<string, string>> = {},
  [, { aes }, ecdsa]: (typeof RUNTIMES)[number] = RUNTIMES[0],
): Promise<Opener> {
  const header = headerOf(message)
  const key = await headerKey(header, dataKey, serialiseContext(required)!)
  const [, text] = header.context.find(([name]) => name === PUBLIC_KEY)!
  const verifier = await ecdsa.verifier(header.suite.signature!.curve, Buffer.from(text, 'base64'))
  return signedFrameOpener({ aes: await aes(key), header, verifier: verifier!, impossible })
}

function read(opener: Opener, message: Uint8Array, upstream: ByteSource): Promise<Collected> {
  const held = resources()
  held.hold(() => opener.destroy())
  return collect(streamedRead({ opener, upstream, sealedLength: message.length, resources: held }))
}

for (const runtime of RUNTIMES) {
  describe(`signed messages of others on ${runtime[0]}`, () => {
    test('every vector opens, in chunks of any length', async () => {
      let count = 0
      for (const vector of esdkVectors) {
        if (vector.contentType !== 'framed' || vector.footerLength === 0) continue
        const message = messageOf(vector)
        const open = (): Promise<Opener> =>
          openerOf(message, Buffer.from(vector.dataKey, 'hex'), vector.requiredEncryptionContext, runtime)
        const isRight = (plaintext: Uint8Array): void =>
          assert.equal(createHash('sha256').update(plaintext).digest('hex'), vector.plaintextSha256, vector.id)
        const whole = await open()
        assert.equal(whole.plaintextLength(message.length), undefined)
        isRight(await whole.openWhole(message))
        for (const chunking of chunkings()) {
          const { given, error } = await read(await open(), message, sourceIn(message, chunking))
          assert.ifError(error)
          isRight(given)
        }
        count++
      }
      assert.ok(count > 100, String(count))
    })

    test('every changed one is refused, and nothing of a bad frame, nor the final one, is given out', async () => {
      let count = 0
      for (const vector of esdkNegatives) {
        if (!['body', 'signature', 'trailing'].includes(vector.stage)) continue
        const message = messageOf(vector)
        const { suite, frameLength } = headerOf(message)
        if (suite.signature === undefined || frameLength === 0) continue
        const open = (): Promise<Opener> => openerOf(message, unwrap(headerOf(message), vector.use)!, {}, runtime)
        const whole = await open()
        await assert.rejects(async () => whole.openWhole(message), failed, vector.id)
        for (const chunking of chunkings()) {
          const { given, error } = await read(await open(), message, sourceIn(message, chunking))
          failed(error)
          assert.equal(given.length % frameLength, 0, vector.id)
          assert.ok(given.equals(bytes(given.length)), vector.id)
          const frames = Math.floor((message.length - headerOf(message).length) / (frameLength + FRAME_OVERHEAD))
          assert.ok(given.length <= frames * frameLength, vector.id)
        }
        count++
      }
      assert.ok(count > 70, String(count))
    })

    test('odd ones that are right open', async () => {
      let count = 0
      for (const vector of esdkNegatives) {
        if (vector.expect !== 'accept') continue
        const message = messageOf(vector)
        const { suite, frameLength } = headerOf(message)
        if (suite.signature === undefined || frameLength === 0) continue
        const open = (): Promise<Opener> => openerOf(message, unwrap(headerOf(message), vector.use)!, {}, runtime)
        const plaintext = await (await open()).openWhole(message)
        assert.deepEqual(plaintext, bytes(plaintext.length), vector.id)
        for (const chunking of chunkings()) {
          const { given, error } = await read(await open(), message, sourceIn(message, chunking))
          assert.ifError(error)
          assert.ok(given.equals(plaintext), vector.id)
        }
        count++
      }
      assert.ok(count >= 8, String(count))
    })
  })
}

async function sealerOf(made: Made): Promise<PositionalSealer> {
  return signedFrameSealer({ ...made, signature: made.suite.signature! })
}

async function sealed(
  suiteId: number,
  frameLength: number,
  length: number,
): Promise<{ made: Made; message: Uint8Array }> {
  const made = await messageFor(suiteId, frameLength)
  const sealer = await sealerOf(made)
  const message = await sealer.sealWhole(bytes(length))
  assert.equal(message.length, sealer.sealedLength(length))
  return { made, message }
}

describe('signed messages that are made here', () => {
  test('in pieces, as a stream and whole, they are read by independent code and by this', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...SUITES),
        fc.integer({ min: 1, max: 50 }),
        fc.nat(400),
        fc.integer({ min: 1, max: 4 }),
        fc.constantFrom('pieces', 'stream', 'whole'),
        fc.constantFrom(...RUNTIMES),
        async ([suiteId, curve], frameLength, length, frames, way, [, runtime, ecdsa]) => {
          const made = await messageFor(suiteId, frameLength, runtime, ecdsa)
          const sealer = await sealerOf(made)
          const plaintext = bytes(length)
          let message = Buffer.alloc(sealer.sealedLength(length))
          if (way === 'whole') {
            message = Buffer.from(await sealer.sealWhole(plaintext))
          } else if (way === 'stream') {
            const source = sealedSource({ sealer, plaintext: sourceOfBytes(plaintext, 7), length })
            message = Buffer.from((await collect(source)).given)
          } else {
            message.set(sealer.header)
            const step = frames * frameLength
            for (let offset = 0; offset === 0 || offset < length; offset += step) {
              const last = offset + step >= length
              const piece = plaintext.subarray(offset, offset + step)
              const { sealed: frame, state } = await sealer.sealPiece(offset, piece, last)
              const again = await sealer.sealAgain(offset, piece, last)
              assert.deepEqual(again, { sealed: frame, state })
              message.set(frame, sealer.sealedOffset(offset))
            }
            const trailer = await sealer.trailer(length)
            assert.equal(trailer.length, sealer.trailerLength)
            assert.deepEqual(await sealer.trailer(length), trailer)
            message.set(trailer, message.length - trailer.length)
          }
          assert.equal(message.length, sealer.sealedLength(length))
          assert.ok(independentRead(message, made.dataKey, curve).equals(plaintext))
          const { given, error } = await read(
            await openerOf(message, made.dataKey),
            message,
            sourceIn(message, () => 33),
          )
          assert.ifError(error)
          assert.ok(given.equals(plaintext))
        },
      ),
      { numRuns: 150 },
    )
  })

  test('@aws-crypto/client-node decrypts them', async () => {
    const { decrypt } = buildClient(CommitmentPolicy.FORBID_ENCRYPT_ALLOW_DECRYPT)
    const keyring = new RawAesKeyringNode({
      keyNamespace: RAW_KEY.namespace,
      keyName: RAW_KEY.name,
      // It is wiped there.
      unencryptedMasterKey: Uint8Array.from(RAW_KEY.key),
      wrappingSuite: RawAesWrappingSuiteIdentifier.AES256_GCM_IV12_TAG16_NO_PADDING,
    })
    for (const [suiteId] of SUITES) {
      for (const length of [0, 1, 99, 100, 101, 300, 1234]) {
        const { message } = await sealed(suiteId, 100, length)
        const { plaintext, messageHeader } = await decrypt(keyring, message)
        assert.ok(plaintext.equals(bytes(length)))
        assert.equal(messageHeader.suiteId, suiteId)
      }
    }
  })

  test('the trailer has one length for all messages of a curve', async () => {
    for (const [suiteId, footerLength] of [
      [0x0214, 73],
      [0x0578, 105],
    ] as const) {
      for (let i = 0; i < 100; i++) {
        const { made, message } = await sealed(suiteId, 10, 5)
        assert.equal(message.length, made.header.length + FINAL_FRAME_OVERHEAD + 5 + footerLength)
      }
    }
  })

  test('frames come in order, once, and the end is where it was said', async () => {
    const sealer = await sealerOf(await messageFor(0x0578, 10))
    await assert.rejects(sealer.sealPiece(10, bytes(10), false), refused)
    await sealer.sealPiece(0, bytes(20), false)
    await assert.rejects(sealer.sealPiece(0, bytes(20), false), refused)
    await assert.rejects(sealer.sealPiece(10, bytes(20), false), refused)
    await assert.rejects(sealer.sealPiece(30, bytes(20), false), refused)
    await assert.rejects(sealer.sealPiece(20, bytes(15), false), refused)
    await assert.rejects(sealer.sealPiece(25, bytes(10), false), refused)
    await assert.rejects(sealer.sealAgain(20, bytes(15), false), refused)
    await assert.rejects(async () => sealer.trailer(20), refused)
    await assert.rejects(async () => sealer.sealWhole(bytes(20)), refused)
    // Two for one place at once.
    const both = await Promise.allSettled([
      sealer.sealPiece(20, bytes(10), false),
      sealer.sealPiece(20, bytes(10).reverse(), false),
    ])
    assert.deepEqual(
      both.map(({ status }) => status),
      ['fulfilled', 'rejected'],
    )
    await sealer.sealPiece(30, bytes(5), true)
    await assert.rejects(sealer.sealPiece(40, bytes(10), false), refused)
    await assert.rejects(sealer.sealPiece(35, bytes(0), true), refused)
    await assert.rejects(async () => sealer.trailer(34), refused)
    await sealer.trailer(35)
    await sealer.sealAgain(0, bytes(20), false)
    sealer.destroy()
    for (const late of [
      () => sealer.sealAgain(0, bytes(20), false),
      async () => sealer.trailer(35),
      async () => sealer.exportKey(),
    ]) {
      await assert.rejects(late, refused)
    }
    // Also where the end is the end of a frame.
    const even = await sealerOf(await messageFor(0x0578, 10))
    await even.sealPiece(0, bytes(10), true)
    await assert.rejects(even.sealPiece(10, bytes(10), false), refused)
    await assert.rejects(even.sealPiece(10, bytes(0), true), refused)
    await even.trailer(10)
    const open = await sealerOf(await messageFor(0x0578, 10))
    await open.sealPiece(0, bytes(10), false)
    await assert.rejects(async () => open.trailer(10), refused)
    const small = await sealerOf(await messageFor(0x0578, 1))
    assert.throws(() => small.sealedLength(2 ** 32), code('ERR_S3CSE_BODY_TOO_LARGE'))
  })

  test('what another process has sealed is not taken: its signature cannot be continued', async () => {
    const sealer = await sealerOf(await messageFor(0x0578, 10))
    assert.equal(sealer.ordered, true)
    const { state } = await sealer.sealPiece(0, bytes(10), false)
    await assert.rejects(sealer.join(10, 10, state), code('ERR_S3CSE_UPLOAD_STATE', /one process/))
  })

  test('other bytes in place of a piece have another state, at another place too', async () => {
    const sealer = await sealerOf(await messageFor(0x0578, 10))
    const { state } = await sealer.sealPiece(0, bytes(20), false)
    const other = bytes(20)
    other[19]! ^= 1
    assert.notDeepEqual((await sealer.sealAgain(0, other, false)).state, state)
    assert.notDeepEqual((await sealer.sealAgain(20, bytes(20), false)).state, state)
    assert.notDeepEqual((await sealer.sealAgain(0, bytes(20), true)).state, state)
    assert.equal(state.length, 16)
  })

  test('what was sealed again is not signed, and a piece that fails ends the message', async () => {
    const made = await messageFor(0x0578, 10)
    let isBroken = false
    const aes = {
      ...made.aes,
      gcmEncrypt(...args: Parameters<typeof made.aes.gcmEncrypt>) {
        if (isBroken) throw new Error('no cipher')
        return made.aes.gcmEncrypt(...args)
      },
    }
    const sealer = await sealerOf({ ...made, aes })
    await sealer.sealAgain(0, bytes(20).reverse(), true)
    const pieces = [made.header, (await sealer.sealPiece(0, bytes(10), false)).sealed]
    await sealer.sealAgain(0, bytes(10), false)
    pieces.push((await sealer.sealPiece(10, bytes(3), true)).sealed, await sealer.trailer(13))
    assert.ok(
      independentRead(Buffer.concat(pieces), made.dataKey, 'secp384r1').equals(Buffer.concat([bytes(10), bytes(3)])),
    )

    const second = await messageFor(0x0578, 10)
    const failing = await sealerOf({ ...second, aes })
    isBroken = true
    await assert.rejects(failing.sealPiece(0, bytes(10), false), /no cipher/)
    isBroken = false
    await assert.rejects(failing.sealPiece(0, bytes(10), false), refused)
    await assert.rejects(failing.sealPiece(10, bytes(10), true), refused)
  })
})

describe('reading a signed message', () => {
  test('no change of any byte is accepted, and nothing of its frame or of the end is given out', async () => {
    for (const [suiteId] of [SUITES[0], SUITES[3]]) {
      const { made, message } = await sealed(suiteId, 10, 25)
      const start = made.header.length
      for (let at = start; at < message.length; at++) {
        const changed = Uint8Array.from(message)
        changed[at]! ^= 1
        const { given, error } = await read(
          await openerOf(changed, made.dataKey),
          changed,
          sourceIn(changed, () => 13),
        )
        failed(error)
        const frame = Math.floor((at - start) / (10 + FRAME_OVERHEAD))
        assert.ok(given.equals(bytes(10 * Math.min(frame, 2))), `${at}: ${given.length}`)
      }
    }
  })

  test('cut anywhere or made longer it fails, and never gives the end', async () => {
    const { made, message } = await sealed(0x0578, 10, 25)
    for (let length = made.header.length; length < message.length; length++) {
      const cut = message.subarray(0, length)
      const { given, error } = await read(
        await openerOf(cut, made.dataKey),
        cut,
        sourceIn(cut, () => 40),
      )
      failed(error)
      assert.ok(given.length <= 20)
    }
    for (const more of [1, 2, 105, 1000]) {
      const longer = Buffer.concat([message, new Uint8Array(more)])
      const { given, error } = await read(
        await openerOf(longer, made.dataKey),
        longer,
        sourceIn(longer, () => 40),
      )
      failed(error)
      assert.ok(given.equals(bytes(20)))
    }
    const opener = await openerOf(message, made.dataKey)
    assert.throws(() => opener.plaintextLength(made.header.length + FINAL_FRAME_OVERHEAD - 1), /no message/)
  })

  test('a frame comes as soon as it is there, the final one not before the signature', async () => {
    const { made, message } = await sealed(0x0378, 10, 25)
    const opener = await openerOf(message, made.dataKey)
    const stream = opener.stream!()
    const full = 10 + FRAME_OVERHEAD
    const given: number[] = []
    for (let at = made.header.length; at < message.length; at++) {
      const plaintext = await stream.update(message.subarray(at, at + 1))
      if (plaintext.length > 0) given.push(at + 1 - made.header.length)
    }
    assert.deepEqual(given, [full, 2 * full])
    assert.deepEqual(await stream.final(new Uint8Array(0)), bytes(25).subarray(20))
  })

  test('an error in the middle of the stream is the one that comes, after whole frames only', async () => {
    const { made, message } = await sealed(0x0578, 10, 25)
    let asked = 0
    const upstream: ByteSource = {
      async next() {
        if (asked === message.length - 1) throw new Error('connection lost')
        return message.subarray(asked, ++asked)
      },
      cancel: () => undefined,
    }
    const { given, error } = await read(await openerOf(message, made.dataKey), message, upstream)
    assert.match(String(error), /connection lost/)
    assert.ok(given.equals(bytes(20)))
  })

  test('the signature of another key, or of another header, is refused', async () => {
    const { made, message } = await sealed(0x0578, 10, 25)
    const header = headerOf(message)
    const { publicKey } = await nodeEcdsa.generate('P-384')
    for (const [key, changes] of [
      [publicKey, {}],
      [made.publicKey, { body: Uint8Array.of(...header.body.subarray(0, -1), 0) }],
      [made.publicKey, { tag: new Uint8Array(16) }],
    ] as const) {
      const verifier = (await nodeEcdsa.verifier('P-384', key))!
      const aes = await nodeRuntime.aes(made.key)
      const opener = signedFrameOpener({ aes, header: { ...header, ...changes }, verifier, impossible })
      const { given, error } = await read(
        opener,
        message,
        sourceIn(message, () => 100),
      )
      failed(error)
      assert.ok(given.equals(bytes(20)))
    }
  })

  test('it is read once, and no part of it by itself', async () => {
    const { made, message } = await sealed(0x0578, 10, 25)
    const opener = await openerOf(message, made.dataKey)
    assert.deepEqual(await opener.openWhole(message), bytes(25))
    await assert.rejects(async () => opener.openWhole(message), refused)
    assert.throws(() => opener.stream!(), refused)
    const range = code('ERR_S3CSE_RANGE_REFUSED')
    assert.throws(() => opener.extent(0, 1), range)
    await assert.rejects(async () => opener.open(made.header.length, message.subarray(made.header.length), true), range)
    const unsigned = await messageFor(0x0478, 10)
    const header = headerOf(unsigned.header)
    const verifier = (await nodeEcdsa.verifier('P-384', made.publicKey))!
    assert.throws(() => signedFrameOpener({ aes: unsigned.aes, header, verifier, impossible }), refused)
  })
})
