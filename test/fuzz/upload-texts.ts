import assert from 'node:assert/strict'
import fc from 'fast-check'

import { readUploadText, textWriter } from '../../src/client/upload-text.js'
import type { DeriveKey, UploadText } from '../../src/client/upload-text.js'
import { edit } from './edits.js'
import { expected } from './outcome.js'
import { fuzz } from './property.js'
import type { FuzzProperty } from './property.js'
import { anyText } from './texts.js'

const derive: DeriveKey = async () => new Uint8Array(32).fill(3)

async function written(): Promise<string> {
  const writer = await textWriter(
    {
      ...{
        bucket: 'bucket',
        key: 'key',
        uploadId: 'upload',
        metadata: { 'x-amz-c': '115' },
        role: 'owner',
        partSize: 5 << 20,
      },
      instructionFile: { suffix: '.instruction', members: { ACL: 'private', ObjectLockRetainUntilDate: new Date(0) } },
      ...{ checksumAlgorithm: 'CRC32', fullObjectChecksum: false, stateKey: true },
    },
    derive,
  )
  try {
    return `${await writer.line({ a: 1 })}${await writer.line({ b: 'c' })}`
  } finally {
    writer.destroy()
  }
}

const text = await written()
const header = JSON.parse(text.split('\n')[1]!) as Record<string, unknown>

/** With one member that is another, or missing. */
const otherHeader = fc
  .tuple(fc.constantFrom(...Object.keys(header), '__proto__'), fc.oneof(anyText, fc.jsonValue({ maxDepth: 2 })))
  .map(([name, value]) => {
    const head = JSON.stringify(
      Object.fromEntries([...Object.entries(header).filter(([one]) => one !== name), [name, value]]),
    )
    return text.replace(/\n\{.*\n/, () => `\n${head}\n`)
  })

const values = fc.oneof(
  { weight: 1, arbitrary: fc.constant<unknown>(text) },
  { weight: 3, arbitrary: otherHeader },
  {
    weight: 3,
    arbitrary: fc
      .array(edit, { minLength: 1, maxLength: 3 })
      .map((all) => all.reduce((so, change) => change(so), text)),
  },
  {
    weight: 1,
    arbitrary: fc
      .array(fc.constantFrom(...text.split('\n'), '\n{', '{}', '.', '{"s3-cse-upload":1}'), { maxLength: 12 })
      .map((lines) => lines.join('\n')),
  },
  {
    weight: 1,
    arbitrary: fc
      .tuple(fc.constantFrom('\n{', '\n', '{\n', '\n{}\n.'), fc.nat({ max: 5000 }))
      .map(([piece, times]) => piece.repeat(times)),
  },
  { weight: 1, arbitrary: anyText },
  { weight: 1, arbitrary: fc.anything() },
)

/** The text in which an upload is kept. */
export const uploadTextProperty: FuzzProperty = fuzz({
  name: 'upload texts',
  share: 30,
  expects: ['records', 'ERR_S3CSE_UPLOAD_STATE', 'records: ERR_S3CSE_DECRYPTION_FAILED'],
  values,
  async check(value) {
    let read: UploadText
    try {
      read = readUploadText(value)
    } catch (error) {
      return expected(error, ['ERR_S3CSE_UPLOAD_STATE']).code
    }
    assert.ok(['owner', 'worker', 'receipt'].includes(read.header.role))
    try {
      await read.records(derive)
      return 'records'
    } catch (error) {
      return `records: ${expected(error, ['ERR_S3CSE_DECRYPTION_FAILED', 'ERR_S3CSE_UPLOAD_STATE']).code}`
    }
  },
})
