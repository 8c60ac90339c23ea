// What Crypt4GH has to keep to itself, and to forget: contents of packets, data keys, plaintext that was not verified.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import {
  bytesOf,
  dataKey,
  editList,
  foreignPiecesOf,
  messageOf,
  packetFor,
  pairOf,
  SEALED,
  SEGMENT,
} from './crypt4gh-support.js'
import { decrypt, encrypt, openRange, rearrange, reencrypt, x25519Keyring } from '../../src/crypt4gh.js'
import { contentsOf } from '../../src/formats/crypt4gh/contents.js'
import { openedHeader } from '../../src/formats/crypt4gh/open.js'
import { openPackets, type OpenedPacket } from '../../src/formats/crypt4gh/packets.js'
import { parseHeader } from '../../src/formats/crypt4gh/header.js'
import { crypt4ghSettings } from '../../src/formats/crypt4gh/options.js'
import type { Keyring } from '../../src/index.js'
import { noObject } from '../../src/formats/names.js'
import { publicKey, secretKey } from '../support/crypt4gh-vectors.js'
import { code } from '../support/errors.js'
import { pattern } from '../support/world.js'

const bob: Keyring = x25519Keyring({ secretKey: secretKey('bob') })
const alice: Keyring = x25519Keyring({ secretKey: secretKey('alice'), recipients: [publicKey('bob')] })
const settings = crypt4ghSettings('test', { experimentalAuthenticatedMode: 'read' })
const asked = { commitmentPolicy: 'REQUIRE_ENCRYPT_REQUIRE_DECRYPT' } as const

/** Opens as bob does, and keeps what it has given. */
function watching(fails = Infinity): Keyring & { readonly given: Uint8Array[] } {
  const given: Uint8Array[] = []
  let calls = 0
  return {
    given,
    algorithms: ['crypt4gh'],
    wrap: (request) => alice.wrap(request),
    async unwrap(request) {
      if (++calls === fails) throw new Error('the keyring failed')
      const content = await bob.unwrap(request)
      if (content !== undefined) given.push(content)
      return content
    },
  }
}

function assertWiped(all: readonly Uint8Array[], count: number, what: string): void {
  assert.equal(all.length, count, `${what}: how many there are`)
  for (const bytes of all) {
    assert.ok(
      bytes.every((byte) => byte === 0),
      `${what} are still there`,
    )
  }
}

describe('contents of packets', () => {
  const uses: Readonly<Record<string, (message: Uint8Array, keyring: Keyring) => Promise<unknown>>> = {
    decrypt: (message, keyring) => decrypt(message, { keyring }),
    openRange: async (message, keyring) => (await openRange(message, { keyring })).close(),
    reencrypt: (message, keyring) => bytesOf(reencrypt(message, { keyring, to: alice })),
    rearrange: (message, keyring) => bytesOf(rearrange(message, { keyring, to: alice, start: 0, end: 1 })),
  }
  for (const [name, use] of Object.entries(uses)) {
    it(`are wiped after ${name}, and where it fails`, async () => {
      const { message } = await encrypt(pattern(SEGMENT), { keyring: alice })
      const { packets, segments } = await foreignPiecesOf(message, ['bob'])
      const list = await packetFor(publicKey('bob'), editList(0, 10))
      const keyring = watching()
      await use(messageOf({ packets: [...packets, list], segments }), keyring)
      assertWiped(keyring.given, 2, 'contents')

      const failing = watching(2)
      await assert.rejects(use(messageOf({ packets: [...packets, list], segments }), failing), /the keyring failed/)
      assertWiped(failing.given, 1, 'contents before the failure')

      const wrong = watching()
      const forged = messageOf({ packets: [...packets, list, list], segments })
      await assert.rejects(use(forged, wrong), code('ERR_S3CSE_DECRYPTION_FAILED'))
      assertWiped(wrong.given, 3, 'contents of what is no message')
    })
  }

  it('leave no copy of a data key where they are refused', async () => {
    const copies: Uint8Array[] = []
    class Watched extends Uint8Array {
      override slice(start?: number, end?: number): Uint8Array<ArrayBuffer> {
        const copy = Uint8Array.from(this.subarray(start, end))
        copies.push(copy)
        return copy
      }
    }
    const { message } = await encrypt(pattern(5), { keyring: alice })
    const result = parseHeader(message, 10)
    assert.ok('header' in result, 'it has a header')
    const [packet] = result.header.packets
    assert.ok(packet !== undefined, 'it has a packet')
    const opened = (...contents: readonly Uint8Array[]): OpenedPacket[] =>
      contents.map((content) => ({ packet, content: Watched.from(content), reader: 0 }))
    const key = new Uint8Array(32).fill(5)
    const cases: readonly (readonly Uint8Array[])[] = [
      [dataKey(key), dataKey(key, 1)],
      [dataKey(key), dataKey(new Uint8Array(32).fill(6)), new Uint8Array(3)],
      [dataKey(key), editList(1), editList(1)],
    ]
    for (const contents of cases) {
      assert.throws(() => contentsOf(opened(...contents), settings, noObject), code('ERR_S3CSE_DECRYPTION_FAILED'))
    }
    assertWiped(copies, 5, 'data keys')
    copies.length = 0
    const draftOnly = crypt4ghSettings('test', {})
    assert.throws(() => contentsOf(opened(dataKey(key, 1)), draftOnly, noObject), code('ERR_S3CSE_POLICY'))
    assertWiped(copies, 1, 'data keys')
    copies.length = 0
    // The same one twice is one.
    const { keys } = contentsOf(opened(dataKey(key), dataKey(key)), settings, noObject)
    assert.equal(keys.length, 1)
    assertWiped(copies.slice(1), 1, 'a copy')
  })

  it('leave no data key when the header was opened, nor a reader that opens when it was destroyed', async () => {
    const { message } = await encrypt(pattern(5), { keyring: alice })
    const result = parseHeader(message, 10)
    assert.ok('header' in result, 'it has a header')
    const packets = await openPackets(result.header, { keyring: bob, ...asked })
    const contents = contentsOf(packets, settings, noObject)
    const { reader } = await openedHeader(contents)
    assertWiped(
      contents.keys.map(({ key }) => key),
      1,
      'data keys',
    )
    const segment = message.subarray(result.header.length)
    assert.deepEqual(reader.open(0, segment, true), Uint8Array.from(pattern(5)))
    reader.destroy()
    assert.throws(() => reader.open(0, segment, true), 'it opens no more')
  })
})

describe('what a keyring has answered', () => {
  it('is wiped, and checked before anything is stored', async () => {
    const answers: Uint8Array[] = []
    const changed = (change: (packet: Record<string, unknown>) => unknown): Keyring => ({
      algorithms: ['crypt4gh'],
      async wrap(request) {
        const result = await alice.wrap(request)
        answers.push(result.dataKey)
        return { ...result, encryptedDataKeys: result.encryptedDataKeys.map((one) => change({ ...one }) as never) }
      },
      unwrap: (request) => bob.unwrap(request),
    })
    const right = await encrypt(pattern(5), { keyring: changed((packet) => packet) })
    assert.deepEqual((await decrypt(right.message, { keyring: bob })).plaintext, Uint8Array.from(pattern(5)))
    const wrong: readonly ((packet: Record<string, unknown>) => unknown)[] = [
      (packet) => ({ ...packet, algorithm: 'aes' }),
      (packet) => ({ ...packet, info: new Uint8Array(31) }),
      (packet) => ({ ...packet, info: undefined }),
      (packet) => ({ ...packet, ciphertext: new Uint8Array(67) }),
      (packet) => ({ ...packet, ciphertext: 'text' }),
      () => undefined,
    ]
    for (const change of wrong) {
      await assert.rejects(encrypt(pattern(5), { keyring: changed(change) }), code('ERR_S3CSE_CONFIG'))
    }
    assertWiped(answers, wrong.length + 1, 'data keys')
    const nobody: Keyring = {
      wrap: async ({ dataKey: key, context }) => ({ dataKey: key!, encryptedDataKeys: [], context }),
      unwrap: async () => undefined,
    }
    await assert.rejects(encrypt(pattern(5), { keyring: nobody }), code('ERR_S3CSE_CONFIG'))
  })

  it('says that order and end are bound only where all of its packets have the mark', async () => {
    const forgetful: Keyring = {
      algorithms: ['crypt4gh'],
      wrap({ nonce, ...request }) {
        assert.equal(nonce?.length, 12)
        return alice.wrap(request)
      },
      unwrap: (request) => bob.unwrap(request),
    }
    const { message, header } = await encrypt(pattern(5), { keyring: forgetful })
    assert.equal(header.integrity, 'segment')
    assert.equal((await decrypt(message, { keyring: bob })).header.integrity, 'segment')
  })

  it('is not asked of one that is for other formats', async () => {
    const { message } = await encrypt(pattern(5), { keyring: alice })
    const result = parseHeader(message, 10)
    assert.ok('header' in result, 'it has a header')
    const other: Keyring = { ...bob, algorithms: ['kms'] }
    await assert.rejects(openPackets(result.header, { keyring: other, ...asked }), code('ERR_S3CSE_CONFIG'))
  })
})

describe('plaintext that was not verified', () => {
  it('is not left in the room that was given for it', async () => {
    const { message } = await encrypt(pattern(3 * SEGMENT), { keyring: alice })
    const result = parseHeader(message, 10)
    assert.ok('header' in result, 'it has a header')
    const opened = await openedHeader(
      contentsOf(await openPackets(result.header, { keyring: bob, ...asked }), settings, noObject),
    )
    const body = Uint8Array.from(message.subarray(result.header.length))
    const room = new Uint8Array(body.length).fill(7)
    assert.equal(Buffer.compare(opened.reader.open(0, body, true, room), pattern(3 * SEGMENT)), 0)
    for (const at of [SEALED - 1, 2 * SEALED + 50, body.length - 1]) {
      const changed = Uint8Array.from(body)
      changed[at]! ^= 1
      const into = new Uint8Array(3 * SEGMENT).fill(7)
      assert.throws(() => opened.reader.open(0, changed, true, into), code('ERR_S3CSE_DECRYPTION_FAILED'))
      assert.ok(
        into.every((byte) => byte === 0),
        'plaintext is still there',
      )
    }
    opened.reader.destroy()
  })
})

describe('a reader with several keys', () => {
  it('takes the edit list that each of them has only where it is the same one', async () => {
    const { message } = await encrypt(pattern(SEGMENT), {
      keyring: x25519Keyring({ recipients: [publicKey('bob'), publicKey('carol')] }),
    })
    const { packets, segments } = await foreignPiecesOf(message)
    const several = x25519Keyring({ secretKey: secretKey('bob'), additionalSecretKeys: [secretKey('carol')] })
    const one = await packetFor(publicKey('bob'), editList(0, 10), { writer: pairOf('alice') })
    for (const [list, isRight] of [
      [editList(0, 10), true],
      [editList(0, 9), false],
      [editList(0, 10, 0), false],
      [editList(), false],
    ] as const) {
      const other = await packetFor(publicKey('carol'), list, { writer: pairOf('alice') })
      const reading = decrypt(messageOf({ packets: [...packets, one, other], segments }), { keyring: several })
      if (isRight) assert.equal((await reading).plaintext.length, 10)
      else await assert.rejects(reading, code('ERR_S3CSE_DECRYPTION_FAILED'))
    }
  })

  it('takes packets of the senders that it was told of only, with each key', async () => {
    const several = x25519Keyring({
      secretKey: secretKey('carol'),
      additionalSecretKeys: [secretKey('bob')],
      senderPublicKey: publicKey('alice'),
    })
    const { message } = await encrypt(pattern(5), { keyring: alice })
    assert.equal((await decrypt(message, { keyring: several })).plaintext.length, 5)
    for (const name of ['bob', 'carol']) {
      const key = new Uint8Array(32).fill(1)
      const packet = await packetFor(publicKey(name), dataKey(key), { writer: pairOf('bob') })
      const forged = messageOf({ packets: [packet], segments: [] })
      await assert.rejects(decrypt(forged, { keyring: several }), code('ERR_S3CSE_DECRYPTION_FAILED'))
    }
  })
})
