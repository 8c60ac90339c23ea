import assert from 'node:assert/strict'

import { DecryptionError } from '../../src/errors.js'
import type { Envelope } from '../../src/formats/format.js'
import { s3ec } from '../../src/formats/s3ec/s3ec.js'
import type { DataKey, Keyring } from '../../src/keyrings/keyring.js'
import { object } from '../support/s3ec-objects.js'
import { refusal } from './envelope-model.js'
import { calls, fixedKey, honest } from './opening-calls.js'
import type { Call } from './opening-calls.js'
import { expected } from './outcome.js'
import { fuzz } from './property.js'
import type { FuzzProperty } from './property.js'

const format = s3ec()

/** Lengths, and the whole way to the plaintext, with a keyring that gives anything and a body of noise. */
export const openingProperty: FuzzProperty = fuzz({
  name: 'opening',
  share: 180,
  expects: [
    ...[
      'not recognised',
      'message of CBC',
      'message of V2',
      'message of V3',

      'ERR_S3CSE_POLICY',
      'ERR_S3CSE_LEGACY_DISABLED',
      'ERR_S3CSE_CONTEXT_MISMATCH',
    ],
    ...['ERR_S3CSE_ENVELOPE_INVALID', 'ERR_S3CSE_DECRYPTION_FAILED', 'body: ERR_S3CSE_DECRYPTION_FAILED'],
  ],
  values: calls,
  async check(call) {
    let envelope: Envelope | undefined
    try {
      envelope = format.recognise(call.metadata, object)
    } catch (error) {
      expected(error, ['ERR_S3CSE_ENVELOPE_INVALID'])
    }
    if (envelope === undefined) return 'not recognised'
    checkLength(envelope, call.length)
    return open(envelope, call)
  },
})

function checkLength(envelope: Envelope, length: number): void {
  const isCbc = envelope.summary.contentAlgorithm.includes('CBC')
  const possible = Number.isSafeInteger(length) && (isCbc ? length >= 0 : length >= 16 && length <= 2 ** 36 - 16)
  try {
    const found = envelope.plaintextLength(length)
    assert.ok(possible, `${length} is no length`)
    assert.equal(found, isCbc ? undefined : length - 16)
  } catch (error) {
    if (possible) throw error
    expected(error, ['ERR_S3CSE_ENVELOPE_INVALID'])
  }
}

async function open(envelope: Envelope, call: Call): Promise<string> {
  const { commitmentPolicy, legacy, context } = call
  const { summary } = envelope
  const given: unknown[] = []
  const key = { isFixed: false }
  const keyring: Keyring = {
    ...(call.algorithms !== undefined && { algorithms: call.algorithms }),
    wrap: () => assert.fail('nothing is to be wrapped'),
    unwrap() {
      given.push(call.unwrapped())
      key.isFixed = given[0] instanceof Uint8Array && Buffer.from(fixedKey()).equals(given[0])
      return given[0] as DataKey
    },
  }
  const stored = Object.entries(summary.context).filter(
    ([name]) => name !== 'kms_cmk_id' && name !== 'aws:x-amz-cek-alg',
  )
  const encryptionContext = context ?? (summary.contextKind === 'encryption context' ? Object.fromEntries(stored) : {})
  const refused = refusal(summary, commitmentPolicy, legacy ?? { wrapping: false, content: false })
  let opener
  try {
    opener = await envelope.open({ keyring, commitmentPolicy, ...(legacy && { legacy }), encryptionContext, object })
  } catch (error) {
    const { code } = expected(error, [
      ...(['ERR_S3CSE_DECRYPTION_FAILED', 'ERR_S3CSE_POLICY', 'ERR_S3CSE_LEGACY_DISABLED'] as const),
      ...(['ERR_S3CSE_CONTEXT_MISMATCH', 'ERR_S3CSE_ENVELOPE_INVALID'] as const),
    ])
    if (refused !== undefined) assert.equal(code, refused)
    else if (call.algorithms?.includes(summary.wrapAlgorithm) === false)
      assert.equal(code, 'ERR_S3CSE_ENVELOPE_INVALID')
    // Before a key is used, everything is told; from then on nothing is.
    assert.equal(code === 'ERR_S3CSE_DECRYPTION_FAILED', given.length === 1)
    if (given.length === 1) checkUniform(error)
    checkWiped(given[0])
    return code
  }
  assert.equal(refused, undefined)
  assert.notEqual(call.algorithms?.includes(summary.wrapAlgorithm), false)
  checkWiped(given[0])
  const isCbc = summary.contentAlgorithm.includes('CBC')
  const made = typeof call.body === 'number' ? honest(call.metadata, summary.version, call.body) : undefined
  const sealed = typeof call.body === 'number' ? (made?.sealed ?? new Uint8Array(16)) : call.body
  const isOurs = made !== undefined && key.isFixed
  try {
    const plaintext = await opener.openWhole(Uint8Array.from(sealed))
    if (isOurs) {
      assert.deepEqual(Buffer.from(plaintext), Buffer.from(made.plaintext))
      return `message of ${isCbc ? 'CBC' : summary.version}`
    }
    assert.ok(isCbc, 'noise was authenticated')
    assert.ok(plaintext.length < sealed.length && plaintext.length >= sealed.length - 16)
    return 'noise of CBC'
  } catch (error) {
    const { code } = expected(error, ['ERR_S3CSE_DECRYPTION_FAILED', 'ERR_S3CSE_ENVELOPE_INVALID'])
    assert.ok(!isOurs, 'a message under its own key was refused')
    if (code === 'ERR_S3CSE_DECRYPTION_FAILED') checkUniform(error)
    return `body: ${code}`
  } finally {
    opener.destroy()
  }
}

function checkUniform(error: unknown): void {
  assert.ok(error instanceof DecryptionError)
  assert.equal(error.message, new DecryptionError().message)
  assert.equal(error.cause, undefined)
}

/** Keys do not stay behind. */
function checkWiped(key: unknown): void {
  if (key instanceof Uint8Array)
    assert.ok(
      key.every((byte) => byte === 0),
      'the data key was not wiped',
    )
}
