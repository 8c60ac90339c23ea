import { runtime } from '#runtime'
import { GCM_MAX_LENGTH } from '../../crypto/gcm-blocks.js'
import { cbcOpener, cbcSealer } from '../../crypto/cbc-message.js'
import { gcmOpener } from '../../crypto/gcm-message.js'
import { configError, DecryptionError, PolicyError } from '../../errors.js'
import type { Keyring } from '../../keyrings/keyring.js'
import { isBytes } from '../../keyrings/options.js'
import type { Opener } from '../../message/opener.js'
import { isPositional } from '../../message/sealer.js'
import type { PositionalSealer, Sealer } from '../../message/sealer.js'
import type { CommitmentPolicy, Envelope, InstructionFile, ObjectMetadata, ObjectName, OpenRequest } from '../format.js'
import { callersContext, checkContext } from './context.js'
import { decodeEnvelope, type StoredEnvelope } from './decode.js'
import { contentAad, contentIv, deriveFrom } from './derive.js'
import { detect, type Detected, detectWithFile } from './detect.js'
import { parseInstructionFile } from './instruction-file.js'
import { invalidEnvelope, nameOf } from './messages.js'
import { checkPolicy } from './policy.js'
import { gcmSealerV2, gcmSealerV3 } from './seal.js'
import { cbcSuite, type SuiteRow } from './suites.js'
import { keyLengthsOf, suiteForKeyrings, summaryOf } from './summary.js'
import type { WritingKind } from './writing.js'

const noLegacy = Object.freeze({ wrapping: false, content: false })

/** What this format writes, for messages that are continued. */
type Writes = (policy: CommitmentPolicy) => WritingKind

/** The envelope in an object's metadata; `undefined` if there is none. Throws ERR_S3CSE_ENVELOPE_INVALID. */
export function recogniseEnvelope(metadata: ObjectMetadata, object: ObjectName, writes: Writes): Envelope | undefined {
  const detected = detect(metadata, object)
  return detected && envelopeOf(detected, object, writes, undefined)
}

/** The envelope of an object with an instruction file. Throws ERR_S3CSE_ENVELOPE_INVALID. */
export function recogniseWithFile(
  metadata: ObjectMetadata,
  file: InstructionFile,
  object: ObjectName,
  writes: Writes,
): Envelope {
  const detected = detectWithFile(metadata, parseInstructionFile(file, object), object)
  return envelopeOf(detected, object, writes, file.key)
}

function envelopeOf(
  detected: Detected,
  object: ObjectName,
  writes: Writes,
  instructionFile: string | undefined,
): Envelope {
  const envelope = decodeEnvelope(detected, object, instructionFile)
  return Object.freeze({
    summary: summaryOf(envelope),
    plaintextLength: (sealedLength: number) => plaintextLengthOf(envelope, sealedLength, object),
    open: (request: OpenRequest) => openMessage(envelope, request, object),
    resume: (request: ResumeRequest) => resumeMessage(envelope, request, object, writes),
  })
}

type ResumeRequest = OpenRequest & { readonly key?: Uint8Array }

function openMessage(envelope: StoredEnvelope, request: OpenRequest, object: ObjectName): Promise<Opener> {
  return withContentKey(envelope, request, object, async (key) => {
    const aes = await runtime.aes(key)
    if (envelope.suite === cbcSuite) return cbcOpener({ aes, iv: envelope.nonce })
    return envelope.commitment === undefined
      ? gcmOpener({ aes, iv: envelope.nonce, aad: new Uint8Array(0) })
      : gcmOpener({ aes, iv: contentIv, aad: contentAad })
  })
}

async function resumeMessage(
  envelope: StoredEnvelope,
  request: ResumeRequest,
  object: ObjectName,
  writes: Writes,
): Promise<PositionalSealer> {
  const resume = async (key: Uint8Array): Promise<PositionalSealer> => {
    if (!keyLengths(envelope.suite, request).includes(key.length)) throw new DecryptionError()
    const sealer = await sealerOf(envelope, key)
    if (isPositional(sealer)) return sealer
    sealer.destroy()
    throw configError('This runtime can encrypt with AES-GCM in order only: no upload can be continued with it.')
  }
  // What this client writes it may go on with, whatever it reads otherwise.
  const own = { ...request, legacy: { wrapping: true, content: true } }
  checkWrites(envelope, writes(request.commitmentPolicy), request.commitmentPolicy, object)
  checkMessage(envelope, own, object)
  if (request.key === undefined) return withContentKey(envelope, own, object, resume)
  return resume(request.key)
}

async function sealerOf({ suite, commitment, nonce }: StoredEnvelope, key: Uint8Array): Promise<Sealer> {
  if (suite === cbcSuite) return cbcSealer({ aes: await runtime.aes(key), iv: nonce, key })
  return commitment === undefined ? gcmSealerV2(key, nonce, false) : gcmSealerV3(key, false)
}

/** Going on with a message is writing it. */
function checkWrites(
  { version, suite, wrap, contentAlgorithm }: StoredEnvelope,
  kind: WritingKind,
  policy: CommitmentPolicy,
  object: ObjectName,
): void {
  if (version === kind.version && suite === kind.suite && kind.wraps.includes(wrap.name)) return
  throw new PolicyError(
    'ERR_S3CSE_POLICY',
    `The upload of ${nameOf(object)} was begun in format ${version} (${contentAlgorithm}), which is not what is written here (the commitment policy is '${policy}'). Go on with it under the options that it was created with.`,
  )
}

/** Everything that is checked before a key is used or a key service is asked. */
function checkMessage(envelope: StoredEnvelope, request: OpenRequest, object: ObjectName): void {
  const { commitmentPolicy, legacy = noLegacy } = request
  checkPolicy(envelope, { commitmentPolicy, legacy }, object)
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
    suite: suiteForKeyrings(envelope.suite, envelope.contentAlgorithm, allowsContent(request)),
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
    if (!keyLengths(envelope.suite, request).includes(dataKey.length)) throw new DecryptionError()
    if (envelope.commitment === undefined) return await use(dataKey)
    return await withCommittedKey(dataKey, envelope.nonce, envelope.commitment, use)
  } finally {
    dataKey.fill(0)
  }
}

function allowsContent({ legacy = noLegacy }: OpenRequest): boolean {
  return legacy.content
}

function keyLengths(suite: SuiteRow, request: OpenRequest): readonly number[] {
  return keyLengthsOf(suite, allowsContent(request))
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
  // Where nothing authenticates, a length that is no message's must not look different from bad padding.
  if (suite.tagLength === 0 && Number.isSafeInteger(sealedLength) && sealedLength >= 0) return undefined
  const length = sealedLength - suite.tagLength
  if (Number.isSafeInteger(length) && length >= 0 && length <= GCM_MAX_LENGTH) return length
  throw invalidEnvelope(object, `no message of this format is ${sealedLength} bytes long.`)
}
