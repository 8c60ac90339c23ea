import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import {
  decrypt,
  decryptStream,
  inspectHeader,
  openRange,
  rearrange,
  reencrypt,
  reencryptHeader,
} from '../../src/crypt4gh.js'
import type { CseErrorCode, Keyring } from '../../src/index.js'
import {
  negativeVectors,
  plaintextOf,
  readerOf,
  sealedOf,
  validVectors,
  type ValidVector,
} from '../support/crypt4gh-vectors.js'
import { code } from '../support/errors.js'
import { alice, all, bob, both, pieces, same } from './messages-support.js'

const draft = { experimentalAuthenticatedMode: 'read' } as const
const vector = (id: string): ValidVector => validVectors.find((one) => one.id === id)!

/** Around every place where something begins or ends. */
function rangesOf(length: number): (readonly [number, number | undefined])[] {
  const places = [0, 1, 65535, 65536, 65537, 131072, length, length + 9, Math.floor(length / 2)]
  const starts = [...new Set(places)]
  return starts.flatMap((start) =>
    [undefined, ...starts.filter((end) => end >= start)].map((end) => [start, end] as const),
  )
}

describe('Crypt4GH vectors, without S3', () => {
  for (const one of validVectors) {
    const { id, recipients, writerPublicKeys, packets, headerLength, editList, dataMethod } = one
    it(`${id} is decrypted with each key, at once, as a stream, in ranges, with its header apart`, async () => {
      const [message, plaintext] = [sealedOf(one), plaintextOf(one)]
      const chunkLengths = [message.length < 2000 ? 1 : 333, 65_537, message.length]
      for (const name of recipients) {
        const options = { keyring: readerOf([name]), ...draft }
        const { plaintext: found, header } = await decrypt(message, options)
        same(found, plaintext, id)
        assert.deepEqual(header, {
          length: headerLength,
          packets,
          dataMethod,
          integrity: dataMethod === 1 ? 'ordered' : 'segment',
          editList: editList?.length === 0 ? undefined : editList?.map(BigInt),
        })
        for (const length of chunkLengths) {
          const stream = decryptStream(pieces(message, length), options)
          same(await all(stream), plaintext, `${id} in chunks of ${length}`)
          assert.deepEqual(await stream.header, header)
        }
      }
      const options = { keyring: readerOf(recipients.slice(0, 1)), ...draft }
      const [header, body] = [message.slice(0, headerLength), message.slice(headerLength)]
      const apart = { ...options, header }
      same((await decrypt(body, apart)).plaintext, plaintext, 'its header apart')
      same(await all(decryptStream([body], apart)), plaintext, 'its header apart, as a stream')
      const whole = await openRange(message, options)
      const detached = await openRange(new Blob([body]), apart)
      for (const [start, end] of rangesOf(plaintext.length)) {
        const expected = plaintext.subarray(start, end)
        for (const reader of [whole, detached]) {
          assert.equal(reader.length, plaintext.length)
          same(await reader.read(start, end), expected, `${id} ${start}-${end}`)
        }
      }
      for (const [start, end] of [[65_530, 65_540], [65_537], [1, 9]] as const) {
        const expected = plaintext.subarray(start, end)
        const range = { ...options, start, end }
        same((await decrypt(message, range)).plaintext, expected, `${id} ${start}-${end} at once`)
        same(await all(decryptStream(message, range)), expected, `${id} ${start}-${end} as a stream`)
        const early = decryptStream(message, { ...range, verifyRest: false })
        same(await all(early), expected, `${id} ${start}-${end} and no more`)
      }
      const found = await inspectHeader(message)
      assert.equal(found.length, headerLength)
      assert.equal(found.packets.length, packets)
      const writers = found.packets.flatMap(({ method, writerPublicKey }) => {
        assert.equal(writerPublicKey === undefined, method !== 0)
        return writerPublicKey ? [Buffer.from(writerPublicKey).toString('hex')] : []
      })
      assert.deepEqual([...new Set(writers)].sort(), [...new Set(writerPublicKeys)].sort())
    })
  }

  const refused: readonly CseErrorCode[] = ['ERR_S3CSE_ENVELOPE_INVALID', 'ERR_S3CSE_DECRYPTION_FAILED']
  const either: Readonly<Record<string, number>> = { 'm0-empty-segment': 0, 'edit-zero-zero': 0 }
  for (const one of negativeVectors) {
    const { id, expect, reason, readers, senderPublicKey } = one
    const ways = (keyring: Keyring): Record<string, () => Promise<Uint8Array>> => {
      const [options, message] = [{ keyring, ...draft }, sealedOf(one)]
      return {
        'at once': async () => (await decrypt(message, options)).plaintext,
        'as a stream': () => all(decryptStream(pieces(message, 65_000), options)),
        'through openRange': async () => {
          const reader = await openRange(message, options)
          return reader.read(0)
        },
      }
    }
    it(`${id}: ${expect} (${reason})`, async () => {
      for (const [way, read] of Object.entries(ways(readerOf(readers, senderPublicKey)))) {
        const isRead = expect === 'accept' || (expect === 'either' && either[id] !== undefined)
        if (isRead) {
          const plaintext = await read()
          if (expect === 'either') assert.equal(plaintext.length, either[id], way)
        } else {
          await assert.rejects(
            read(),
            (error: unknown) => refused.includes((error as { code: CseErrorCode }).code),
            `${id} ${way}`,
          )
        }
      }
    })
  }

  it('the draft mode is not read unless it is asked for', async () => {
    const message = sealedOf(vector('old-m1-1'))
    await assert.rejects(decrypt(message, { keyring: alice }), code('ERR_S3CSE_POLICY'))
    await assert.rejects(all(decryptStream(message, { keyring: alice })), code('ERR_S3CSE_POLICY'))
    await assert.rejects(openRange(message, { keyring: alice }), code('ERR_S3CSE_POLICY'))
    await assert.rejects(all(reencrypt(message, { keyring: alice, to: bob })), code('ERR_S3CSE_POLICY'))
    await assert.rejects(all(rearrange(message, { keyring: alice })), code('ERR_S3CSE_POLICY'))
  })
})

describe('what the reference makes of a message', () => {
  const whole = sealedOf(vector('edit-all'))

  for (const one of validVectors.filter(({ id }) => /^rearrange-\d+-(\d+|end)$/.test(id))) {
    it(`${one.id} is made as well, of the same length`, async () => {
      const [, from, span] = /^rearrange-(\d+)-(\d+|end)$/.exec(one.id)!
      const start = Number(from)
      const end = span === 'end' ? undefined : start + Number(span)
      const made = await all(rearrange(whole, { keyring: alice, start, end }))
      same((await decrypt(made, { keyring: alice })).plaintext, plaintextOf(one), one.id)
      const { length } = await inspectHeader(made)
      assert.equal(made.length - length, one.ciphertextLength - one.headerLength)
      same(made.subarray(length), sealedOf(one).subarray(one.headerLength), `the body of ${one.id}`)
    })
  }

  it('10 + 50 keeps the segment that has them, and none of those behind it', async () => {
    const made = await all(rearrange(whole, { keyring: alice, start: 10, end: 60 }))
    const { length } = await inspectHeader(made)
    assert.equal(made.length - length, 65_564)
    assert.ok(sealedOf(vector('rearrange-10-50-leaks')).length > made.length, 'the reference keeps more')
  })

  it('reencrypt: for another recipient, whole and the header alone', async () => {
    const one = vector('reencrypt-bob')
    const made = await all(reencrypt(pieces(whole, 1000), { keyring: alice, to: bob }))
    same((await decrypt(made, { keyring: bob })).plaintext, plaintextOf(one), 'of the new recipient')
    await assert.rejects(decrypt(made, { keyring: alice }), code('ERR_S3CSE_DECRYPTION_FAILED'))
    const { length } = await inspectHeader(made)
    same(made.subarray(length), sealedOf(one).subarray(one.headerLength), 'the body')
    const old = await inspectHeader(whole)
    const header = await reencryptHeader(whole.slice(0, old.length), { keyring: alice, to: bob })
    assert.equal(header.length, length)
    const { plaintext } = await decrypt(whole.slice(old.length), { keyring: bob, header })
    same(plaintext, plaintextOf(one), 'with the header alone')
  })

  it('reencrypt: edit lists stay, and packets of others unless they are trimmed', async () => {
    const one = vector('edit-first-packet')
    const made = await all(reencrypt(sealedOf(one), { keyring: alice, to: readerOf(['carol']) }))
    for (const keyring of [readerOf(['carol']), bob]) {
      same((await decrypt(made, { keyring })).plaintext, plaintextOf(one), 'both can read')
    }
    const trimmed = await all(reencrypt(sealedOf(one), { keyring: alice, to: readerOf(['carol']), trim: true }))
    assert.equal((await inspectHeader(trimmed)).packets.length, 2)
    await assert.rejects(decrypt(trimmed, { keyring: bob }), code('ERR_S3CSE_DECRYPTION_FAILED'))
  })

  it('several recipients get a packet each', async () => {
    const stream = reencrypt(whole, { keyring: alice, to: both })
    const made = await all(stream)
    const { packets, messageLength, plaintextLength, bytes } = await stream.header
    assert.deepEqual([packets, messageLength, plaintextLength], [4, made.length, 140_000])
    same(bytes, made.subarray(0, bytes.length), 'the header')
    for (const keyring of [alice, bob]) assert.equal((await decrypt(made, { keyring })).plaintext.length, 140_000)
  })
})
