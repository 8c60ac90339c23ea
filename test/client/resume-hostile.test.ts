// Records that are authentic and make no sense: of a program with a mistake, or of somebody who has the key. Errors are typed, nothing is sent.
import assert from 'node:assert/strict'
import { before, beforeEach, describe, it } from 'node:test'

import fc from 'fast-check'

import { fromStateKey, readUploadText, textWriter } from '../../src/client/upload-text.js'
import type { UploadHeader } from '../../src/client/upload-text.js'
import { CseError, DecryptionError, importUpload } from '../../src/index.js'
import { code } from '../support/errors.js'
import { complete, create, log, PART, send, source } from '../support/resume.js'
import { Bucket, world } from '../support/world.js'

const w = await world({ recordBodyBytes: 0, verifyPayload: false, etag: 'random' })
const client = w.client()
const stateKey = new Uint8Array(32).fill(9)
const Key = 'hostile'
const parts = source(PART, 3000)
let header: UploadHeader
/** The records of an upload with two parts, whose trailer has been made. */
let good: Record<string, unknown>[]
let key: string

before(async () => {
  const saved = log()
  const name = await create(client, Key, { saveUpload: saved.save, stateKey, partSize: PART })
  const Parts = []
  for (const number of [2, 1]) {
    const { ETag } = await send(client, name, number, parts[number - 1])
    Parts.unshift({ PartNumber: number, ETag })
  }
  w.s3.fail({ status: 403, match: ({ operation }) => operation === 'CompleteMultipartUpload' })
  await assert.rejects(complete(client, name, Parts))
  const text = readUploadText(saved.text)
  header = text.header
  const lines = await text.records(fromStateKey(stateKey))
  key = lines[0]!.key as string
  good = lines.flatMap(({ records }) => records as Record<string, unknown>[])
})

beforeEach(() => {
  w.s3.requests.length = 0
})

async function textOf(lines: readonly unknown[], change: Partial<UploadHeader> = {}): Promise<string> {
  const writer = await textWriter({ ...header, ...change }, fromStateKey(stateKey))
  let text = ''
  for (const line of lines) text += await writer.line(line as object)
  return text
}

async function importing(lines: readonly unknown[], change: Partial<UploadHeader> = {}) {
  return importUpload(w.client(), { Bucket, Key }, await textOf(lines, change), { stateKey })
}

/** What is refused for what it says. */
const senseless = code('ERR_S3CSE_UPLOAD_STATE')
const states = (count: number, byte = 1) => Buffer.alloc(16 * count, byte).toString('base64')
const part = (change: object = {}) => ({
  part: { number: 1, offset: 0, length: PART, from: 0, states: states(5), ...change },
})
const stored = (change: object = {}) => ({
  stored: { number: 1, stored: { ETag: '"x"' }, withTrailer: false, ...change },
})

describe('records', () => {
  it('of the upload itself are read', async () => {
    const imported = await importing([{ key, records: good }])
    assert.equal(imported.Parts.length, 2)
    assert.ok(good.some((record) => 'frozen' in record) && good.some((record) => 'own' in record))
  })

  it('of the wrong shape are refused', async () => {
    const wrong: readonly unknown[] = [
      null,
      5,
      'part',
      [],
      [part()],
      {},
      { part: null },
      { part: 5 },
      { part: [] },
      { part: {} },
      { stored: null },
      stored(),
      { frozen: null },
      { frozen: -1 },
      { frozen: 1.5 },
      { frozen: '5' },
      { own: {} },
      { own: { number: 3, replaces: false, stored: {} } },
      { __proto__: null, other: 1 },
      JSON.parse('{"__proto__":{"part":{}}}'),
      { records: [part()] },
    ]
    for (const record of wrong)
      await assert.rejects(importing([{ key, records: [record] }]), senseless, JSON.stringify(record))
    for (const records of [null, 5, {}, 'x', undefined]) await assert.rejects(importing([{ key, records }]), senseless)
    for (const line of [null, 5, [], 'x']) await assert.rejects(importing([{ key, records: [] }, line]), senseless)
  })

  it('with values out of range are refused', async () => {
    const numbers = [-1, 1.5, 2 ** 53, 1e300, Infinity, NaN, '1', null, undefined, [], {}]
    const wrong: object[] = [
      ...['number', 'offset', 'length', 'from'].flatMap((name) => numbers.map((value) => part({ [name]: value }))),
      part({ number: 0 }),
      part({ number: 10_001 }),
      part({ number: 2 ** 31 }),
      part({ offset: PART }),
      part({ number: 2, offset: 0 }),

      part({ length: PART + 1 }),
      part({ length: 2 ** 40 }),
      part({ number: 10_000, offset: 9999 * PART, length: 2 ** 37 }),
      part({ from: 1 }),
      ...['x', 'AAAA', null, 5, [], states(5).slice(0, -4), `${states(5)}AAAA`].map((value) => part({ states: value })),
      part({ states: states(6) }),
      part({ states: states(5000) }),
    ]
    for (const record of wrong)
      await assert.rejects(importing([{ key, records: [record] }]), hasCode, JSON.stringify(record))
    for (const record of [
      stored({ number: 2 }),
      stored({ stored: null }),
      stored({ stored: { ETag: 5 } }),
      stored({ stored: { ETag: '"x"', PartNumber: '7' } }),
      stored({ stored: { __proto__: null, Body: 'x' } }),
      stored({ kept: 5 }),
      stored({ kept: 'x' }),
      stored({ kept: Buffer.alloc(100).toString('base64') }),
    ]) {
      await assert.rejects(importing([{ key, records: [part(), record] }]), senseless, JSON.stringify(record))
    }
  })

  it('that contradict each other are refused', async () => {
    const wrong: readonly (readonly object[])[] = [
      [part(), part({ states: states(5, 2) })],
      [part(), part({ from: 4, states: states(1, 2) })],
      [part(), part({ length: PART - 1, states: states(5) })],
      [part({ states: states(3) }), part({ offset: 5 })],
      [part({ states: states(3) }), stored()],
      [part({ states: states(3) }), part({ from: 4, states: states(1) })],
      [part({ length: 100, states: states(1) }), part({ number: 2, offset: PART })],
      [{ frozen: PART }, { own: { number: 1, replaces: false, stored: {} } }, part(), stored()],
      [part(), stored(), { own: { number: 2, replaces: false, stored: {} } }],
      [part(), stored(), { frozen: PART }, { own: { number: 2, replaces: true, stored: {} } }],
      [part(), stored(), { frozen: PART }, { own: { number: 1, replaces: false, stored: {} } }],
    ]
    for (const [index, records] of wrong.entries()) {
      const refused = importing([{ key, records }]).then((imported) =>
        assert.fail(`${index}: ${JSON.stringify(imported)}`),
      )
      await assert.rejects(refused, hasCode, String(index))
    }
    // One after the other they may say more and more, and the same again.
    const growing = [
      part({ states: states(2) }),
      part({ from: 2, states: states(2) }),
      part({ from: 1, states: states(4) }),
    ]
    const { Parts } = await importing([{ key, records: growing }, { records: [part(), stored(), part()] }])
    assert.deepEqual(Parts, [{ PartNumber: 1, ETag: '"x"' }])
  })

  it('without a key, or with a wrong one, are not decrypted', async () => {
    const keys: readonly unknown[] = [null, undefined, 5, {}, '', 'x', 'AAAA', Buffer.alloc(31).toString('base64')]
    for (const wrong of keys) await assert.rejects(importing([{ key: wrong, records: [] }]), DecryptionError)
    await assert.rejects(importing([{ records: [] }]), DecryptionError)
  })

  it('of a receipt cannot end an upload', async () => {
    await assert.rejects(importing([{ key, records: good }], { role: 'receipt' }), code('ERR_S3CSE_CONFIG', /receipt/))
  })

  it('of any other envelope are not for this client', async () => {
    const envelopes: readonly [metadata: Record<string, string>, expected: RegExp][] = [
      [{}, /another format/],
      [{ 'x-amz-c': '115' }, /envelope/],
      [{ ...header.metadata, 'x-amz-key-v2': 'AAAA' }, /envelope/],
      [{ ...header.metadata, 'x-amz-i': 'AAAA' }, /envelope/],
    ]
    for (const [metadata, message] of envelopes) {
      await assert.rejects(importing([{ key, records: [] }], { metadata }), (error) => {
        assert.ok(error instanceof CseError)
        assert.match(error.message, message)
        return true
      })
    }
  })

  it('are refused or read, whatever they are, and nothing else happens', async () => {
    const value = fc.oneof(
      fc.constantFrom<unknown>(0, 1, 2, 3, 5, PART, 3000, PART + 3000, '', 'AAAA', true, null, states(5), states(1)),
      fc.jsonValue({ maxDepth: 2 }),
    )
    const name = fc.constantFrom(
      'number',
      'offset',
      'length',
      'from',
      'states',
      'stored',
      'withTrailer',
      'kept',
      'replaces',
    )
    const body = fc.dictionary(name, value)
    const kind = fc.constantFrom('part', 'stored', 'frozen', 'own', 'records', 'key')
    const record = fc.oneof(
      fc.tuple(kind, fc.oneof(body, value)).map(([of, what]) => ({ [of]: what })),
      fc.nat(100).map((index) => good[index % good.length]),
      fc.tuple(fc.nat(100), name, value).map(([index, member, other]) => {
        const [of, what] = Object.entries(good[index % good.length]!)[0]!
        return { [of]: typeof what === 'object' ? { ...what, [member]: other } : other }
      }),
      value,
    )
    let read = 0
    await fc.assert(
      fc.asyncProperty(fc.array(record, { maxLength: 8 }), async (records) => {
        try {
          const { Parts } = await importing([{ key, records }])
          for (const { PartNumber, ETag } of Parts) {
            assert.ok(PartNumber! >= 1 && PartNumber! <= 2)
            assert.ok(ETag === undefined || typeof ETag === 'string')
          }
          read++
        } catch (error) {
          assert.ok(error instanceof CseError, String(error))
        }
      }),
      { numRuns: 700 },
    )
    assert.ok(read > 50, `${read} were read`)
    assert.deepEqual(w.s3.requests, [])
    assert.equal(({} as { part?: unknown }).part, undefined)
  })
})

function hasCode(error: unknown): true {
  assert.ok(error instanceof CseError, error instanceof Error ? error.stack : String(error))
  return true
}
