import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import { HeadObjectCommand } from '@aws-sdk/client-s3'
import type { HeadObjectCommandOutput } from '@aws-sdk/client-s3'
import { encryptionInfo } from '../../src/index.js'
import { bytesOf, code, digestOf, exists, holds, put, read } from './support-objects.js'
import type { At } from './support-objects.js'
import { check } from './support.js'
import type { Place } from './support.js'

const ALGORITHMS = ['CRC32', 'CRC32C', 'CRC64NVME', 'SHA1', 'SHA256'] as const
const BODIES: Readonly<Record<string, (bytes: Uint8Array) => [body: unknown, more: object]>> = {
  bytes: (bytes) => [bytes, {}],
  stream: (bytes) => [Readable.from([bytes], { objectMode: false }), { ContentLength: bytes.length }],
}
const plaintext = bytesOf(70_000)
const md5 = (bytes: Uint8Array): string => createHash('md5').update(bytes).digest('base64')
const other = (digest: string): string => `${digest.startsWith('A') ? 'B' : 'A'}${digest.slice(1)}`

const head = (t: Place, at: At): Promise<HeadObjectCommandOutput> =>
  t.plain.send(new HeadObjectCommand({ ...at, ChecksumMode: 'ENABLED' }))

for (const [kind, bodyOf] of Object.entries(BODIES)) {
  check(`checksums: by default, ${kind}: CRC32 of the ciphertext`, async (t) => {
    const client = t.client()
    const at = { Bucket: t.Bucket, Key: t.key() }
    const [body, more] = bodyOf(plaintext)
    await put(client, at, body, more)
    await holds(client, t.plain, at, plaintext)
    assert.equal((await head(t, at)).ChecksumCRC32, digestOf('CRC32', await read(t.plain, at)))
  })

  for (const algorithm of ALGORITHMS) {
    check(`checksums: ChecksumAlgorithm ${algorithm}, ${kind}`, async (t) => {
      const client = t.client()
      const at = { Bucket: t.Bucket, Key: t.key() }
      const [body, more] = bodyOf(plaintext)
      await put(client, at, body, { ...more, ChecksumAlgorithm: algorithm })
      await holds(client, t.plain, at, plaintext)
      assert.equal((await head(t, at))[`Checksum${algorithm}`], digestOf(algorithm, await read(t.plain, at)))
    })

    check(`checksums: ${algorithm} of the plaintext is verified and replaced, ${kind}`, async (t) => {
      const client = t.client()
      const at = { Bucket: t.Bucket, Key: t.key() }
      const [body, more] = bodyOf(plaintext)
      await put(client, at, body, { ...more, [`Checksum${algorithm}`]: digestOf(algorithm, plaintext) })
      await holds(client, t.plain, at, plaintext)
      assert.equal((await head(t, at))[`Checksum${algorithm}`], digestOf(algorithm, await read(t.plain, at)))
    })

    check(`checksums: ${algorithm} that is not the plaintext's is refused, ${kind}`, async (t) => {
      const at = { Bucket: t.Bucket, Key: t.key() }
      const [body, more] = bodyOf(plaintext)
      const wrong = other(digestOf(algorithm, plaintext))
      const refused = put(t.client(), at, body, { ...more, [`Checksum${algorithm}`]: wrong })
      await assert.rejects(refused, code('ERR_S3CSE_CHECKSUM'))
      assert.equal(await exists(t.plain, at), false)
    })
  }

  check(`checksums: ContentMD5 of the plaintext is verified and replaced, ${kind}`, async (t) => {
    const client = t.client()
    const at = { Bucket: t.Bucket, Key: t.key() }
    const [body, more] = bodyOf(plaintext)
    await put(client, at, body, { ...more, ContentMD5: md5(plaintext) })
    await holds(client, t.plain, at, plaintext)
  })

  check(`checksums: ContentMD5 that is not the plaintext's is refused, ${kind}`, async (t) => {
    const at = { Bucket: t.Bucket, Key: t.key() }
    const [body, more] = bodyOf(plaintext)
    const refused = put(t.client(), at, body, { ...more, ContentMD5: other(md5(plaintext)) })
    await assert.rejects(refused, code('ERR_S3CSE_CHECKSUM'))
    assert.equal(await exists(t.plain, at), false)
  })
}

check('checksums: only where they are required', async (t) => {
  const config = { requestChecksumCalculation: 'WHEN_REQUIRED', responseChecksumValidation: 'WHEN_REQUIRED' } as const
  const client = t.client({}, config)
  const at = { Bucket: t.Bucket, Key: t.key() }
  for (const [body, more] of [bodyOf('bytes'), bodyOf('stream')]) {
    await put(client, at, body, more)
    await holds(client, t.plain, at, plaintext)
  }
})

check('checksums: of the ciphertext are not shown as the plaintext’s', async (t) => {
  const client = t.client()
  const at = { Bucket: t.Bucket, Key: t.key() }
  await put(client, at, plaintext, { ChecksumAlgorithm: 'SHA256' })
  const output = await client.send(new HeadObjectCommand({ ...at, ChecksumMode: 'ENABLED' }))
  assert.equal(output.ChecksumSHA256, undefined)
  assert.equal(encryptionInfo(output)?.checksums.ChecksumSHA256, digestOf('SHA256', await read(t.plain, at)))
})

function bodyOf(kind: string): [body: unknown, more: object] {
  return BODIES[kind]!(plaintext)
}
