// Objects that somebody with write access moves, renames or swaps: read as what they are not, unless they are bound.
import assert from 'node:assert/strict'
import { beforeEach, describe, it } from 'node:test'

import { CopyObjectCommand, DeleteObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3'
import type { S3Client } from '@aws-sdk/client-s3'

import type { EncryptionOptions } from '../../src/index.js'
import { kmsKeyring } from '../../src/kms.js'
import { code } from '../support/errors.js'
import { Bucket, get, keyring as raw, put, world } from '../support/world.js'
import { assertRefused, kmsWorld, modes, outcomeOf, versions } from './support.js'

const other = 'other'
const w = await world({ buckets: [Bucket, other] })
const { kms, client: kmsClient } = await kmsWorld()
const keyring = kmsKeyring({ client: kmsClient, keyId: kms.createKey().arn })
const [mine, yours] = ['my salary', 'your salary']
const file = (key: string): string => `${key}.instruction`

interface Place {
  readonly key: string
  readonly bucket?: string
}

/** As somebody does who can write to the buckets, and has no key. */
async function place(from: Place, to: Place, withFile: boolean): Promise<void> {
  for (const name of withFile ? [(key: string) => key, file] : [(key: string) => key]) {
    const object = await w.s3.object(from.bucket ?? Bucket, name(from.key))
    assert.ok(object !== undefined)
    const { body, metadata } = object
    await w.s3.put(to.bucket ?? Bucket, name(to.key), { body, metadata })
  }
}

const text = async (client: S3Client, { key, bucket }: Place): Promise<string> =>
  (await get(client, key, { Bucket: bucket ?? Bucket })).Body!.transformToString()

const attacks: readonly [what: string, to: Place][] = [
  ['to another key', { key: 'b' }],
  ['to another bucket', { key: 'a', bucket: other }],
  ['to a key that differs in case', { key: 'A' }],
  ['to a key with something behind it', { key: 'a/' }],
]

for (const [version, commitmentPolicy] of versions) {
  for (const withFile of [false, true]) {
    const options: Partial<EncryptionOptions> = { commitmentPolicy, instructionFile: { write: withFile } }
    const bound = w.client({ ...options, keyring, bind: true })
    const where = withFile ? 'instruction file' : 'metadata'

    describe(`row 10: ${version}, envelope in the ${where}`, () => {
      beforeEach(clean)

      for (const [what, to] of attacks) {
        it(`moved ${what}: bound, it is not read`, async () => {
          await put(bound, 'a', mine)
          assert.equal(await text(bound, { key: 'a' }), mine)
          await place({ key: 'a' }, to, withFile)
          for (const [mode, more] of modes) {
            const client = w.client({ ...options, keyring, bind: true, ...more })
            const where = { Bucket: to.bucket ?? Bucket }
            assertRefused(await outcomeOf(client, to.key, where), 'ERR_S3CSE_CONTEXT_MISMATCH', mode)
          }
        })

        it(`moved ${what}: not bound, it is read, as the documents say`, async () => {
          for (const loose of [w.client({ ...options, keyring }), w.client(options)]) {
            await put(loose, 'a', mine)
            await place({ key: 'a' }, to, withFile)
            assert.equal(await text(loose, to), mine)
            await clean()
          }
        })
      }

      it('two objects swapped', async () => {
        await put(bound, 'x', mine)
        await put(bound, 'y', yours)
        await place({ key: 'x' }, { key: 'kept' }, withFile)
        await place({ key: 'y' }, { key: 'x' }, withFile)
        await place({ key: 'kept' }, { key: 'y' }, withFile)
        for (const key of ['x', 'y']) assertRefused(await outcomeOf(bound, key), 'ERR_S3CSE_CONTEXT_MISMATCH')
      })

      it('KMS is not asked to open what is not at its place', async () => {
        await put(bound, 'once', mine)
        await place({ key: 'once' }, { key: 'twice' }, withFile)
        kms.requests.length = 0
        assertRefused(await outcomeOf(bound, 'twice'), 'ERR_S3CSE_CONTEXT_MISMATCH')
        assert.equal(kms.requests.length, 0)
      })

      it('the stored context rewritten to fit: KMS does not open it', async () => {
        await put(bound, 'from', mine)
        await place({ key: 'from' }, { key: 'over' }, withFile)
        const rename = (value: string): string => value.replaceAll('from', 'over')
        await w.s3.tamper(Bucket, withFile && version === 'V2' ? file('over') : 'over', ({ metadata, body }) => ({
          metadata: Object.fromEntries(Object.entries(metadata).map(([name, value]) => [name, rename(value)])),
          body: withFile && version === 'V2' ? Buffer.from(rename(Buffer.from(body).toString())) : body,
        }))
        if (withFile && version === 'V3') {
          await w.s3.tamper(Bucket, file('over'), ({ body }) => ({
            body: Buffer.from(rename(Buffer.from(body).toString())),
          }))
        }
        assertRefused(await outcomeOf(bound, 'over'), 'ERR_S3CSE_DECRYPTION_FAILED')
      })

      it('CopyObject does not make a moved object good again', async () => {
        await put(bound, 'stolen', mine)
        await place({ key: 'stolen' }, { key: 'hidden' }, withFile)
        for (const MetadataDirective of ['COPY', 'REPLACE'] as const) {
          const copy = { Bucket, Key: 'clean', CopySource: `${Bucket}/hidden`, MetadataDirective }
          await assert.rejects(bound.send(new CopyObjectCommand(copy)), code('ERR_S3CSE_CONTEXT_MISMATCH'))
        }
        assert.equal(await w.s3.object(Bucket, 'clean'), undefined)
      })
    })
  }
}

/** Takes everything away that a test has put somewhere. */
async function clean(): Promise<void> {
  for (const one of [Bucket, other]) {
    for (const Key of w.s3.keys(one)) await w.plain.send(new DeleteObjectCommand({ Bucket: one, Key }))
  }
}

describe('row 10: what cannot be bound', () => {
  it('is an error at set-up: nothing authenticates the description of a raw key', () => {
    assert.throws(() => w.client({ keyring: raw, bind: true }), code('ERR_S3CSE_CONFIG', /bind/))
  })

  it('one label for two buckets: between them nothing is noticed, as the documents say', async () => {
    const client = w.client({ keyring, bind: { label: 'both' } })
    await client.send(new PutObjectCommand({ Bucket, Key: 'a', Body: mine }))
    await place({ key: 'a' }, { key: 'a', bucket: other }, false)
    assert.equal(await text(client, { key: 'a', bucket: other }), mine)
    await place({ key: 'a' }, { key: 'b' }, false)
    assertRefused(await outcomeOf(client, 'b'), 'ERR_S3CSE_CONTEXT_MISMATCH')
  })
})
