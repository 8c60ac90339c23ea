import assert from 'node:assert/strict'
import test, { describe } from 'node:test'
import fc from 'fast-check'
import { CseError } from '../../src/errors.js'
import { decodeHeaderText } from '../../src/formats/s3ec/header-text.js'
import { contextOf } from '../../src/formats/context-of.js'
import { parseJsonMap, serialiseJsonMap } from '../../src/formats/s3ec/json-map.js'

const anyContext = fc
  .array(fc.tuple(fc.string({ unit: 'binary', maxLength: 12 }), fc.string({ unit: 'binary', maxLength: 12 })), {
    maxLength: 6,
  })
  .map((entries) => contextOf(entries))

function entriesOf(map: Readonly<Record<string, string>> | undefined): [string, string][] | undefined {
  return map && Object.entries(map)
}

describe('JSON maps', () => {
  test('what is written is printable ASCII without =? and reads back the same, here and with JSON.parse', () => {
    fc.assert(
      fc.property(anyContext, (context) => {
        const text = serialiseJsonMap(context)
        assert.match(text, /^[ -~]+$/)
        assert.ok(!text.includes('=?'))
        assert.deepEqual(entriesOf(parseJsonMap(text)), Object.entries(context))
        assert.deepEqual(Object.entries(JSON.parse(text) as object), Object.entries(context))
        assert.equal(decodeHeaderText(text), text)
      }),
    )
  })

  test('escapes as documented', () => {
    assert.equal(serialiseJsonMap({ a: 'é' }), '{"a":"\\u00e9"}')
    assert.equal(serialiseJsonMap({ a: '😀' }), '{"a":"\\ud83d\\ude00"}')
    assert.equal(serialiseJsonMap({ '=?UTF-8?Q?x?=': '=?' }), '{"\\u003d?UTF-8?Q?x?=":"\\u003d?"}')
    assert.equal(serialiseJsonMap({ a: '\n\u007f"\\' }), '{"a":"\\n\\u007f\\"\\\\"}')
    assert.equal(serialiseJsonMap({}), '{}')
  })

  test('half a surrogate pair is a mistake of the caller', () => {
    for (const context of [{ a: '\ud800' }, { '\udfff': 'a' }, { a: 'x\udc00\ud800' }]) {
      assert.throws(
        () => serialiseJsonMap(context),
        (error) => error instanceof CseError && error.code === 'ERR_S3CSE_CONFIG',
      )
    }
  })

  test('reads what other writers make', () => {
    assert.deepEqual(entriesOf(parseJsonMap('')), [])
    assert.deepEqual(entriesOf(parseJsonMap(' {\n} ')), [])
    assert.deepEqual(entriesOf(parseJsonMap('{ "a" : "b\\/c" , "d\\u0022" : "\\"\\\\" }')), [
      ['a', 'b/c'],
      ['d"', '"\\'],
    ])
    assert.deepEqual(entriesOf(parseJsonMap('{"a":"{\\"b\\":1}"}')), [['a', '{"b":1}']])
  })

  test('no key means more than itself', () => {
    const map = parseJsonMap('{"__proto__":"x","constructor":"y","toString":"z"}')!
    assert.equal(Object.getPrototypeOf(map), null)
    assert.deepEqual(Object.keys(map), ['__proto__', 'constructor', 'toString'])
    assert.equal(map['__proto__'], 'x')
    assert.equal(Object.keys({}).length, 0)
    assert.ok(Object.isFrozen(map))
    assert.equal(serialiseJsonMap(map), '{"__proto__":"x","constructor":"y","toString":"z"}')
  })

  const refused = {
    'not JSON': ['{', '{"a"}', 'x', ' ', '{"a":"b"}x', "{'a':'b'}", '{"a":"b",}', '{"a":"\n"}', '\ufeff{}'],
    'not an object': ['[]', 'null', '"a"', '1', '["a","b"]'],
    'not strings': [
      '{"a":1}',
      '{"a":null}',
      '{"a":true}',
      '{"a":["b"]}',
      '{"a":{"b":"c"}}',
      '{"a":{}}',
      '{"__proto__":{"a":"b"}}',
    ],
    'keys twice': [
      '{"a":"b","a":"b"}',
      '{"a":"b","\\u0061":"c"}',
      '{"a":1,"a":"b"}',
      '{"a":["x"],"a":"b"}',
      '{"a":{"b":"c"},"a":"d"}',
      '{"__proto__":"a","__proto__":"b"}',
      '{"a\\"":"b","c":"d","a\\"":"e"}',
    ],
    'half a surrogate pair': ['{"a":"\\ud800"}', '{"\\udc00":"a"}'],
    'too much': [`{"a":"${'x'.repeat(16384)}"}`, '['.repeat(16000), '{"a":'.repeat(3000)],
  }
  for (const [what, texts] of Object.entries(refused)) {
    test(`refuses ${what}`, () => {
      for (const text of texts) assert.equal(parseJsonMap(text), undefined, text.slice(0, 60))
    })
  }

  test('any text is a map or undefined', () => {
    const unit = fc.constantFrom(...Array.from('{}[]":,\\ua0bn1é '))
    fc.assert(
      fc.property(fc.string({ unit, maxLength: 30 }), (text) => {
        const map = parseJsonMap(text)
        if (map !== undefined) assert.ok(Object.values(map).every((value) => typeof value === 'string'))
      }),
      { numRuns: 2000 },
    )
  })
})
