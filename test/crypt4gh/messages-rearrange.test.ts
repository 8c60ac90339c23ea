import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { decrypt, encrypt, inspectHeader, rearrange, reencryptHeader, x25519Keyring } from '../../src/crypt4gh.js'
import { publicKey } from '../support/crypt4gh-vectors.js'
import { code } from '../support/errors.js'
import { pattern } from '../support/world.js'
import { alice, all, bob, both, pieces, S, same, SEALED, segmentsOf } from './messages-support.js'

describe('rearranged messages', () => {
  it('are for other recipients as well, and have nothing of those who were there', async () => {
    const { message } = await encrypt(pattern(2 * S), { keyring: both })
    const made = await all(rearrange(message, { keyring: alice, to: bob, start: 5, end: 9 }))
    same((await decrypt(made, { keyring: bob })).plaintext, pattern(9).subarray(5), 'of the new one')
    await assert.rejects(decrypt(made, { keyring: alice }), code('ERR_S3CSE_DECRYPTION_FAILED'))
    assert.equal((await inspectHeader(made)).packets.length, 2)
  })

  it('stay bound to their order: segments in another order are refused', async () => {
    const { message } = await encrypt(pattern(5 * S), { keyring: alice })
    const stream = rearrange(message, { keyring: alice, start: S, end: 4 * S })
    const made = await all(stream)
    const header = await stream.header
    assert.deepEqual([header.integrity, header.plaintextLength, header.messageLength], ['ordered', 3 * S, made.length])
    const [a, b, c] = segmentsOf(made, header.length)
    const other = Buffer.concat([header.bytes, a!, c!, b!])
    await assert.rejects(decrypt(other, { keyring: alice }), code('ERR_S3CSE_DECRYPTION_FAILED'))
    // And a new header keeps that, where its sender is a fresh one.
    const to = x25519Keyring({ recipients: [publicKey('bob')] })
    const again = await reencryptHeader(header.bytes, { keyring: alice, to })
    const read = (segments: (Uint8Array | undefined)[]): Promise<unknown> =>
      decrypt(Buffer.concat(segments.map((segment) => segment!)), { keyring: bob, header: again })
    await read([a, b, c])
    await assert.rejects(read([a, c, b]), code('ERR_S3CSE_DECRYPTION_FAILED'))
  })

  it('are made of streams whose length is told', async () => {
    const plaintext = pattern(5 * S)
    const { message, header } = await encrypt(plaintext, { keyring: alice })
    for (const length of [1000, SEALED, message.length]) {
      const options = { keyring: alice, start: S + 1, end: 2 * S, inputLength: message.length }
      const made = await all(rearrange(pieces(message, length), options))
      same((await decrypt(made, { keyring: alice })).plaintext, plaintext.subarray(S + 1, 2 * S), 'a part')
      const body = message.subarray(header.length)
      const apart = { ...options, header: header.bytes, inputLength: body.length }
      const same2 = await all(rearrange(pieces(body, length), apart))
      same((await decrypt(same2, { keyring: alice })).plaintext, plaintext.subarray(S + 1, 2 * S), 'its header apart')
    }
    const short = { keyring: alice, start: 3 * S, inputLength: message.length }
    const cut = pieces(message.subarray(0, message.length - 1), 5000)
    await assert.rejects(all(rearrange(cut, short)), code('ERR_S3CSE_BODY_LENGTH'))
    assert.throws(
      () => rearrange(pieces(message, 9), { keyring: alice }),
      code('ERR_S3CSE_CONFIG', /inputLength.*Blob/),
    )
  })

  it('of the draft mode only if they reach its end', async () => {
    const mode = { experimentalAuthenticatedMode: 'write' } as const
    for (const size of [3 * S + 1, 3 * S + 9]) {
      const { message } = await encrypt(pattern(size), { keyring: alice, ...mode })
      const made = await all(rearrange(message, { keyring: alice, ...mode, start: S + 7 }))
      same((await decrypt(made, { keyring: alice, ...mode })).plaintext, pattern(size).subarray(S + 7), 'the end')
      const cut = rearrange(message, { keyring: alice, ...mode, end: S })
      await assert.rejects(all(cut), code('ERR_S3CSE_RANGE_REFUSED'))
    }
  })

  it('have at least one byte', async () => {
    const { message } = await encrypt(pattern(9), { keyring: alice })
    assert.throws(() => rearrange(message, { keyring: alice, start: 3, end: 3 }), code('ERR_S3CSE_CONFIG'))
    await assert.rejects(all(rearrange(message, { keyring: alice, start: 9 })), code('ERR_S3CSE_CONFIG'))
  })
})
