import assert from 'node:assert/strict'
import test, { describe } from 'node:test'
import { CseError } from '../../src/errors.js'
import { detect } from '../../src/formats/s3ec/detect.js'
import { envelopeKeys, reservedKeys } from '../../src/formats/s3ec/envelope-keys.js'

const object = { bucket: 'bucket', key: 'some/key' }
const rest = ['x-amz-unencrypted-content-length']

// Written out on purpose instead of taken from the table under test.
const required = {
  V1: ['x-amz-key', 'x-amz-iv'],
  V2: ['x-amz-key-v2', 'x-amz-iv', 'x-amz-cek-alg', 'x-amz-wrap-alg'],
  V3: ['x-amz-c', 'x-amz-3', 'x-amz-w', 'x-amz-d', 'x-amz-i'],
}
const allowed = {
  V1: [...required.V1, 'x-amz-matdesc', ...rest],
  V2: [...required.V2, 'x-amz-matdesc', 'x-amz-tag-len', ...rest],
  V3: [...required.V3, 'x-amz-m', 'x-amz-t', ...rest],
}
const versions = ['V1', 'V2', 'V3'] as const

function metadata(...keys: string[]): Record<string, string> {
  return Object.fromEntries(keys.map((key) => [key, 'value']))
}

function refused(given: Record<string, string>, message: RegExp): void {
  assert.throws(
    () => detect(given, object),
    (error) => error instanceof CseError && error.code === 'ERR_S3CSE_ENVELOPE_INVALID' && message.test(error.message),
  )
}

describe('detection', () => {
  test('plain objects have no envelope', () => {
    assert.equal(detect({}, object), undefined)
    assert.equal(
      detect(metadata('color', 'x-amz-crypto-instr-file', 'x-amz', 'x-amz-4', 'x-amz-keys'), object),
      undefined,
    )
  })

  for (const version of versions) {
    test(`${version}: required keys alone, and all keys`, () => {
      assert.equal(detect(metadata(...required[version]), object)?.version, version)
      const all = detect(metadata('color', ...allowed[version], 'owner'), object)
      assert.equal(all?.version, version)
      assert.deepEqual([...all.values.keys()].sort(), [...allowed[version]].sort())
    })

    test(`${version}: each missing key is named`, () => {
      for (const missing of required[version]) {
        const left = allowed[version].filter((key) => key !== missing)
        refused(metadata(...left), new RegExp(`bucket/some/key.*lacks [^.]*${missing}|instruction file`))
      }
    })

    test(`${version}: each single key of another format beside it is a mix`, () => {
      for (const other of versions) {
        for (const key of allowed[other].filter((name) => !allowed[version].includes(name))) {
          refused(metadata(...required[version], key), /mixes keys of several formats/)
          refused({ ...metadata(...allowed[version]), [key]: '' }, /mixes keys of several formats/)
        }
      }
    })
  }

  test('all pairs of whole formats are a mix', () => {
    for (const one of versions) {
      for (const other of versions.filter((version) => version !== one)) {
        refused(metadata(...required[one], ...required[other]), /mixes/)
        refused(metadata(...allowed[one], ...allowed[other]), /mixes/)
      }
    }
  })

  test('every subset of the keys is exactly one format, no envelope, or refused', () => {
    const keys = envelopeKeys.map(({ key }) => key)
    const set = (names: readonly string[]): number => names.reduce((sum, name) => sum | (1 << keys.indexOf(name)), 0)
    const masks = versions.map((version) => ({ version, needs: set(required[version]), may: set(allowed[version]) }))
    const seen = { V1: 0, V2: 0, V3: 0 }
    for (let subset = 1; subset < 1 << keys.length; subset++) {
      const expected = masks.find(({ needs, may }) => (subset & needs) === needs && (subset & ~may) === 0)?.version
      let found: string | undefined
      try {
        found = detect(metadata(...keys.filter((_, bit) => (subset >> bit) & 1)), object)?.version
      } catch (error) {
        if (!(error instanceof CseError)) throw error
      }
      assert.equal(found, expected)
      if (expected !== undefined) seen[expected]++
    }
    assert.deepEqual(seen, { V1: 4, V2: 8, V3: 8 })
  })

  test('an envelope in an instruction file is named as such', () => {
    refused(metadata('x-amz-c', 'x-amz-d', 'x-amz-i'), /x-amz-c, x-amz-d, x-amz-i are here.*instruction file/)
    refused(metadata('x-amz-c', 'x-amz-d', 'x-amz-i', ...rest), /instruction file/)
    refused(metadata('color', ...rest), /only x-amz-unencrypted-content-length is here.*instruction file/)
    refused(metadata('x-amz-c', 'x-amz-d'), /lacks x-amz-3, x-amz-w, x-amz-i of format V3/)
  })

  test('keys match in any case, and twice is refused', () => {
    const upper = Object.fromEntries(required.V3.map((key) => [key.toUpperCase(), 'value']))
    const found = detect({ ...upper, Color: 'a', color: 'b' }, object)
    assert.equal(found?.version, 'V3')
    assert.equal(found.values.get('x-amz-c'), 'value')
    refused({ ...metadata(...required.V3), 'X-Amz-C': 'value' }, /x-amz-c is there twice/)
    refused({ ...metadata(...required.V2), 'x-amz-Matdesc': '', 'x-amz-matdesc': '' }, /x-amz-matdesc is there twice/)
  })

  test('values that are not text are refused, inherited keys do not count', () => {
    refused({ ...metadata(...required.V2), 'x-amz-iv': 5 as unknown as string }, /x-amz-iv is not text/)
    assert.equal(detect(Object.create(metadata(...required.V2)) as Record<string, string>, object), undefined)
  })

  test('more than 16 KiB of metadata are not looked at', () => {
    const own = metadata(...required.V2)
    const size = Object.entries(own).flat().join('').length
    assert.equal(detect({ ...own, filler: 'x'.repeat(16384 - size - 6) }, object)?.version, 'V2')
    refused({ ...own, filler: 'x'.repeat(16384 - size - 5) }, /16385 characters of metadata/)
    assert.equal(detect({ filler: 'x'.repeat(20000) }, object), undefined)
  })

  test('names in messages are printable and bounded', () => {
    const odd = { bucket: 'b', key: `line\nbreak\u001b[31m\u202e${'x'.repeat(5000)}` }
    assert.throws(
      () => detect(metadata('x-amz-c'), odd),
      (error: Error) => error.message.length < 1600 && /^[ -~…]+$/.test(error.message),
    )
  })

  test('a caller may set no envelope key', () => {
    for (const key of [...allowed.V1, ...allowed.V2, ...allowed.V3]) assert.ok(reservedKeys.has(key), key)
    assert.ok(reservedKeys.has('x-amz-crypto-instr-file'))
    assert.ok(reservedKeys.has('x-amz-unencrypted-content-md5'))
    assert.equal(reservedKeys.size, 17)
  })
})
