import { runtime } from '#runtime'
import { GCM_MAX_LENGTH } from '../../crypto/gcm-blocks.js'
import { gcmOpener } from '../../crypto/gcm-message.js'
import { configError, DecryptionError, PolicyError } from '../../errors.js'
import type { Keyring } from '../../keyrings/keyring.js'
import { isBytes } from '../../keyrings/options.js'
import type { Opener } from '../../message/opener.js'
import { isPositional } from '../../message/sealer.js'
import type { PositionalSealer } from '../../message/sealer.js'
import type { CommitmentPolicy, Envelope, ObjectMetadata, ObjectName, OpenRequest } from '../format.js'
import { callersContext, checkContext } from './context.js'
import { decodeEnvelope, type StoredEnvelope } from './decode.js'
import { contentAad, contentIv, deriveFrom } from './derive.js'
import { detect } from './detect.js'
import { invalidEnvelope, nameOf } from './messages.js'
import { checkPolicy } from './policy.js'
import { gcmSealerV2, gcmSealerV3 } from './seal.js'
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
    resume: (request: ResumeRequest) => resumeMessage(envelope, request, object),
  })
}

type ResumeRequest = OpenRequest & { readonly key?: Uint8Array }

function openMessage(envelope: StoredEnvelope, request: OpenRequest, object: ObjectName): Promise<Opener> {
  return withContentKey(envelope, request, object, async (key) => {
    const aes = await runtime.aes(key)
    return envelope.commitment === undefined
      ? gcmOpener({ aes, iv: envelope.nonce, aad: new Uint8Array(0) })
      : gcmOpener({ aes, iv: contentIv, aad: contentAad })
  })
}

async function resumeMessage(
  envelope: StoredEnvelope,
  request: ResumeRequest,
  object: ObjectName,
): Promise<PositionalSealer> {
  const resume = async (key: Uint8Array): Promise<PositionalSealer> => {
    if (key.length !== dataKeyLength) throw new DecryptionError()
    const sealer = await (envelope.commitment === undefined
      ? gcmSealerV2(key, envelope.nonce, false)
      : gcmSealerV3(key, false))
    if (isPositional(sealer)) return sealer
    sealer.destroy()
    throw configError('This runtime can encrypt with AES-GCM in order only: no upload can be continued with it.')
  }
  checkMessage(envelope, request, object)
  checkWrites(envelope, request.commitmentPolicy, object)
  if (request.key === undefined) return withContentKey(envelope, request, object, resume)
  return resume(request.key)
}

/** Going on with a message is writing it. */
function checkWrites({ version, suite }: StoredEnvelope, policy: CommitmentPolicy, object: ObjectName): void {
  if (suite.committing !== (policy === 'FORBID_ENCRYPT_ALLOW_DECRYPT')) return
  throw new PolicyError(
    'ERR_S3CSE_POLICY',
    `The upload of ${nameOf(object)} was begun in format ${version}, which the commitment policy '${policy}' does not write. Go on with it under the policy that it was created with.`,
  )
}

/** Everything that is checked before a key is used or a key service is asked. */
function checkMessage(envelope: StoredEnvelope, request: OpenRequest, object: ObjectName): void {
  checkPolicy(envelope, { commitmentPolicy: request.commitmentPolicy, legacy }, object)
  checkWrap(envelope, request.keyring, object)
  checkContext(envelope, callersContext(request.encryptionContext), object)
}

/** Gives the key that encrypts the content, which is wiped afterwards. */
async function withContentKey<T>(
  envelope: StoredEnvelope,
  request: OpenRequest,
  object: ObjectName,
  use: (key: Uint8Array) => Promise<T>,
): Promise<T> {
  const { keyring, signal } = request
  checkMessage(envelope, request, object)
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
    if (envelope.commitment === undefined) return await use(dataKey)
    return await withCommittedKey(dataKey, envelope.nonce, envelope.commitment, use)
  } finally {
    dataKey.fill(0)
  }
}

/** The commitment comes first: only the one data key that was committed to may give a content key. */
async function withCommittedKey<T>(
  dataKey: Uint8Array,
  messageId: Uint8Array,
  commitment: Uint8Array,
  use: (key: Uint8Array) => Promise<T>,
): Promise<T> {
  const derivation = await deriveFrom(dataKey, messageId)
  try {
    if (!runtime.equal(await derivation.commitment(), commitment)) throw new DecryptionError()
    const contentKey = await derivation.contentKey()
    try {
      return await use(contentKey)
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
