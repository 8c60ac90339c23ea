import assert from 'node:assert/strict'
import test from 'node:test'
import { PolicyError } from '../../src/errors.js'
import { s3ec } from '../../src/formats/s3ec/s3ec.js'
import type { CommitmentPolicy } from '../../src/formats/format.js'
import { loadVectors, type Vector } from '../support/vectors.js'

const format = s3ec()
const vectors = loadVectors()
const wrapNames = { '02': 'AES/GCM', '12': 'kms+context', '22': 'RSA-OAEP-SHA1' } as Record<string, string>

const policies: Record<'V2' | 'V3', { reads: CommitmentPolicy[]; refuses: CommitmentPolicy[] }> = {
  V2: {
    reads: ['REQUIRE_ENCRYPT_ALLOW_DECRYPT', 'FORBID_ENCRYPT_ALLOW_DECRYPT'],
    refuses: ['REQUIRE_ENCRYPT_REQUIRE_DECRYPT'],
  },
  V3: {
    reads: ['REQUIRE_ENCRYPT_REQUIRE_DECRYPT', 'REQUIRE_ENCRYPT_ALLOW_DECRYPT', 'FORBID_ENCRYPT_ALLOW_DECRYPT'],
    refuses: [],
  },
}

async function read(vector: Vector, commitmentPolicy: CommitmentPolicy): Promise<Uint8Array> {
  const object = { bucket: 'bucket', key: vector.s3Key }
  const envelope = format.recognise(vector.metadata, object)
  assert.ok(envelope !== undefined)
  const { summary } = envelope
  assert.equal(summary.version, vector.format)
  assert.equal(summary.contentAlgorithm, vector.contentAlgorithm)
  assert.equal(summary.wrapAlgorithm, wrapNames[vector.wrapAlgorithm] ?? vector.wrapAlgorithm)
  const given = vector.encryptionContext ?? vector.materialsDescription ?? {}
  for (const [key, value] of Object.entries(given)) assert.equal(summary.context[key], value)
  const sealed = vector.sealed()
  assert.equal(envelope.plaintextLength(sealed.length), vector.plaintextLength)
  const keyring = vector.keyring()
  const encryptionContext = vector.encryptionContext ?? {}
  const opener = await envelope.open({ keyring, commitmentPolicy, encryptionContext, object })
  try {
    return await opener.openWhole(sealed)
  } finally {
    opener.destroy()
  }
}

test('there are 114 objects of eight writers', () => {
  assert.equal(vectors.length, 114)
  assert.equal(new Set(vectors.map(({ title }) => title)).size, 114)
  const count = (version: string): number => vectors.filter((vector) => vector.format === version).length
  assert.deepEqual([count('V2'), count('V3')], [84, 30])
})

for (const vector of vectors) {
  test(vector.title, async () => {
    const { reads, refuses } = policies[vector.format]
    for (const policy of vector.bodyFile === undefined ? reads : reads.slice(0, 1)) {
      vector.check(await read(vector, policy))
    }
    for (const policy of refuses) {
      await assert.rejects(read(vector, policy), (error) => {
        return error instanceof PolicyError && error.code === 'ERR_S3CSE_POLICY'
      })
    }
  })
}
