import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { CseError } from '../../src/errors.js'
import { readPublicKey, readSecretKey } from '../../src/crypt4gh/key-file.js'
import { body, keyFileVectors, openssh, pem } from './key-file-support.js'

/** Few rounds, so that a mutated count of them is not work. */
const OPTIONS = { passphrase: openssh.passphrase, maxRounds: 4 }

/** Files with little to do before they open. */
const FILES: readonly string[] = [
  ...Object.values(openssh.files),
  ...keyFileVectors
    .filter(({ passphrase, expect }) => passphrase === undefined && expect === 'accept')
    .map((one) => one.privateKeyFile),
]

/** What became of it; anything but the two errors is a failure. */
async function outcome(opened: Promise<unknown>): Promise<'read' | 'refused'> {
  try {
    await opened
    return 'read'
  } catch (error) {
    assert.ok(error instanceof CseError, String(error))
    assert.equal(error.code, 'ERR_S3CSE_KEY_FILE')
    return 'refused'
  }
}

describe('key files of any content give a key or one error', () => {
  test('random text and bytes', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(fc.string({ maxLength: 300 }), fc.uint8Array({ maxLength: 300 }), fc.string({ unit: 'binary' })),
        async (file) => {
          assert.equal(await outcome(readSecretKey(file, OPTIONS)), 'refused')
          assert.equal(await outcome(readPublicKey(file)), 'refused')
        },
      ),
      { numRuns: 500 },
    )
  })

  test('random bytes behind the first words of both formats', async () => {
    const starts = ['', 'c4gh-v1', 'c4gh-v1\0\x04none\0\x04none', 'openssh-key-v1\0', 'openssh-key-v1\0\0\0\0\x04none']
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...starts), fc.uint8Array({ maxLength: 300 }), async (start, bytes) => {
        const file = pem(Buffer.concat([Buffer.from(start, 'latin1'), bytes]))
        assert.equal(await outcome(readSecretKey(file, OPTIONS)), 'refused')
      }),
      { numRuns: 500 },
    )
  })

  test('files with a byte changed, put in, taken out, or cut off', async () => {
    const seen = { read: 0, refused: 0 }
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...FILES),
        fc.constantFrom('change', 'insert', 'remove', 'cut'),
        fc.nat(),
        fc.integer({ min: 1, max: 255 }),
        async (file, how, place, value) => {
          const bytes = body(file)
          const at = place % bytes.length
          const [before, after] = [bytes.subarray(0, at), bytes.subarray(at + (how === 'insert' ? 0 : 1))]
          const middle = how === 'change' ? [(bytes[at] as number) ^ value] : how === 'insert' ? [value] : []
          const mutated = Buffer.concat(how === 'cut' ? [before] : [before, Uint8Array.from(middle), after])
          seen[await outcome(readSecretKey(pem(mutated), OPTIONS))]++
        },
      ),
      { numRuns: 400 },
    )
    // Keys in the open have nothing that tells another key or comment.
    assert.ok(seen.read > 0 && seen.refused > 200, JSON.stringify(seen))
  })

  test('no byte of a file that is encrypted with authentication can be changed', async () => {
    for (const cipher of ['aes256-gcm@openssh.com', 'chacha20-poly1305@openssh.com']) {
      const bytes = body(openssh.files[cipher]!)
      for (let at = 0; at < bytes.length; at += 13) {
        const changed = Buffer.from(bytes)
        changed[at]! ^= 1
        assert.equal(await outcome(readSecretKey(pem(changed), OPTIONS)), 'refused', `${cipher}, byte ${at}`)
      }
    }
  })

  test('public keys with letters changed', async () => {
    const seen = { read: 0, refused: 0 }
    await fc.assert(
      fc.asyncProperty(fc.nat(), fc.integer({ min: 32, max: 126 }), async (place, letter) => {
        const text = openssh.publicKeyFile
        const at = place % text.length
        seen[await outcome(readPublicKey(text.slice(0, at) + String.fromCharCode(letter) + text.slice(at + 1)))]++
      }),
      { numRuns: 400 },
    )
    assert.ok(seen.read > 0 && seen.refused > 0, JSON.stringify(seen))
  })
})
