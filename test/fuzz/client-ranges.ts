import assert from 'node:assert/strict'
import { GetObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3'
import fc from 'fast-check'

import { addEncryption, s3ec } from '../../src/index.js'
import type { EncryptionOptions } from '../../src/index.js'
import { startS3 } from '../../src/testing/index.js'
import { keyring, pattern } from '../support/world.js'
import { fuzz } from './property.js'
import type { FuzzProperty } from './property.js'
import { nearRanges } from './range-texts.js'

const Bucket = 'bucket'
const LENGTHS = [0, 1, 15, 16, 17, 32, 200, 1000] as const

/** What writes each kind. */
const kinds: Readonly<Record<string, Partial<EncryptionOptions>>> = {
  V3: {},
  V2: { commitmentPolicy: 'FORBID_ENCRYPT_ALLOW_DECRYPT' },
  CBC: { commitmentPolicy: 'FORBID_ENCRYPT_ALLOW_DECRYPT', format: s3ec({ insecureLegacyWriting: 'V1-CBC' }) },
}

/** What a client gets, as far as it may depend on nothing but plaintext and range. */
interface Answer {
  readonly status: unknown
  readonly range?: string | undefined
  readonly length?: number | undefined
  readonly body?: string
  readonly size?: unknown
}

interface Objects {
  readonly get: (kind: string, length: number, Range: string) => Promise<Answer>
  readonly close: () => Promise<void>
}

async function makeObjects(): Promise<Objects> {
  const s3 = await startS3({ buckets: [Bucket] })
  // (The server may have closed a socket that was idle while other properties ran.)
  const make = (): S3Client => new S3Client({ ...s3.clientConfig, maxAttempts: 3 })
  const reads = {
    keyring,
    commitmentPolicy: 'REQUIRE_ENCRYPT_ALLOW_DECRYPT',
    legacy: { wrapping: true, content: true },
  } as const
  const clients: Readonly<Record<string, S3Client>> = {
    plain: make(),
    unauthenticated: addEncryption(make(), { ...reads, rangeReads: 'unauthenticated' }),
    'whole-object': addEncryption(make(), { ...reads, rangeReads: 'whole-object' }),
  }
  const put = async (client: S3Client, kind: string): Promise<void> => {
    for (const length of LENGTHS) {
      await client.send(new PutObjectCommand({ Bucket, Key: `${kind}-${length}`, Body: pattern(length) }))
    }
  }
  await put(clients.plain!, 'plain')
  for (const [kind, options] of Object.entries(kinds)) {
    const client = addEncryption(make(), { keyring, ...options })
    await put(client, kind)
    client.destroy()
  }
  return {
    async get(kind, length, Range) {
      const [reader = '', stored = reader] = kind.split(' ')
      // What is asked for stays in memory, but the list of requests need not.
      s3.requests.length = 0
      return answerOf(clients[reader]!, { Bucket, Key: `${stored}-${length}`, Range })
    },
    async close() {
      for (const client of Object.values(clients)) client.destroy()
      await s3.close()
    },
  }
}

async function answerOf(client: S3Client, input: { Bucket: string; Key: string; Range: string }): Promise<Answer> {
  try {
    const {
      $metadata,
      ContentRange: range,
      ContentLength: length,
      Body,
    } = await client.send(new GetObjectCommand(input))
    const body = Buffer.from((await Body?.transformToByteArray()) ?? []).toString('base64')
    return { status: $metadata.httpStatusCode, range, length, body }
  } catch (error) {
    const { name, code, $metadata, ActualObjectSize } = error as Record<string, unknown>
    if (code === 'ERR_S3CSE_RANGE_REFUSED') return { status: 'refused' }
    if (name !== 'InvalidRange') throw error
    return { status: ($metadata as { httpStatusCode: number }).httpStatusCode, size: ActualObjectSize }
  }
}

let objects: Promise<Objects> | undefined

/** No client sends other characters. Of two numbers beyond doubles the server does not know the larger one. */
const sendable = nearRanges.filter((text) => /^[\t -~]*$/.test(text) && !/\d{16}.*-.*\d{16}/.test(text))

/** What the plain client gets of the plain object, every client gets of every encrypted one. */
export const clientRangeProperty: FuzzProperty = fuzz({
  name: 'ranges through the client',
  share: 40,
  expects: ['200', '206', '416', 'refused'],
  values: fc.record({
    kind: fc.constantFrom(...Object.keys(kinds)),
    mode: fc.constantFrom('unauthenticated', 'whole-object'),
    length: fc.constantFrom(...LENGTHS),
    range: fc.oneof(
      sendable,
      fc.tuple(fc.nat({ max: 1100 }), fc.nat({ max: 1100 })).map(([first, more]) => `bytes=${first}-${first + more}`),
    ),
  }),
  async check({ kind, mode, length, range }) {
    objects ??= makeObjects()
    const { get } = await objects
    const expected = await get('plain', length, range)
    const found = await get(`${mode} ${kind}`, length, range)
    if (kind === 'CBC' && mode === 'whole-object' && (expected.status !== 200 || found.status === 'refused')) {
      // Of CBC only the end tells how much there is. Ranges that S3 ignores are none (but for the last bytes of nothing).
      assert.equal(found.status, 'refused')
      assert.ok(expected.status !== 200 || length === 0)
      return 'refused'
    }
    // Where S3 refuses at once, how long a plaintext of CBC is would take another request to know.
    const unknown = kind === 'CBC' && mode === 'unauthenticated' && found.size === undefined && expected.status === 416
    assert.deepEqual(withoutLength(found), { ...withoutLength(expected), ...(unknown && { size: undefined }) })
    return String(expected.status)
  },
  close: async () => (await objects)?.close(),
})

/** Whether a length that is known to be that of the body is also told is the reader's affair. */
function withoutLength({ length, body, ...rest }: Answer): Answer {
  const bytes = body === undefined ? undefined : Buffer.from(body, 'base64').length
  if (length !== undefined) assert.equal(length, bytes)
  return { ...rest, ...(body !== undefined && { body }) }
}
