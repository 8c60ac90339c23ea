// Somebody who may write to the bucket, and has the readers' public keys, puts packets of his own into a header.
import assert from 'node:assert/strict'
import { createCipheriv } from 'node:crypto'
import { describe, it } from 'node:test'

import { decrypt, decryptStream, encrypt, openRange, rearrange, reencrypt, x25519Keyring } from '../../src/crypt4gh.js'
import { CseError } from '../../src/index.js'
import { parseHeader } from '../../src/formats/crypt4gh/header.js'
import { contentsOf } from '../../src/formats/crypt4gh/contents.js'
import { openedHeader } from '../../src/formats/crypt4gh/open.js'
import { openPackets } from '../../src/formats/crypt4gh/packets.js'
import { crypt4ghSettings } from '../../src/formats/crypt4gh/options.js'
import { noObject } from '../../src/formats/names.js'
import type { Keyring } from '../../src/index.js'
import { publicKey, secretKey } from '../support/crypt4gh-vectors.js'
import { code } from '../support/errors.js'
import { pattern } from '../support/world.js'
import {
  bytesOf,
  contentOf,
  dataKey,
  dataKeyOf,
  editList,
  foreignPiecesOf,
  messageOf,
  nonceOf,
  packetFor,
  pairOf,
  piecesOf,
  SEGMENT,
} from './crypt4gh-support.js'

const bob: Keyring = x25519Keyring({ secretKey: secretKey('bob') })
const alice: Keyring = x25519Keyring({ secretKey: secretKey('alice'), recipients: [publicKey('bob')] })
const draft = { experimentalAuthenticatedMode: 'write' } as const

type Options = Parameters<typeof decrypt>[1]

/** Every way to take in all of a message. */
const ways: Readonly<Record<string, (message: Uint8Array, options: Options) => Promise<unknown>>> = {
  decrypt,
  decryptStream: (message, options) => bytesOf(decryptStream(message, options)),
  openRange: async (message, options) => (await openRange(message, options)).read(0),
  reencrypt: (message, options) => bytesOf(reencrypt(message, { ...options, to: alice })),
  rearrange: (message, options) => bytesOf(rearrange(message, { ...options, to: alice, start: 0, end: 1 })),
}

async function assertRefused(
  message: Uint8Array,
  options: Options,
  what: string,
  by = Object.keys(ways),
): Promise<void> {
  for (const [way, take] of Object.entries(ways).filter(([name]) => by.includes(name))) {
    await assert.rejects(
      take(message, options),
      (error: unknown) => {
        assert.ok(error instanceof CseError, `${what}, ${way}: ${String(error)}`)
        assert.equal(error.code, 'ERR_S3CSE_DECRYPTION_FAILED', `${what}, ${way}: ${error.message}`)
        assert.equal(Object.hasOwn(error, 'cause'), false, `${what}, ${way}: it has a cause`)
        return true
      },
      `${what}, ${way}: it was taken`,
    )
  }
}

const uint32 = (...values: readonly number[]): Uint8Array => new Uint8Array(Uint32Array.from(values).buffer)

describe('packets beside those of the writer', () => {
  const other = (method: 0 | 1 = 0): Uint8Array => dataKey(new Uint8Array(32).fill(9), method)

  it('that make it another message, or none, are refused by every reader', async () => {
    const { message } = await encrypt(pattern(2 * SEGMENT + 5), { keyring: alice })
    const [own, foreign] = [piecesOf(message), await foreignPiecesOf(message)]
    const { segments } = own
    const added: Readonly<Record<string, readonly Uint8Array[]>> = {
      'another data key': [other()],
      'a data key of the draft mode': [other(1)],
      'two edit lists': [editList(0, 10), editList(0, 10)],
      'two edit lists, one of them empty': [editList(), editList(0, 10)],
      'an edit list without a count': [uint32(1)],
      'an edit list with more lengths than it has': [uint32(1, 2, 0, 0)],
      'half a data key': [other().subarray(0, 39)],
      'a data key of an unknown method': [Uint8Array.from(other()).fill(2, 4, 5)],
      'a data key of an unknown method, and bytes behind it': [Uint8Array.from([...other().fill(2, 4, 5), ...other()])],
      'a draft key without its number': [Uint8Array.from(other()).fill(1, 4, 5)],
      'a content without a type': [new Uint8Array(3)],
      'an edit list that goes on behind the end': [editList(0, 2 * SEGMENT + 6)],
      'an edit list whose sum is more than 64 bits': [bigList(2n ** 64n - 1n, 2n ** 63n, 2n ** 64n - 1n, 7n)],
      'an edit list whose sum is more than counts exactly': [bigList(2n ** 53n, 1n)],
    }
    for (const [what, contents] of Object.entries(added)) {
      // (Of a message that says nothing of its order a further key may be one of its own.)
      const { packets } = what === 'another data key' ? own : foreign
      const forged: Uint8Array[] = []
      for (const content of contents) forged.push(await packetFor(publicKey('bob'), content))
      for (const all of [
        [...packets, ...forged],
        [...forged, ...packets],
      ]) {
        await assertRefused(messageOf({ packets: all, segments }), { keyring: bob, ...draft }, what)
      }
    }
    await assertRefused(
      messageOf({ packets: [await packetFor(publicKey('bob'), editList(0, 5))], segments }),
      { keyring: bob },
      'no data key',
    )
  })

  it('that have no key of a known method make no message, an empty one neither', async () => {
    for (const content of [Uint8Array.from([...other().fill(2, 4, 5), ...other()]), editList(), uint32(9)]) {
      const message = messageOf({ packets: [await packetFor(publicKey('bob'), content)], segments: [] })
      await assertRefused(message, { keyring: bob, ...draft }, `content of ${content.length} bytes`)
    }
  })

  it('with lengths that cannot be let nothing out of a stream', async () => {
    const { message } = await encrypt(pattern(3 * SEGMENT), { keyring: alice })
    const { packets, segments } = await foreignPiecesOf(message)
    const list = await packetFor(publicKey('bob'), bigList(0n, 5n, 2n ** 64n - 1n))
    let released = 0
    await assert.rejects(async () => {
      const stream = decryptStream(messageOf({ packets: [...packets, list], segments }), { keyring: bob })
      for await (const chunk of stream) released += chunk.length
    }, code('ERR_S3CSE_DECRYPTION_FAILED'))
    assert.equal(released, 0)
  })

  it('that are of no kind that is known, or for others, change nothing', async () => {
    const { message } = await encrypt(pattern(SEGMENT + 5), { keyring: alice })
    const { packets, segments } = piecesOf(message)
    const strange = Uint8Array.from([12, 0, 0, 0, 7, 0, 0, 0, 1, 2, 3, 4])
    const others = [
      await packetFor(publicKey('bob'), Uint8Array.of(9, 0, 0, 0, 1)),
      await packetFor(publicKey('carol'), other()),
      strange,
    ]
    const { plaintext, header } = await decrypt(messageOf({ packets: [...others, ...packets], segments }), {
      keyring: bob,
    })
    assert.deepEqual(plaintext, Uint8Array.from(pattern(SEGMENT + 5)))
    assert.equal(header.integrity, 'ordered')
  })

  it('with several data keys, as anybody may write them, are read, whichever a segment has', async () => {
    const [one, two] = [1, 2].map((seed) => {
      const key = new Uint8Array(32).fill(seed)
      return { key, cipher: foreignSegments(key, seed) }
    })
    const packets = [
      await packetFor(publicKey('bob'), dataKey(one!.key)),
      await packetFor(publicKey('bob'), dataKey(two!.key)),
    ]
    const segments = [one!.cipher(pattern(SEGMENT)), two!.cipher(pattern(SEGMENT)), one!.cipher(pattern(7))]
    const { plaintext, header } = await decrypt(messageOf({ packets, segments }), { keyring: bob })
    assert.deepEqual(plaintext, Uint8Array.from(Buffer.concat([pattern(SEGMENT), pattern(SEGMENT), pattern(7)])))
    assert.equal(header.integrity, 'segment')
  })
})

describe('a message that says where its segments are', () => {
  it('is not made one that says it less by packets of its own reader that were copied from a part of it', async () => {
    const { message } = await encrypt(pattern(4 * SEGMENT), { keyring: alice })
    const whole = piecesOf(message)
    const part = piecesOf(await bytesOf(rearrange(message, { keyring: bob, to: alice, start: SEGMENT })))
    const [a, b, c, d] = whole.segments as [Uint8Array, Uint8Array, Uint8Array, Uint8Array]
    const lists = [...whole.packets, ...part.packets]
    for (const packets of [lists, [...lists].reverse(), [...whole.packets, part.packets[0]!]]) {
      for (const segments of [
        [b, a, c, d],
        [b, c, d],
        [a, b, c],
      ]) {
        await assertRefused(messageOf({ packets, segments }), { keyring: bob }, 'mixed')
      }
    }
  })

  it('is refused in another order also where it is a part, whose first segment was changed', async () => {
    const { message } = await encrypt(pattern(6 * SEGMENT), { keyring: alice })
    const part = piecesOf(
      await bytesOf(rearrange(message, { keyring: bob, to: alice, start: SEGMENT, end: 5 * SEGMENT })),
    )
    const [a, b, c, d] = part.segments as [Uint8Array, Uint8Array, Uint8Array, Uint8Array]
    const changes: readonly (readonly Uint8Array[])[] = [
      [b, a, c, d],
      [a, c, b, d],
      [b, b, c, d],
      [b, c, d, a],
    ]
    const intact = await decrypt(messageOf(part), { keyring: bob })
    assert.deepEqual(intact.plaintext, Uint8Array.from(pattern(6 * SEGMENT).subarray(SEGMENT, 5 * SEGMENT)))
    for (const segments of changes) {
      const forged = messageOf({ ...part, segments })
      await assert.rejects(decrypt(forged, { keyring: bob }), code('ERR_S3CSE_DECRYPTION_FAILED'))
      const reader = await openRange(forged, { keyring: bob }).catch((error: unknown) => error)
      if (reader instanceof Error) code('ERR_S3CSE_DECRYPTION_FAILED')(reader)
      else
        await assert.rejects(
          (reader as { read(at: number): Promise<unknown> }).read(0),
          code('ERR_S3CSE_DECRYPTION_FAILED'),
        )
    }
  })

  it('has segments where it says so, and none where it says that', async () => {
    const [whole, none] = [
      await encrypt(pattern(SEGMENT), { keyring: alice }),
      await encrypt(new Uint8Array(0), { keyring: alice }),
    ]
    const { packets, segments } = piecesOf(whole.message)
    await assertRefused(messageOf({ packets, segments: [] }), { keyring: bob }, 'no segments')
    await assertRefused(messageOf({ ...piecesOf(none.message), segments }), { keyring: bob }, 'segments of another')
    const key = await dataKeyOf(none.message, pairOf('bob'))
    const own = messageOf({ ...piecesOf(none.message), segments: [foreignSegments(key, 1)(pattern(5))] })
    await assertRefused(own, { keyring: bob }, 'segments of another recipient')
  })

  it('is refused where its end is missing, in the draft mode too', async () => {
    for (const length of [2 * SEGMENT, 2 * SEGMENT + 5]) {
      const { message } = await encrypt(pattern(length), { keyring: alice, ...draft })
      const { packets, segments } = piecesOf(message)
      for (const count of [0, 1, 2]) {
        const cut = messageOf({ packets, segments: segments.slice(0, count) })
        await assertRefused(cut, { keyring: bob, ...draft }, `${count} segments of ${length} bytes`)
      }
    }
  })

  it('has no short segment but its last one, and in the draft mode no whole one there', async () => {
    const key = new Uint8Array(32).fill(3)
    const readerFor = async (packet: Uint8Array): Promise<Awaited<ReturnType<typeof openedHeader>>['reader']> => {
      const result = parseHeader(messageOf({ packets: [packet], segments: [] }), 1)
      assert.ok('header' in result, 'it has a header')
      const asked = { keyring: bob, commitmentPolicy: 'REQUIRE_ENCRYPT_REQUIRE_DECRYPT' } as const
      const settings = crypt4ghSettings('test', draft)
      return (await openedHeader(contentsOf(await openPackets(result.header, asked), settings, noObject))).reader
    }
    const foreign = await readerFor(await packetFor(publicKey('bob'), dataKey(key)))
    const short = foreignSegments(key, 1)(pattern(5))
    assert.equal(foreign.open(0, short, true).length, 5)
    assert.throws(() => foreign.open(0, short, false), code('ERR_S3CSE_DECRYPTION_FAILED'))

    const { message } = await encrypt(pattern(SEGMENT), { keyring: alice, ...draft })
    const { packets, segments } = piecesOf(message)
    const reader = await readerFor(packets[0]!)
    assert.equal(reader.open(0, segments[0]!, false).length, SEGMENT)
    assert.throws(() => reader.open(0, segments[0]!, true), code('ERR_S3CSE_DECRYPTION_FAILED'))
    assert.throws(() => reader.open(1, segments[0]!, false), code('ERR_S3CSE_DECRYPTION_FAILED'))
  })

  it('keeps its order and its end for who gets it by another header', async () => {
    const { message } = await encrypt(pattern(3 * SEGMENT), { keyring: alice })
    const { packets, segments } = piecesOf(
      await bytesOf(
        reencrypt(message, { keyring: bob, to: x25519Keyring({ recipients: [publicKey('carol')] }), trim: true }),
      ),
    )
    const carol = x25519Keyring({ secretKey: secretKey('carol') })
    assert.equal((await decrypt(messageOf({ packets, segments }), { keyring: carol })).header.integrity, 'ordered')
    const [a, b, c] = segments as [Uint8Array, Uint8Array, Uint8Array]
    for (const moved of [
      [b, a, c],
      [a, b],
      [a, c],
    ]) {
      await assertRefused(messageOf({ packets, segments: moved }), { keyring: carol }, 'moved', [
        'decrypt',
        'decryptStream',
        'openRange',
      ])
    }
  })
})

describe('nonces', () => {
  it('of packets under one static key are the same for the same content only', async () => {
    const own = x25519Keyring({ secretKey: secretKey('alice'), recipients: [publicKey('bob'), publicKey('alice')] })
    const { message } = await encrypt(pattern(5 * SEGMENT), { keyring: own })
    const made = [message, await bytesOf(reencrypt(message, { keyring: own, to: own }))]
    for (const start of [0, 1, SEGMENT, 2 * SEGMENT + 1]) {
      for (const end of [start + 1, 4 * SEGMENT, 5 * SEGMENT]) {
        made.push(await bytesOf(rearrange(message, { keyring: own, to: own, start, end })))
      }
    }
    const contents = new Map<string, string>()
    for (const packet of made.flatMap((one) => piecesOf(one).packets)) {
      const content = await contentOf(packet, pairOf('bob'))
      if (content === undefined) continue
      const text = Buffer.from(content).toString('hex')
      assert.equal(contents.get(nonceOf(packet)) ?? text, text, 'one nonce has two contents')
      contents.set(nonceOf(packet), text)
    }
    assert.ok(contents.size > made.length, 'there are others than those of the edit lists')
  })

  it('of the draft mode are not those of other messages, nor is its key', async () => {
    const keys = new Set<string>()
    for (const options of [{}, {}, draft, draft]) {
      const { message } = await encrypt(pattern(5), { keyring: alice, ...options })
      keys.add(Buffer.from(await dataKeyOf(message, pairOf('bob'))).toString('hex'))
      keys.add(nonceOf(piecesOf(message).packets[0]!))
      keys.add(Buffer.from(piecesOf(message).segments[0]!.subarray(0, 12)).toString('hex'))
    }
    assert.equal(keys.size, 12)
  })
})

function bigList(...lengths: readonly bigint[]): Uint8Array {
  const bytes = new Uint8Array(8 + lengths.length * 8)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, 1, true)
  view.setUint32(4, lengths.length, true)
  for (const [index, length] of lengths.entries()) view.setBigUint64(8 + index * 8, length, true)
  return bytes
}

/** Segments with nonces of somebody else's making. */
function foreignSegments(key: Uint8Array, seed: number): (plaintext: Uint8Array) => Uint8Array {
  let count = 0
  return (plaintext) => {
    const nonce = new Uint8Array(12).fill(seed)
    nonce[0] = count++
    const cipher = createCipheriv('chacha20-poly1305', key, nonce, { authTagLength: 16 })
    const sealed = [cipher.update(plaintext), cipher.final()]
    return Uint8Array.from(Buffer.concat([nonce, ...sealed, cipher.getAuthTag()]))
  }
}
