import assert from 'node:assert/strict'
import test from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { GetObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { startS3 } from 's3-cse/testing'
import { createPacer } from '../../src/testing/s3-pace.js'

const Bucket = 'bucket'

/** A clock that only moves when somebody waits. */
function clock(): { now: () => number; wait: (ms: number) => Promise<void>; advance: (ms: number) => void } {
  let time = 1000
  return {
    now: () => time,
    wait: async (ms) => void (time += ms),
    advance: (ms) => void (time += ms),
  }
}

test('bytes take their time, whoever sends them', async () => {
  const { now, wait, advance } = clock()
  const pacer = createPacer(1000_000, new AbortController().signal, { now, wait })
  const began = now()
  for (let i = 0; i < 100; i++) await pacer?.take(10_000)
  assert.ok(Math.abs(now() - began - 1000) <= 10, `${now() - began} ms for a second's bytes`)
  advance(60_000)
  const later = now()
  for (let i = 0; i < 100; i++) await pacer?.take(10_000)
  assert.ok(Math.abs(now() - later - 1000) <= 10, 'what was not used is lost')
  assert.equal(createPacer(undefined, new AbortController().signal), undefined)
})

test('a pace that is none is refused', async () => {
  for (const paceBytesPerSecond of [0, -1, NaN]) {
    await assert.rejects(startS3({ paceBytesPerSecond }), TypeError)
  }
})

test('bodies pass the paced server unchanged, in both directions', async () => {
  const s3 = await startS3({ buckets: [Bucket], paceBytesPerSecond: 40_000_000 })
  const client = new S3Client(s3.clientConfig)
  const body = Buffer.alloc(1_000_000, 'abc')
  await client.send(new PutObjectCommand({ Bucket, Key: 'a', Body: body }))
  const { Body } = await client.send(new GetObjectCommand({ Bucket, Key: 'a' }))
  assert.ok(body.equals((await Body?.transformToByteArray()) ?? Buffer.alloc(0)))
  client.destroy()
  await s3.close()
})

test('a body waits for its turn, and no longer than the server lives', async () => {
  const s3 = await startS3({ buckets: [Bucket], paceBytesPerSecond: 1 })
  const client = new S3Client({ ...s3.clientConfig, maxAttempts: 1 })
  await s3.put(Bucket, 'a', { body: Buffer.alloc(100_000) })
  const outcomes: string[] = []
  const sent = client.send(new PutObjectCommand({ Bucket, Key: 'b', Body: Buffer.alloc(100_000) }))
  const read = client.send(new GetObjectCommand({ Bucket, Key: 'a' })).then(({ Body }) => Body?.transformToByteArray())
  const done = Promise.all(
    [sent, read].map((one) =>
      one.then(
        () => outcomes.push('done'),
        () => outcomes.push('failed'),
      ),
    ),
  )
  const arrived = (): boolean => s3.requests.length === 2 && s3.requests.some(({ bodyLength }) => bodyLength > 0)
  for (let i = 0; i < 1000 && !arrived(); i++) await sleep(10)
  assert.ok(arrived())
  await sleep(50)
  assert.deepEqual(outcomes, [])
  await s3.close()
  await done
  assert.deepEqual(outcomes, ['failed', 'failed'])
  client.destroy()
})
