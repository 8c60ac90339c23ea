// What others write while an object's key is changed, at each place between two requests.
import {
  CopyObjectCommand,
  DeleteObjectCommand,
  HeadObjectCommand,
  ListObjectVersionsCommand,
} from '@aws-sdk/client-s3'
import assert from 'node:assert/strict'
import { beforeEach, describe, it } from 'node:test'

import type { S3Operation } from '../../src/testing/index.js'
import { code } from '../support/errors.js'
import { isProbe, newKey, nothingLeft, oldKey, opensOnly, putOld, rotate, versioned } from '../support/rotate.js'
import { Bucket, put, read, world } from '../support/world.js'
import type { World } from '../support/world.js'

const plainWorld = await world()
const versionWorld = await world()
await versioned(versionWorld)
const kmsEtags = await world({ etag: 'random' })

const old = (w: World) => w.client({ keyring: oldKey })

/** What somebody does once, at a place. */
type Meanwhile = (w: World, key: string) => Promise<unknown>

const meanwhile: Readonly<Record<string, { readonly act: Meanwhile; readonly now: string | undefined }>> = {
  'a body with the new key': { act: (w, key) => put(w.client({ keyring: newKey }), key, 'theirs'), now: 'theirs' },
  'a body with the old key': { act: (w, key) => put(old(w), key, 'theirs'), now: 'theirs' },
  'deletes it': { act: (w, Key) => w.plain.send(new DeleteObjectCommand({ Bucket, Key })), now: undefined },
  'deletes and puts it': {
    act: async (w, Key) => {
      await w.plain.send(new DeleteObjectCommand({ Bucket, Key }))
      await put(w.client({ keyring: newKey }), Key, 'theirs')
    },
    now: 'theirs',
  },
}

/** Runs `act` once at a place; the requests of `act` itself are let through. */
function at(
  w: World,
  place: 'HeadObject' | 'GetObjectAcl' | 'CopyObject' | 'copy read' | 'probe',
  act: () => Promise<unknown>,
) {
  let done = false
  let inside = false
  const hook = async (request: { operation: S3Operation; key: string | undefined }) => {
    if (done || inside) return
    if (
      place !== 'copy read' &&
      (place === 'probe' ? !isProbe(request) : isProbe(request) || request.operation !== place)
    )
      return
    if (place === 'copy read' && isProbe(request)) return
    inside = true
    await act()
    done = true
  }
  const end = place === 'copy read' ? w.s3.onCopy(hook) : w.s3.onRequest(hook)
  return () => {
    end()
    return done
  }
}

const places = ['HeadObject', 'GetObjectAcl', 'CopyObject', 'copy read', 'probe'] as const

for (const [name, w] of [
  ['unversioned', plainWorld],
  ['versioned', versionWorld],
] as const) {
  describe(`in an ${name} bucket somebody`, () => {
    beforeEach(() => {
      w.s3.faults.length = 0
    })
    for (const place of places) {
      for (const [what, { act, now }] of Object.entries(meanwhile)) {
        it(`writes (${what}) at ${place}`, async () => {
          const key = `${name} ${what} ${place}`
          // A client of its own, so that conditions are probed.
          const client = await putOld(w, key, 'mine')
          const ended = at(w, place, () => act(w, key))
          let error: unknown
          const result = await rotate(client, key).catch((reason: unknown) => (error = reason))
          assert.ok(ended(), 'nothing came in between')
          if (now === undefined) {
            assert.equal((error as { $metadata?: { httpStatusCode?: number } }).$metadata?.httpStatusCode, 404)
            await assert.rejects(w.plain.send(new HeadObjectCommand({ Bucket, Key: key })))
          } else {
            assert.equal(error, undefined)
            await opensOnly(w, key, now)
            const { outcome, ETag } = result as Awaited<ReturnType<typeof rotate>>
            assert.equal(outcome, what.includes('old') ? 'metadata' : 'unchanged')
            assert.equal(ETag, (await w.stored(key)).etag)
          }
          nothingLeft(w)
          // Once more: there is nothing left to do.
          if (now !== undefined) assert.equal((await rotate(client, key)).outcome, 'unchanged')
        })
      }
      it(`copies its metadata at ${place}: the key is changed all the same`, async () => {
        const key = `${name} metadata ${place}`
        const client = await putOld(w, key, 'mine')
        const copy = () =>
          client.send(
            new CopyObjectCommand({
              Bucket,
              Key: key,
              CopySource: encodeURI(`${Bucket}/${key}`),
              MetadataDirective: 'REPLACE',
              Metadata: { a: 'b' },
            }),
          )
        const ended = at(w, place, copy)
        await rotate(client, key)
        assert.ok(ended())
        await opensOnly(w, key, 'mine')
      })
    }
  })
}

describe('a conflict', () => {
  for (const status of [409, 412]) {
    it(`${status} is tried again, until maxAttempts`, async () => {
      const w = plainWorld
      const key = `conflict ${status}`
      const client = await putOld(w, key, 'body')
      const fault = (times: number) => ({
        match: (r: { operation: string; key: string | undefined }) => r.operation === 'CopyObject' && r.key === key,
        status,
        code: status === 409 ? 'ConditionalRequestConflict' : 'PreconditionFailed',
        times,
      })
      w.s3.fail(fault(2))
      const before = await w.stored(key)
      await assert.rejects(
        rotate(client, key, { maxAttempts: 2 }),
        (error: { $metadata?: { httpStatusCode?: number } }) => error.$metadata?.httpStatusCode === status,
      )
      assert.deepEqual(await w.stored(key), before)
      assert.equal(w.s3.faults.length, 0)
      w.s3.fail(fault(3))
      const { outcome, attempts } = await rotate(client, key, { maxAttempts: 4 })
      assert.deepEqual([outcome, attempts], ['metadata', 4])
      await opensOnly(w, key, 'body')
    })
  }

  it('is not waited for when the signal says so', async () => {
    const w = plainWorld
    const client = await putOld(w, 'aborted', 'body')
    const abort = new AbortController()
    const { rotateKey } = await import('../../src/index.js')
    w.s3.fail({ match: (r) => r.operation === 'CopyObject' && r.key === 'aborted', status: 412, times: 1000 })
    const end = w.s3.onRequest((r) => {
      if (r.operation === 'CopyObject' && r.key === 'aborted') setTimeout(() => abort.abort(), 5)
    })
    const input = { Bucket, Key: 'aborted', to: newKey, maxAttempts: 1000 }
    await assert.rejects(rotateKey(client, input, { signal: abort.signal }), { name: 'AbortError' })
    end()
    w.s3.faults.length = 0
    const gone = AbortSignal.abort()
    w.s3.requests.length = 0
    await assert.rejects(rotateKey(client, input, { signal: gone }), { name: 'AbortError' })
    assert.deepEqual(w.s3.requests, [])
  })

  it('another status is not', async () => {
    const w = plainWorld
    const client = await putOld(w, 'denied', 'body')
    w.s3.fail({ match: (r) => r.operation === 'CopyObject' && r.key === 'denied', status: 403, code: 'AccessDenied' })
    await assert.rejects(rotate(client, 'denied'), { name: 'AccessDenied' })
    assert.equal((await rotate(client, 'denied')).attempts, 1)
  })

  it('of somebody who never stops ends', async () => {
    const w = plainWorld
    const client = await putOld(w, 'busy', 'body')
    let n = 0
    const end = w.s3.onCopy(async (r) => {
      if (r.key === 'busy') await put(old(w), 'busy', `body ${++n}`)
    })
    await assert.rejects(rotate(client, 'busy', { maxAttempts: 3 }), { name: 'PreconditionFailed' })
    end()
    assert.equal(n, 3)
    assert.equal((await read(old(w), 'busy')).toString(), 'body 3')
  })
})

describe('an answer that is lost', () => {
  const lost = {
    'by a reset': { reset: { afterResponseBytes: 0 } as const },
    'and the SDK gives up': { reset: { afterResponseBytes: 0 } as const, times: 3 },
  }
  for (const [name, w] of [
    ['the same ETag', plainWorld],
    ['another ETag', kmsEtags],
    ['versions', versionWorld],
  ] as const) {
    for (const [how, fault] of Object.entries(lost)) {
      it(`${how}, with ${name}`, async () => {
        const key = `lost ${how} ${name}`
        const client = await putOld(w, key, 'body')
        w.s3.fail({ match: (r) => r.operation === 'CopyObject' && r.key === key, ...fault })
        const outcome = await rotate(client, key).then(
          (result) => result.outcome,
          (error: unknown) => (error instanceof Error ? 'error' : 'thrown'),
        )
        w.s3.faults.length = 0
        assert.ok(outcome === 'metadata' || (outcome === 'error' && 'times' in fault), outcome)
        await opensOnly(w, key, 'body')
        const { outcome: again, facts } = await rotate(client, key)
        assert.equal(again, 'unchanged')
        assert.equal(facts.version, 'V3')
        await opensOnly(w, key, 'body')
      })
    }

    it(`and somebody writes, with ${name}: theirs stays`, async () => {
      const key = `lost and written ${name}`
      const client = await putOld(w, key, 'body')
      w.s3.fail({ match: (r) => r.operation === 'CopyObject' && r.key === key, reset: { afterResponseBytes: 0 } })
      let copies = 0
      const end = w.s3.onRequest(async (r) => {
        if (r.operation === 'CopyObject' && r.key === key && ++copies === 2) {
          await put(w.client({ keyring: newKey }), key, 'theirs')
        }
      })
      await rotate(client, key)
      end()
      assert.ok(copies >= 2)
      await opensOnly(w, key, 'theirs')
    })
  }

  it('in place of a 5xx, which the SDK tries again', async () => {
    const w = kmsEtags
    const client = await putOld(w, '5xx', 'body')
    w.s3.fail({ match: (r) => r.operation === 'CopyObject' && r.key === '5xx', status: 503 })
    w.s3.fail({ match: (r) => r.operation === 'CopyObject' && r.key === '5xx', status: 200, code: 'InternalError' })
    assert.equal((await rotate(client, '5xx')).outcome, 'metadata')
    await opensOnly(w, '5xx', 'body')
  })
})

it('in a bucket with versions earlier ones stay as they were, and open with the old key', async () => {
  const w = versionWorld
  const client = await putOld(w, 'earlier', 'one')
  await put(client, 'earlier', 'two')
  const { VersionId, ETag } = await rotate(client, 'earlier')
  const { Versions = [] } = await w.plain.send(new ListObjectVersionsCommand({ Bucket, Prefix: 'earlier' }))
  assert.equal(Versions.length, 3)
  assert.deepEqual([Versions[0]!.VersionId, Versions[0]!.ETag], [VersionId, ETag])
  await opensOnly(w, 'earlier', 'two')
  const bodies = await Promise.all(
    Versions.slice(1).map(async ({ VersionId }) => {
      const { Body } = await client.send(
        new (await import('@aws-sdk/client-s3')).GetObjectCommand({ Bucket, Key: 'earlier', VersionId }),
      )
      return Body!.transformToString()
    }),
  )
  assert.deepEqual(bodies, ['two', 'one'])
})

it('an object that is not there, or not encrypted, is an error', async () => {
  const w = plainWorld
  await put(w.plain, 'plain', 'body')
  await assert.rejects(rotate(old(w), 'nothing'), { name: 'NotFound' })
  await assert.rejects(rotate(old(w), 'plain'), code('ERR_S3CSE_NOT_ENCRYPTED'))
})
