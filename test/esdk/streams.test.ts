import assert from 'node:assert/strict'
import { describe, it, test } from 'node:test'
import {
  buildDecrypt,
  CommitmentPolicy,
  RawAesKeyringNode,
  RawAesWrappingSuiteIdentifier,
} from '@aws-crypto/client-node'

import { decrypt, decryptStream, encrypt, encryptStream, openRange } from '../../src/esdk.js'
import type { EncryptMessageOptions, EsdkSuiteName } from '../../src/esdk.js'
import { aesKeyring } from '../../src/index.js'
import type { Keyring } from '../../src/index.js'
import { suites } from '../../src/formats/esdk/suites.js'
import { code } from '../support/errors.js'
import { pattern } from '../support/world.js'

const wrappingKey = new Uint8Array(32).fill(5)
const keyring: Keyring = aesKeyring({ wrappingKey, keyNamespace: 'test', keyName: 'one' })
const F = 100

async function all(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = []
  for await (const chunk of chunks) parts.push(chunk)
  return Buffer.concat(parts)
}

function* pieces(bytes: Uint8Array, length: number): Generator<Uint8Array, void> {
  for (let at = 0; at < bytes.length; at += length) yield bytes.subarray(at, at + length)
}

function forSuite(name: string, committing: boolean): EncryptMessageOptions {
  return {
    keyring,
    algorithmSuite: name as EsdkSuiteName,
    frameLength: F,
    commitmentPolicy: committing ? 'REQUIRE_ENCRYPT_REQUIRE_DECRYPT' : 'FORBID_ENCRYPT_ALLOW_DECRYPT',
    encryptionContext: { purpose: 'test', Ünicode: '🙂' },
  }
}

describe('messages without S3', () => {
  for (const { name, committing, signature } of suites) {
    test(`${name}: as streams, at once, in ranges, and by @aws-crypto/client-node`, async () => {
      const options = forSuite(name, committing)
      const { commitmentPolicy, encryptionContext } = options
      const reading = { keyring, commitmentPolicy, encryptionContext }
      for (const size of [0, 1, F - 1, F, F + 1, 3 * F, 2503]) {
        const plaintext = pattern(size)
        const encryption = encryptStream(pieces(plaintext, 17), options)
        const message = await all(encryption)
        const header = await encryption.header
        assert.equal(header.messageLength(size), message.length)
        assert.equal(header.algorithmSuite, name)
        for (const length of [1, 33, 10_000]) {
          const decryption = decryptStream(pieces(message, length), reading)
          assert.deepEqual(await all(decryption), plaintext)
          const read = await decryption.header
          assert.equal(read.encryptionContext['Ünicode'], '🙂')
          assert.equal(read.isSigned, signature !== undefined)
        }
        assert.deepEqual(Buffer.from((await decrypt(message, reading)).plaintext), plaintext)
        const once = await encrypt(plaintext, options)
        assert.equal(once.message.length, message.length)
        assert.deepEqual(Buffer.from((await decrypt(once.message, reading)).plaintext), plaintext)
        const ranges = openRange(message, reading)
        if (signature !== undefined) await assert.rejects(ranges, code('ERR_S3CSE_RANGE_REFUSED'))
        const reader = await openRange(message, { ...reading, rangesWithoutSignature: true })
        assert.equal(reader.length, size)
        for (const [start, end] of [
          [0, size],
          [5, 17],
          [F - 1, F + 1],
          [size, size],
        ] as const) {
          assert.deepEqual(Buffer.from(await reader.read(start, end)), plaintext.subarray(start, end))
        }
        reader.close()
        await assert.rejects(reader.read(0, 1), code('ERR_S3CSE_CONFIG'))
        const other = new RawAesKeyringNode({
          keyNamespace: 'test',
          keyName: 'one',
          unencryptedMasterKey: Uint8Array.from(wrappingKey),
          wrappingSuite: RawAesWrappingSuiteIdentifier.AES256_GCM_IV12_TAG16_NO_PADDING,
        })
        const client = buildDecrypt(CommitmentPolicy.FORBID_ENCRYPT_ALLOW_DECRYPT)
        const theirs = await client.decrypt(other, message)
        assert.deepEqual(theirs.plaintext, plaintext)
      }
    })
  }
})

describe('a generator that fills one buffer again and again', () => {
  it('is used up chunk by chunk', async () => {
    const plaintext = pattern(300_000)
    function* reusing(bytes: Uint8Array, length: number): Generator<Uint8Array, void> {
      const buffer = new Uint8Array(length)
      for (let at = 0; at < bytes.length; at += length) {
        const part = bytes.subarray(at, at + length)
        buffer.set(part)
        yield buffer.subarray(0, part.length)
        buffer.fill(0xff)
      }
    }
    for (const length of [10, 999, 65_536, 100_000]) {
      for (const frameLength of [1000, 65_536]) {
        const message = await all(encryptStream(reusing(plaintext, length), { keyring, frameLength }))
        assert.deepEqual(await all(decryptStream(reusing(message, length), { keyring })), plaintext)
      }
    }
  })
})
