import assert from 'node:assert/strict'
import { GetObjectCommand, HeadObjectCommand } from '@aws-sdk/client-s3'
import type { S3Client } from '@aws-sdk/client-s3'
import { Upload } from '@aws-sdk/lib-storage'
import { encryptionInfo, requestOptions } from '../../src/index.js'
import type { RangeReads } from '../../src/index.js'
import { bytesOf, code, MIB, put, s3Error, sameBytes } from './support-objects.js'
import type { At } from './support-objects.js'
import { check } from './support.js'

const LENGTH = 100_003
const v2 = { commitmentPolicy: 'FORBID_ENCRYPT_ALLOW_DECRYPT' } as const
const MODES = ['whole-object', 'unauthenticated'] as const

/** Of LENGTH bytes; end is exclusive. */
const RANGES: readonly [range: string, start: number, end: number][] = [
  ['bytes=0-0', 0, 1],
  ['bytes=0-15', 0, 16],
  ['bytes=1-16', 1, 17],
  ['bytes=16-31', 16, 32],
  ['bytes=65535-65536', 65_535, 65_537],
  ['bytes=5-', 5, LENGTH],
  ['bytes=100002-', 100_002, LENGTH],
  ['bytes=99990-200000', 99_990, LENGTH],
  ['bytes=-1', LENGTH - 1, LENGTH],
  ['bytes=-16', LENGTH - 16, LENGTH],
  ['bytes=-17', LENGTH - 17, LENGTH],
  ['bytes=-200000', 0, LENGTH],
  ['bytes=0-', 0, LENGTH],
]

async function assertRange(
  client: S3Client,
  at: At,
  [Range, start, end]: readonly [string, number, number],
  plaintext: Uint8Array,
): Promise<void> {
  const output = await client.send(new GetObjectCommand({ ...at, Range }))
  const bytes = await output.Body!.transformToByteArray()
  sameBytes(bytes, plaintext.subarray(start, end))
  assert.equal(output.ContentRange, `bytes ${start}-${end - 1}/${plaintext.length}`)
  assert.deepEqual([output.ContentLength, output.$metadata.httpStatusCode], [end - start, 206])
}

for (const rangeReads of MODES) {
  for (const [format, options] of [
    ['V3', {}],
    ['V2', v2],
  ] as const) {
    for (const range of RANGES) {
      check(`range, ${format}, ${rangeReads}: ${range[0]}`, async (t) => {
        const client = t.client({ ...options, rangeReads })
        const at = { Bucket: t.Bucket, Key: t.key() }
        await put(client, at, bytesOf(LENGTH))
        await assertRange(client, at, range, bytesOf(LENGTH))
      })
    }
  }

  for (const [length, range] of [
    [100, 'bytes=100-'],
    [100, 'bytes=100-110'],
    [100, 'bytes=116-'],
    [100, 'bytes=1000-2000'],
    [100, 'bytes=-0'],
    [0, 'bytes=0-'],
    [0, 'bytes=0-0'],
  ] as const) {
    check(`range, ${rangeReads}: ${range} of ${length} bytes is not satisfiable`, async (t) => {
      const client = t.client({ rangeReads })
      const at = { Bucket: t.Bucket, Key: t.key() }
      await put(client, at, bytesOf(length))
      const refused = client.send(new GetObjectCommand({ ...at, Range: range }))
      await assert.rejects(refused, s3Error(416, 'InvalidRange'))
    })
  }

  check(`range, ${rangeReads}: the last bytes of an empty object are what S3 answers`, async (t) => {
    const client = t.client({ rangeReads })
    const [at, plainAt] = [t.key(), t.key('plain')].map((Key) => ({ Bucket: t.Bucket, Key })) as [At, At]
    await put(client, at, '')
    await put(t.plain, plainAt, '')
    const outcome = async (one: S3Client, where: At): Promise<unknown> =>
      one.send(new GetObjectCommand({ ...where, Range: 'bytes=-5' })).then(
        async ({ $metadata, Body, ContentLength }) => {
          return [$metadata.httpStatusCode, await Body!.transformToString(), ContentLength]
        },
        (error: unknown) => (error as { name: string }).name,
      )
    assert.deepEqual(await outcome(client, at), await outcome(t.plain, plainAt))
  })

  check(`range, ${rangeReads}: what is no range gives the whole object`, async (t) => {
    const client = t.client({ rangeReads })
    const at = { Bucket: t.Bucket, Key: t.key() }
    await put(client, at, bytesOf(1000))
    const output = await client.send(new GetObjectCommand({ ...at, Range: 'bytes=5-2' }))
    sameBytes(await output.Body!.transformToByteArray(), bytesOf(1000))
    assert.deepEqual([output.ContentRange, output.ContentLength], [undefined, 1000])
  })

  check(`range, ${rangeReads}: of an object that was uploaded in parts`, async (t) => {
    const client = t.client({ rangeReads })
    const at = { Bucket: t.Bucket, Key: t.key() }
    const plaintext = bytesOf(11 * MIB)
    await new Upload({ client, params: { ...at, Body: plaintext } }).done()
    const middle = 5 * MIB
    await assertRange(client, at, [`bytes=${middle - 3}-${middle + 2}`, middle - 3, middle + 3], plaintext)
    await assertRange(client, at, ['bytes=-100', plaintext.length - 100, plaintext.length], plaintext)
  })

  check(`range, ${rangeReads}: with IfMatch`, async (t) => {
    const client = t.client({ rangeReads })
    const at = { Bucket: t.Bucket, Key: t.key() }
    const { ETag } = await put(client, at, bytesOf(100))
    const output = await client.send(new GetObjectCommand({ ...at, Range: 'bytes=3-5', IfMatch: ETag }))
    sameBytes(await output.Body!.transformToByteArray(), bytesOf(100).subarray(3, 6))
    const other = client.send(new GetObjectCommand({ ...at, Range: 'bytes=3-5', IfMatch: '"other"' }))
    await assert.rejects(other, s3Error(412))
  })
}

check('range: refused by default', async (t) => {
  const client = t.client()
  const at = { Bucket: t.Bucket, Key: t.key() }
  await put(client, at, bytesOf(100))
  for (const more of [{ Range: 'bytes=0-1' }, { PartNumber: 1 }]) {
    await assert.rejects(client.send(new GetObjectCommand({ ...at, ...more })), code('ERR_S3CSE_RANGE_REFUSED'))
  }
})

check('range: allowed for one request, which says how it is authenticated', async (t) => {
  const client = t.client()
  const at = { Bucket: t.Bucket, Key: t.key() }
  await put(client, at, bytesOf(100))
  for (const [rangeReads, authentication] of [
    ['whole-object', 'verified'],
    ['unauthenticated', 'none'],
  ] as const satisfies [RangeReads, string][]) {
    const input = requestOptions({ ...at, Range: 'bytes=10-19' }, { rangeReads })
    const output = await client.send(new GetObjectCommand(input))
    sameBytes(await output.Body!.transformToByteArray(), bytesOf(100).subarray(10, 20))
    assert.equal(encryptionInfo(output)?.authentication, authentication)
  }
})

check('range: of a plain object that may be read, as S3 gives it', async (t) => {
  const client = t.client({ passthrough: () => true, rangeReads: 'unauthenticated' })
  const at = { Bucket: t.Bucket, Key: t.key() }
  await put(t.plain, at, bytesOf(100))
  await assertRange(client, at, ['bytes=10-19', 10, 20], bytesOf(100))
  assert.equal((await client.send(new HeadObjectCommand(at))).ContentLength, 100)
})
