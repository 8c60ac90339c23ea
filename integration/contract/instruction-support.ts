import assert from 'node:assert/strict'

import type { EncryptionOptions } from '../../src/index.js'
import { stored } from './stored-objects.js'
import type { Stored } from './stored-objects.js'
import type { Place } from './support.js'
import type { Version } from './tampering-changes.js'

export const write: Partial<EncryptionOptions> = { instructionFile: { write: true } }
export const overwrite: Partial<EncryptionOptions> = { instructionFile: { write: true, overwrite: true } }
export const file = (key: string, suffix = '.instruction'): string => `${key}${suffix}`

export type Entries = Readonly<Record<string, string>>

export const entriesOf = ({ body }: Pick<Stored, 'body'>): Entries =>
  JSON.parse(Buffer.from(body).toString()) as Entries

/** Stored as the format says: what ties the content to its key on the object (V3), everything else in the file. */
export async function isSplit(t: Place, Bucket: string, key: string, version: Version, suffix?: string): Promise<void> {
  const [object, beside] = [await stored(t, Bucket, key), await stored(t, Bucket, file(key, suffix))]
  const onObject = Object.keys(object.metadata).filter((name) => name.startsWith('x-amz-'))
  assert.deepEqual(onObject.sort(), version === 'V3' ? ['x-amz-c', 'x-amz-d', 'x-amz-i'] : [])
  const text = Buffer.from(beside.body).toString()
  assert.match(text, /^[!-~]*$/, 'blanks, or something that is not ASCII')
  const names = Object.keys(entriesOf(beside))
  for (const name of version === 'V3' ? ['x-amz-3', 'x-amz-w'] : ['x-amz-key-v2', 'x-amz-iv', 'x-amz-wrap-alg']) {
    assert.ok(names.includes(name), `${name} is not in the file`)
  }
  assert.deepEqual(beside.metadata, { 'x-amz-crypto-instr-file': '' })
}
