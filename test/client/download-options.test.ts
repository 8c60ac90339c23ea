import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { download } from '../../src/index.js'
import { code } from '../support/errors.js'
import { Bucket, world } from '../support/world.js'
import { folder } from './download-support.js'

const w = await world()
const f = folder(w)
const client = w.client()

describe('mistakes in the arguments of download', () => {
  const refused = async (promise: Promise<unknown>, message: RegExp) => {
    await assert.rejects(promise, code('ERR_S3CSE_CONFIG', message))
    assert.equal(w.s3.requests.length, 0)
    assert.deepEqual(await f.names(), [])
  }

  it('are found before anything is asked for or made: options', async () => {
    const wrong: readonly (readonly [object, RegExp])[] = [
      [{ partsize: 1 }, /unknown option 'partsize'/],
      [{ partSize: 65_535 }, /partSize/],
      [{ partSize: 2 ** 30 + 1 }, /partSize/],
      [{ partSize: 70_000.5 }, /partSize/],
      [{ partSize: '100000' }, /partSize/],
      [{ concurrency: 0 }, /concurrency/],
      [{ concurrency: 257 }, /concurrency/],
      [{ concurrency: NaN }, /concurrency/],
      [{ maxAttempts: 0 }, /maxAttempts/],
      [{ maxAttempts: 101 }, /maxAttempts/],
      [{ signal: {} }, /signal/],
      [{ signal: null }, /signal/],
      [{ onProgress: 'x' }, /onProgress/],
      [{ resume: 1 }, /resume/],
      [{ delayedAuthentication: 'yes' }, /delayedAuthentication/],
    ]
    for (const [options, message] of wrong) await refused(f.get(client, 'key', options), message)
    for (const options of [null, [], 'x']) {
      await refused(download(client, { Bucket, Key: 'key' }, f.path, options as never), /must be an object/)
    }
  })

  it('are found before anything is asked for or made: client and input', async () => {
    for (const wrong of [w.plain, undefined, null, {}]) {
      await refused(f.get(wrong as never, 'key'), /takes a client that addEncryption/)
    }
    await refused(f.get(client, ''), /Key/)
    await refused(download(client, { Bucket: undefined, Key: 'key' }, f.path), /Bucket/)
    for (const more of [{ Range: 'bytes=0-1' }, { PartNumber: 1 }]) {
      await assert.rejects(f.get(client, 'key', {}, more as object), code('ERR_S3CSE_RANGE_REFUSED'))
    }
    assert.equal(w.s3.requests.length, 0)
  })
})
