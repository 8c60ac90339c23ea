import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import test, { describe } from 'node:test'
import { CseError } from '../../src/errors.js'
import { s3ec } from '../../src/formats/s3ec/s3ec.js'
import { changed, load, object, writesV2 } from '../support/s3ec-objects.js'
import { commitmentOf, referenceMetadata, referenceSeal } from '../support/s3ec-reference.js'
import { readingKeyring } from '../support/test-keyring.js'

const format = s3ec()
const text = new TextEncoder().encode('This is a test.\n')

describe('what other writers do', () => {
  const dataKey = randomBytes(32)
  const reader = { keyring: readingKeyring(() => Uint8Array.from(dataKey)) }
  const v2 = { version: 'V2', dataKey, nonce: randomBytes(12) } as const
  const v3 = { version: 'V3', dataKey, nonce: randomBytes(28) } as const
  const parts = { wrap: 'AES/GCM', encryptedDataKey: randomBytes(60) }

  const accepted: Record<string, [typeof v2 | typeof v3, Record<string, string | undefined>, string]> = {
    'V2 without a description': [v2, { 'x-amz-matdesc': undefined }, '{}'],
    'V2 with an empty description': [v2, { 'x-amz-matdesc': '' }, '{}'],
    'V2 without a tag length': [v2, { 'x-amz-tag-len': undefined }, '{}'],
    'V2 with a length of the plaintext': [v2, { 'x-amz-unencrypted-content-length': '999' }, '{}'],
    'V3 with an empty length of the plaintext (Go)': [v3, { 'x-amz-unencrypted-content-length': '' }, '{}'],
    'V3 with an empty description (Ruby)': [v3, { 'x-amz-m': '{}' }, '{}'],
    'V3 with empty values': [v3, { 'x-amz-m': '', 'x-amz-t': '' }, '{}'],
    'V3 with the description in x-amz-t (C++)': [v3, { 'x-amz-t': '{"a":"b"}' }, '{"a":"b"}'],
    'V3 with an empty x-amz-m and the description in x-amz-t': [
      v3,
      { 'x-amz-m': '', 'x-amz-t': '{"a":"b"}' },
      '{"a":"b"}',
    ],
    'V3 with both': [v3, { 'x-amz-m': '{"a":"b"}', 'x-amz-t': '{"c":"d"}' }, '{"a":"b"}'],
    'V3 with another map that is not JSON': [v3, { 'x-amz-m': '{"a":"b"}', 'x-amz-t': '?' }, '{"a":"b"}'],
    'V2 with blanks in the JSON (Python)': [v2, { 'x-amz-matdesc': '{"a": "b", "c": "d"}' }, '{"a":"b","c":"d"}'],
    'V2 with RFC 2047 words': [v2, { 'x-amz-matdesc': '=?UTF-8?Q?{"a":"=C3=83=C2=A9"}?=' }, '{"a":"é"}'],
    'V2 with raw UTF-8': [v2, { 'x-amz-matdesc': '{"a":"\u00c3\u00a9"}' }, '{"a":"é"}'],
  }
  for (const [what, [reference, changes, map]] of Object.entries(accepted)) {
    test(what, async () => {
      const metadata = changed(referenceMetadata(reference, parts), changes)
      assert.deepEqual(
        await load({ ...reader, commitmentPolicy: writesV2 }, { metadata, body: referenceSeal(reference, text) }),
        text,
      )
      assert.equal(JSON.stringify(format.recognise(metadata, object)?.summary.context), map)
    })
  }

  test('V3 under KMS takes its context from x-amz-t, whatever x-amz-m says', async () => {
    const map = '{"aws:x-amz-cek-alg":"115","a":"b"}'
    const metadata = { ...referenceMetadata(v3, { ...parts, wrap: 'kms+context', map }), 'x-amz-m': '{"c":"d"}' }
    assert.equal(JSON.stringify(format.recognise(metadata, object)?.summary.context), map)
    const stored = { metadata, body: referenceSeal(v3, text) }
    assert.deepEqual(await load({ ...reader, encryptionContext: { a: 'b' } }, stored), text)
  })

  const refused: Record<string, [typeof v2 | typeof v3, Record<string, string>, RegExp]> = {
    'tag length 96': [v2, { 'x-amz-tag-len': '96' }, /x-amz-tag-len is "96" where AES\/GCM\/NoPadding has 128/],
    'tag length empty': [v2, { 'x-amz-tag-len': '' }, /x-amz-tag-len/],
    'tag length 0128': [v2, { 'x-amz-tag-len': '0128' }, /x-amz-tag-len/],
    'an IV of 11 bytes': [v2, { 'x-amz-iv': base64(11) }, /x-amz-iv has 11 bytes instead of 12/],
    'an IV of 16 bytes': [v2, { 'x-amz-iv': base64(16) }, /x-amz-iv has 16 bytes instead of 12/],
    'an empty IV': [v2, { 'x-amz-iv': '' }, /x-amz-iv has 0 bytes/],
    'a message id of 27 bytes': [v3, { 'x-amz-i': base64(27) }, /x-amz-i has 27 bytes instead of 28/],
    'a message id of 29 bytes': [v3, { 'x-amz-i': base64(29) }, /x-amz-i has 29 bytes/],
    'a commitment of 20 bytes': [
      v3,
      { 'x-amz-d': commitmentOf(v3).subarray(0, 20).toString('base64') },
      /x-amz-d has 20 bytes/,
    ],
    'a commitment of 27 bytes': [
      v3,
      { 'x-amz-d': commitmentOf(v3).subarray(0, 27).toString('base64') },
      /x-amz-d has 27 bytes/,
    ],
    'a commitment of 29 bytes': [v3, { 'x-amz-d': base64(29) }, /x-amz-d has 29 bytes/],
    'a commitment of 40 bytes': [v3, { 'x-amz-d': base64(40) }, /x-amz-d has 40 bytes/],
    'no commitment': [v3, { 'x-amz-d': '' }, /x-amz-d has 0 bytes/],
    'an empty data key': [v3, { 'x-amz-3': '' }, /x-amz-3 has 0 bytes/],
    'a data key of 8193 bytes': [v2, { 'x-amz-key-v2': base64(8193) }, /x-amz-key-v2 has 8193 bytes/],
    'Base64 without padding': [v3, { 'x-amz-i': base64(28).replace(/=+$/, '') }, /x-amz-i is not canonical Base64/],
    'Base64 of the URL alphabet': [v2, { 'x-amz-iv': '-_-_-_-_-_-_-_-_' }, /x-amz-iv is not canonical/],
    'a description that is not JSON': [v2, { 'x-amz-matdesc': 'x' }, /x-amz-matdesc is not a JSON object of strings/],
    'a description with a number': [v3, { 'x-amz-m': '{"a":1}' }, /x-amz-m is not/],
    'a description with a key twice': [v3, { 'x-amz-m': '{"a":"b","a":"b"}' }, /x-amz-m is not/],
  }
  for (const [what, [reference, changes, message]] of Object.entries(refused)) {
    test(`refused: ${what}`, () => {
      const metadata = changed(referenceMetadata(reference, parts), changes)
      assert.throws(
        () => format.recognise(metadata, object),
        (error) =>
          error instanceof CseError && error.code === 'ERR_S3CSE_ENVELOPE_INVALID' && message.test(error.message),
      )
    })
  }
})

function base64(length: number): string {
  return Buffer.alloc(length, 7).toString('base64')
}
