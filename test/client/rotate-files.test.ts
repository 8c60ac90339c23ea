// Envelopes in instruction files: wrapped anew in place, or into a second file for somebody else's key.
import { GetObjectCommand, PutObjectTaggingCommand } from '@aws-sdk/client-s3'
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { aesKeyring, reEncryptInstructionFile, rsaKeyring } from '../../src/index.js'
import type { EncryptionOptions, Keyring, ReEncryptInstructionFileInput } from '../../src/index.js'
import { kmsKeyring } from '../../src/kms.js'
import { code } from '../support/errors.js'
import {
  counting,
  kmsWorld,
  newKey,
  nothingLeft,
  oldKey,
  opensOnly,
  otherKey,
  properties,
  rawKeyring,
  rotate,
  versioned,
} from '../support/rotate.js'
import { loadVectors } from '../support/vectors.js'
import { Bucket, pattern, put, read, world } from '../support/world.js'
import type { World } from '../support/world.js'

const clock = { seconds: 1_800_000_000 }
const now = () => new Date(clock.seconds * 1000)
const w = await world({ now })
const v = await world({ now })
await versioned(v)
const { kms, client: kmsClient } = await kmsWorld()

const inFile: Partial<EncryptionOptions> = { instructionFile: { write: true } }
const overwriting: Partial<EncryptionOptions> = { instructionFile: { write: true, overwrite: true } }
const v2: Partial<EncryptionOptions> = { commitmentPolicy: 'FORBID_ENCRYPT_ALLOW_DECRYPT' }
const kinds = [
  ['V3', {}],
  ['V2', v2],
] as const

async function putFile(
  on: World,
  key: string,
  body: unknown,
  options: Partial<EncryptionOptions> = {},
  more: object = {},
) {
  const client = on.client({ keyring: oldKey, ...overwriting, ...options })
  await put(client, key, body, more)
  return client
}

type ReEncryptMore = Partial<ReEncryptInstructionFileInput>

function reEncrypt(client: ReturnType<World['client']>, Key: string, more: ReEncryptMore = {}) {
  return reEncryptInstructionFile(client, { Bucket, Key, to: newKey, ...more })
}

/** The current file and nothing but that opens: earlier versions of it are not looked for in a bucket without. */
async function fileOpensOnly(
  on: World,
  key: string,
  body: Uint8Array | string,
  options: object = {},
  suffix = '.instruction',
) {
  const object = await on.stored(key)
  const file = await on.stored(`${key}${suffix}`)
  const copy = `copy of ${key}`
  await w.s3.put(Bucket, copy, { body: object.body, metadata: object.metadata })
  await w.s3.put(Bucket, `${copy}${suffix}`, { body: file.body, metadata: file.metadata })
  await opensOnly(w, copy, body, { ...options, instructionFile: { suffix } })
}

for (const [name, on] of [
  ['without versions', w],
  ['with versions', v],
] as const) {
  for (const [format, options] of kinds) {
    describe(`${format}, ${name}`, () => {
      it('rotateKey replaces the file, and leaves the object', async () => {
        const key = `${format} rotate`
        const client = await putFile(on, key, 'body', options)
        const before = await on.stored(key)
        const file = await on.stored(`${key}.instruction`)
        clock.seconds += 100
        const { outcome, facts, ETag } = await rotate(client, key)
        assert.equal(outcome, 'instruction file')
        assert.equal(facts.instructionFile, `${key}.instruction`)
        assert.equal(ETag, before.etag)
        assert.deepEqual(await on.stored(key), before)
        assert.notDeepEqual(await on.stored(`${key}.instruction`), file)
        await fileOpensOnly(on, key, 'body', options)
        assert.equal((await read(on.client({ ...options, keyring: newKey }), key)).toString(), 'body')
        nothingLeft(on)
        // Again, and on to a third key.
        clock.seconds += 100
        assert.equal((await rotate(client, key)).outcome, 'unchanged')
        const third = rawKeyring(4, 'third')
        const { outcome: next } = await rotate(on.client({ ...options, keyring: newKey }), key, { to: third })
        assert.equal(next, 'instruction file')
        assert.equal((await read(on.client({ ...options, keyring: third }), key)).toString(), 'body')
      })

      it('reEncryptInstructionFile says what Java says', async () => {
        const key = `${format} java`
        const client = await putFile(on, key, 'body', options)
        clock.seconds += 100
        const { facts, ...result } = await reEncrypt(client, key)
        assert.deepEqual(result, {
          Bucket,
          Key: key,
          InstructionFileSuffix: '.instruction',
          EnforceRotation: true,
          reEncrypted: false,
        })
        assert.equal(facts.version, format)
        await fileOpensOnly(on, key, 'body', options)
        await assert.rejects(reEncrypt(client, key), code('ERR_S3CSE_ROTATION', /the new one does/))
      })

      it('a second file is for another key', async () => {
        const key = `${format} second`
        const client = await putFile(on, key, 'body', options)
        const before = [await on.stored(key), await on.stored(`${key}.instruction`)]
        const copyFirst = async () => {
          const { body, metadata } = await on.stored(`${key}.instruction`)
          await on.s3.put(Bucket, `${key}.second`, { body, metadata })
        }
        // What is there: nothing, what the new key opens, and what the old key opens.
        for (const [to, prepare] of [[newKey], [newKey], [otherKey, copyFirst]] as const) {
          clock.seconds += 100
          await prepare?.()
          const { InstructionFileSuffix, facts } = await reEncrypt(client, key, {
            to,
            instructionFileSuffix: '.second',
          })
          assert.deepEqual([InstructionFileSuffix, facts.instructionFile], ['.second', `${key}.second`])
          assert.deepEqual([await on.stored(key), await on.stored(`${key}.instruction`)], before)
          const theirs = on.client({ ...options, keyring: to, instructionFile: { suffix: '.second' } })
          assert.equal((await read(theirs, key)).toString(), 'body')
          assert.equal((await read(client, key)).toString(), 'body')
        }
        // For somebody else.
        const second = await on.stored(`${key}.second`)
        await assert.rejects(
          reEncrypt(client, key, { instructionFileSuffix: '.second' }),
          code('ERR_S3CSE_INSTRUCTION_FILE', /neither the old key nor the new one/),
        )
        assert.deepEqual(await on.stored(`${key}.second`), second)
        // Its metadata shows what it is.
        assert.ok('x-amz-crypto-instr-file' in (await on.stored(`${key}.second`)).metadata)
        nothingLeft(on)
      })

      it("is not written over another object's file", async () => {
        const key = `${format} of others`
        const client = await putFile(on, key, 'mine', options)
        await putFile(on, `${key}.b`, 'another body', options)
        const before = await on.stored(`${key}.b.instruction`)
        for (const more of [{}, { to: rawKeyring(1, 'label'), enforceRotation: false }]) {
          await assert.rejects(
            reEncrypt(client, key, { ...more, instructionFileSuffix: '.b.instruction' }),
            code('ERR_S3CSE_INSTRUCTION_FILE', /another object's/),
          )
        }
        assert.deepEqual(await on.stored(`${key}.b.instruction`), before)
        assert.equal((await read(client, `${key}.b`)).toString(), 'another body')
      })

      for (const status of [409, 412]) {
        it(`is tried again after a ${status}`, async () => {
          const key = `${format} ${status}`
          const client = await putFile(on, key, 'body', options)
          clock.seconds += 100
          const match = (r: { operation: string; key: string | undefined }) =>
            r.operation === 'PutObject' && r.key?.startsWith(`${key}.`) === true && !r.key.includes('probe')
          on.s3.fail({ match, status, times: 3 })
          const { outcome, attempts } = await rotate(client, key)
          assert.deepEqual([outcome, attempts], ['instruction file', 4])
          await fileOpensOnly(on, key, 'body', options)
          on.s3.fail({ match, status, times: 3 })
          await reEncrypt(client, key, { from: { keyring: newKey }, to: otherKey })
          on.s3.fail({ match, status, times: 3 })
          const second = { from: { keyring: otherKey }, to: newKey, instructionFileSuffix: '.second' }
          await reEncrypt(client, key, second)
          assert.deepEqual(on.s3.faults, [])
        })
      }

      it('an answer that is lost changes nothing', async () => {
        const key = `${format} lost`
        const client = await putFile(on, key, 'body', options)
        clock.seconds += 100
        on.s3.fail({
          match: (r) => r.operation === 'PutObject' && r.key === `${key}.instruction`,
          reset: { afterResponseBytes: 0 },
        })
        const { outcome, facts, attempts } = await rotate(client, key)
        assert.deepEqual([outcome, facts.version, attempts], ['instruction file', format, 2])
        await fileOpensOnly(on, key, 'body', options)
        for (const suffix of ['.instruction', '.second']) {
          const key = `${format} lost by ${suffix}`
          await putFile(on, key, 'body', options)
          clock.seconds += 100
          let writes = 0
          const match = (r: { operation: string; key: string | undefined }) =>
            r.operation === 'PutObject' && r.key === `${key}${suffix}`
          on.s3.fail({ match, reset: { afterResponseBytes: 0 } })
          const end = on.s3.onRequest((r) => {
            if (match(r)) writes++
          })
          const { facts, reEncrypted } = await reEncrypt(client, key, { instructionFileSuffix: suffix })
          assert.deepEqual([facts.version, facts.instructionFile, reEncrypted], [format, `${key}${suffix}`, false])
          end()
          // The SDK has sent it once more, and nobody after that.
          assert.equal(writes, 2)
          await fileOpensOnly(on, key, 'body', options, suffix)
        }
      })

      // A writer replaces the file, and then the object; both are between any two requests of the rotation.
      for (const place of [
        'HeadObject of the object',
        'GetObject of the file',
        'PutObject of the file',
        'GetObjectTagging of the file',
      ]) {
        for (const by of ['old', 'new'] as const) {
          it(`somebody with the ${by} key overwrites both at ${place}`, async () => {
            const key = `${format} ${place} ${by}`
            const client = await putFile(on, key, 'mine', options)
            const writer = on.client({ ...options, ...overwriting, keyring: by === 'old' ? oldKey : newKey })
            let state: 'waiting' | 'writing' | 'written' = 'waiting'
            const end = on.s3.onRequest(async (r) => {
              const name = `${r.operation} of the ${r.key === key ? 'object' : 'file'}`
              if (state !== 'waiting' || name !== place || (r.key !== key && r.key !== `${key}.instruction`)) return
              state = 'writing'
              clock.seconds += 100
              await put(writer, key, 'theirs')
              clock.seconds += 100
              state = 'written'
            })
            const { outcome } = await rotate(client, key)
            end()
            assert.equal(state, 'written')
            assert.equal(outcome, by === 'old' ? 'instruction file' : 'unchanged')
            await fileOpensOnly(on, key, 'theirs', options)
          })

          it(`somebody with the ${by} key has written the file at ${place}, and the object later`, async () => {
            const key = `${format} half ${place} ${by}`
            const client = await putFile(on, key, 'mine', options)
            const writer = on.client({ ...options, ...overwriting, keyring: by === 'old' ? oldKey : newKey })
            let object: { open(): void } | undefined
            let theirs: Promise<unknown> | undefined
            const holding = on.s3.onRequest(async (r) => {
              if (theirs === undefined || r.operation !== 'PutObject' || r.key !== key) return
              await new Promise<void>((open) => (object = { open }))
            })
            const end = on.s3.onRequest(async (r) => {
              const name = `${r.operation} of the ${r.key === key ? 'object' : 'file'}`
              if (theirs !== undefined || name !== place || (r.key !== key && r.key !== `${key}.instruction`)) return
              clock.seconds += 100
              theirs = put(writer, key, 'theirs')
              while (object === undefined) await new Promise((resolve) => setTimeout(resolve, 1))
            })
            const rotation = rotate(client, key).catch((error: unknown) => error as Error)
            const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds))
            for (let i = 0; object === undefined && i < 10_000; i++) await pause(1)
            await pause(150)
            clock.seconds += 100
            object?.open()
            await theirs
            await rotation
            holding()
            end()
            assert.ok(object)
            await rotate(client, key)
            await fileOpensOnly(on, key, 'theirs', options)
          })
        }
      }
    })
  }
}

describe('a file that may be the next object’s', () => {
  const keysOf = (kind: 'raw' | 'kms'): readonly [Keyring, Keyring] => {
    if (kind === 'raw') return [oldKey, newKey]
    const [from, to] = [kms.createKey(), kms.createKey()].map(({ arn }) =>
      kmsKeyring({ client: kmsClient, keyId: arn }),
    )
    return [from!, to!]
  }
  for (const [format, options] of kinds) {
    for (const kind of ['raw', 'kms'] as const) {
      for (const seconds of [0, 100]) {
        it(`is left to the writer, who takes it back: ${format}, ${kind}, ${seconds} s after the object`, async () => {
          const key = `next ${format} ${kind} ${seconds}`
          const [from, to] = keysOf(kind)
          const client = w.client({ ...overwriting, ...options, keyring: from })
          await put(client, key, 'first')
          clock.seconds += seconds
          let during: unknown
          const end = w.s3.onRequest(async (r) => {
            if (during !== undefined || r.operation !== 'PutObject' || r.key !== key) return
            during = 'begun'
            during = await rotate(client, key, { to }).catch((error: unknown) => error)
          })
          const match = (r: { operation: string; key: string | undefined }) =>
            r.operation === 'PutObject' && r.key === key
          w.s3.fail({ match, status: 403, code: 'AccessDenied' })
          await assert.rejects(put(client, key, 'second'), { name: 'AccessDenied' })
          end()
          const { code: reason } = during as { code?: string }
          assert.equal(reason, format === 'V3' ? 'ERR_S3CSE_DECRYPTION_FAILED' : 'ERR_S3CSE_RESPONSE_UNEXPECTED')
          assert.equal((await read(client, key)).toString(), 'first')
          await rotate(client, key, { to })
          await opensOnly(w, key, 'first', { ...options, by: to, not: from })
        })
      }
    }
  }

  it('without a commitment the body is read, unless the file is older, or as old and has been there for long', async () => {
    const past = { seconds: 1_500_000_000 }
    const early = await world({ now: () => new Date(past.seconds * 1000) })
    const bodies = (on: World) => on.s3.requests.filter((r) => r.operation === 'GetObject' && r.key === 'a').length
    for (const [on, time, gap, expected] of [
      [early, past, 0, 0],
      [early, past, 5, 0],
      [w, clock, 5, 0],
      [w, clock, 0, 1],
    ] as const) {
      const client = on.client({ ...overwriting, ...v2, keyring: oldKey })
      const end = on.s3.onRequest(({ operation, key }) => {
        if (operation === 'PutObject' && key === 'a') time.seconds += gap
      })
      await put(client, 'a', 'body')
      end()
      time.seconds += 100
      on.s3.requests.length = 0
      assert.equal((await rotate(client, 'a')).outcome, 'instruction file')
      assert.equal(bodies(on), expected, `${time.seconds} ${gap}`)
      // Now the file is newer than the object.
      time.seconds += 100
      const next = { from: { keyring: newKey }, to: otherKey }
      on.s3.requests.length = 0
      assert.equal((await rotate(client, 'a', next)).outcome, 'instruction file')
      assert.equal(bodies(on), 1)
      await opensOnly(on, 'a', 'body', { ...v2, by: otherKey })
    }
  })
})

describe('a new instruction file', () => {
  it('has all that the old one was stored with', async () => {
    const key = 'kept'
    const client = await putFile(
      w,
      key,
      'body',
      {},
      {
        StorageClass: 'STANDARD_IA',
        ServerSideEncryption: 'aws:kms',
        SSEKMSKeyId: 'some-key',
        Tagging: 'a=b',
        ACL: 'public-read',
      },
    )
    const TagSet = [
      { Key: 'ä ö=:', Value: '+/ @' },
      { Key: 'a', Value: '' },
    ]
    await w.plain.send(new PutObjectTaggingCommand({ Bucket, Key: `${key}.instruction`, Tagging: { TagSet } }))
    const { headers, tags, grants, metadata, lock } = await w.stored(`${key}.instruction`)
    assert.equal(headers['x-amz-storage-class'], 'STANDARD_IA')
    await rotate(client, key)
    const after = await w.stored(`${key}.instruction`)
    assert.deepEqual(
      { headers: after.headers, tags: after.tags, grants: after.grants, metadata: after.metadata, lock: after.lock },
      { headers, tags, grants, metadata, lock },
    )
    // A second one belongs to somebody else: it gets neither the tags nor the ACL.
    await reEncrypt(client, key, { from: { keyring: newKey }, to: otherKey, instructionFileSuffix: '.b' })
    const second = await w.stored(`${key}.b`)
    assert.equal(second.headers['x-amz-storage-class'], 'STANDARD_IA')
    assert.equal(second.headers['x-amz-server-side-encryption'], 'aws:kms')
    assert.deepEqual(second.tags, {})
  })

  it('that nobody could read is refused: the old one stays', async () => {
    const client = await putFile(w, 'too long', 'body')
    const before = await w.stored('too long.instruction')
    const long = aesKeyring({ wrappingKey: new Uint8Array(32), materialsDescription: { a: 'x'.repeat(66_000) } })
    const tooLarge = code('ERR_S3CSE_ENVELOPE_TOO_LARGE')
    await assert.rejects(rotate(client, 'too long', { to: long }), tooLarge)
    await assert.rejects(reEncrypt(client, 'too long', { to: long }), tooLarge)
    await assert.rejects(reEncrypt(client, 'too long', { to: long, instructionFileSuffix: '.b' }), tooLarge)
    assert.deepEqual(await w.stored('too long.instruction'), before)
    assert.ok(!w.s3.keys(Bucket).includes('too long.b'))
    // (One that has no room in the metadata does have it here.)
    const fits = aesKeyring({ wrappingKey: new Uint8Array(32), materialsDescription: { a: 'x'.repeat(6000) } })
    await rotate(client, 'too long', { to: fits })
    await opensOnly(w, 'too long', 'body', { by: fits })
  })

  it('has no name of the files that are only read', async () => {
    const client = await putFile(w, 'dotnet', 'body')
    w.s3.requests.length = 0
    const input = { instructionFileSuffix: 'INSTRUCTION_SUFFIX' }
    await assert.rejects(reEncrypt(client, 'dotnet', input), code('ERR_S3CSE_CONFIG'))
    assert.deepEqual(w.s3.requests, [])
  })

  it('replaces nothing that is no instruction file', async () => {
    const client = await putFile(w, 'way', 'body')
    for (const body of ['something', '{}', '{"a":"b"}', '']) {
      await put(w.plain, 'way.second', body)
      const before = await w.stored('way.second')
      await assert.rejects(
        reEncrypt(client, 'way', { instructionFileSuffix: '.second' }),
        code('ERR_S3CSE_INSTRUCTION_FILE', /is no instruction file/),
      )
      assert.deepEqual(await w.stored('way.second'), before)
    }
    await put(w.plain, 'way.second', 'x'.repeat(70_000))
    await assert.rejects(
      reEncrypt(client, 'way', { instructionFileSuffix: '.second' }),
      code('ERR_S3CSE_ENVELOPE_INVALID'),
    )
  })

  it('that somebody else has just written is replaced under a condition', async () => {
    const client = await putFile(w, 'meanwhile', 'body')
    let n = 0
    const end = w.s3.onRequest(async (r) => {
      if (r.operation === 'PutObject' && r.key === 'meanwhile.second' && n++ === 0) {
        await w.s3.put(Bucket, 'meanwhile.second', { body: 'something else' })
      }
    })
    await assert.rejects(
      reEncrypt(client, 'meanwhile', { instructionFileSuffix: '.second' }),
      code('ERR_S3CSE_INSTRUCTION_FILE'),
    )
    end()
    assert.equal(Buffer.from((await w.stored('meanwhile.second')).body).toString(), 'something else')
  })

  it('is never made of an archived one', async () => {
    const client = await putFile(w, 'archive', 'body')
    await w.s3.tamper(Bucket, 'archive.instruction', ({ headers }) => ({
      headers: { ...headers, 'x-amz-storage-class': 'GLACIER' },
    }))
    await assert.rejects(rotate(client, 'archive'))
    assert.equal((await w.stored('archive.instruction')).headers['x-amz-storage-class'], 'GLACIER')
  })
})

describe('with raw keys, the materials description', () => {
  const same = aesKeyring({ wrappingKey: new Uint8Array(32).fill(9), materialsDescription: { comment: 'old' } })

  it('of the new keyring must be another one', async () => {
    const client = await putFile(w, 'description', 'body')
    const before = await w.stored('description.instruction')
    for (const more of [{}, { instructionFileSuffix: '.b' }, { enforceRotation: false }]) {
      await assert.rejects(
        reEncrypt(client, 'description', { to: same, ...more }),
        code('ERR_S3CSE_CONFIG', /materials description/),
      )
    }
    assert.deepEqual(await w.stored('description.instruction'), before)
    assert.ok(!w.s3.keys(Bucket).includes('description.b'))
    // rotateKey does not ask for that.
    await rotate(client, 'description', { to: same })
    await opensOnly(w, 'description', 'body', { by: same })
  })

  it('chooses the key for those who have both', async () => {
    await putFile(w, 'both', 'body')
    const both = aesKeyring({
      wrappingKey: new Uint8Array(32).fill(2),
      materialsDescription: { comment: 'new' },
      additionalKeys: [{ wrappingKey: new Uint8Array(32).fill(1), materialsDescription: { comment: 'old' } }],
    })
    const reader = w.client({ keyring: both })
    assert.equal((await read(reader, 'both')).toString(), 'body')
    const { EnforceRotation } = await reEncrypt(reader, 'both', { to: both })
    assert.ok(EnforceRotation)
    assert.equal((await read(reader, 'both')).toString(), 'body')
    await opensOnly(w, 'both', 'body')
  })

  it('may be another one of the same key only where that is wanted', async () => {
    const client = await putFile(w, 'enforce', 'body')
    const relabelled = rawKeyring(1, 'the old key')
    await assert.rejects(
      reEncrypt(client, 'enforce', { to: relabelled }),
      code('ERR_S3CSE_ROTATION', /enforceRotation/),
    )
    const { EnforceRotation } = await reEncrypt(client, 'enforce', { to: relabelled, enforceRotation: false })
    assert.equal(EnforceRotation, false)
    assert.equal((await read(client, 'enforce')).toString(), 'body')
  })
})

describe('with KMS', () => {
  it('the file is wrapped anew inside KMS', async () => {
    const [a, b] = [kms.createKey(), kms.createKey()]
    const [from, to] = [a, b].map(({ arn }) => kmsKeyring({ client: kmsClient, keyId: arn })) as [Keyring, Keyring]
    const encryptionContext = { tenant: 'ä' }
    const client = w.client({ keyring: from, encryptionContext, ...inFile })
    // ReEncrypt checks no commitment: only for a file that was there before the object.
    const end = w.s3.onRequest(({ operation, key }) => {
      if (operation === 'PutObject' && key === 'kms') clock.seconds++
    })
    await put(client, 'kms', 'body')
    end()
    clock.seconds += 10
    kms.requests.length = 0
    assert.equal((await rotate(client, 'kms', { to })).reEncrypted, true)
    assert.deepEqual(
      kms.requests.map(({ operation }) => operation),
      ['ReEncrypt'],
    )
    // The same context is no mistake here.
    const back = { to: from, from: { keyring: to }, instructionFileSuffix: '.second' }
    assert.equal((await reEncrypt(client, 'kms', back)).reEncrypted, false)
    assert.ok(kms.requests.some(({ operation }) => operation === 'Decrypt'))
    const theirs = w.client({ keyring: from, encryptionContext, instructionFile: { suffix: '.second' } })
    assert.equal((await read(theirs, 'kms')).toString(), 'body')
    await opensOnly(w, 'kms', 'body', { by: to, not: from, encryptionContext })
    await assert.rejects(
      reEncrypt(client, 'kms', { to, from: { keyring: to } }),
      code('ERR_S3CSE_ROTATION', /enforceRotation/),
    )
  })
})

it('an object with its envelope in the metadata has no file to replace', async () => {
  const client = w.client({ keyring: oldKey })
  await put(client, 'metadata', 'body')
  await assert.rejects(reEncrypt(client, 'metadata'), code('ERR_S3CSE_ROTATION', /in its metadata/))
})

it('a file that is missing, or of another object, is said, and the object left', async () => {
  const client = await putFile(w, 'one', 'body')
  await putFile(w, 'two', 'body')
  const { body, metadata } = await w.stored('two.instruction')
  await w.s3.put(Bucket, 'one.instruction', { body, metadata })
  w.s3.requests.length = 0
  await assert.rejects(rotate(client, 'one'), code('ERR_S3CSE_DECRYPTION_FAILED'))
  assert.deepEqual(Buffer.from((await w.stored('one.instruction')).body), Buffer.from(body))
  const reads = w.s3.requests.filter(({ key }) => key === 'one.instruction').length
  assert.ok(reads > 1 && reads < 5, `${reads}`)
  await w.s3.put(Bucket, 'one', { body: 'x'.repeat(100), metadata: (await w.stored('one')).metadata })
  const none = w.client({ keyring: oldKey, instructionFile: { suffix: '.none' } })
  await assert.rejects(rotate(none, 'one'), code('ERR_S3CSE_ENVELOPE_INVALID', /does not exist/))
})

it('where only an earlier version of the file fits, that is said; a rewrite works', async () => {
  const key = 'earlier file'
  const client = await putFile(v, key, 'mine')
  clock.seconds += 100
  // The writer died between file and object.
  v.s3.fail({ match: (r) => r.operation === 'PutObject' && r.key === key, reset: 'before', times: 3 })
  v.s3.fail({ match: (r) => r.operation === 'DeleteObject', reset: 'before', times: 100 })
  await assert.rejects(put(client, key, 'theirs'))
  v.s3.faults.length = 0
  clock.seconds += 100
  assert.equal((await read(client, key)).toString(), 'mine')
  await assert.rejects(rotate(client, key), code('ERR_S3CSE_ROTATION', /is not the current one.*rewrite: true/))
  assert.equal((await read(client, key)).toString(), 'mine')
  assert.equal((await rotate(client, key, { rewrite: true })).outcome, 'rewritten')
  clock.seconds += 100
  assert.equal((await read(v.client({ keyring: newKey }), key)).toString(), 'mine')
})

it("other clients' files are wrapped anew, or refused by their format", async () => {
  const counts: Record<string, number> = {}
  const { generateKeyPairSync } = await import('node:crypto')
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const rsa = rsaKeyring({ publicKey, privateKey, materialsDescription: { comment: 'rsa' } })
  for (const vector of loadVectors().filter(({ envelope }) => envelope === 'instruction-file')) {
    await vector.seed(w.s3, Bucket)
    const options = vector.options()
    const client = w.client(options)
    const before = await w.stored(vector.s3Key)
    const isCbc = vector.contentAlgorithm.includes('CBC')
    const to = (counts.rotated ?? 0) % 4 === 0 ? rsa : newKey
    const more = { to: counting(to), encryptionContext: {} }
    if (isCbc) {
      await assert.rejects(
        rotate(client, vector.s3Key, more),
        code('ERR_S3CSE_ROTATION', /rewrite: true/),
        vector.title,
      )
      counts.refused = (counts.refused ?? 0) + 1
      assert.deepEqual(more.to.calls, [])
    } else {
      const { outcome, facts } = await rotate(client, vector.s3Key, more)
      assert.equal(outcome, 'instruction file', vector.title)
      assert.equal(facts.needs.legacy.wrapping, false, vector.title)
      const reader = w.client({
        ...options,
        keyring: to,
        encryptionContext: {},
        legacy: { wrapping: false, content: options.legacy?.content },
      })
      vector.check(await read(reader, vector.s3Key))
      counts.rotated = (counts.rotated ?? 0) + 1
    }
    assert.deepEqual(properties(await w.stored(vector.s3Key)), properties(before))
  }
  assert.ok(counts.rotated! > 100 && counts.refused! > 20, JSON.stringify(counts))
})

it('a large object is not read for it', async () => {
  const client = await putFile(w, 'large', pattern(9_000_000))
  w.s3.requests.length = 0
  await reEncrypt(client, 'large')
  assert.ok(!w.s3.requests.some(({ operation, key }) => operation === 'GetObject' && key === 'large'))
  const { Body } = await w.client({ keyring: newKey }).send(new GetObjectCommand({ Bucket, Key: 'large' }))
  assert.equal((await Body!.transformToByteArray()).length, 9_000_000)
})
