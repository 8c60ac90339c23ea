import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'

import { HeadObjectCommand } from '@aws-sdk/client-s3'

import { encryptionInfo, inspect } from '../../src/index.js'
import type { EncryptionOptions } from '../../src/index.js'
import { code } from '../support/errors.js'
import { loadVectors } from '../support/vectors.js'
import type { Vector } from '../support/vectors.js'
import { Bucket, get, world } from '../support/world.js'

const w = await world()
const vectors = loadVectors()
let readBack = 0

async function readWhole(vector: Vector, more: Partial<EncryptionOptions>): Promise<void> {
  const client = w.client({ ...vector.options(), ...more })
  const output = await get(client, vector.s3Key)
  const cbc = vector.contentAlgorithm.includes('CBC')
  assert.equal(output.ContentLength, cbc ? undefined : vector.plaintextLength)
  const info = encryptionInfo(output)
  assert.equal(info?.envelope?.version, vector.format)
  assert.equal(info.authentication, cbc ? 'none' : more.delayedAuthentication === true ? 'delayed' : 'verified')
  const own = Object.keys(vector.metadata).filter((key) => !key.startsWith('x-amz-'))
  assert.deepEqual(Object.keys(output.Metadata ?? {}).sort(), own.sort())
  vector.check(await output.Body!.transformToByteArray())
}

it('there are 363 objects', () => {
  assert.equal(vectors.length, 363)
})

describe("other clients' objects through the client", () => {
  after(() => assert.equal(readBack, vectors.length))

  for (const vector of vectors) {
    it(vector.title, async () => {
      await vector.seed(w.s3, Bucket)
      // Verified as far as memory goes, and as a stream: the two ways that differ in how they decrypt.
      await readWhole(vector, {})
      await readWhole(vector, { delayedAuthentication: true })

      // Each switch that it needs is missed, by the right name, and the error says which they are.
      const { commitmentPolicy, legacy, ...options } = vector.options()
      const needs = { commitmentPolicy, wrapping: legacy?.wrapping, content: legacy?.content }
      for (const [name, value] of Object.entries(needs)) {
        if (value === undefined) continue
        const left: Partial<typeof needs> = { ...needs, [name]: undefined }
        const { wrapping, content } = left
        const client = w.client({
          ...options,
          commitmentPolicy: left.commitmentPolicy,
          legacy: { wrapping, content },
        })
        const expected = name === 'commitmentPolicy' ? 'ERR_S3CSE_POLICY' : 'ERR_S3CSE_LEGACY_DISABLED'
        await assert.rejects(get(client, vector.s3Key), code(expected, new RegExp(name)))
      }

      // Nobody's keyring and no switch at all: what it is can be seen all the same.
      const { instructionFile } = vector.options()
      const client = w.client({ ...(instructionFile && { instructionFile }) })
      const { status, facts, plaintextLength } = await inspect(client, { Bucket, Key: vector.s3Key })
      assert.equal(status, 'encrypted')
      assert.equal(facts.contentAlgorithm, vector.contentAlgorithm)
      assert.equal(facts.instructionFile, vector.instructionFile?.s3Key)
      assert.deepEqual(facts.needs.legacy, { wrapping: false, content: false, ...legacy })
      const cbc = vector.contentAlgorithm.includes('CBC')
      assert.equal(plaintextLength, cbc ? undefined : vector.plaintextLength)
      const head = await client.send(new HeadObjectCommand({ Bucket, Key: vector.s3Key }))
      assert.equal(head.ContentLength, cbc ? undefined : vector.plaintextLength)
      assert.equal(encryptionInfo(head)?.status, 'encrypted')
      readBack++
    })
  }

  it('objects with an encryption context need it, but for the wrap that other services use', async () => {
    const bound = vectors.filter(({ encryptionContext }) => Object.keys(encryptionContext ?? {}).length > 0)
    assert.ok(bound.length > 50)
    for (const vector of bound) {
      await vector.seed(w.s3, Bucket)
      const client = w.client({ ...vector.options(), encryptionContext: {} })
      if (vector.wrapAlgorithm === 'kms') {
        vector.check(await (await get(client, vector.s3Key)).Body!.transformToByteArray())
      } else {
        await assert.rejects(get(client, vector.s3Key), code('ERR_S3CSE_CONTEXT_MISMATCH'), vector.title)
      }
      const wrong = w.client({ ...vector.options(), encryptionContext: { other: 'context' } })
      await assert.rejects(get(wrong, vector.s3Key), code('ERR_S3CSE_CONTEXT_MISMATCH'), vector.title)
    }
  })
})
