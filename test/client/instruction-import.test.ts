// Uploads with an instruction file that replace something, and those that another client completes.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { describe, it } from 'node:test'

import { CompleteMultipartUploadCommand, type S3Client } from '@aws-sdk/client-s3'
import { Upload } from '@aws-sdk/lib-storage'

import { encryptionInfo, exportUpload, importUpload, requestOptions } from '../../src/index.js'
import { code } from '../support/errors.js'
import { Bucket, get, pattern, put, read } from '../support/world.js'
import { file, instructionWorld, judge, names, overwrite, parts as uploaded, write } from './instruction-support.js'
import { begin, existing, MIB, PART, plaintext } from './multipart-support.js'

const w = await instructionWorld(undefined)
const bounded = { timeout: 60_000 }
const bytes = plaintext(PART + MIB)

const name = names()

const parts = (client: S3Client, key: string, more = {}) => uploaded(client, key, bytes, more)

describe('overwriting in a bucket without versions', bounded, () => {
  it('is refused when the upload is created, before anything is sent', async () => {
    const key = name()
    await put(w.client(write), key, 'old')
    await assert.rejects(begin(w.client(write), key), code('ERR_S3CSE_INSTRUCTION_FILE'))
    assert.equal(w.s3.uploads(Bucket).filter((one) => one.key === key).length, 0)
    const uploading = new Upload({ client: w.client(write), params: { Bucket, Key: key, Body: bytes } }).done()
    await assert.rejects(uploading, code('ERR_S3CSE_INSTRUCTION_FILE'))
    assert.equal(w.sent('UploadPart').length, 0)
    assert.equal((await read(w.client(), key)).toString(), 'old')
  })

  it('is refused when it is completed, where the file came later', async () => {
    const key = name()
    const upload = await parts(w.client(write), key)
    await put(w.client(write), key, 'meanwhile')
    await assert.rejects(upload.complete(), code('ERR_S3CSE_INSTRUCTION_FILE'))
    assert.equal(w.sent('CompleteMultipartUpload').length, 0)
    assert.equal((await read(w.client(), key)).toString(), 'meanwhile')
  })

  it('is done with the option', async () => {
    const key = name()
    await put(w.client(write), key, 'old')
    await (await parts(w.client(overwrite), key)).complete()
    assert.deepEqual(await judge(w, key), bytes)
  })

  it('whoever may only write can create an upload', async () => {
    const key = name()
    const forbidden = (r: { operation: string }) => ['GetObject', 'HeadObject'].includes(r.operation)
    w.s3.fail({ match: forbidden, status: 403, times: 9 })
    await (await parts(w.client(write), key)).complete()
    assert.deepEqual(await judge(w, key), bytes)
  })
})

describe('an upload that another client completes', bounded, () => {
  it('has its file, also by a client that writes none', async () => {
    for (const options of [{}, { instructionFile: { write: false, suffix: '.another' } }, write]) {
      const key = name()
      const first = w.client(write)
      const members = { Tagging: 'a=b' }
      const upload = await begin(first, key, members, { partSize: PART, instructionFileSuffix: '.own' })
      await upload.part(1, bytes.subarray(0, PART))
      const object = { Bucket, Key: key }
      const state = await exportUpload(first, { ...object, UploadId: upload.id })
      const second = w.client(options)
      const imported = await importUpload(second, object, state)
      const rest = existing(second, key, imported.UploadId)
      await rest.part(2, bytes.subarray(PART))
      w.s3.requests.length = 0
      const output = await rest.complete([...imported.Parts, ...rest.parts()])
      assert.equal(encryptionInfo(output)?.envelope?.instructionFile, `${key}.own`)
      assert.equal(w.sent('PutObject')[0]?.headers['x-amz-tagging'], 'a=b')
      assert.deepEqual(await judge(w, key, '.own'), bytes)
    }
  })

  it('needs the customer’s key again, for the file too', async () => {
    const key = name()
    const SSECustomerKey = Buffer.alloc(32, 3).toString('base64')
    const SSECustomerKeyMD5 = createHash('md5').update(Buffer.alloc(32, 3)).digest('base64')
    const ssec = { SSECustomerAlgorithm: 'AES256', SSECustomerKey, SSECustomerKeyMD5 }
    const first = w.client(write)
    const upload = await begin(first, key, ssec, { partSize: PART })
    await upload.part(1, bytes.subarray(0, PART), ssec)
    const state = await exportUpload(first, { Bucket, Key: key, UploadId: upload.id })
    assert.ok(!state.includes(SSECustomerKey))
    const second = w.client()
    const { UploadId, Parts } = await importUpload(second, { Bucket, Key: key }, state)
    const rest = existing(second, key, UploadId)
    await rest.part(2, bytes.subarray(PART), ssec)
    await second.send(
      new CompleteMultipartUploadCommand({
        ...requestOptions({ Bucket, Key: key }, {}),
        UploadId,
        MultipartUpload: { Parts: [...Parts, ...rest.parts()] },
        ...ssec,
      }),
    )
    const sent = w.sent('PutObject', file(key))[0]
    assert.equal(sent?.headers['x-amz-server-side-encryption-customer-key'], SSECustomerKey)
    const { Body } = await get(second, key, ssec)
    assert.deepEqual(Buffer.from(await Body!.transformToByteArray()), bytes)
    assert.deepEqual(await judge(w, key), bytes)
  })

  it('keeps the time of a lock', async () => {
    const key = name()
    const first = w.client(write)
    const until = new Date('2050-01-01T00:00:00Z')
    const dates: string[] = []
    const watch = (client: S3Client) => {
      client.middlewareStack.add(
        (next) => (args) => {
          const { headers } = args.request as { headers: Record<string, string> }
          dates.push(headers['x-amz-object-lock-retain-until-date'] ?? '')
          // The server has no locks.
          for (const one of Object.keys(headers)) if (one.includes('object-lock')) Reflect.deleteProperty(headers, one)
          return next(args)
        },
        { step: 'build', priority: 'low' },
      )
      return client
    }
    const upload = await begin(watch(first), key, { ObjectLockMode: 'GOVERNANCE', ObjectLockRetainUntilDate: until })
    const state = await exportUpload(first, { Bucket, Key: key, UploadId: upload.id })
    dates.length = 0
    const second = watch(w.client())
    const { UploadId } = await importUpload(second, { Bucket, Key: key }, state)
    const rest = existing(second, key, UploadId)
    await rest.part(1, pattern(1000))
    await rest.complete()
    const [sent] = dates.filter((one) => one !== '')
    assert.equal(new Date(sent ?? '').getTime(), until.getTime())
    assert.deepEqual(await judge(w, key), pattern(1000))
  })
})
