import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { encrypt, inspectHeader, openRange, rearrange } from '../../src/crypt4gh.js'
import type { Keyring } from '../../src/index.js'
import { pattern } from '../support/world.js'
import { alice, all, S, same, SEALED, watched } from './messages-support.js'

describe('what is read of a source', () => {
  it('openRange: the header, the last segment, and those that have the range', async () => {
    const { message, header } = await encrypt(pattern(9 * S + 1), { keyring: alice })
    const source = watched(message)
    const reader = await openRange(source, { keyring: alice })
    const opened = source.reads.splice(0)
    assert.ok(
      opened.every(([start, end]) => end <= 4096 || start === header.length + 9 * SEALED),
      'nothing in between',
    )
    await reader.read(S - 1, S + 1)
    assert.deepEqual(source.reads, [[header.length, header.length + 2 * SEALED]])
    source.reads.length = 0
    await reader.read(9 * S)
    assert.deepEqual(source.reads, [[header.length + 9 * SEALED, message.length]])
  })

  it('openRange: no segment of which an edit list leaves nothing', async () => {
    // (What this library writes has an edit list of its own, or none.)
    const foreign: Keyring = {
      ...alice,
      wrap: (r) => alice.wrap({ ...r, nonce: crypto.getRandomValues(new Uint8Array(12)) }),
    }
    const whole = (await encrypt(pattern(6 * S), { keyring: foreign })).message
    const { length } = await inspectHeader(whole)
    const made = await withEditList(whole, [0, 10, 3 * S, 10, 5])
    const at = made.length - (whole.length - length)
    const source = watched(made)
    const reader = await openRange(source, { keyring: alice })
    source.reads.length = 0
    const found = await reader.read(0, 30)
    const plaintext = pattern(6 * S)
    const expected = [
      plaintext.subarray(0, 10),
      plaintext.subarray(3 * S + 10, 3 * S + 20),
      plaintext.subarray(3 * S + 25, 3 * S + 35),
    ]
    same(found, Buffer.concat(expected), 'what is kept')
    assert.deepEqual(source.reads, [
      [at, at + SEALED],
      [at + 3 * SEALED, at + 4 * SEALED],
    ])
  })

  it('rearrange: the header, and the segments that stay', async () => {
    const { message, header } = await encrypt(pattern(9 * S), { keyring: alice })
    const source = watched(message)
    await all(rearrange(source, { keyring: alice, start: 3 * S + 1, end: 4 * S + 1 }))
    const [from, to] = [header.length + 3 * SEALED, header.length + 5 * SEALED]
    const more = source.reads.filter(([start, end]) => start !== 0 || end > 4096)
    assert.deepEqual(more, [[from, to]])
  })
})

/** The message with an edit list put in, by what reencrypt leaves alone: packets that it cannot open. */
async function withEditList(message: Uint8Array, editList: readonly number[]): Promise<Uint8Array> {
  const { length, packets } = await inspectHeader(message)
  const content = new Uint8Array(8 + editList.length * 8)
  const view = new DataView(content.buffer)
  view.setUint32(0, 1, true)
  view.setUint32(4, editList.length, true)
  editList.forEach((given, index) => view.setBigUint64(8 + index * 8, BigInt(given), true))
  const { encryptedDataKeys } = await alice.wrap({
    suite: { id: 0, format: 'crypt4gh', name: '', keyLength: content.length },
    context: {},
    dataKey: content,
    commitmentPolicy: 'REQUIRE_ENCRYPT_REQUIRE_DECRYPT',
  })
  const { info, ciphertext } = encryptedDataKeys[0]!
  const start = Uint8Array.from(message.subarray(0, 16))
  new DataView(start.buffer).setUint32(12, packets.length + 1, true)
  const lead = new Uint8Array(8)
  new DataView(lead.buffer).setUint32(0, 8 + info.length + ciphertext.length, true)
  const header = [start, message.subarray(16, length), lead, info, ciphertext]
  return Uint8Array.from(Buffer.concat([...header, message.subarray(length)]))
}
