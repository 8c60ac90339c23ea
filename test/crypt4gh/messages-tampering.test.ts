import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { decrypt, decryptStream, encrypt, openRange, type MessageHeader } from '../../src/crypt4gh.js'
import { CseError, type CseErrorCode } from '../../src/index.js'
import { plaintextOf, readerOf, sealedOf, validVectors } from '../support/crypt4gh-vectors.js'
import { code } from '../support/errors.js'
import { pattern } from '../support/world.js'
import { alice, all, pieces, S, same, SEALED, segmentsOf } from './messages-support.js'

const draft = { experimentalAuthenticatedMode: 'write' } as const
type Options = Parameters<typeof decrypt>[1]

/** Every way to read all of a message. */
const ways: Readonly<Record<string, (message: Uint8Array, options: Options) => Promise<Uint8Array>>> = {
  decrypt: async (message, options) => (await decrypt(message, options)).plaintext,
  decryptStream: (message, options) => all(decryptStream(pieces(message, 60_000), options)),
  openRange: async (message, options) => (await openRange(message, options)).read(0),
}

async function assertRefused(message: Uint8Array, options: Options, what: string): Promise<void> {
  const codes: readonly CseErrorCode[] = ['ERR_S3CSE_ENVELOPE_INVALID', 'ERR_S3CSE_DECRYPTION_FAILED']
  for (const [way, read] of Object.entries(ways)) {
    await assert.rejects(
      read(message, options),
      (error: unknown) => error instanceof CseError && codes.includes(error.code),
      `${what}: ${way}`,
    )
  }
}

function flipped(message: Uint8Array, at: number): Uint8Array {
  const changed = Uint8Array.from(message)
  changed[at] = changed[at]! ^ 1
  return changed
}

describe('a message that was changed', () => {
  for (const mode of [undefined, draft] as const) {
    const options = { keyring: alice, ...mode }
    const name = mode ? 'authenticated mode' : 'method 0'

    it(`is refused for any byte of its header, and at the edges of its segments (${name})`, async () => {
      const { message, header } = await encrypt(pattern(S + 9), options)
      const second = header.length + SEALED
      const places = [
        ...Array.from({ length: header.length + 12 }, (_, at) => at),
        ...[
          second - 1,
          second - 16,
          second - 17,
          second,
          second + 11,
          second + 12,
          message.length - 16,
          message.length - 1,
        ],
      ]
      for (const at of places) await assertRefused(flipped(message, at), options, `byte ${at}`)
    })

    it(`is refused with segments swapped, dropped, repeated, cut off or added (${name})`, async () => {
      for (const size of [3 * S, 3 * S + 9]) {
        const { message, header } = await encrypt(pattern(size), options)
        const segments = segmentsOf(message, header.length)
        const [a, b, c, ...rest] = segments as [Uint8Array, Uint8Array, Uint8Array, ...Uint8Array[]]
        const others: Readonly<Record<string, readonly Uint8Array[]>> = {
          swapped: [b, a, c, ...rest],
          'swapped later': [a, c, b, ...rest],
          'without the first': [b, c, ...rest],
          'without one in between': [a, c, ...rest],
          'without the last': segments.slice(0, -1),
          'with nothing': [],
          'one twice': [a, b, b, c, ...rest],
          'the last twice': [...segments, segments.at(-1)!],
          'cut inside the last': [...segments.slice(0, -1), segments.at(-1)!.subarray(0, -1)],
          'with a byte more': [...segments, new Uint8Array(1)],
          'with a piece more': [...segments, new Uint8Array(40)],
        }
        for (const [what, changed] of Object.entries(others)) {
          const forged = Uint8Array.from(Buffer.concat([header.bytes, ...changed]))
          await assertRefused(forged, options, what)
        }
      }
    })

    it(`is refused with anything behind an empty one, and cut anywhere (${name})`, async () => {
      const empty = await encrypt(new Uint8Array(0), options)
      const other = await encrypt(pattern(5), options)
      const more = [...empty.message, ...other.message.subarray(other.header.length)]
      await assertRefused(Uint8Array.from(more), options, 'more')
      for (let end = 0; end < other.message.length; end++) {
        await assertRefused(other.message.subarray(0, end), options, `cut at ${end}`)
      }
    })
  }

  it('is read in its parts that are whole, and fails at the place of the change', async () => {
    const { message, header } = await encrypt(pattern(4 * S), { keyring: alice })
    const changed = flipped(message, header.length + 2 * SEALED + 100)
    const given: Uint8Array[] = []
    const reading = (async () => {
      for await (const chunk of decryptStream(pieces(changed, 999), { keyring: alice })) given.push(chunk)
    })()
    await assert.rejects(reading)
    same(Buffer.concat(given), pattern(2 * S), 'what was before it')
    const part = { keyring: alice, start: 5, end: 70_000 }
    await assert.rejects(all(decryptStream(changed, part)), 'the rest is verified')
    const early = await all(decryptStream(changed, { ...part, verifyRest: false }))
    same(early, pattern(70_000).subarray(5), 'unless it is not wanted')
    const before = decryptStream(changed, { keyring: alice, start: 3 * S + 1, end: 3 * S + 2, verifyRest: false })
    await assert.rejects(all(before), 'what is before a part is verified')
    const reader = await openRange(changed, { keyring: alice })
    same(await reader.read(S, 2 * S), pattern(2 * S).subarray(S), 'a part without it')
    await assert.rejects(reader.read(2 * S - 1, 2 * S + 1))
  })

  it('is refused by openRange before anything is read of it, where its end is missing', async () => {
    const { message, header } = await encrypt(pattern(3 * S), { keyring: alice })
    const cut = message.subarray(0, header.length + 2 * SEALED)
    await assert.rejects(openRange(cut, { keyring: alice }), code('ERR_S3CSE_DECRYPTION_FAILED'))
    const apart = { keyring: alice, header: header.bytes }
    await assert.rejects(openRange(cut.subarray(header.length), apart), code('ERR_S3CSE_DECRYPTION_FAILED'))
    await assert.rejects(openRange(flipped(message, message.length - 1), { keyring: alice }))
  })

  it('of others: nothing tells that their segments were swapped, and the header says so', async () => {
    const vector = validVectors.find(({ id }) => id === 'edit-alice-only-bob' || id === 'reencrypt-bob')!
    const options = { keyring: readerOf(['bob']) }
    const message = sealedOf(vector)
    const [a, b, c] = segmentsOf(message, vector.headerLength)
    const plaintext = plaintextOf(vector)
    const expected = Buffer.concat([plaintext.subarray(S, 2 * S), plaintext.subarray(0, S), plaintext.subarray(2 * S)])
    const swapped = Buffer.concat([message.subarray(0, vector.headerLength), b!, a!, c!])
    const integrity = async ({ header }: { header: Promise<MessageHeader> }): Promise<string> =>
      (await header).integrity
    for (const [way, read] of Object.entries(ways)) same(await read(swapped, options), expected, way)
    const stream = decryptStream(swapped, options)
    await all(stream)
    assert.equal(await integrity(stream), 'segment')
    assert.equal((await decrypt(swapped, options)).header.integrity, 'segment')
    assert.equal((await openRange(swapped, options)).header.integrity, 'segment')
  })
})
