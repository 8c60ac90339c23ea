import { runtime } from '#runtime'
import { GCM_MAX_LENGTH } from '../../crypto/gcm-blocks.js'
import { cbcOpener, cbcSealer } from '../../crypto/cbc-message.js'
import { gcmOpener } from '../../crypto/gcm-message.js'
import { configError, DecryptionError, PolicyError } from '../../errors.js'
import type { Opener } from '../../message/opener.js'
import { isPositional } from '../../message/sealer.js'
import type { PositionalSealer, Sealer } from '../../message/sealer.js'
import type {
  CommitmentPolicy,
  Envelope,
  InstructionFile,
  ObjectMetadata,
  ObjectName,
  OpenRequest,
  RewrapEnvelopeRequest,
} from '../format.js'
import { decodeEnvelope, type StoredEnvelope } from './decode.js'
import { contentAad, contentIv } from './derive.js'
import { detect, type Detected, detectWithFile } from './detect.js'
import { unencryptedLengthKey } from './envelope-keys.js'
import { parseInstructionFile } from './instruction-file.js'
import { invalidEnvelope, nameOf } from './messages.js'
import { rewrapMessage } from './rewrap.js'
import { gcmSealerV2, gcmSealerV3 } from './seal.js'
import { cbcSuite } from './suites.js'
import { summaryOf } from './summary.js'
import { checkMessage, keyLengths, withContentKey } from './unwrap.js'
import type { WritingKind } from './writing.js'

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
    rewrap: (request: RewrapEnvelopeRequest) =>
      rewrapMessage(envelope, request, { object, writes, kept: keptValues(detected) }),
  })
}

/** What of an envelope is nobody's to change. */
function keptValues({ values }: Detected): ObjectMetadata {
  const length = values.get(unencryptedLengthKey)
  return length === undefined ? {} : { [unencryptedLengthKey]: length }
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

function plaintextLengthOf({ suite }: StoredEnvelope, sealedLength: number, object: ObjectName): number | undefined {
  // Where nothing authenticates, a length that is no message's must not look different from bad padding.
  if (suite.tagLength === 0 && Number.isSafeInteger(sealedLength) && sealedLength >= 0) return undefined
  const length = sealedLength - suite.tagLength
  if (Number.isSafeInteger(length) && length >= 0 && length <= GCM_MAX_LENGTH) return length
  throw invalidEnvelope(object, `no message of this format is ${sealedLength} bytes long.`)
}
