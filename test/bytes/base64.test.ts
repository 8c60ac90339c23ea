import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import { decodeBase64, encodeBase64 } from '../../src/bytes/base64.js'

test('encodes as node does, and decodes what it encoded', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      const text = encodeBase64(bytes)
      assert.equal(text, Buffer.from(bytes).toString('base64'))
      assert.deepEqual(decodeBase64(text), bytes)
    }),
  )
})

test('the vectors of RFC 4648 section 10', () => {
  const vectors = ['', 'Zg==', 'Zm8=', 'Zm9v', 'Zm9vYg==', 'Zm9vYmE=', 'Zm9vYmFy']
  vectors.forEach((text, length) => {
    const bytes = new TextEncoder().encode('foobar'.slice(0, length))
    assert.equal(encodeBase64(bytes), text)
    assert.deepEqual(decodeBase64(text), bytes)
  })
})

test('takes the canonical form only', () => {
  const refused = [
    'Zg',
    'Zg=',
    'Zh==',
    'Zm9=',
    'Zm8',
    '====',
    '=',
    '==',
    'Z===',
    'A===',
    'Zg== ',
    ' Zg==',
    'Zm9v\n',
    'Zm 9',
  ]
  refused.push('-_-_', '+/+_', 'Zg==Zg==', 'Zm=v', 'Zé==', 'Zm9\u{1f600}', 'Zm9\u0156', 'AAA\u0080', '\u0000AAA')
  for (const text of refused) assert.equal(decodeBase64(text), undefined, JSON.stringify(text))
})

test('any text that decodes is the text of its bytes', () => {
  const letters = fc.constantFrom(...Array.from('ABCDwxyz0189+/=-_ \n'))
  fc.assert(
    fc.property(fc.string({ unit: letters, maxLength: 12 }), (text) => {
      const bytes = decodeBase64(text)
      if (bytes !== undefined) assert.equal(encodeBase64(bytes), text)
    }),
    { numRuns: 2000 },
  )
})
