import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'

import { HeadObjectCommand } from '@aws-sdk/client-s3'

import { encryptionInfo } from '../../src/index.js'
import type { EncryptionOptions } from '../../src/index.js'
import { code } from '../support/errors.js'
import { loadVectors } from '../support/vectors.js'
import type { Vector } from '../support/vectors.js'
import { Bucket, get, world } from '../support/world.js'

const w = await world()
const vectors = loadVectors()
let readBack = 0

/** Seeds the object as its writer stored it, and gives a client that has its key and context. */
async function seeded(vector: Vector, more: Partial<EncryptionOptions> = {}) {
  const { s3Key, metadata, contentType, encryptionContext } = vector
  const headers = contentType === undefined ? {} : { 'content-type': contentType }
  await w.s3.put(Bucket, s3Key, { body: vector.sealed(), metadata, headers })
  return w.client({ keyring: vector.keyring(), ...(encryptionContext && { encryptionContext }), ...more })
}

async function readWhole(vector: Vector, options: Partial<EncryptionOptions>): Promise<void> {
  const client = await seeded(vector, options)
  const output = await get(client, vector.s3Key)
  assert.equal(output.ContentLength, vector.plaintextLength)
  assert.equal(encryptionInfo(output)?.envelope?.version, vector.format)
  const own = Object.keys(vector.metadata).filter((key) => !key.startsWith('x-amz-'))
  assert.deepEqual(Object.keys(output.Metadata ?? {}).sort(), own.sort())
  vector.check(await output.Body!.transformToByteArray())
}

it('there are at least 114 objects', () => {
  assert.ok(vectors.length >= 114, `${vectors.length} objects`)
})

describe("other clients' objects through the client", () => {
  after(() => assert.equal(readBack, vectors.length))

  for (const vector of vectors) {
    it(vector.title, async () => {
      // Verified as far as memory goes, and as a stream: the two ways that differ in how they decrypt.
      const policy = vector.format === 'V2' ? { commitmentPolicy: 'REQUIRE_ENCRYPT_ALLOW_DECRYPT' as const } : {}
      await readWhole(vector, policy)
      await readWhole(vector, { ...policy, delayedAuthentication: true })

      const client = await seeded(vector)
      const head = await client.send(new HeadObjectCommand({ Bucket, Key: vector.s3Key }))
      assert.equal(head.ContentLength, vector.plaintextLength)
      assert.equal(encryptionInfo(head)?.status, 'encrypted')
      if (vector.format === 'V2') {
        await assert.rejects(get(client, vector.s3Key), code('ERR_S3CSE_POLICY', /REQUIRE_ENCRYPT_ALLOW_DECRYPT/))
      }
      readBack++
    })
  }

  it('objects with an encryption context need it', async () => {
    const bound = vectors.filter(({ encryptionContext }) => Object.keys(encryptionContext ?? {}).length > 0)
    assert.ok(bound.length > 10)
    for (const vector of bound) {
      const client = await seeded(vector, {
        commitmentPolicy: 'REQUIRE_ENCRYPT_ALLOW_DECRYPT',
        encryptionContext: {},
      })
      await assert.rejects(get(client, vector.s3Key), code('ERR_S3CSE_CONTEXT_MISMATCH'), vector.title)
    }
  })
})
