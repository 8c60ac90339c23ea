// A thousand objects get another key while others go on writing them: no write is lost.
import { DeleteObjectCommand } from '@aws-sdk/client-s3'
import type { S3Client } from '@aws-sdk/client-s3'
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setTimeout } from 'node:timers/promises'

import type { EncryptionOptions, Keyring } from '../../src/index.js'
import { kmsKeyring } from '../../src/kms.js'
import { code } from '../support/errors.js'
import { kmsWorld, newKey, nothingLeft, oldKey, opensOnly, rotate, versioned } from '../support/rotate.js'
import { Bucket, put, read, world } from '../support/world.js'
import type { World } from '../support/world.js'

const { kms, client: kmsClient } = await kmsWorld()

interface Scenario {
  readonly objects: number
  /** How many of them are written meanwhile, each by one writer after the other. */
  readonly written: number
  readonly from: Keyring
  readonly to: Keyring
  readonly options?: Partial<EncryptionOptions>
}

/** Numbers that look like chance and are the same each time. */
function chance(seed: number): () => number {
  let state = seed
  return () => (state = (state * 1_103_515_245 + 12_345) % 2 ** 31) / 2 ** 31
}

async function each<T>(list: readonly T[], concurrency: number, act: (one: T) => Promise<void>): Promise<void> {
  const rest = [...list]
  const work = async () => {
    for (let one = rest.shift(); one !== undefined; one = rest.shift()) await act(one)
  }
  await Promise.all(Array.from({ length: concurrency }, work))
}

async function run(w: World, s: Scenario): Promise<void> {
  const { objects, written, from, to, options } = s
  const [old, writer] = [from, to].map((keyring) => w.client({ ...options, keyring })) as [S3Client, S3Client]
  const keys = Array.from({ length: objects }, (_, index) => `object-${index}`)
  const busy = new Set(keys.filter((_, index) => index % Math.floor(objects / written) === 0))
  /** By key; `undefined`: deleted. */
  const acknowledged = new Map<string, string | undefined>()
  await each(keys, 16, async (key) => {
    await put(old, key, `${key} 0`)
    acknowledged.set(key, `${key} 0`)
  })

  const random = chance(objects)
  const writing = new Set<string>()
  const counts = { conflicts: 0, gone: 0, between: 0, metadata: 0, unchanged: 0 }
  // Many a write falls between the reading of a copy and its storing.
  const copied = new Set<string>()
  const end = w.s3.onCopy(async ({ key = '' }) => {
    copied.add(key)
    const before = acknowledged.get(key)
    while (writing.has(key) && acknowledged.get(key) === before) await setTimeout(1)
    if (acknowledged.get(key) !== before) counts.between++
  })

  /** One write after the other: the last one that was acknowledged is the last one that was stored. */
  const write = async (key: string): Promise<void> => {
    writing.add(key)
    // The first half of them begins when the rotation is in the middle of it.
    const late = random() < 0.5
    for (let waited = 0; late && !copied.has(key) && waited < 1000; waited++) await setTimeout(1)
    for (let n = 1; n <= 4; n++) {
      await setTimeout(random() * 40)
      // What is deleted is put again, but for the end of some.
      if (random() < 0.4) {
        await w.plain.send(new DeleteObjectCommand({ Bucket, Key: key }))
        acknowledged.set(key, undefined)
        if (n === 4) break
      }
      await put(writer, key, `${key} ${n}`)
      acknowledged.set(key, `${key} ${n}`)
    }
    writing.delete(key)
  }
  const rotateOne = async (key: string): Promise<void> => {
    try {
      const { outcome, attempts } = await rotate(old, key, { to, maxAttempts: 100 })
      counts[outcome as 'metadata' | 'unchanged']++
      counts.conflicts += attempts - 1
    } catch (error) {
      const { $metadata } = error as { $metadata?: { httpStatusCode?: number } }
      assert.equal($metadata?.httpStatusCode, 404, String(error))
      counts.gone++
    }
  }
  await each(keys, 12, async (key) => {
    await Promise.all([rotateOne(key), busy.has(key) ? write(key).finally(() => writing.delete(key)) : undefined])
  })
  end()

  await each([...acknowledged], 16, async ([key, expected]) => {
    if (expected === undefined) {
      assert.ok(!w.s3.keys(Bucket).includes(key), key)
      return
    }
    assert.equal((await read(writer, key)).toString(), expected)
    await assert.rejects(read(old, key), code('ERR_S3CSE_DECRYPTION_FAILED'), key)
  })
  nothingLeft(w)
  assert.equal(counts.metadata + counts.unchanged + counts.gone, objects)
  // It was no easy time.
  const told = JSON.stringify(counts)
  assert.ok(counts.conflicts > written / 10 && counts.between > written / 10 && counts.gone > 0, told)
  assert.ok(counts.metadata >= objects - written, told)
}

describe('while others write', () => {
  const raw = { objects: 1000, written: 100, from: oldKey, to: newKey }

  it('1,000 objects get another key', async () => {
    await run(await world(), raw)
  })

  it('300 objects in a bucket with versions', async () => {
    const w = await world()
    await versioned(w)
    await run(w, { ...raw, objects: 300, written: 60 })
  })

  it('120 objects get another KMS key, inside KMS', async () => {
    const w = await world()
    const [from, to] = [kms.createKey(), kms.createKey()].map(({ arn }) =>
      kmsKeyring({ client: kmsClient, keyId: arn }),
    ) as [Keyring, Keyring]
    const wraps = new Map<string, unknown>()
    const end = w.s3.onRequest(({ operation, key, headers }) => {
      if (operation === 'PutObject' && !wraps.has(key!)) wraps.set(key!, headers['x-amz-meta-x-amz-3'])
    })
    await run(w, { objects: 120, written: 30, from, to, options: { encryptionContext: { a: 'b' } } })
    end()
    for (const key of w.s3.keys(Bucket)) {
      const { metadata } = await w.stored(key)
      assert.notEqual(metadata['x-amz-3'], wraps.get(key), key)
    }
  })
})

it('the rotator neither sees data keys nor makes any', async () => {
  const w = await world()
  const [a, b] = [kms.createKey(), kms.createKey()]
  const [from, to] = [a, b].map(({ arn }) => kmsKeyring({ client: kmsClient, keyId: arn })) as [Keyring, Keyring]
  const client = w.client({ keyring: from, encryptionContext: { a: 'b' } })
  const keys = Array.from({ length: 30 }, (_, index) => `kms-${index}`)
  for (const key of keys) await put(client, key, key)
  const before = await Promise.all(keys.map(async (key) => (await w.stored(key)).metadata))
  kms.requests.length = 0
  await each(keys, 8, async (key) => {
    assert.equal((await rotate(client, key, { to })).reEncrypted, true)
  })
  assert.deepEqual(
    kms.requests.map(({ operation }) => operation),
    keys.map(() => 'ReEncrypt'),
  )
  for (const [index, key] of keys.entries()) {
    const { metadata } = await w.stored(key)
    assert.notEqual(metadata['x-amz-3'], before[index]!['x-amz-3'])
    assert.equal(metadata['x-amz-d'], before[index]!['x-amz-d'])
    await opensOnly(w, key, key, { by: to, not: from, encryptionContext: { a: 'b' } })
  }
})
