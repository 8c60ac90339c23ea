import assert from 'node:assert/strict'
import crypto, { createCipheriv } from 'node:crypto'
import { syncBuiltinESMExports } from 'node:module'
import { mock, test } from 'node:test'
import { runtime } from '../../src/runtime/node.js'
import { oneShot, pattern } from '../crypto/helpers.js'

/** While node:crypto says that it is as on Deno: AES-192 in CTR and ECB only. */
function lacking<R>(action: () => R, ...modes: readonly string[]): R {
  const gone = modes.length > 0 ? modes : ['gcm', 'cbc']
  const ciphers = crypto.getCiphers().filter((name) => !gone.some((mode) => name === `aes-192-${mode}`))
  const mocked = mock.method(crypto, 'getCiphers', () => ciphers)
  syncBuiltinESMExports()
  try {
    return action()
  } finally {
    mocked.mock.restore()
    syncBuiltinESMExports()
  }
}

test('where node:crypto has not all of AES-192, WebCrypto’s is used', async () => {
  const [key, iv, aad, plaintext] = [pattern(24), pattern(12), Uint8Array.of(1, 2, 3), pattern(1000)]
  const later = lacking(() => runtime.aes(key))
  assert.ok(later instanceof Promise, 'node:crypto was used')
  const aes = await later

  const sealed = oneShot(key, iv, aad, plaintext)
  assert.deepEqual(await aes.gcmEncrypt(iv, aad, plaintext), sealed)
  assert.deepEqual(await aes.gcmDecrypt(iv, aad, sealed), plaintext)
  const blocks = plaintext.subarray(0, 992)
  const chained = Uint8Array.from(createCipheriv('aes-192-cbc', key, pattern(16)).setAutoPadding(false).update(blocks))
  assert.deepEqual(await aes.cbcEncrypt(pattern(16), blocks), chained)
  assert.deepEqual(await aes.cbcDecrypt(pattern(16), chained), blocks)
})

test('one mode that is missing is enough', async () => {
  for (const mode of ['gcm', 'ctr', 'cbc', 'ecb']) {
    const later = lacking(() => runtime.aes(pattern(24)), mode)
    assert.ok(later instanceof Promise, mode)
    const aes = await later
    aes.destroy()
  }
})

test('where it has all, and for other lengths of keys, node:crypto’s is used', () => {
  assert.ok(!(runtime.aes(pattern(24)) instanceof Promise))
  for (const length of [16, 32]) assert.ok(!(lacking(() => runtime.aes(pattern(length))) instanceof Promise))
})
