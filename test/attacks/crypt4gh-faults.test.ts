// What was found when Crypt4GH was attacked.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { decrypt, encrypt, rearrange, reencrypt, x25519Keyring } from '../../src/crypt4gh.js'
import { orderOf } from '../../src/formats/crypt4gh/order.js'
import type { Keyring } from '../../src/index.js'
import { publicKey, secretKey } from '../support/crypt4gh-vectors.js'
import { pattern } from '../support/world.js'
import {
  bytesOf,
  contentOf,
  dataKey,
  dataKeyOf,
  editList,
  messageOf,
  nonceOf,
  packetFor,
  pairOf,
  piecesOf,
  SEGMENT,
} from './crypt4gh-support.js'

const bob: Keyring = x25519Keyring({ secretKey: secretKey('bob') })
/** Sends under her own key. */
const alice: Keyring = x25519Keyring({
  secretKey: secretKey('alice'),
  recipients: [publicKey('alice'), publicKey('bob')],
})
const pinned: Keyring = x25519Keyring({ secretKey: secretKey('bob'), senderPublicKey: publicKey('alice') })

/** Refused, or not said to be whole and in order. */
async function assertNotOrdered(message: Uint8Array, keyring: Keyring, what: string): Promise<void> {
  const opened = await decrypt(message, { keyring, experimentalAuthenticatedMode: 'read' }).catch(() => undefined)
  assert.notEqual(opened?.header.integrity, 'ordered', `${what}: ${opened?.plaintext.length} bytes were left`)
}

describe('an edit list that somebody has put into the header of another message', () => {
  for (const experimentalAuthenticatedMode of [undefined, 'write'] as const) {
    const mode = { experimentalAuthenticatedMode }
    const name = experimentalAuthenticatedMode ? 'the draft mode' : 'method 0'

    it(`does not leave out bytes of one that is said to be ordered (${name})`, async () => {
      const { message } = await encrypt(pattern(3 * SEGMENT), { keyring: alice, ...mode })
      const { packets, segments } = piecesOf(message)
      for (const list of [editList(0, 10), editList(0, 10, 70_000, 5), editList(SEGMENT)]) {
        const forged = messageOf({ packets: [...packets, await packetFor(publicKey('bob'), list)], segments })
        await assertNotOrdered(forged, bob, 'a new one')
      }
    })

    it(`does not either where it is of a part that the same sender has made (${name})`, async () => {
      const other = await encrypt(pattern(2 * SEGMENT), { keyring: alice, ...mode })
      const part = piecesOf(
        await bytesOf(
          rearrange(other.message, { keyring: alice, to: alice, start: SEGMENT + 5, end: 2 * SEGMENT, ...mode }),
        ),
      )
      const lists: Uint8Array[] = []
      for (const packet of part.packets) {
        const content = await contentOf(packet, pairOf('bob'))
        if (content?.[0] === 1) lists.push(packet)
      }
      assert.equal(lists.length, 1)
      const { message } = await encrypt(pattern(3 * SEGMENT), { keyring: alice, ...mode })
      const { packets, segments } = piecesOf(message)
      await assertNotOrdered(messageOf({ packets: [...packets, ...lists], segments }), pinned, 'of another message')
    })
  }
})

describe('a nonce under a static sender', () => {
  /** Of each packet for bob: one nonce, one content. */
  async function assertOnce(messages: readonly Uint8Array[], what: string): Promise<void> {
    const contents = new Map<string, string>()
    for (const packet of messages.flatMap((message) => piecesOf(message).packets)) {
      const content = await contentOf(packet, pairOf('bob'))
      if (content === undefined || Buffer.compare(packet.subarray(8, 40), publicKey('alice')) !== 0) continue
      const text = Buffer.from(content).toString('hex')
      assert.equal(contents.get(nonceOf(packet)) ?? text, text, `${what}: one nonce has two contents`)
      contents.set(nonceOf(packet), text)
    }
    assert.ok(contents.size > 0, `${what}: there are packets`)
  }

  // Another recipient knows both contents then, and so can make any packet from alice to bob with that nonce.
  for (const [name, make] of Object.entries({
    reencrypt: (message: Uint8Array) => reencrypt(message, { keyring: alice, to: alice, trim: true }),
    rearrange: (message: Uint8Array) => rearrange(message, { keyring: alice, to: alice, start: 1, end: 2 }),
  })) {
    it(`has one content, also where the data key is there twice with other padding (${name})`, async () => {
      const { message } = await encrypt(pattern(2 * SEGMENT), { keyring: alice })
      const { packets, segments } = piecesOf(message)
      const key = await dataKeyOf(message, pairOf('bob'))
      const padded = new Uint8Array(56).fill(7)
      padded.set(dataKey(key))
      const forged = await packetFor(publicKey('alice'), padded, { writer: pairOf('bob') })
      const made = await bytesOf(make(messageOf({ packets: [...packets, forged], segments })))
      await assertOnce([message, made], 'in one header')
    })
  }
})

describe('a message of a stranger that is written anew under a static sender', () => {
  // 48 bits of a mark are up to who has made the data key, and among 2^25 keys there are two that have the others in common.
  it('does not get a nonce that the stranger has chosen', async () => {
    const key = new Uint8Array(32).fill(1)
    const order = await orderOf(key)
    for (const first of [0, 1, 2 ** 47 + 12_345]) {
      const nonce = order.mark({ kind: 'open', first })
      const packet = await packetFor(publicKey('alice'), dataKey(key), { nonce })
      const message = messageOf({ packets: [packet], segments: [] })
      const made = await bytesOf(reencrypt(message, { keyring: alice, to: alice }))
      const nonces = piecesOf(made).packets.map(nonceOf)
      assert.ok(!nonces.includes(nonceOf(packet)), `first ${first}: the packets from alice have the stranger's nonce`)
    }
    order.destroy()
  })

  it('does not have one nonce with two data keys, which the stranger has looked for', async () => {
    // Found among 2^26 keys, in two minutes of one processor.
    const keys = [17_374_382, 68_545_859].map((number) => {
      const key = new Uint8Array(32)
      new DataView(key.buffer).setUint32(0, number, true)
      return key
    })
    const [one, two] = await Promise.all(keys.map((key) => orderOf(key)))
    assert.ok(one !== undefined && two !== undefined, 'there are two')
    const nonce = one.mark({ kind: 'open', first: 0 })
    const made: Uint8Array[] = []
    for (const key of keys) {
      const packet = await packetFor(publicKey('alice'), dataKey(key), { nonce })
      const message = messageOf({ packets: [packet], segments: [] })
      made.push(await bytesOf(reencrypt(message, { keyring: alice, to: alice })))
    }
    const nonces = made.map((message) => nonceOf(piecesOf(message).packets[1]!))
    assert.notEqual(nonces[0], nonces[1], 'two packets from alice to bob have one nonce, and two contents')
  })
})

describe('the data key', () => {
  it('is wiped in all that keyrings are given', async () => {
    const given: (Uint8Array | undefined)[] = []
    const watching: Keyring = {
      algorithms: ['crypt4gh'],
      wrap(request) {
        given.push(request.dataKey)
        return alice.wrap(request)
      },
      unwrap: (request) => bob.unwrap(request),
    }
    const { message } = await encrypt(pattern(5), { keyring: watching })
    await bytesOf(reencrypt(message, { keyring: bob, to: watching }))
    await bytesOf(rearrange(message, { keyring: bob, to: watching, start: 1 }))
    assert.ok(given.length >= 3, 'it was asked')
    for (const [index, bytes] of given.entries()) {
      assert.ok(bytes?.every((byte) => byte === 0) === true, `what was given with call ${index + 1} is still there`)
    }
  })
})

describe('a keyring around one with several secret keys', () => {
  it('is asked itself', async () => {
    const { message } = await encrypt(pattern(5), { keyring: alice })
    const several = x25519Keyring({ secretKey: secretKey('carol'), additionalSecretKeys: [secretKey('bob')] })
    let asked = 0
    const refusing: Keyring = {
      ...several,
      async unwrap() {
        asked++
        return undefined
      },
    }
    await assert.rejects(decrypt(message, { keyring: refusing }), { code: 'ERR_S3CSE_DECRYPTION_FAILED' })
    assert.equal(asked, 2)
  })
})
