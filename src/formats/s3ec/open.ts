import { runtime } from '#runtime'
import { GCM_MAX_LENGTH } from '../../crypto/gcm-blocks.js'
import { gcmOpener } from '../../crypto/gcm-message.js'
import { DecryptionError } from '../../errors.js'
import type { Keyring } from '../../keyrings/keyring.js'
import { isBytes } from '../../keyrings/options.js'
import type { Opener } from '../../message/opener.js'
import type { Envelope, ObjectMetadata, ObjectName, OpenRequest } from '../format.js'
import { callersContext, checkContext } from './context.js'
import { decodeEnvelope, type StoredEnvelope } from './decode.js'
import { contentAad, contentIv, deriveFrom } from './derive.js'
import { detect } from './detect.js'
import { invalidEnvelope } from './messages.js'
import { checkPolicy } from './policy.js'
import { suiteForKeyrings, summaryOf } from './summary.js'
import { dataKeyLength } from './suites.js'

// Reading legacy algorithms is not built: what the policy would allow, nothing here could open.
const legacy = Object.freeze({ wrapping: false, content: false })

/** The envelope in an object's metadata; `undefined` if there is none. Throws ERR_S3CSE_ENVELOPE_INVALID. */
export function recogniseEnvelope(metadata: ObjectMetadata, object: ObjectName): Envelope | undefined {
  const detected = detect(metadata, object)
  if (detected === undefined) return undefined
  const envelope = decodeEnvelope(detected, object)
  return Object.freeze({
    summary: summaryOf(envelope),
    plaintextLength: (sealedLength: number) => plaintextLengthOf(envelope, sealedLength, object),
    open: (request: OpenRequest) => openMessage(envelope, request, object),
  })
}

async function openMessage(envelope: StoredEnvelope, request: OpenRequest, object: ObjectName): Promise<Opener> {
  const { keyring, commitmentPolicy, signal } = request
  checkPolicy(envelope, { commitmentPolicy, legacy }, object)
  checkWrap(envelope, keyring, object)
  checkContext(envelope, callersContext(request.encryptionContext), object)
  // Nothing above has used a key or asked a key service, and nothing below tells one failure from another.
  const dataKey: unknown = await keyring.unwrap({
    suite: suiteForKeyrings(envelope.suite, envelope.contentAlgorithm),
    context: envelope.context,
    encryptedDataKeys: [
      {
        algorithm: envelope.wrap.name,
        provider: 'S3Keyring',
        info: new Uint8Array(0),
        ciphertext: envelope.encryptedDataKey,
      },
    ],
    ...(signal && { signal }),
  })
  if (!isBytes(dataKey)) throw new DecryptionError()
  try {
    if (dataKey.length !== dataKeyLength) throw new DecryptionError()
    if (envelope.commitment === undefined) {
      return gcmOpener({ aes: await runtime.aes(dataKey), iv: envelope.nonce, aad: new Uint8Array(0) })
    }
    return await openCommitted(dataKey, envelope.nonce, envelope.commitment)
  } finally {
    dataKey.fill(0)
  }
}

/** The commitment comes first: only the one data key that was committed to may give a content key. */
async function openCommitted(dataKey: Uint8Array, messageId: Uint8Array, commitment: Uint8Array): Promise<Opener> {
  const derivation = await deriveFrom(dataKey, messageId)
  try {
    if (!runtime.equal(await derivation.commitment(), commitment)) throw new DecryptionError()
    const contentKey = await derivation.contentKey()
    try {
      return gcmOpener({ aes: await runtime.aes(contentKey), iv: contentIv, aad: contentAad })
    } finally {
      contentKey.fill(0)
    }
  } finally {
    derivation.destroy()
  }
}

function checkWrap({ wrap }: StoredEnvelope, keyring: Keyring, object: ObjectName): void {
  const { algorithms } = keyring
  if (algorithms === undefined || algorithms.includes(wrap.name)) return
  throw invalidEnvelope(object, `its data key is under ${wrap.name}, and the keyring opens ${algorithms.join(', ')}.`)
}

function plaintextLengthOf({ suite }: StoredEnvelope, sealedLength: number, object: ObjectName): number | undefined {
  const length = sealedLength - suite.tagLength
  const possible =
    suite.tagLength > 0
      ? length >= 0 && length <= GCM_MAX_LENGTH
      : // CBC: whole blocks, the last of which is padded.
        length > 0 && length % suite.ivLength === 0
  if (!Number.isSafeInteger(length) || !possible) {
    throw invalidEnvelope(object, `no message of this format is ${sealedLength} bytes long.`)
  }
  return suite.tagLength > 0 ? length : undefined
}
