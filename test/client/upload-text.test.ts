// The text in which the state of an upload is kept: what a crash tears, what somebody changes, and what is no state at all.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import fc from 'fast-check'

import { fromStateKey, readUploadText, textWriter } from '../../src/client/upload-text.js'
import type { UploadHeader } from '../../src/client/upload-text.js'
import { CseError } from '../../src/index.js'
import { code } from '../support/errors.js'

const MiB = 1024 * 1024
const derive = fromStateKey(new Uint8Array(32).fill(5))
const header: UploadHeader = {
  bucket: 'my.bucket',
  key: 'a "key"\nwith {braces}',
  uploadId: 'an-upload',
  metadata: { 'x-amz-c': '115', 'x-amz-3': 'wrapped' },
  role: 'owner',
  partSize: 5 * MiB,
  instructionFile: { suffix: '.instruction', members: { ACL: 'private' } },
  checksumAlgorithm: 'CRC32',
  fullObjectChecksum: true,
  stateKey: true,
}

/** A text of records 0 to `count` - 1, as the pieces that were saved. */
async function pieces(count: number, name = 'a', of = header): Promise<string[]> {
  const writer = await textWriter(of, derive)
  const all: string[] = []
  for (let at = 0; at < count; at++) all.push(await writer.line({ name, at }))
  writer.destroy()
  return all
}

async function recordsOf(text: string): Promise<unknown[]> {
  return readUploadText(text).records(derive)
}

const expected = (count: number, name = 'a') => Array.from({ length: count }, (_, at) => ({ name, at }))
const unreadable = code('ERR_S3CSE_UPLOAD_STATE', /cannot be read/)

/** Nothing is told from the text, and the error is typed. */
async function assertRefused(text: string, what = ''): Promise<void> {
  const refused = await recordsOf(text).then(
    (records) => assert.fail(`${what}: read as ${JSON.stringify(records)}`),
    (error: unknown) => error,
  )
  assert.ok(refused instanceof CseError, `${what}: ${String(refused)}`)
  assert.ok(['ERR_S3CSE_UPLOAD_STATE', 'ERR_S3CSE_DECRYPTION_FAILED'].includes(refused.code), what)
}

describe('a text', () => {
  it('says what was written, the last one of several', async () => {
    const [first, second] = [await pieces(3), await pieces(2, 'b')]
    assert.deepEqual(readUploadText(first.join('')).header, header)
    assert.deepEqual(await recordsOf(first.join('')), expected(3))
    assert.deepEqual(await recordsOf([...first, ...second].join('')), expected(2, 'b'))
    assert.deepEqual(await recordsOf(first.join('').trim()), expected(3))
  })

  it('has a key of its own', async () => {
    const [first, second] = [await pieces(2), await pieces(2)]
    assert.notEqual(first[1], second[1])
    await assertRefused([first[0], second[1]].join(''))
  })

  it('torn at any byte says what was saved before', async () => {
    const all = await pieces(4)
    const text = all.join('')
    const ends = all.map((_, index) => all.slice(0, index + 1).join('').length - 1)
    for (let length = 0; length <= text.length; length++) {
      const saved = ends.filter((end) => end <= length).length
      if (saved === 0) assert.throws(() => readUploadText(text.slice(0, length)), unreadable)
      else assert.deepEqual(await recordsOf(text.slice(0, length)), expected(saved))
    }
  })

  it('of which nothing was saved leaves the one before, torn or not', async () => {
    const [first, second] = [await pieces(2), await pieces(2, 'b')]
    const end = second[0]!.length - 1
    for (const before of [first.join(''), first.join('').slice(0, -9)]) {
      const count = before.endsWith('\n') ? 2 : 1
      for (let length = 0; length <= second[0]!.length; length++) {
        const text = before + second[0]!.slice(0, length)
        assert.deepEqual(await recordsOf(text), length < end ? expected(count) : expected(1, 'b'))
      }
    }
  })

  it('after any number of crashes is the last one of which something was saved', async () => {
    const texts = await Promise.all(['a', 'b', 'c', 'd'].map((name) => pieces(3, name)))
    const cut = fc.integer({ min: 0, max: 1000 })
    await fc.assert(
      fc.asyncProperty(fc.tuple(cut, cut, cut, cut), fc.boolean(), async (cuts, lost) => {
        let all = ''
        let latest: unknown[] = []
        for (const [index, saved] of texts.entries()) {
          const torn = saved.join('').slice(0, cuts[index])
          const count = saved.filter((_, at) => saved.slice(0, at + 1).join('').length - 1 <= torn.length).length
          if (count > 0) latest = expected(count, 'abcd'[index])
          // After a power failure a file may have its length, and not its bytes.
          all += lost && !torn.endsWith('\n') && !torn.endsWith('.') && torn !== '' ? `${torn}\0\0\0` : torn
        }
        if (latest.length === 0) assert.throws(() => readUploadText(all), unreadable)
        else assert.deepEqual(await recordsOf(all), latest)
      }),
      { numRuns: 300 },
    )
  })

  it('does not survive the change of any character; the last line may look torn then, as if it were cut off', async () => {
    const text = [...(await pieces(1, 'old')), ...(await pieces(3))].join('')
    const start = text.lastIndexOf('\n{')
    const last = text.trimEnd().lastIndexOf('\n') + 1
    for (let at = start; at < text.trimEnd().length; at++) {
      for (const other of ['A', '.', '\n', '{', '}', '\0']) {
        if (text[at] === other) continue
        const changed = text.slice(0, at) + other + text.slice(at + 1)
        const torn = (at === last && other === '{') || at === text.length - 2
        if (torn) {
          const records = await recordsOf(changed).catch(() => expected(2))
          assert.deepEqual(records, expected(2))
        } else await assertRefused(changed, `${at}: ${JSON.stringify(other)}`)
      }
    }
  })

  it('does not survive lines that are dropped, doubled, exchanged or of another text', async () => {
    const saved = await pieces(4)
    const [head, first] = saved[0]!.trim().split('\n') as [string, string]
    const lines = [first, ...saved.slice(1).map((line) => line.trim())]
    const other = (await pieces(4))[2]!.trim()
    const wrong: readonly [name: string, lines: readonly string[]][] = [
      ['the first dropped', lines.slice(1)],
      ['one dropped', [lines[0]!, lines[1]!, lines[3]!]],
      ['one doubled', [lines[0]!, lines[1]!, lines[1]!, lines[2]!, lines[3]!]],
      ['two exchanged', [lines[0]!, lines[2]!, lines[1]!, lines[3]!]],
      ['one of another text', [lines[0]!, lines[1]!, other, lines[3]!]],
      ['one torn in the middle', [lines[0]!, lines[1]!.slice(0, -5), lines[2]!, lines[3]!]],
      ['one more', [...lines, 'AAAA.']],
      ['an empty one more', [...lines, '.']],
      ['white space', [...lines.slice(0, 3), `${lines[3]} `]],
    ]
    for (const [name, all] of wrong) await assertRefused(`\n${[head, ...all].join('\n')}\n`, name)
    assert.deepEqual(await recordsOf(`\n${[head, ...lines].join('\n')}\n`), expected(4))
  })

  const changes: readonly Partial<Record<keyof UploadHeader | 'salt' | 's3-cse-upload', unknown>>[] = [
    { bucket: 'other' },
    { key: 'other' },
    { uploadId: 'other' },
    { metadata: { ...header.metadata, 'x-amz-3': 'another' } },
    { metadata: {} },
    { role: 'worker' },
    { role: 'receipt' },
    { partSize: 6 * MiB },
    { partSize: undefined },
    { checksumAlgorithm: 'SHA256' },
    { checksumAlgorithm: undefined },
    { fullObjectChecksum: false },
    { stateKey: false },
    { salt: Buffer.alloc(32).toString('base64') },
  ]
  for (const change of changes) {
    it(`is bound to its header: ${JSON.stringify(change)}`, async () => {
      const [, head, ...lines] = (await pieces(2)).join('').split('\n')
      const changed = JSON.stringify({ ...(JSON.parse(head!) as object), ...change })
      assert.notEqual(changed, head)
      const text = `\n${[changed, ...lines].join('\n')}`
      readUploadText(text)
      await assert.rejects(recordsOf(text), code('ERR_S3CSE_DECRYPTION_FAILED'))
      // Also to how it is written.
      await assert.rejects(recordsOf(`\n${[`${head} `, ...lines].join('\n')}`), code('ERR_S3CSE_DECRYPTION_FAILED'))
    })
  }
})

describe('what is no state', () => {
  it('is told at once: headers', async () => {
    const [, head, line] = (await pieces(1)).join('').split('\n')
    const good = JSON.parse(head!) as Record<string, unknown>
    const wrong: readonly Record<string, unknown>[] = [
      { 's3-cse-upload': 2 },
      { 's3-cse-upload': '1' },
      { salt: undefined },
      { salt: 'AAAA' },
      { salt: 5 },
      { salt: `${String(good.salt)}=` },
      { bucket: '' },
      { bucket: ['a'] },
      { key: undefined },
      { uploadId: 5 },
      { uploadId: null },
      { metadata: undefined },
      { metadata: null },
      { metadata: [] },
      { metadata: 'x' },
      { metadata: { a: 5 } },
      { metadata: { a: { b: 'c' } } },
      { role: 'admin' },
      { role: '__proto__' },
      { role: undefined },
      ...[0, -1, 5, 1.5, 5 * MiB - 1, 5 * 1024 * MiB + 1, 1e300, '5242880', null, {}].map((partSize) => ({ partSize })),
      { checksumAlgorithm: 5 },
      { checksumAlgorithm: null },
    ]
    for (const change of wrong) {
      const text = `${JSON.stringify({ ...good, ...change })}\n${line}\n`
      assert.throws(() => readUploadText(text), unreadable, JSON.stringify(change))
    }
    const odd = ['{', '{}', '{"a"', '{]', `{"__proto__":${head}}`, `{"a":${'['.repeat(60_000)}`, '{"a":1e999}']
    for (const text of odd) assert.throws(() => readUploadText(`${text}\n${line}\n`), unreadable, text.slice(0, 20))
  })

  it('has keys of its own, whatever their names', async () => {
    const metadata = JSON.parse('{"__proto__":"a","constructor":"b","toString":"c"}') as Record<string, string>
    const found = readUploadText((await pieces(1, 'a', { ...header, metadata })).join('')).header
    assert.deepEqual(Object.entries(found.metadata), Object.entries(metadata))
    assert.equal((found as { polluted?: string }).polluted, undefined)
  })

  it('is told before memory is taken for it', async () => {
    const [, head, line] = (await pieces(1)).join('').split('\n') as [string, string, string]
    const bombs: readonly [name: string, text: string, why: RegExp][] = [
      ['the text', 'x'.repeat(256 * MiB + 1), /more than 268435456 characters/],
      ['a header', `{"a":"${'x'.repeat(256 * 1024)}"}\n${line}`, /a header has more than 262144/],
      ['a line', `${head}\n${'A'.repeat(32 * MiB + 1)}.`, /a line has more than 33554432/],
      ['lines', `${head}\n${'A\n'.repeat(1_000_001)}`, /more than 1000000 lines/],
      ['texts without records', `${head}\n${line}${'\n{'.repeat(1_000_000)}`, /no header/],
      ['line ends', '\n'.repeat(10 * MiB), /no header/],
    ]
    for (const [name, text, why] of bombs) {
      assert.throws(() => readUploadText(text), code('ERR_S3CSE_UPLOAD_STATE', why), name)
    }
  })

  it('is told whatever it is', async () => {
    const good = (await pieces(3)).join('')
    const soup = fc.array(fc.constantFrom('\n', '{', '}', '.', 'AAAA', '"', good.slice(1, 300), good.slice(300)))
    const any = fc.oneof(
      fc.string({ maxLength: 200 }),
      fc.json().map((text) => `${text}\nAAAA.\n`),
      soup.map((words) => words.join('')),
      fc.tuple(fc.nat(good.length), fc.nat(good.length), fc.string()).map(([from, to, insert]) => {
        return good.slice(0, from) + insert + good.slice(to)
      }),
    )
    const read: unknown[] = []
    await fc.assert(
      fc.asyncProperty(any, async (text) => {
        try {
          read.push(await recordsOf(text))
        } catch (error) {
          assert.ok(error instanceof CseError, String(error))
        }
      }),
      { numRuns: 2000 },
    )
    // Only what was said is ever read, as far as it is there.
    for (const records of read) assert.deepEqual(records, expected((records as unknown[]).length))
    for (const value of [undefined, null, 5, {}, [], new Uint8Array(9)])
      assert.throws(() => readUploadText(value), unreadable)
  })
})
