import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { readSources } from '../support/imports.js'
import { layoutFaults, REQUIRED_PARTS } from '../support/layout.js'

const src = fileURLToPath(new URL('../../src', import.meta.url))

/** The smallest src that has every part. */
const SOUND: Readonly<Record<string, string>> = {
  'errors.ts': 'export class CseError extends Error {}',
  'index.ts': `export { add } from './client/add.js'\nexport type { Runtime } from './runtime/runtime.js'`,
  'kms.ts': `export { kmsKeyring } from './keyrings/kms.js'`,
  'aws-crypto.ts': `export { fromAwsCryptoKeyring } from './keyrings/aws-crypto.js'`,
  'bytes/base64.ts': `import { CseError } from '../errors.js'\nexport const x = CseError`,
  'runtime/runtime.ts': 'export interface Runtime { name: string }',
  'runtime/node.ts': `import { x } from 'node:crypto'\nimport { n } from './node-streams.js'\nexport { n, x }`,
  'runtime/node-streams.ts': `export { Readable as n } from 'node:stream'`,
  'runtime/browser.ts': `import type { Runtime } from './runtime.js'\nexport const runtime: Runtime = { name: '' }`,
  'crypto/gcm.ts': `import { runtime } from '#runtime'\nimport type { S } from '../message/sealer.js'\nexport { runtime, type S }`,
  'message/sealer.ts': `export { runtime as S } from '../crypto/gcm.js'`,
  'gcm.ts': `export { encrypt } from './gcm/encrypt.js'`,
  'gcm/encrypt.ts': `export { S as encrypt } from '../message/sealer.js'`,
  'esdk.ts': `export type { decrypt } from './esdk/at-once.js'`,
  'esdk/at-once.ts': `export type { F as decrypt } from '../formats/format.js'`,
  'crypt4gh.ts': `export type { encrypt } from './crypt4gh/encrypt.js'`,
  'crypt4gh/encrypt.ts': `import { c } from '#runtime/crypt4gh'\nexport type { F as encrypt } from '../formats/format.js'\nexport { c }`,
  'keyrings/keyring.ts': 'export interface Keyring { name: string }',
  'keyrings/aes.ts': `import type { Keyring } from './keyring.js'\nexport function aesKeyring(): Keyring | undefined { return }`,
  'keyrings/kms.ts': `import { KMSClient } from '@aws-sdk/client-kms'\nimport { y } from './kms-arn.js'\nexport { KMSClient, y }`,
  'keyrings/kms-arn.ts': 'export const y = 1',
  'keyrings/aws-crypto.ts': `export { KeyringNode as fromAwsCryptoKeyring } from '@aws-crypto/material-management-node'`,
  'formats/format.ts': `import type { Keyring } from '../keyrings/keyring.js'\nexport type F = Keyring`,
  'formats/s3ec/index.ts': `import type { F } from '../format.js'\nimport { S } from '../../message/sealer.js'\nexport { S, type F }`,
  'client/add.ts': `import { S3Client } from '@aws-sdk/client-s3'\nimport type { P } from '@smithy/types'\nexport { S } from '../formats/s3ec/index.js'\nexport { S3Client as add, type P }`,
  'testing/index.ts': `import { CseError } from '../errors.js'\nimport http from 'node:http'\nexport { CseError, http }`,
}

const faultsWith = (changes: Readonly<Record<string, string>>): string[] =>
  layoutFaults(new Map(Object.entries({ ...SOUND, ...changes })))

describe('the order of src', () => {
  test('holds: direction of dependencies, packages, node: behind #runtime, KMS apart', () => {
    const sources = readSources(src)
    assert.ok(sources.size >= REQUIRED_PARTS.length, `only ${sources.size} files in src`)
    assert.deepEqual(layoutFaults(sources), [])
  })

  test('an empty src is at fault, part by part', () => {
    assert.deepEqual(
      layoutFaults(new Map()),
      REQUIRED_PARTS.map((part) => `src has no ${part}`),
    )
  })

  test('a sound src has no fault', () => assert.deepEqual(faultsWith({}), []))

  const wrong: readonly [what: string, file: string, text: string, fault: RegExp][] = [
    ['crypt4gh behind the index', 'client/a.ts', `export { c } from '../crypt4gh/encrypt.js'`, /against the direction/],
    [
      'recipients behind the index, even as a type',
      'client/add.ts',
      `export type { R } from '../keyrings/x25519.js'`,
      /there is no|is reached from index/,
    ],
    ['@noble where it is not needed', 'crypto/a.ts', `import { x } from '@noble/ciphers/chacha.js'`, /@noble is for/],
    ['crypto uses message', 'crypto/a.ts', `import { S } from '../message/sealer.js'`, /against the direction/],
    [
      'crypto takes a type of the wrong file',
      'crypto/a.ts',
      `import type { F } from '../formats/format.js'`,
      /against/,
    ],
    [
      'an inline type import keeps the module',
      'crypto/a.ts',
      `import { type S } from '../message/sealer.js'`,
      /against/,
    ],
    ['message uses keyrings', 'message/a.ts', `export type { Keyring } from '../keyrings/keyring.js'`, /against/],
    ['gcm uses keyrings', 'gcm/a.ts', `import type { Keyring } from '../keyrings/keyring.js'`, /against/],
    ['client uses gcm', 'client/a.ts', `import { encrypt } from '../gcm/encrypt.js'`, /against/],
    ['keyrings use formats', 'keyrings/aes-b.ts', `type A = import('../formats/format.js').F`, /against/],
    ['formats use client', 'formats/s3ec/a.ts', `export * from '../../client/add.js'`, /against the direction/],
    ['errors use bytes', 'errors.ts', `import { x } from './bytes/base64.js'`, /against the direction/],
    ['src uses testing', 'client/a.ts', `import { http } from '../testing/index.js'`, /against the direction/],
    ['testing uses src', 'testing/a.ts', `import { x } from '../bytes/base64.js'`, /against the direction/],
    [
      'the KMS entry uses client',
      'kms.ts',
      `export * from './client/add.js'\nexport * from './keyrings/kms.js'`,
      /against/,
    ],
    ['a keyring uses its sibling', 'keyrings/rsa.ts', `import { aesKeyring } from './aes.js'`, /siblings/],
    ['a shared file uses a keyring', 'keyrings/keyring.ts', `import { aesKeyring } from './aes.js'`, /shared/],
    ['a keyring under another name', 'keyrings/hsm.ts', 'export function hsmKeyring(): void {}', /known keyring/],
    ['a format uses its sibling', 'formats/esdk/a.ts', `import { S } from '../s3ec/index.js'`, /siblings/],
    ['a shared file uses a format', 'formats/format.ts', `import { S } from './s3ec/index.js'`, /shared/],
    ['node: outside the runtime', 'client/a.ts', `import { x } from 'node:crypto'`, /node: modules belong/],
    [
      'node: in runtime.ts',
      'runtime/runtime.ts',
      `import type { Readable } from 'node:stream'`,
      /node: modules belong/,
    ],
    ['node: later', 'client/a.ts', `await import('node:fs')`, /node: modules belong/],
    ['node: through process', 'client/a.ts', `process.getBuiltinModule('node:fs')`, /node: modules belong/],
    ['a built-in module without node:', 'client/a.ts', `import fs from 'fs'`, /no other package/],
    ['the runtime by its file', 'crypto/a.ts', `import { n } from '../runtime/node.js'`, /values come from #runtime/],
    ['#runtime below crypto', 'bytes/a.ts', `import { runtime } from '#runtime'`, /#runtime is for/],
    ['browser uses node', 'runtime/browser.ts', `import { n } from './node.js'`, /node is for its own/],
    [
      'the S3 client outside client',
      'formats/s3ec/a.ts',
      `import type { S3Client } from '@aws-sdk/client-s3'`,
      /only client/,
    ],
    [
      'the KMS client elsewhere',
      'keyrings/aes.ts',
      `import type { KMSClient } from '@aws-sdk/client-kms'`,
      /only keyrings/,
    ],
    [
      'the AWS Encryption SDK elsewhere',
      'keyrings/multi.ts',
      `import type { KeyringNode } from '@aws-crypto/material-management-node'`,
      /only keyrings\/aws-crypto/,
    ],
    ['another package', 'bytes/a.ts', `import { encode } from 'base64-js'`, /no other package/],
    ['a type of another package', 'client/a.ts', `import type { X } from '@smithy/core'`, /no other package/],
    ['a value of the types package', 'client/a.ts', `import { X } from '@smithy/types'`, /imports a value/],
    ['a KMS file that the entry does not reach', 'keyrings/kms-b.ts', '', /is not reached from kms\.ts/],
    [
      'a file for the AWS Encryption SDK that the entry does not reach',
      'keyrings/aws-b.ts',
      '',
      /reached from aws-crypto/,
    ],
    ['a file that is not there', 'client/a.ts', `import './b.js'`, /there is no/],
    ['an import without its extension', 'client/a.ts', `import './add'`, /there is no/],
    ['a new part', 'other/a.ts', '', /not a part that is known/],
    ['a circle', 'bytes/a.ts', `import './a.js'`, /in a circle/],
  ]
  for (const [what, file, text, fault] of wrong) {
    test(`finds: ${what}`, () => {
      const faults = faultsWith({ [file]: text })
      assert.ok(
        faults.some((line) => fault.test(line)),
        `found: ${faults.join('; ') || 'nothing'}`,
      )
    })
  }

  test('finds: KMS behind the index, even as a type', () => {
    const faults = faultsWith({
      'index.ts': `export * from './client/a.js'`,
      'client/a.ts': `export type { y } from '../keyrings/kms-arn.js'`,
    })
    assert.deepEqual(faults, ['keyrings/kms-arn.ts is reached from index.ts'])
  })

  test('finds: the AWS Encryption SDK behind the index, even as a type', () => {
    const faults = faultsWith({
      'index.ts': `export * from './client/a.js'`,
      'client/a.ts': `export type { fromAwsCryptoKeyring } from '../keyrings/aws-crypto.js'`,
    })
    assert.deepEqual(faults, ['keyrings/aws-crypto.ts is reached from index.ts'])
  })

  test('an import that cannot be read is an error', () => {
    assert.throws(() => faultsWith({ 'client/a.ts': 'const a = "node:fs"; await import(a)' }), /not a plain string/)
  })
})
