// Servers that take no notice of conditions, without which somebody else's write would be lost.
import { DeleteObjectCommand } from '@aws-sdk/client-s3'
import type { S3ServiceException } from '@aws-sdk/client-s3'
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { reEncryptInstructionFile, RotationError } from '../../src/index.js'
import type { S3Request } from '../../src/testing/index.js'
import { code } from '../support/errors.js'
import {
  isProbe,
  newKey,
  nothingLeft,
  oldKey,
  operations,
  opensOnly,
  putOld,
  rawKeyring,
  rotate,
  versioned,
} from '../support/rotate.js'
import type { More } from '../support/rotate.js'
import { Bucket, pattern, put, read, world } from '../support/world.js'
import type { World } from '../support/world.js'

const honest = await world()
const writes = await world({ ignoreConditions: ['write'] })
const sources = await world({ ignoreConditions: ['copy-source'] })
const versionsToo = await world({ ignoreConditions: ['write'] })
await versioned(versionsToo)

const PART = 5 * 1024 ** 2
const inParts: More = { copyInPartsAbove: 10, copyPartSize: PART }

const refused = code('ERR_S3CSE_ROTATION', /ignores the condition/)

async function unchangedBy(w: World, key: string, step: () => Promise<unknown>, condition: string): Promise<void> {
  const before = [w.s3.keys(Bucket), await w.stored(key)]
  await assert.rejects(step(), code('ERR_S3CSE_ROTATION', new RegExp(`ignores the condition ${condition},`)))
  assert.deepEqual([w.s3.keys(Bucket), await w.stored(key)], before)
  nothingLeft(w)
}

for (const [name, w, condition] of [
  ['of writes', writes, 'IfMatch'],
  ['of writes, with versions,', versionsToo, 'IfMatch'],
  ['of copies', sources, 'CopySourceIfMatch'],
] as const) {
  describe(`a server that ignores conditions ${name}`, () => {
    it('is found out: nothing is changed, nothing is left', async () => {
      const client = await putOld(w, 'object', 'body')
      await unchangedBy(w, 'object', () => rotate(client, 'object'), condition)
      // Nor the next time.
      await unchangedBy(w, 'object', () => rotate(client, 'object'), condition)
    })

    it('for a copy in parts', async () => {
      const client = await putOld(w, 'parts', 'a body of more')
      await unchangedBy(w, 'parts', () => rotate(client, 'parts', inParts), condition)
    })

    it('is told that nobody writes meanwhile', async () => {
      for (const [key, more] of [
        ['alone', {}],
        ['alone in parts', inParts],
      ] as const) {
        const client = await putOld(w, key, 'body of this')
        const sent = await operations(w, () => rotate(client, key, { ...more, allowUnconditional: true }))
        assert.ok(!w.s3.requests.some(isProbe), sent.join())
        await opensOnly(w, key, 'body of this')
      }
    })
  })
}

for (const [name, w] of [
  ['without versions', writes],
  ['with versions', versionsToo],
] as const) {
  describe(`a server that ignores conditions of writes, ${name},`, () => {
    it('is found out for instruction files', async () => {
      const client = w.client({ keyring: oldKey, instructionFile: { write: true } })
      await put(client, 'file', 'body')
      const before = await w.stored('file.instruction')
      await unchangedBy(w, 'file', () => rotate(client, 'file'), 'IfMatch')
      const reEncrypt = (more: object = {}) =>
        reEncryptInstructionFile(client, { Bucket, Key: 'file', to: newKey, ...more })
      await unchangedBy(w, 'file', reEncrypt, 'IfMatch')
      await unchangedBy(w, 'file', () => reEncrypt({ instructionFileSuffix: '.second' }), 'IfMatch')
      assert.deepEqual(await w.stored('file.instruction'), before)
      await reEncrypt({ allowUnconditional: true })
      // (With versions, the old key finds the earlier version of the file.)
      assert.equal((await read(w.client({ keyring: newKey }), 'file')).toString(), 'body')
      assert.notDeepEqual(await w.stored('file.instruction'), before)
    })

    it('and denies deletions: what the probe has left is named', async () => {
      const client = await putOld(w, 'undeletable', 'body')
      const before = w.s3.keys(Bucket)
      w.s3.fail({ match: (r) => r.operation === 'DeleteObject', status: 403, code: 'AccessDenied', times: 100 })
      const error = await rotate(client, 'undeletable').then(
        () => assert.fail('it was not refused'),
        (reason: unknown) => reason as Error,
      )
      w.s3.faults.length = 0
      const left = w.s3.keys(Bucket).filter((key) => !before.includes(key))
      assert.equal(left.length, 1)
      assert.ok(error instanceof RotationError && error.message.includes(`${Bucket}/${left[0]}`), error.message)
      assert.ok(/could not be deleted \(AccessDenied\): delete it\.$/.test(error.message), error.message)
      const VersionId = /\(version (.+?)\)/.exec(error.message)?.[1]
      assert.equal(VersionId !== undefined, w === versionsToo)
      await w.plain.send(new DeleteObjectCommand({ Bucket, Key: left[0], VersionId }))
      nothingLeft(w)
    })

    it('is found out for a rewrite, small and in parts', async () => {
      const client = await putOld(w, 'rewrite', 'body')
      await unchangedBy(w, 'rewrite', () => rotate(client, 'rewrite', { rewrite: true }), 'IfMatch')
      await rotate(client, 'rewrite', { rewrite: true, allowUnconditional: true })
      await opensOnly(w, 'rewrite', 'body')
      const large = pattern(17 * 1024 ** 2)
      await put(client, 'large', large)
      await unchangedBy(w, 'large', () => rotate(client, 'large', { rewrite: true }), 'IfMatch')
      await rotate(client, 'large', { rewrite: true, allowUnconditional: true })
      await opensOnly(w, 'large', large)
    })

    // What it answers to the probe then is about the source, and about no condition of a write.
    for (const what of ['replaced', 'deleted', 'deleted and put']) {
      it(`is found out where the object is ${what} during the probe`, async () => {
        const key = `race ${what}`
        const client = await putOld(w, key, 'body')
        let probes = 0
        const end = w.s3.onRequest(async (r) => {
          if (!isProbe(r) || r.operation !== 'CopyObject') return
          probes++
          if (probes === 1 && what !== 'replaced') await w.plain.send(new DeleteObjectCommand({ Bucket, Key: key }))
          if (probes === (what === 'replaced' ? 1 : 2) && what !== 'deleted') await put(client, key, 'theirs')
        })
        const first = await rotate(client, key).then(
          () => undefined,
          (error: unknown) => error as Error,
        )
        end()
        assert.ok(first !== undefined && probes > 0)
        await put(client, key, 'another')
        await assert.rejects(rotate(client, key), refused)
        nothingLeft(w)
      })
    }
  })
}

describe('a server that knows no IfMatch and answers 501', () => {
  const unknown = {
    match: ({ headers, method }: S3Request) =>
      (headers['if-match'] ?? headers['if-none-match']) !== undefined && method !== 'GET' && method !== 'HEAD',
    status: 501,
    code: 'NotImplemented',
    times: 1000,
  }
  const large = pattern(17 * 1024 ** 2)
  const file = { instructionFile: { write: true } }
  const ways: Readonly<Record<string, readonly [body: Uint8Array, more: More, options?: object]>> = {
    'a copy': [pattern(20), {}],
    'a copy in parts': [pattern(20), inParts],
    'a rewrite': [pattern(20), { rewrite: true }],
    'a rewrite in parts': [large, { rewrite: true }],
    'an instruction file': [pattern(20), {}, file],
  }
  for (const [name, [body, more, options]] of Object.entries(ways)) {
    it(`is named for ${name}, and told that nobody writes meanwhile`, async () => {
      const w = await world({ recordBodyBytes: 0 })
      const key = `501 ${name}`
      await put(w.client({ keyring: oldKey, ...options }), key, body)
      const client = w.client({ keyring: oldKey })
      w.s3.fail(unknown)
      const before = await w.stored(key)
      await assert.rejects(
        rotate(client, key, more),
        code('ERR_S3CSE_ROTATION', /does not know the condition IfMatch,.*allowUnconditional/),
      )
      assert.deepEqual(await w.stored(key), before)
      nothingLeft(w)
      await rotate(client, key, { ...more, allowUnconditional: true })
      await opensOnly(w, key, body)
      nothingLeft(w)
      if (options === undefined) return
      const second = { Bucket, Key: key, from: { keyring: newKey }, to: oldKey, instructionFileSuffix: '.second' }
      await assert.rejects(reEncryptInstructionFile(client, second), code('ERR_S3CSE_ROTATION'))
      await reEncryptInstructionFile(client, { ...second, allowUnconditional: true })
      await opensOnly(w, key, body, { by: oldKey, not: newKey, instructionFile: { suffix: '.second' } })
    })
  }

  it('other answers are no reason to write without it', async () => {
    const w = honest
    const client = await putOld(w, 'no 501', 'body')
    w.s3.fail({ match: (r) => r.operation === 'CopyObject', status: 400, code: 'InvalidRequest' })
    await assert.rejects(rotate(client, 'no 501', { allowUnconditional: true }), { name: 'InvalidRequest' })
  })
})

describe('a server that shows no ETag', () => {
  it('is refused: a write could not be pinned', async () => {
    const w = await world()
    const client = w.client({ keyring: oldKey, instructionFile: { write: true } })
    await put(client, 'a', 'body')
    const before = [await w.stored('a'), await w.stored('a.instruction')]
    const to = { Bucket, Key: 'a', to: newKey }
    for (const [operation, key] of [
      ['HeadObject', 'a'],
      ['GetObject', 'a.instruction'],
    ]) {
      const match = (r: S3Request) => r.operation === operation && r.key === key
      w.s3.fail({ match, headers: { etag: undefined }, times: 100 })
      const noEtag = code('ERR_S3CSE_ROTATION', /no ETag/)
      await assert.rejects(rotate(client, 'a'), noEtag)
      await assert.rejects(reEncryptInstructionFile(client, to), noEtag)
      if (operation === 'HeadObject')
        await assert.rejects(rotate(w.client({ keyring: oldKey }), 'a', { rewrite: true }), noEtag)
      w.s3.faults.length = 0
    }
    assert.deepEqual([await w.stored('a'), await w.stored('a.instruction')], before)
  })
})

describe('a server that keeps conditions', () => {
  it('is asked once for each client, bucket and way to write', async () => {
    const w = honest
    const client = await putOld(w, 'a', 'body')
    await put(client, 'b', 'body')
    await put(client, 'c', 'body of more')
    const probes = () => w.s3.requests.filter(isProbe).length
    w.s3.requests.length = 0
    await Promise.all([rotate(client, 'a'), rotate(client, 'b')])
    assert.equal(probes(), 2)
    await rotate(client, 'a', { from: { keyring: newKey }, to: oldKey })
    assert.equal(probes(), 2)
    await rotate(client, 'c', inParts)
    const withParts = probes()
    assert.ok(withParts > 2)
    await rotate(client, 'c', { ...inParts, from: { keyring: newKey }, to: rawKeyring(5) })
    assert.equal(probes(), withParts)
    // Another client asks for itself.
    await put(w.client({ keyring: oldKey }), 'd', 'body')
    await rotate(w.client({ keyring: oldKey }), 'd')
    assert.ok(probes() > withParts)
    nothingLeft(w)
    for (const key of ['b', 'd']) await opensOnly(w, key, 'body')
  })

  it('is asked again where it gave no answer', async () => {
    const w = honest
    const client = await putOld(w, 'network', 'body')
    w.s3.fail({ match: isProbe, status: 500, times: 3 })
    const before = await w.stored('network')
    await assert.rejects(rotate(client, 'network'), { name: 'InternalError' })
    assert.deepEqual(await w.stored('network'), before)
    assert.equal((await rotate(client, 'network')).outcome, 'metadata')
  })

  it('denies the probe: that is said, and what to do', async () => {
    const w = honest
    const client = await putOld(w, 'denied', 'body')
    w.s3.fail({ match: isProbe, status: 403, code: 'AccessDenied' })
    await assert.rejects(rotate(client, 'denied'), code('ERR_S3CSE_ROTATION', /access is denied.*allowUnconditional/s))
    nothingLeft(w)
  })

  it('has probes beside the longest name as well', async () => {
    const w = honest
    for (const key of ['k'.repeat(1024), 'ü'.repeat(512), `a${'€'.repeat(341)}`]) {
      assert.equal(Buffer.byteLength(key), 1024)
      const client = await putOld(w, key, 'body')
      w.s3.requests.length = 0
      await rotate(client, key)
      const names = w.s3.requests.filter(isProbe).map((r) => r.key!)
      assert.ok(
        names.length > 0 &&
          names.every((name) => Buffer.byteLength(name) <= 1024 && name.startsWith(key.slice(0, 100))),
      )
      await opensOnly(w, key, 'body')
    }
  })

  it('is not left waiting by a caller who leaves; who waits as well gets the answer', async () => {
    const w = honest
    const client = await putOld(w, 'leaving', 'body')
    await put(client, 'staying', 'body')
    const abort = new AbortController()
    const { rotateKey } = await import('../../src/index.js')
    let second: Promise<unknown> | undefined
    const end = w.s3.onRequest(async (r) => {
      if (!isProbe(r) || second !== undefined) return
      second = rotate(client, 'staying')
      abort.abort()
      await new Promise((resolve) => setTimeout(resolve, 50))
    })
    const first = rotateKey(client, { Bucket, Key: 'leaving', to: newKey }, { signal: abort.signal })
    await assert.rejects(first, { name: 'AbortError' })
    await second
    end()
    await opensOnly(w, 'staying', 'body')
    nothingLeft(w)
  })

  it('whose answer was about an object that is gone is asked again by those who waited', async () => {
    const w = honest
    const client = await putOld(w, 'gone', 'body')
    await put(client, 'there', 'body')
    let others: Promise<unknown> | undefined
    const end = w.s3.onRequest(async (r) => {
      if (!isProbe(r) || others !== undefined) return
      others = Promise.all([rotate(client, 'there')])
      await new Promise((resolve) => setTimeout(resolve, 50))
      await w.plain.send(new DeleteObjectCommand({ Bucket, Key: 'gone' }))
    })
    await assert.rejects(
      rotate(client, 'gone'),
      ({ $metadata }: S3ServiceException) => $metadata.httpStatusCode === 404,
    )
    await others
    end()
    await opensOnly(w, 'there', 'body')
  })

  it('copies no whole object to see whether a copy in parts is safe: one above 5 GiB could not be', async () => {
    const w = honest
    const client = await putOld(w, 'too large', 'body of much')
    const tooLarge = { status: 400, code: 'InvalidRequest', times: 100 }
    w.s3.fail({
      match: ({ operation, key }) => operation === 'CopyObject' && key!.startsWith('too large'),
      ...tooLarge,
    })
    assert.equal((await rotate(client, 'too large', inParts)).outcome, 'metadata')
    w.s3.faults.length = 0
    await opensOnly(w, 'too large', 'body of much')
    nothingLeft(w)
  })
})
