// Instruction files that are made to be expensive, or to mean something else to the parser. One JSON object of known keys with texts, each once, of at most 64 KiB; all else is a typed error before any key is used.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { inspect } from '../../src/index.js'
import { Bucket, keyring, pattern, put, world } from '../support/world.js'
import { allOn } from './legacy.js'
import { assertRefused, counting, flipBase64, outcomeOf, readsAll, versions } from './support.js'

const w = await world()
const plaintext = pattern(64)
const asked = counting(keyring)
const client = w.client({ keyring: asked, ...allOn })
/** A test that runs for longer has met something that is not linear. */
const quick = { timeout: 60_000 }
const limit = 64 * 1024

type Values = Record<string, string>

async function written(version: 'V2' | 'V3'): Promise<{ metadata: Readonly<Values>; body: Uint8Array; file: Values }> {
  const commitmentPolicy = version === 'V3' ? readsAll : 'FORBID_ENCRYPT_ALLOW_DECRYPT'
  const key = `good ${version}`
  await put(w.client({ commitmentPolicy, instructionFile: { write: true, overwrite: true } }), key, plaintext)
  const { metadata, body } = await w.stored(key)
  return {
    metadata,
    body,
    file: JSON.parse(Buffer.from((await w.stored(`${key}.instruction`)).body).toString()) as Values,
  }
}

const nested = (depth: number, open: string, close: string): string => open.repeat(depth) + close.repeat(depth)

/** Whole files. */
const bombs: readonly [name: string, text: string | Uint8Array][] = [
  ['nothing', ''],
  ['blanks', ' '.repeat(limit)],
  ['zeros', new Uint8Array(limit)],
  ['arrays in arrays', nested(limit / 2, '[', ']')],
  ['arrays that do not end', '['.repeat(limit)],
  ['objects in objects', `${'{"a":'.repeat(9000)}1${'}'.repeat(9000)}`],
  ['objects that do not end', '{"x-amz-3":'.repeat(5000)],
  ['a deep value of a known key', `{"x-amz-3":${nested(30_000, '[', ']')}}`],
  ['keys without number', `{${Array.from({ length: 6000 }, (_, i) => `"${i}":""`).join()}}`],
  ['the same key again and again', `{${Array.from({ length: 4000 }, () => '"x-amz-3":""').join()}}`],
  ['escapes', `{"x-amz-3":"${'\\'.repeat(60_001)}"}`],
  ['escaped letters', `{"x-amz-3":"${'\\u0041'.repeat(10_000)}"}`],
  ['a text that does not end', `{"x-amz-3":"${'A'.repeat(60_000)}`],
  ['a number of many digits', `{"x-amz-3":${'9'.repeat(60_000)}}`],
  ['a huge number', '1e999999999'],
  ...[
    'null',
    'true',
    '0',
    '-1',
    '""',
    '"{}"',
    '[]',
    '[{}]',
    '{}',
    '{}{}',
    '{},',
    '{',
    '}',
    'NaN',
    'undefined',
    '//',
  ].map((text): [string, string] => [text, text]),
  ['a page of a web server', '<!DOCTYPE html><html><body>Not here</body></html>'],
  ['an error of S3', '<?xml version="1.0" encoding="UTF-8"?><Error><Code>NoSuchKey</Code></Error>'],
]

/** With a description of one text, which is put in as it is. */
function withMap(file: Values, text: string): string {
  const name = 'x-amz-key-v2' in file ? 'x-amz-matdesc' : 'x-amz-m'
  return JSON.stringify({ ...file, [name]: '{"a":"@"}' }).replace('@', text)
}

/** What the file is made of otherwise, as text. */
const bent: readonly [name: string, bend: (file: Values) => string | Uint8Array][] = [
  ['a byte order mark', (file) => `\ufeff${JSON.stringify(file)}`],
  ['UTF-16', (file) => Buffer.from(`\ufeff${JSON.stringify(file)}`, 'utf16le')],
  ['a zero behind', (file) => `${JSON.stringify(file)}\0`],
  ['something behind', (file) => `${JSON.stringify(file)}{}`],
  ['in an array', (file) => JSON.stringify([file])],
  ['an object inside', (file) => JSON.stringify({ envelope: file })],
  ['as text', (file) => JSON.stringify(JSON.stringify(file))],
  ['a comma too many', (file) => JSON.stringify(file).replace('}', ',}')],
  ['a comment', (file) => JSON.stringify(file).replace('{', '{/* */')],
  ['single quotes', (file) => JSON.stringify(file).replaceAll('"', "'")],
  // In a map that nothing authenticates, where any text would do.
  ['a byte that is no UTF-8', (file) => Buffer.from(withMap(file, '\xff'), 'latin1')],
  ['half of a letter', (file) => Buffer.from(withMap(file, '\xc3'), 'latin1')],
  ['half a surrogate pair', (file) => withMap(file, '\\\\ud800')],
  ['half a surrogate pair outside', (file) => withMap(file, '\\ud800')],
  [
    'a byte that is no UTF-8',
    (file) => Buffer.concat([Buffer.from(JSON.stringify(file)).subarray(0, -2), Buffer.from('ff227d', 'hex')]),
  ],
  [
    'an overlong byte',
    (file) =>
      Buffer.from(Buffer.from(JSON.stringify(file)).toString('latin1').replace('x-amz', '\xc1\xb8-amz'), 'latin1'),
  ],
  ['an escaped surrogate', (file) => JSON.stringify(file).replace('":"', '":"\\ud800')],
  ['keys in upper case', (file) => JSON.stringify(file).replaceAll('x-amz', 'X-Amz')],
  ['keys with a prefix', (file) => JSON.stringify(file).replaceAll('x-amz', 'x-amz-meta-x-amz')],
  ...['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'x-amz-unknown', '', 'x-amz-key-v3', 'length'].flatMap(
    (name): [string, (file: Values) => string][] =>
      ['"a"', '{}', '{"x-amz-3":"a"}', '1', 'null'].map((value) => [
        `${name}: ${value}`,
        (file) => JSON.stringify(file).replace('{', `{${JSON.stringify(name)}:${value},`),
      ]),
  ),
]

/** Not one of them is a text. A tag length may be a number, but none of these. */
const values = [
  '0',
  '1',
  '-1',
  '128.5',
  '1e999',
  '-1e999',
  '1e21',
  '9007199254740993',
  'null',
  'true',
  '[]',
  '["a"]',
  '{}',
]

async function refused(key: string, file: string | Uint8Array, what: string): Promise<void> {
  const before = asked.unwraps()
  await w.s3.put(Bucket, `${key}.instruction`, { body: file })
  const outcome = await outcomeOf(client, key)
  assertRefused(outcome, 'ERR_S3CSE_ENVELOPE_INVALID', what)
  assert.ok((outcome.error as Error).message.length < 2000, what)
  assert.equal(asked.unwraps(), before, what)
  assert.equal(({} as { 'x-amz-3'?: unknown })['x-amz-3'], undefined)
}

for (const [version] of versions) {
  describe(`${version}: files that are none`, quick, () => {
    const key = `bomb ${version}`
    const setUp = async (): Promise<Values> => {
      const { metadata, body, file } = await written(version)
      await w.s3.put(Bucket, key, { metadata, body })
      await w.s3.put(Bucket, `${key}.instruction`, { body: JSON.stringify(file) })
      assert.deepEqual((await outcomeOf(client, key)).released, plaintext)
      return file
    }

    it('whole files', async () => {
      await setUp()
      for (const [name, text] of bombs) {
        await refused(key, text, name)
        assert.equal((await inspect(client, { Bucket, Key: key })).status, 'unknown', name)
      }
    })

    it('the right values in another text, with names that objects have anyway, or with unknown ones', async () => {
      const file = await setUp()
      await w.s3.put(Bucket, `${key}.instruction`, { body: withMap(file, 'é') })
      assert.deepEqual((await outcomeOf(client, key)).released, plaintext)
      for (const [name, bend] of bent) await refused(key, bend(file), name)
    })

    it('numbers, arrays and the like where texts belong', async () => {
      const file = await setUp()
      const names = [...Object.keys(file), ...(version === 'V2' ? ['x-amz-tag-len'] : ['x-amz-m', 'x-amz-t'])]
      for (const name of new Set(names)) {
        for (const value of values) {
          const text = JSON.stringify({ ...file, [name]: '@' }).replace('"@"', value)
          await refused(key, text, `${name}: ${value}`)
        }
      }
    })

    it('a key twice, whichever comes last, and however it is written', async () => {
      const file = await setUp()
      for (const name of Object.keys(file)) {
        const again = `${JSON.stringify(name)}:${JSON.stringify(file[name])}`
        const escaped = again.replace('x', '\\u0078')
        const other = `${JSON.stringify(name)}:${JSON.stringify(flipBase64(file[name]))}`
        for (const one of [again, escaped, other]) {
          await refused(key, JSON.stringify(file).replace('{', `{${one},`), `${one} first`)
          await refused(key, JSON.stringify(file).replace(/}$/, `,${one}}`), `${one} last`)
        }
      }
    })

    it('a file of exactly the limit is read, and one byte more is not', async () => {
      const file = await setUp()
      const text = JSON.stringify(file)
      await w.s3.put(Bucket, `${key}.instruction`, { body: text.padEnd(limit, ' ') })
      assert.deepEqual((await outcomeOf(client, key)).released, plaintext)
      for (const length of [limit + 1, limit * 2, 32 * 1024 * 1024])
        await refused(key, text.padEnd(length, ' '), `${length} bytes`)
    })
  })
}
