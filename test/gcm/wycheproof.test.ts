import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hex, toHex, wycheproof } from '../crypto/helpers.js'
import { code } from '../support/errors.js'
import { collect, counted, runtimes } from './support.js'

const RUNTIMES = await runtimes()

interface Group {
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

for (const [name, { encrypt, encryptStream, decrypt, decryptStream }] of RUNTIMES) {
  test(`Wycheproof AES-GCM on ${name}; IVs of other lengths than 12 are refused`, async (t) => {
    const file = wycheproof<Group>(t, 'aes_gcm_test')
    if (file === undefined) return
    const count = { valid: 0, invalid: 0, refused: 0 }
    for (const one of file.testGroups.flatMap(({ tests }) => tests)) {
      const [key, iv, aad, tag] = [hex(one.key), hex(one.iv), hex(one.aad), hex(one.tag)]
      const [plaintext, ciphertext] = [hex(one.msg), hex(one.ct)]
      const message = { key, iv, aad, tag }
      if (iv.length !== 12) {
        await assert.rejects(encrypt(plaintext, { key, aad, unsafeIv: iv }), code('ERR_S3CSE_CONFIG'))
        await assert.rejects(decrypt(ciphertext, message), code('ERR_S3CSE_CONFIG'))
        count.refused++
      } else if (one.result === 'valid') {
        const encrypted = await encrypt(plaintext, { key, aad, unsafeIv: iv })
        assert.equal(toHex(encrypted.ciphertext), one.ct, `test ${one.tcId}`)
        assert.equal(toHex(encrypted.tag), one.tag, `test ${one.tcId}`)
        assert.equal(toHex(await decrypt(ciphertext, message)), one.msg, `test ${one.tcId}`)
        const streamed = encryptStream(counted(plaintext, 7), { key, aad, unsafeIv: iv, chunkSize: 5 })
        assert.equal(toHex(await collect(streamed)), one.ct, `test ${one.tcId}`)
        assert.equal(toHex(await streamed.tag), one.tag, `test ${one.tcId}`)
        const decrypted = decryptStream(counted(ciphertext, 7), { ...message, release: 'unverified', chunkSize: 5 })
        assert.equal(toHex(await collect(decrypted)), one.msg, `test ${one.tcId}`)
        count.valid++
      } else {
        const refused = code('ERR_S3CSE_DECRYPTION_FAILED')
        await assert.rejects(decrypt(ciphertext, message), refused, `test ${one.tcId}`)
        for (const release of ['verified', 'unverified'] as const) {
          const decrypted = decryptStream(counted(ciphertext, 7), { ...message, release, chunkSize: 5 })
          await assert.rejects(collect(decrypted), refused, `test ${one.tcId}`)
        }
        count.invalid++
      }
    }
    assert.deepEqual(count, { valid: 116, invalid: 81, refused: 119 })
  })
}
