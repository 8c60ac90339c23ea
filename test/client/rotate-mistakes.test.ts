// What rotateKey, reEncryptInstructionFile and plaintextSizes say to those who hold them wrongly.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { plaintextSizes, reEncryptInstructionFile, requestOptions, rotateKey } from '../../src/index.js'
import type { DecisionEvent, RotateKeyInput } from '../../src/index.js'
import { kmsKeyring } from '../../src/kms.js'
import { code } from '../support/errors.js'
import { kmsWorld, newKey, oldKey } from '../support/rotate.js'
import { Bucket, put, world } from '../support/world.js'

const w = await world()
const { kms, client: kmsClient } = await kmsWorld()
const kmsOf = () => kmsKeyring({ client: kmsClient, keyId: kms.createKey().arn })

describe('mistakes in the input', () => {
  const input = { Bucket, Key: 'none', to: newKey }

  it('are named, with the function', async () => {
    const client = w.client({ keyring: oldKey })
    w.s3.requests.length = 0
    const wrong: [unknown, RegExp][] = [
      [{ ...input, to: 'arn:aws:kms:…' }, /: to must be a keyring/],
      [{ ...input, to: undefined }, /: to must be a keyring/],
      [{ ...input, from: oldKey }, /from takes \{ keyring, encryptionContext \}/],
      [{ ...input, from: { keyring: 'x' } }, /from\.keyring must be/],
      [requestOptions(input, { encryptionContext: { a: 'b' } }), /takes encryptionContext in its own input/],
      [requestOptions(input, { keyring: oldKey }), /takes keyring in its own input/],
    ]
    for (const [given, message] of wrong) {
      for (const [name, act] of Object.entries({ rotateKey, reEncryptInstructionFile })) {
        await assert.rejects(act(client, given as RotateKeyInput), code('ERR_S3CSE_CONFIG', message), name)
      }
    }
    assert.deepEqual(w.s3.requests, [])
  })

  it('a suffix may ride on it', async () => {
    const instructionFile = { write: true, suffix: '.own' }
    await put(w.client({ keyring: oldKey, instructionFile }), 'suffix', 'hello')
    const client = w.client({ keyring: oldKey })
    const given = requestOptions({ ...input, Key: 'suffix' }, { instructionFileSuffix: '.own' })
    assert.equal((await rotateKey(client, given)).outcome, 'instruction file')
  })

  it('a context of the client that the new keyring cannot authenticate: says how to leave it', async () => {
    const client = w.client({ keyring: kmsOf(), encryptionContext: { a: 'b' } })
    await put(client, 'context', 'hello')
    const given = { Bucket, Key: 'context', to: newKey }
    await assert.rejects(
      rotateKey(client, given),
      code('ERR_S3CSE_CONFIG', /client's encryption context.*encryptionContext: \{\}/),
    )
    assert.equal((await rotateKey(client, { ...given, encryptionContext: {} })).outcome, 'metadata')
  })

  it('plaintextSizes knows its options', async () => {
    const options = { concurency: 3 } as object
    await assert.rejects(
      plaintextSizes(w.client(), { Bucket, Contents: [] }, options),
      code('ERR_S3CSE_CONFIG', /concurency/),
    )
  })
})

describe('a second run', () => {
  it('what KMS says of the new key is not taken for a damaged object', async () => {
    const [from, to] = [kmsOf(), kmsOf()]
    const events: string[] = []
    const client = w.client({
      keyring: from,
      onEvent: (event) => events.push((event as DecisionEvent).outcome),
    })
    await put(client, 'again', 'hello')
    await rotateKey(client, { Bucket, Key: 'again', to })
    for (const fault of ['AccessDeniedException', 'DisabledException'] as const) {
      kms.fail({ operation: 'Decrypt', code: fault })
      await assert.rejects(rotateKey(client, { Bucket, Key: 'again', to }), code('ERR_S3CSE_KMS', new RegExp(fault)))
    }
    events.length = 0
    assert.equal((await rotateKey(client, { Bucket, Key: 'again', to })).outcome, 'unchanged')
    assert.equal(events.at(-1), 'unchanged')
  })
})
