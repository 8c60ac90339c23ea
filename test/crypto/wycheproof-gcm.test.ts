import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { gcmOpener } from '../../src/crypto/gcm-message.js'
import { positionalGcm } from '../../src/crypto/positional-gcm.js'
import { code } from '../support/errors.js'
import { hex, IV_LENGTHS, RUNTIMES, toHex, wycheproof } from './helpers.js'

interface GcmGroup {
  readonly ivSize: number
  readonly keySize: number
  readonly tagSize: number
  readonly tests: readonly {
    readonly tcId: number
    readonly key: string
    readonly iv: string
    readonly aad: string
    readonly msg: string
    readonly ct: string
    readonly tag: string
    readonly result: string
  }[]
}

for (const [name, { aes }] of RUNTIMES) {
  const [shortest, longest] = IV_LENGTHS[name]

  describe(`Wycheproof AES-GCM on ${name}`, () => {
    test('one-shot', async (t) => {
      const file = wycheproof<GcmGroup>(t, 'aes_gcm_test')
      if (file === undefined) return
      const count = { valid: 0, invalid: 0, refused: 0 }
      for (const { tests, tagSize } of file.testGroups) {
        assert.equal(tagSize, 128)
        for (const one of tests) {
          const cipher = await aes(hex(one.key))
          const [iv, aad, sealed] = [hex(one.iv), hex(one.aad), hex(one.ct + one.tag)]
          // No IV at all is invalid for everyone.
          if (iv.length < shortest || iv.length > longest) {
            await assert.rejects(async () => cipher.gcmEncrypt(iv, aad, hex(one.msg)), `test ${one.tcId}`)
            count.refused++
          } else if (one.result === 'valid') {
            assert.equal(toHex(await cipher.gcmEncrypt(iv, aad, hex(one.msg))), one.ct + one.tag, `test ${one.tcId}`)
            assert.equal(toHex((await cipher.gcmDecrypt(iv, aad, sealed))!), one.msg, `test ${one.tcId}`)
            count.valid++
          } else {
            assert.equal(await cipher.gcmDecrypt(iv, aad, sealed), undefined, `test ${one.tcId}`)
            count.invalid++
          }
        }
      }
      assert.deepEqual(
        count,
        name === 'node:crypto' ? { valid: 226, invalid: 81, refused: 9 } : { valid: 189, invalid: 81, refused: 46 },
      )
    })

    for (const way of ['one-pass', 'two-pass'] as const)
      test(`in pieces of 7 bytes, for IVs of 12, in ${way}`, async (t) => {
        const file = wycheproof<GcmGroup>(t, 'aes_gcm_test')
        if (file === undefined) return
        const count = { valid: 0, invalid: 0 }
        for (const { tests, ivSize } of file.testGroups) {
          if (ivSize !== 96) continue
          for (const one of tests) {
            const options = { aes: await aes(hex(one.key)), iv: hex(one.iv), aad: hex(one.aad) }
            const [message, ciphertext, tag] = [hex(one.msg), hex(one.ct), hex(one.tag)]
            const opening = gcmOpener(options)
            for (let at = 0; at < ciphertext.length; at += 7) await opening.absorb!(at, ciphertext.subarray(at, at + 7))
            const verified = async () => opening.verify!(ciphertext.length + 16, tag)
            if (one.result === 'valid') {
              const sealing = positionalGcm({ ...options, way })
              const buffer = new Uint8Array(7 + 16)
              for (let at = 0; at < message.length; at += 7) {
                const piece = message.subarray(at, at + 7)
                const again = await sealing.sealAgain(at, piece)
                const { ciphertext: sealed, state } = await sealing.seal(at, piece, buffer)
                assert.equal(toHex(sealed), toHex(ciphertext.subarray(at, at + 7)), `test ${one.tcId}`)
                assert.equal(sealed.buffer, buffer.buffer)
                assert.deepEqual(again, { ciphertext: Uint8Array.from(sealed), state })
                assert.deepEqual(await sealing.hash(at, sealed), state)
                await sealing.join(at, piece.length, state)
              }
              assert.equal(toHex(await sealing.tag(message.length)), one.tag, `test ${one.tcId}`)
              await verified()
              count.valid++
            } else {
              await assert.rejects(verified, code('ERR_S3CSE_DECRYPTION_FAILED'), `test ${one.tcId}`)
              count.invalid++
            }
          }
        }
        assert.deepEqual(count, { valid: 116, invalid: 81 })
      })
  })
}
