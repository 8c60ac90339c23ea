import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkStored } from '../support/independent-check.js'
import type { StoredObject } from '../support/independent-reader.js'
import { oneOfEach, vectors } from '../support/independent-vectors.js'

test('the check lets the strict writers through, and knows what the others do', () => {
  const counts: Record<string, number> = {}
  for (const { writer, stored } of vectors) {
    const found = refusal(stored).replace(/ (in the instruction file|instead of).*/, '')
    const why = `${writer.replace(/-[\d.]+$/, '')}: ${found}`
    counts[why] = (counts[why] ?? 0) + 1
  }
  const blanks = 'the instruction file has white space, or is not ASCII'
  const spaced = 'is not a compact JSON object of strings'
  assert.deepEqual(counts, {
    'aioboto3: fine': 8,
    [`aioboto3: x-amz-matdesc ${spaced}`]: 9,
    'amazon-s3-encryption-client-go: fine': 6 + 13,
    'amazon-s3-encryption-client-java: fine': 36 + 72,
    [`amazon-s3-encryption-client-java: ${blanks}`]: 5 + 11,
    [`amazon-s3-encryption-client-python: x-amz-matdesc ${spaced}`]: 7,
    [`amazon-s3-encryption-client-python: x-amz-t ${spaced}`]: 8,
    'aws-java-sdk-s3: fine': 88,
    [`aws-java-sdk-s3: ${blanks}`]: 22,
    'aws-sdk-go-s3crypto: fine': 13,
    'aws-sdk-go-s3crypto: there is no content AES/CBC/PKCS7Padding': 3,
    'aws-sdk-go-s3crypto: x-amz-tag-len': 3,
    // Their instruction files have the length of the plaintext.
    'aws-sdk-go-s3crypto: the instruction file has x-amz-cek-alg x-amz-iv x-amz-key-v2 x-amz-matdesc x-amz-tag-len x-amz-unencrypted-content-length x-amz-wrap-alg': 5,
    [`aws-sdk-go-s3crypto: ${blanks}`]: 4,
    'ruby-aws-sdk-s3: fine': 42,
    [`ruby-aws-sdk-s3: ${blanks}`]: 8,
  })
})

function refusal(stored: StoredObject): string {
  try {
    checkStored(stored)
    return 'fine'
  } catch (error) {
    return (error as Error).message
  }
}

/** The object with some values of its envelope changed, or removed (undefined). */
function changedOn(
  stored: StoredObject,
  side: 'object' | 'file',
  changes: Record<string, string | undefined>,
): StoredObject {
  const apply = (to: object): Record<string, string> =>
    Object.fromEntries(
      Object.entries({ ...to, ...changes }).filter((one): one is [string, string] => one[1] !== undefined),
    )
  if (side === 'object') return { ...stored, metadata: apply(stored.metadata) }
  return { ...stored, instructionFile: JSON.stringify(apply(JSON.parse(stored.instructionFile!) as object)) }
}

const bytes = (length: number, value = 1): string => Buffer.alloc(length, value).toString('base64')
const [committed, gcm, key] = ['V3 115 02 metadata', 'V2 AES/GCM/NoPadding AES/GCM metadata', 'x-amz-key-v2']
const length = 'x-amz-unencrypted-content-length'
const withContext = 'V2 AES/GCM/NoPadding kms+context metadata'
const old = 'V2 AES/CBC/PKCS5Padding kms metadata'

const REFUSED: readonly [kind: string, changes: Record<string, string | undefined>, why: RegExp][] = [
  [gcm, { 'X-Other': 'x' }, /lower case/],
  [gcm, { 'x-amz-other': 'x' }, /not one of the envelope/],
  [gcm, { 'x-amz-matdesc': '{"a":"\u00e9"}' }, /not ASCII/],
  [gcm, { 'x-amz-matdesc': '' }, /empty/],
  [gcm, { 'x-amz-matdesc': ' {}' }, /blanks around/],
  [gcm, { 'x-amz-matdesc': '{"a":"=?"}' }, /RFC 2047/],
  [gcm, { color: 'x'.repeat(2048) }, /bytes of metadata/],
  [gcm, { 'x-amz-matdesc': '{"a":1}' }, /not a text/],
  [gcm, { 'x-amz-matdesc': '{"a": "b"}' }, /compact JSON/],
  [gcm, { 'x-amz-matdesc': '{"a":"b"},' }, /JSON/],
  [gcm, { 'x-amz-matdesc': '{"a":"b","\\u0061":"c"}' }, /twice/],
  [gcm, { 'x-amz-matdesc': undefined }, /instead of/],
  [gcm, { 'x-amz-tag-len': undefined }, /instead of/],
  [gcm, { 'x-amz-tag-len': '96' }, /tag/],
  [gcm, { 'x-amz-c': '115' }, /does not belong/],
  [gcm, { 'x-amz-key': bytes(48) }, /2 formats/],
  [gcm, { 'x-amz-iv': bytes(16) }, /16 bytes instead of 12/],
  [gcm, { 'x-amz-iv': bytes(12, 0) }, /zero/],
  [gcm, { 'x-amz-iv': bytes(12).replace('E', 'E ') }, /Base64/],
  [gcm, { [key]: bytes(61).replace('AQ==', 'AR==') }, /Base64/],
  [gcm, { [key]: bytes(61).replaceAll('=', '') }, /Base64/],
  [gcm, { [key]: bytes(48) }, /48 bytes/],
  [gcm, { 'x-amz-wrap-alg': 'RSA' }, /no wrap/],
  [gcm, { 'x-amz-cek-alg': '115' }, /instead of/],
  [gcm, { 'x-amz-cek-alg': '115', 'x-amz-tag-len': undefined, 'x-amz-iv': bytes(16) }, /belongs to V3/],
  [
    gcm,
    { 'x-amz-cek-alg': 'AES/CBC/PKCS5Padding', 'x-amz-tag-len': undefined, 'x-amz-iv': bytes(16) },
    /nothing reads/,
  ],
  [gcm, { 'x-amz-matdesc': '{"aws:x-amz-cek-alg":"AES/GCM/NoPadding"}' }, /aws:x-amz-cek-alg/],
  [gcm, { [length]: '00' }, /stored bytes/],
  [gcm, { [length]: '1000000' }, /stored bytes/],
  [withContext, { 'x-amz-matdesc': '{}' }, /aws:x-amz-cek-alg/],
  [withContext, { 'x-amz-matdesc': '{"aws:x-amz-cek-alg":"115"}' }, /aws:x-amz-cek-alg/],
  [old, { 'x-amz-matdesc': '{}' }, /kms_cmk_id/],
  [old, { 'x-amz-tag-len': '128' }, /instead of/],
  [old, { 'x-amz-iv': bytes(12) }, /12 bytes instead of 16/],
  [old, { [length]: '1000000' }, /stored bytes/],
  ['V1 AES/CBC/PKCS5Padding AES metadata', { 'x-amz-key': bytes(40) }, /40 bytes/],
  ['V1 AES/CBC/PKCS5Padding AES metadata', { 'x-amz-cek-alg': 'AES/CBC/PKCS5Padding' }, /does not belong/],
  ['V1 AES/CBC/PKCS5Padding RSA metadata', { 'x-amz-matdesc': undefined }, /instead of/],
  [committed, { 'x-amz-m': '{}' }, /instead of/],
  [committed, { 'x-amz-m': undefined, 'x-amz-t': '{"a":"b"}' }, /instead of/],
  [committed, { 'x-amz-d': bytes(27) }, /27 bytes instead of 28/],
  [committed, { 'x-amz-i': bytes(28, 0) }, /zero/],
  [committed, { 'x-amz-c': '116' }, /unknown algorithm/],
  [committed, { 'x-amz-w': '01' }, /unknown algorithm/],
  [committed, { 'x-amz-iv': bytes(12) }, /does not belong/],
  ['V3 115 12 metadata', { 'x-amz-m': '{}' }, /instead of/],
  ['V3 115 22 metadata', { 'x-amz-3': bytes(255) }, /255 bytes/],
]

const SEPARATE = 'V2 AES/GCM/NoPadding AES/GCM instruction-file'
const REFUSED_APART: typeof REFUSED = [
  [SEPARATE, { [length]: '1' }, /instead of/],
  [SEPARATE, { 'x-amz-matdesc': undefined }, /instead of/],
  [SEPARATE, { 'x-amz-matdesc': '{"a":"b c"}' }, /white space/],
  [SEPARATE, { 'x-amz-c': '115' }, /does not belong/],
  [SEPARATE, { other: 'x' }, /does not belong/],
  ['V3 115 02 instruction-file', { 'x-amz-i': bytes(28) }, /wrong side/],
  ['V3 115 12 instruction-file', { 'x-amz-w': undefined }, /text|unknown/],
]

test('the check refuses what a strict reader would', () => {
  const base = oneOfEach(({ stored }) => refusal(stored) === 'fine')
  const find = (kind: string): StoredObject => base.find((one) => one.kind === kind)!.stored
  for (const [kind, changes, why] of REFUSED) assert.match(refusal(changedOn(find(kind), 'object', changes)), why)
  for (const [kind, changes, why] of REFUSED_APART) assert.match(refusal(changedOn(find(kind), 'file', changes)), why)
  const stored = find(SEPARATE)
  const file = stored.instructionFile!
  const text = (instructionFile: string): string => refusal({ ...stored, instructionFile })
  assert.match(text(`${file}\n`), /white space/)
  assert.match(text(file.replace(',', ', ')), /white space/)
  assert.match(text(file.replace('"128"', '128')), /compact JSON/)
  assert.match(text(file.replace('"{', '"{\\u00e9')), /x-amz-matdesc in the instruction file/)
  assert.match(text(`${file.slice(0, -1)},"x-amz-tag-len":"128"}`), /twice/)
  assert.match(refusal(changedOn(stored, 'object', { 'x-amz-tag-len': '128' })), /wrong side/)
  assert.match(refusal({ ...find('V3 115 22 instruction-file'), instructionFile: undefined }), /0 formats/)
  assert.match(refusal({ ...find(gcm), body: new Uint8Array(15) }), /15 bytes/)
  assert.match(refusal({ ...find(old), body: new Uint8Array(33) }), /33 bytes/)
  assert.match(refusal({ ...find(old), body: new Uint8Array(0) }), /0 bytes/)
})
