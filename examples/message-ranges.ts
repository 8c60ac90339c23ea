/**
 * Parts of a large object, each authenticated: which requests they take, and how much of the object they read. The numbers
 * are the same for 10 GiB; only the offsets are larger.
 *
 * S3 runs inside this program here; somebody who may write to the bucket changes the object in the end.
 */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { GetObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { addEncryption, aesKeyring, CseError, encryptionInfo } from 's3-cse'
import { esdk } from 's3-cse/esdk'
import { startS3 } from 's3-cse/testing'

const MIB = 1024 * 1024
const FRAME = 64 * 1024
const SEALED_FRAME = FRAME + 32

const server = await startS3({ buckets: ['my-bucket'] })
const s3 = addEncryption(new S3Client(server.clientConfig), {
  keyring: aesKeyring({ wrappingKey: randomBytes(32), keyNamespace: 'example', keyName: '2026' }),
  format: esdk({ frameLength: FRAME }),
})
const object = { Bucket: 'my-bucket', Key: 'archive.bin' }
const archive = randomBytes(64 * MIB)

/** Reads a range, and says what was requested for it. */
async function range(start: number, length: number): Promise<{ readonly requests: number; readonly bytes: number }> {
  server.requests.length = 0
  const Range = `bytes=${start}-${start + length - 1}`
  const output = await s3.send(new GetObjectCommand({ ...object, Range }))
  const plaintext = Buffer.from((await output.Body?.transformToByteArray()) ?? [])
  assert.ok(plaintext.equals(archive.subarray(start, start + length)))
  assert.equal(output.ContentRange, `bytes ${start}-${start + length - 1}/${archive.length}`)
  assert.equal(encryptionInfo(output)?.authentication, 'verified')
  let bytes = 0
  console.log(`\n${Range}`)
  for (const { headers } of server.requests) {
    const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(headers.range ?? '') ?? []
    const count = Number(last) - Number(first) + 1
    console.log(`  ${String(count).padStart(9)} bytes  ${headers.range}${headers['if-match'] ? ', If-Match' : ''}`)
    bytes += count
  }
  return { requests: server.requests.length, bytes }
}

try {
  await s3.send(new PutObjectCommand({ ...object, Body: archive }))
  const stored = (await server.object(object.Bucket, object.Key))?.size ?? 0
  console.log(`${archive.length} bytes are stored as ${stored}: ${stored - archive.length} more`)

  // Header, final frame, and the frames that have the range; from then on one request.
  const first = await range(40 * MIB + 1, MIB)
  assert.equal(first.requests, 3)
  assert.ok(first.bytes <= MIB + 3 * SEALED_FRAME + 4096)
  assert.deepEqual(await range(20 * MIB, MIB), { requests: 1, bytes: 16 * SEALED_FRAME })
  assert.deepEqual(await range(20 * MIB + 1, MIB), { requests: 1, bytes: 17 * SEALED_FRAME })
  assert.deepEqual(await range(5_000_000, 1), { requests: 1, bytes: SEALED_FRAME })

  // Two frames change places: both are authentic, and neither is where it was.
  const size = archive.length / FRAME
  await server.tamper(object.Bucket, object.Key, ({ body }) => {
    const header = stored - 40 - size * SEALED_FRAME
    const [a, b] = [2, 3].map((n) => Buffer.from(body.subarray(header + n * SEALED_FRAME).subarray(0, SEALED_FRAME)))
    body.set(b ?? [], header + 2 * SEALED_FRAME)
    body.set(a ?? [], header + 3 * SEALED_FRAME)
  })
  const refused: unknown = await range(2 * FRAME, 10).catch((error: unknown) => error)
  assert.ok(refused instanceof CseError && refused.code === 'ERR_S3CSE_DECRYPTION_FAILED')
  console.log('\nFrames that were exchanged:', refused.message)
  await range(4 * FRAME, 10)
} finally {
  s3.destroy()
  await server.close()
}
