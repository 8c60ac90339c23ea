// Metadata that is made to be expensive or to mean something else to the parser. Every size and shape is bounded; all that is wrong is a typed error.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { HeadObjectCommand } from '@aws-sdk/client-s3'

import { encryptionInfo } from '../../src/index.js'
import { Bucket, pattern, put, world } from '../support/world.js'
import { allKinds } from './kinds.js'
import type { Kind } from './kinds.js'
import { assertRefused, base64, counting, outcomeOf, readsAll, versions } from './support.js'

const w = await world()
const { kinds } = await allKinds()
const [aes, , viaKms] = kinds as readonly [Kind, Kind, Kind]
const plaintext = pattern(40)
/** A test that runs for longer has met something that is not linear. */
const quick = { timeout: 30_000 }

async function stored(kind: Kind, version: 'V2' | 'V3') {
  const { keyring, context: encryptionContext } = kind
  const commitmentPolicy = version === 'V2' ? 'FORBID_ENCRYPT_ALLOW_DECRYPT' : readsAll
  const key = `good ${version} ${kind.wrap}`
  await put(w.client({ keyring, encryptionContext, commitmentPolicy }), key, plaintext)
  return w.stored(key)
}

const mapKeys = { V2: 'x-amz-matdesc', V3: 'x-amz-t' } as const
const nested = (depth: number, open: string, close: string): string => open.repeat(depth) + close.repeat(depth)

const jsonBombs: readonly [name: string, text: string][] = [
  ['arrays in arrays', nested(6000, '[', ']')],
  ['objects in objects', `${'{"a":'.repeat(2000)}1${'}'.repeat(2000)}`],
  ['a value in arrays', `{"a":${nested(3000, '[', ']')}}`],
  ['arrays that do not end', '['.repeat(14_000)],
  ['objects that do not end', '{"a":'.repeat(2500)],
  ['a number', '1e999999999'],
  ['a number as a value', `{"a":${'9'.repeat(10_000)}}`],
  ['a string that does not end', `{"a":"${'x'.repeat(10_000)}`],
  ['escapes', `{"a":"${'\\'.repeat(10_001)}"}`],
  ['blanks', `{${' '.repeat(10_000)}`],
  ['keys without number', `{${Array.from({ length: 1000 }, () => '"a":"b"').join()}}`],
  ['null', 'null'],
  ['true', 'true'],
  ['a text', '"{}"'],
  ['a value that is null', '{"a":null}'],
  ['a value that is an object', '{"a":{}}'],
  ['two objects', '{}{}'],
  ['a comma too many', '{"a":"b",}'],
  ['half a surrogate pair', '{"a":"\\ud800"}'],
  ['the same key twice', '{"tenant":"a","tenant":"b"}'],
]

const word = '=?UTF-8?Q?a?='
const wordBombs: readonly [name: string, text: string][] = [
  ['many words', `${word} `.repeat(900)],
  ['many words and something behind', `${`${word} `.repeat(900)}x`],
  ['many words without blanks', word.repeat(900)],
  ['many beginnings', '=?'.repeat(6000)],
  ['many beginnings of words', '=?a?Q?'.repeat(2000)],
  ['many beginnings after blanks', ' =?a?Q?'.repeat(1700)],
  ['a word that does not end', `=?UTF-8?Q?${'x'.repeat(12_000)}`],
  ['one long word', `=?UTF-8?Q?${'=41'.repeat(4000)}?=`],
  ['one long word in Base64', `=?UTF-8?B?${'e30='.repeat(3000)}?=`],
  [
    'words in words',
    Array.from({ length: 6 }).reduce<string>((text) => `=?UTF-8?B?${base64(Buffer.from(text))}?=`, '{"a":"b"}'),
  ],
  ['blanks between words', `${word}${' '.repeat(12_000)}${word}`],
  ['blanks behind a word', `${word}${' '.repeat(12_000)}x`],
  ['many blanks between many words', `${word}${' '.repeat(100)}`.repeat(110)],
  ['an unknown character set', '=?utf-7?Q?+AHsAfQ-?='],
  ['a long character set', `=?${'a'.repeat(12_000)}?Q?x?=`],
  ['bytes that are no text', '=?UTF-8?Q?=FF=FE=80?='],
  ['zeros', `=?UTF-8?Q?${'=00'.repeat(4000)}?=`],
]

for (const [version] of versions) {
  describe(`${version}: a stored map that is no map`, quick, async () => {
    const targets = await Promise.all(
      [aes, viaKms].map(async (kind) => {
        const keyring = counting(kind.keyring)
        const client = w.client({ keyring, encryptionContext: kind.context, commitmentPolicy: readsAll })
        return { ...(await stored(kind, version)), keyring, client }
      }),
    )
    for (const [name, text] of [...jsonBombs, ...wordBombs]) {
      it(name, async () => {
        for (const { metadata, body, keyring, client } of targets) {
          await w.s3.put(Bucket, 'bomb', { body, metadata: { ...metadata, [mapKeys[version]]: text.trim() } })
          assertRefused(await outcomeOf(client, 'bomb'), 'ERR_S3CSE_ENVELOPE_INVALID')
          assert.equal(keyring.unwraps(), 0)
        }
        const head = await targets[0]!.client.send(new HeadObjectCommand({ Bucket, Key: 'bomb' }))
        assert.equal(encryptionInfo(head)?.status, 'unknown')
      })
    }
  })
}
