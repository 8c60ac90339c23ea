import assert from 'node:assert/strict'
import { describe, test } from 'node:test'

import { headerCache, placeOf } from '../../src/client/header-cache.js'
import type { HeaderPlace, KnownHeader } from '../../src/client/header-cache.js'

const place = (key: string, versionId?: string): HeaderPlace => ({ bucket: 'bucket', key, versionId })
const known = (etag: string, length = 100): KnownHeader => ({
  etag,
  sealedLength: 5,
  header: new Uint8Array(length),
  keyring: undefined,
})

/** In bytes. */
const MOST = 4 * 1024 ** 2

describe('the headers that a client keeps', () => {
  test('are those of their place: bucket, key and version', () => {
    const cache = headerCache()
    cache.set(place('a'), known('one'))
    cache.set(place('a', 'v1'), known('two'))
    cache.set({ ...place('a'), bucket: 'other' }, known('three'))
    assert.equal(cache.get(place('a'))?.etag, 'one')
    assert.equal(cache.get(place('a', 'v1'))?.etag, 'two')
    assert.equal(cache.get({ ...place('a'), bucket: 'other' })?.etag, 'three')
    assert.equal(cache.get(place('a', 'v2')), undefined)
    // No name is another bucket and key.
    cache.set({ bucket: 'b', key: '","c', versionId: undefined }, known('four'))
    assert.equal(cache.get({ bucket: 'b","', key: 'c', versionId: undefined }), undefined)
    cache.delete(place('a'))
    assert.equal(cache.get(place('a')), undefined)
    assert.equal(cache.get(place('a', 'v1'))?.etag, 'two')
    assert.deepEqual(placeOf({ VersionId: 'v1' }, { bucket: 'bucket', key: 'a' }), place('a', 'v1'))
    assert.deepEqual(placeOf({}, { bucket: 'bucket', key: 'a' }), place('a'))
  })

  test('take 4 MiB at most, and those that were not used for longest go first', () => {
    const cache = headerCache()
    const length = 64 * 1024
    const count = 2 * (MOST / length)
    cache.set(place('used'), known('used', length))
    for (let i = 0; i < count; i++) {
      cache.set(place(`${i}`), known(`${i}`, length))
      assert.equal(cache.get(place('used'))?.etag, 'used')
    }
    const kept = Array.from({ length: count }, (_, i) => cache.get(place(`${i}`))).filter((one) => one !== undefined)
    const bytes = kept.reduce((sum, { header }) => sum + header.length, 0)
    assert.ok(bytes + length <= MOST, String(bytes))
    assert.ok(bytes > MOST - 4 * length, String(bytes))
    assert.deepEqual(
      kept.map(({ etag }) => etag),
      Array.from({ length: kept.length }, (_, i) => `${count - kept.length + i}`),
    )
  })

  test('long names count as well', () => {
    const cache = headerCache()
    for (let i = 0; i < 5000; i++) cache.set(place(`${i}`.padEnd(1024, 'x')), known(`${i}`, 1))
    assert.equal(cache.get(place('0'.padEnd(1024, 'x'))), undefined)
    assert.ok(cache.get(place('4999'.padEnd(1024, 'x'))) !== undefined)
  })

  test('count once each, and not after they are gone', () => {
    const cache = headerCache()
    cache.set(place('first'), known('first', 10))
    for (let i = 0; i < 100; i++) cache.set(place('same'), known(`${i}`, 200_000))
    assert.equal(cache.get(place('same'))?.etag, '99')
    for (let i = 0; i < 100; i++) {
      cache.set(place('gone'), known('gone', 200_000))
      cache.delete(place('gone'))
      cache.delete(place('gone'))
    }
    for (let i = 0; i < 100; i++) assert.equal(cache.get(place('same'))?.etag, '99')
    assert.equal(cache.get(place('first'))?.etag, 'first')
    // What is too long by itself is not kept, and nothing else is counted for it.
    cache.set(place('huge'), known('huge', MOST))
    assert.equal(cache.get(place('huge')), undefined)
    cache.set(place('next'), known('next', MOST / 2))
    assert.equal(cache.get(place('next'))?.etag, 'next')
  })
})
