import assert from 'node:assert/strict'
import test from 'node:test'
import { ALGORITHMS, checksumOf } from '../../src/testing/s3-checksums.js'
import {
  canonicalRequest,
  chunkSignature,
  requestSignatures,
  signingKey,
  trailerSignature,
} from '../../src/testing/s3-sigv4.js'
import { parseXml, xmlDocument } from '../../src/testing/s3-xml.js'
import { sha256 } from './s3-raw.js'

const hex = (base64: string): string => Buffer.from(base64, 'base64').toString('hex')

test('checksums give the check values of their definitions, in one piece and in any pieces', () => {
  const digits = Buffer.from('123456789')
  const expected = {
    crc32: 'cbf43926',
    crc32c: 'e3069283',
    crc64nvme: 'ae8b14860a799888',
    sha1: 'f7c3bc1d808e04732adf679965ccc34ca7ae3441',
    sha256: '15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225',
  } as const
  const long = Buffer.from(Array.from({ length: 1000 }, (_, i) => (i * 7919) & 255))
  for (const [name, value] of Object.entries(expected) as [keyof typeof expected, string][]) {
    assert.equal(hex(checksumOf(name, digits)), value, name)
    for (const step of [1, 3, 7, 8, 9, 64, 333]) {
      const state = ALGORITHMS[name].start()
      for (let at = 0; at < long.length; at += step) state.update(long.subarray(at, at + step))
      assert.equal(Buffer.from(state.digest()).toString('base64'), checksumOf(name, long), `${name} by ${step}`)
    }
  }
})

// The worked examples of the Amazon S3 API reference ("Signature Calculations for the Authorization Header").
const secret = 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY'
const day = '20130524/us-east-1/s3/aws4_request'
const scope = { key: signingKey(secret, day), date: '20130524T000000Z', scope: day }

test('SigV4 gives the signature of the documented GET with a range', () => {
  const canonical = canonicalRequest({
    method: 'GET',
    path: '/test.txt',
    query: [],
    headers: {
      host: 'examplebucket.s3.amazonaws.com',
      range: 'bytes=0-9',
      'x-amz-content-sha256': sha256(''),
      'x-amz-date': '20130524T000000Z',
    },
    signedHeaders: ['host', 'range', 'x-amz-content-sha256', 'x-amz-date'],
    payloadHash: sha256(''),
  })
  assert.equal(
    requestSignatures(scope, canonical)[0],
    'f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41',
  )
})

test('chunk signatures are those of the documented chunked upload', () => {
  const first = chunkSignature(
    scope,
    '4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9',
    sha256('a'.repeat(65536)),
  )
  const second = chunkSignature(scope, first, sha256('a'.repeat(1024)))
  assert.equal(first, 'ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648')
  assert.equal(second, '0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497')
  assert.equal(
    chunkSignature(scope, second, sha256('')),
    'b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9',
  )
})

test('chunk and trailer signatures are those of the documented upload with a trailer', () => {
  const first = chunkSignature(
    scope,
    '106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e',
    sha256('a'.repeat(65536)),
  )
  const last = chunkSignature(scope, chunkSignature(scope, first, sha256('a'.repeat(1024))), sha256(''))
  assert.equal(last, '2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992')
  const checksum = checksumOf('crc32c', Buffer.from('a'.repeat(66560)))
  assert.equal(checksum, 'sOO8/Q==')
  assert.equal(
    trailerSignature(scope, last, [['x-amz-checksum-crc32c', checksum]]),
    'd81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435',
  )
})

test('XML text survives writing and parsing', () => {
  const text = `a & b < c > "d" 'e' ü 😀 \u0001 \r\n ]]>`
  const parsed = parseXml(new TextDecoder().decode(xmlDocument('Error', { Code: text, Empty: '' })))
  assert.deepEqual(
    parsed?.children.map((child) => [child.name, child.text]),
    [
      ['Code', text],
      ['Empty', ''],
    ],
  )
})

test('XML that is not well formed is refused', () => {
  const good = '<?xml version="1.0"?><a x="1"><b/>t&#65;<!-- c --></a>'
  assert.equal(parseXml(good)?.text, 'tA')
  for (const bad of [
    '',
    'text',
    '<a>',
    '<a></b>',
    '</a>',
    '<a/><b/>',
    '<a>&nope;</a>',
    '<a>&amp</a>',
    '<a',
    '<a>&#x110000;</a>',
  ]) {
    assert.equal(parseXml(bad), undefined, bad)
  }
})
