// The limits of a multipart upload, as a client meets them: 5 GiB a part, and parts larger than memory.
import assert from 'node:assert/strict'
import { createCipheriv, createHash } from 'node:crypto'
import { Readable } from 'node:stream'
import { beforeEach, describe, it } from 'node:test'

import { encryptionInfo } from '../../src/index.js'
import { writesV2 } from '../attacks/support.js'
import { code } from '../support/errors.js'
import { world } from '../support/world.js'
import { begin, MIB, plaintext, recordingKeyring } from './multipart-support.js'

const GIB = 1024 * MIB
const w = await world({ etag: 'random', verifyPayload: false, recordBodyBytes: 0 })
const recording = recordingKeyring()
const bounded = { timeout: 120_000 }

beforeEach(() => {
  w.s3.requests.length = 0
  recording.dataKeys.length = 0
})

interface Sent {
  readonly query: Readonly<Record<string, string>>
  readonly headers: Readonly<Record<string, string>>
  readonly body: unknown
}

/** For a client whose requests are answered here, without a server. */
function answering(handle: (request: Sent) => Promise<void> | void) {
  const id = '<InitiateMultipartUploadResult><UploadId>id</UploadId></InitiateMultipartUploadResult>'
  const completed = '<CompleteMultipartUploadResult><ETag>"e"</ETag></CompleteMultipartUploadResult>'
  const requestHandler = {
    metadata: { handlerProtocol: 'http/1.1' },
    async handle(request: Sent) {
      await handle(request)
      const body = Readable.from(['uploads' in request.query ? id : completed])
      return { response: { statusCode: 200, headers: { etag: '"e"' }, body, reason: '' } }
    },
    updateHttpClientConfig: () => undefined,
    httpHandlerConfigs: () => ({}),
    destroy: () => undefined,
  } as never
  return { requestHandler, endpoint: 'https://s3.example', requestChecksumCalculation: 'WHEN_REQUIRED' } as const
}

describe('5 GiB a part', bounded, () => {
  const source = () => Readable.from([plaintext(MIB), plaintext(MIB)])

  it('is refused beyond, with the trailer where it goes with the part, and nothing is sent', async () => {
    const client = w.client({ keyring: recording })
    for (const [partSize, length] of [
      [undefined, 5 * GIB + 1],
      [5 * GIB, 5 * GIB - 15],
      [5 * GIB, 5 * GIB - 1],
    ] as const) {
      const upload = await begin(client, 'large', {}, { partSize })
      w.s3.requests.length = 0
      const body = source()
      const sending = upload.part(1, body, { ContentLength: length })
      await assert.rejects(sending, code('ERR_S3CSE_BODY_TOO_LARGE', /S3 takes parts of up to 5368709120/))
      assert.ok(body.destroyed)
      assert.equal(w.s3.requests.length, 0)
      await upload.abort()
    }
  })

  it('is begun up to that', async () => {
    const client = w.client({ keyring: recording }, { maxAttempts: 1 })
    for (const [partSize, length] of [
      [undefined, 5 * GIB],
      [5 * GIB, 5 * GIB],
      [5 * GIB, 5 * GIB - 16],
    ] as const) {
      const upload = await begin(client, 'large', {}, { partSize })
      w.s3.requests.length = 0
      const controller = new AbortController()
      const off = w.s3.onRequest(() => controller.abort())
      const body = source()
      const sending = upload.part(1, body, { ContentLength: length }, { abortSignal: controller.signal })
      await assert.rejects(sending, { name: 'AbortError' })
      off()
      const [request] = w.s3.requests
      assert.equal(request?.headers['x-amz-decoded-content-length'], String(5 * GIB))
      await upload.abort()
    }
  })
})

describe('a part of several hundred MiB', bounded, () => {
  it('passes as it is read: what was pulled and not sent yet stays small', async () => {
    const count = 300
    const piece = plaintext(MIB)
    let pulled = 0
    const generated = async function* () {
      while (pulled < count * MIB) {
        pulled += MIB
        yield piece
      }
    }
    let received = 0
    let ahead = 0
    const hash = createHash('sha256')
    const handler = answering(async ({ body }) => {
      if (!(body instanceof Readable)) return
      for await (const chunk of body as AsyncIterable<Uint8Array>) {
        hash.update(chunk)
        received += chunk.length
        ahead = Math.max(ahead, pulled - received)
      }
    })
    const client = w.client({ keyring: recording, commitmentPolicy: writesV2, maxBufferedBytes: MIB }, handler)
    const upload = await begin(client, 'stream')
    const output = await upload.part(1, Readable.from(generated()), { ContentLength: count * MIB })
    assert.equal(output.ETag, '"e"')
    assert.equal(received, count * MIB)
    assert.ok(ahead <= 16 * MIB, `${ahead} bytes were held`)
    assert.ok(ahead > 0)
    // And it is the ciphertext of those bytes.
    const iv = Buffer.from(encryptionInfo(output)?.metadata['x-amz-iv'] ?? '', 'base64')
    const cipher = createCipheriv('aes-256-gcm', recording.dataKeys[0]!, iv)
    const expected = createHash('sha256')
    for (let i = 0; i < count; i++) expected.update(cipher.update(piece))
    assert.equal(hash.digest('hex'), expected.digest('hex'))
    await upload.abort()
  })
})
