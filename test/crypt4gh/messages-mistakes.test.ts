import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import {
  decrypt,
  decryptStream,
  encrypt,
  encryptStream,
  inspectHeader,
  openRange,
  rearrange,
  reencrypt,
  reencryptHeader,
} from '../../src/crypt4gh.js'
import { aesKeyring } from '../../src/index.js'
import { code } from '../support/errors.js'
import { alice, bob, both } from './messages-support.js'

describe('mistakes', () => {
  const message = new Uint8Array(200)
  type Call = (options: never) => unknown
  const calls: Readonly<Record<string, Call>> = {
    encrypt: (options) => encrypt(message, options),
    decrypt: (options) => decrypt(message, options),
    encryptStream: (options) => encryptStream(message, options),
    decryptStream: (options) => decryptStream(message, options),
    openRange: (options) => openRange(message, options),
    reencrypt: (options) => reencrypt(message, options),
    reencryptHeader: (options) => reencryptHeader(message, options),
    rearrange: (options) => rearrange(message, options),
  }
  const call = async (name: string, options: unknown): Promise<unknown> => calls[name]!(options as never)

  it('in what all of them take', async () => {
    for (const name of Object.keys(calls)) {
      const good = { keyring: alice, ...(name.startsWith('reencrypt') && { to: bob }) }
      for (const wrong of [
        undefined,
        { ...good, keyring: undefined },
        { ...good, keyring: aesKeyring({ wrappingKey: new Uint8Array(32) }) },
        { ...good, keyrings: [] },
        { ...good, signal: 5 },
        { ...good, maxPackets: 0 },
        { ...good, experimentalAuthenticatedMode: true },
      ]) {
        await assert.rejects(call(name, wrong), code('ERR_S3CSE_CONFIG'), `${name} ${JSON.stringify(wrong)}`)
      }
    }
  })

  it('in what some of them take', async () => {
    const wrong: readonly (readonly [string, object])[] = [
      ['encryptStream', { plaintextLength: -1 }],
      ['encryptStream', { detachedHeader: 1 }],
      ['decryptStream', { verifyRest: 'no' }],
      ['reencrypt', { to: undefined }],
      ['reencrypt', { to: bob, trim: 1 }],
      ['rearrange', { to: {} }],
      ...['decrypt', 'encryptStream', 'decryptStream', 'rearrange'].flatMap(
        (name) =>
          [
            [name, { start: -1 }],
            [name, { start: 1.5 }],
            [name, { start: 2, end: 1 }],
            [name, { end: NaN }],
          ] as const,
      ),
      ...['decrypt', 'decryptStream', 'openRange', 'rearrange'].map((name) => [name, { header: 'crypt4gh' }] as const),
    ]
    for (const [name, options] of wrong) {
      await assert.rejects(call(name, { keyring: alice, ...options }), code('ERR_S3CSE_CONFIG'), name)
    }
    await assert.rejects(inspectHeader(message, { maxPacket: 5 } as never), code('ERR_S3CSE_CONFIG'))
    const reader = await openRange((await encrypt(message, { keyring: alice })).message, { keyring: alice })
    await assert.rejects(reader.read(5, 4), code('ERR_S3CSE_CONFIG'))
  })

  it('in the input', async () => {
    for (const input of [undefined, 'text', 5] as never[]) {
      assert.throws(() => encryptStream(input, { keyring: alice }), code('ERR_S3CSE_CONFIG'))
      assert.throws(() => decryptStream(input, { keyring: alice }), code('ERR_S3CSE_CONFIG'))
      assert.throws(() => reencrypt(input, { keyring: alice, to: bob }), code('ERR_S3CSE_CONFIG'))
      assert.throws(() => rearrange(input, { keyring: alice }), code('ERR_S3CSE_CONFIG'))
      await assert.rejects(encrypt(input, { keyring: alice }), code('ERR_S3CSE_CONFIG'))
      await assert.rejects(decrypt(input, { keyring: alice }), code('ERR_S3CSE_CONFIG'))
      await assert.rejects(openRange(input, { keyring: alice }), code('ERR_S3CSE_CONFIG'))
      await assert.rejects(reencryptHeader(input, { keyring: alice, to: bob }), code('ERR_S3CSE_CONFIG'))
      await assert.rejects(inspectHeader(input), code('ERR_S3CSE_CONFIG'))
    }
    await assert.rejects(inspectHeader(message), code('ERR_S3CSE_ENVELOPE_INVALID'))
    await assert.rejects(inspectHeader([]), code('ERR_S3CSE_ENVELOPE_INVALID'))
  })

  it('more packets than a header may have', async () => {
    await assert.rejects(encrypt(message, { keyring: both, maxPackets: 1 }), code('ERR_S3CSE_CONFIG'))
    const two = await encrypt(message, { keyring: both })
    await assert.rejects(decrypt(two.message, { keyring: alice, maxPackets: 1 }), code('ERR_S3CSE_ENVELOPE_INVALID'))
    await assert.rejects(inspectHeader(two.message, { maxPackets: 1 }), code('ERR_S3CSE_ENVELOPE_INVALID'))
  })
})
