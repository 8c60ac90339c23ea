import assert from 'node:assert/strict'
import test from 'node:test'
import { CseError, PolicyError } from '../../src/errors.js'
import type { CommitmentPolicy, Envelope } from '../../src/formats/format.js'
import { s3ec } from '../../src/formats/s3ec/s3ec.js'
import { loadVectors, type Vector } from '../support/vectors.js'

const format = s3ec()
const vectors = loadVectors()
const wrapNames = { '02': 'AES/GCM', '12': 'kms+context', '22': 'RSA-OAEP-SHA1' } as Record<string, string>
const policies: readonly CommitmentPolicy[] = [
  'REQUIRE_ENCRYPT_REQUIRE_DECRYPT',
  'REQUIRE_ENCRYPT_ALLOW_DECRYPT',
  'FORBID_ENCRYPT_ALLOW_DECRYPT',
]
const switches = [true, false].flatMap((wrapping) => [true, false].map((content) => ({ wrapping, content })))

function recognise({ metadata, s3Key, instructionFile }: Vector): Envelope {
  const object = { bucket: 'bucket', key: s3Key }
  if (instructionFile === undefined) {
    assert.equal(format.instructionFiles?.wanted(metadata, object), undefined)
    return format.recognise(metadata, object)!
  }
  assert.ok(['needed', 'possible'].includes(format.instructionFiles?.wanted(metadata, object) ?? ''))
  const { s3Key: key, body } = instructionFile
  const file = { key, suffix: key.slice(s3Key.length), bytes: Buffer.from(body) }
  return format.instructionFiles!.recognise(metadata, file, object)
}

test('there are 363 objects of nine writers', () => {
  assert.equal(vectors.length, 363)
  assert.equal(new Set(vectors.map(({ title }) => title)).size, 363)
  const count = (version: string): number => vectors.filter((vector) => vector.format === version).length
  assert.deepEqual([count('V1'), count('V2'), count('V3')], [46, 261, 56])
})

for (const vector of vectors) {
  test(vector.title, async () => {
    const envelope = recognise(vector)
    const { summary } = envelope
    const { commitmentPolicy, legacy = {}, encryptionContext } = vector.options()
    assert.equal(summary.version, vector.format)
    assert.equal(summary.contentAlgorithm, vector.contentAlgorithm)
    assert.equal(summary.wrapAlgorithm, wrapNames[vector.wrapAlgorithm] ?? vector.wrapAlgorithm)
    assert.equal(summary.instructionFile, vector.instructionFile?.s3Key)
    assert.deepEqual(summary.needs.legacy, { wrapping: false, content: false, ...legacy })
    assert.deepEqual(summary.needs.commitmentPolicies, commitmentPolicy === undefined ? policies : policies.slice(1))
    const given = vector.encryptionContext ?? vector.materialsDescription ?? {}
    for (const [key, value] of Object.entries(given)) assert.equal(summary.context[key], value)

    const sealed = vector.sealed()
    const cbc = vector.contentAlgorithm.includes('CBC')
    assert.equal(envelope.plaintextLength(sealed.length), cbc ? undefined : vector.plaintextLength)
    const common = {
      encryptionContext: typeof encryptionContext === 'object' ? encryptionContext : {},
      object: { bucket: 'b', key: 'k' },
    }
    for (const policy of policies) {
      for (const allowed of vector.bodyFile === undefined ? switches : switches.slice(0, 1)) {
        const request = { ...common, keyring: vector.keyring(), commitmentPolicy: policy, legacy: allowed }
        const missing =
          legacy.content === true && !allowed.content
            ? 'ERR_S3CSE_LEGACY_DISABLED'
            : !summary.needs.commitmentPolicies.includes(policy)
              ? 'ERR_S3CSE_POLICY'
              : legacy.wrapping === true && !allowed.wrapping
                ? 'ERR_S3CSE_LEGACY_DISABLED'
                : undefined
        if (missing === undefined) {
          const opener = await envelope.open(request)
          vector.check(await opener.openWhole(sealed))
          opener.destroy()
        } else {
          await assert.rejects(envelope.open(request), (error) => {
            assert.ok(error instanceof PolicyError && error instanceof CseError)
            assert.deepEqual({ ...error.facts, context: summary.context }, summary)
            return error.code === missing
          })
        }
      }
    }
  })
}
