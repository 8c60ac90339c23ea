import assert from 'node:assert/strict'

import type { EnvelopeSummary } from '../../src/formats/format.js'

/** The rules of the formats once more, written from their description and not from the tables of src. */

const length = 'x-amz-unencrypted-content-length'

interface Rules {
  readonly required: readonly string[]
  readonly optional: readonly string[]
}

const whole: Readonly<Record<string, Rules>> = {
  V1: { required: ['x-amz-key', 'x-amz-iv'], optional: ['x-amz-matdesc', length] },
  V2: {
    required: ['x-amz-key-v2', 'x-amz-iv', 'x-amz-cek-alg', 'x-amz-wrap-alg'],
    optional: ['x-amz-matdesc', 'x-amz-tag-len', length],
  },
  V3: { required: ['x-amz-c', 'x-amz-3', 'x-amz-w', 'x-amz-d', 'x-amz-i'], optional: ['x-amz-m', 'x-amz-t', length] },
}

const onObject: Readonly<Record<string, Rules>> = {
  V1: { required: [], optional: [length] },
  V2: { required: [], optional: [length] },
  V3: { required: ['x-amz-c', 'x-amz-d', 'x-amz-i'], optional: [length] },
}

const inFile: Readonly<Record<string, Rules>> = {
  V1: whole.V1!,
  V2: whole.V2!,
  V3: { required: ['x-amz-3', 'x-amz-w'], optional: ['x-amz-m', 'x-amz-t'] },
}

const known = new Set(Object.values(whole).flatMap(({ required, optional }) => [...required, ...optional]))

/** The envelope's keys among these, in lower case. */
export function envelopeNames(names: readonly string[]): string[] {
  return names.map((name) => name.toLowerCase()).filter((name) => known.has(name))
}

function checkNames(found: readonly string[], { required, optional }: Rules, where: string): void {
  const said = `${where} has ${found.join(', ')}`
  assert.equal(new Set(found).size, found.length, said)
  for (const name of required) assert.ok(found.includes(name), `${said}; ${name} is missing`)
  for (const name of found)
    assert.ok(required.includes(name) || optional.includes(name), `${said}; ${name} is too much`)
}

/** A recognised version has exactly its keys, each where it belongs. */
export function checkPlaces(version: string, metadata: object, file: readonly string[] | undefined): void {
  const names = envelopeNames(Object.keys(metadata))
  for (const [name, value] of Object.entries(metadata)) {
    if (envelopeNames([name]).length > 0) assert.equal(typeof value, 'string')
  }
  if (file === undefined) {
    checkNames(names, whole[version]!, 'the object')
    return
  }
  checkNames(names, onObject[version]!, 'the object')
  checkNames(file, inFile[version]!, 'the file')
  for (const name of names) assert.ok(!file.includes(name), `${name} is on the object and in the file`)
}

const gcmWraps = ['AES/GCM', 'RSA-OAEP-SHA1', 'kms+context']
const oldWraps = ['kms', 'AESWrap', 'RSA/ECB/OAEPWithSHA-256AndMGF1Padding']

/** Content and wraps that some writer of the version has used together. */
const pairs: Readonly<Record<string, readonly string[]>> = {
  'V1 AES/CBC/PKCS5Padding': ['AES', 'RSA'],
  'V2 AES/CBC/PKCS5Padding': ['kms', 'AESWrap'],
  'V2 AES/CBC/PKCS7Padding': ['kms', 'AESWrap'],
  'V2 AES/GCM/NoPadding': [...gcmWraps, ...oldWraps],
  'V3 115': gcmWraps,
}

/** What is told of an envelope is possible, and harms nobody who reads it. */
export function checkSummary(summary: EnvelopeSummary): void {
  const { version, contentAlgorithm, wrapAlgorithm, context, contextKeys, keyCommitment } = summary
  assert.ok(
    pairs[`${version} ${contentAlgorithm}`]?.includes(wrapAlgorithm),
    `${version} ${contentAlgorithm} ${wrapAlgorithm}`,
  )
  assert.equal(keyCommitment, version === 'V3')
  assert.equal(Object.getPrototypeOf(context), null)
  assert.ok(Object.isFrozen(context) && Object.isFrozen(summary))
  assert.deepEqual(contextKeys, Object.keys(context))
  for (const value of Object.values<unknown>(context)) assert.equal(typeof value, 'string')
}

/** A value that was read as bytes had exactly one text. */
export function checkBase64(value: unknown): void {
  assert.ok(typeof value === 'string')
  assert.equal(Buffer.from(value, 'base64').toString('base64'), value)
}

/** What refuses an object before a key is used, if anything does. */
export function refusal(
  { contentAlgorithm, wrapAlgorithm, version }: EnvelopeSummary,
  policy: string,
  legacy: { readonly wrapping: boolean; readonly content: boolean },
): 'ERR_S3CSE_LEGACY_DISABLED' | 'ERR_S3CSE_POLICY' | undefined {
  if (contentAlgorithm.includes('CBC') && !legacy.content) return 'ERR_S3CSE_LEGACY_DISABLED'
  if (version !== 'V3' && policy === 'REQUIRE_ENCRYPT_REQUIRE_DECRYPT') return 'ERR_S3CSE_POLICY'
  if (!gcmWraps.includes(wrapAlgorithm) && !legacy.wrapping) return 'ERR_S3CSE_LEGACY_DISABLED'
  return undefined
}
