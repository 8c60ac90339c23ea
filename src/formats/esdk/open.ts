import { runtime } from '#runtime'
import { decodeBase64 } from '../../bytes/base64.js'
import { configError, CseError, DecryptionError } from '../../errors.js'
import { esdkAlgorithm } from '../../keyrings/esdk-keys.js'
import type { Context } from '../../keyrings/keyring.js'
import { isBytes } from '../../keyrings/options.js'
import type { Opener } from '../../message/opener.js'
import type { Aes, EcdsaVerifier } from '../../runtime/runtime.js'
import type { ObjectName, OpenRequest, StoredBytes } from '../format.js'
import { contextOf } from '../context-of.js'
import { callersContext, checkContext, PUBLIC_KEY, requiredBytes } from './context.js'
import { footerLengthFrom, maxEndLength } from './end.js'
import { frameOpener } from './frame-opener.js'
import { FINAL_FRAME_OVERHEAD, framesIn } from './frames.js'
import { headerKey } from './header-auth.js'
import { parseHeader, TAG_LENGTH, type EsdkHeader } from './header.js'
import { invalidMessage, nameOf } from '../names.js'
import { openFinalFrame } from './open-frames.js'
import type { EsdkSettings } from './options.js'
import { checkCommitment, refuse, summaryOf } from './policy.js'
import { suiteForKeyrings } from './seal.js'
import { SINGLE_START_LENGTH, singleEnd, singleOpener } from './single-opener.js'
import { signedFrameOpener, streamedFrameOpener } from './signed-opener.js'

/** Bytes of a header. An encryption context has at most 64 KiB; what is above it are encrypted data keys. */
export const MAX_HEADER_LENGTH: number = 256 * 1024
/** What is read first, in bytes: most headers are shorter. */
export const HEADER_START_LENGTH = 4096

/** A header whose key has been found. */
export interface OpenedHeader {
  readonly header: EsdkHeader
  /** Whoever gets it wipes it. */
  readonly contentKey: Uint8Array
  readonly verifier: EcdsaVerifier | undefined
}

/** What a message is opened with. */
export type Opening = Omit<OpenRequest, 'legacy' | 'stored'>

/** Reads as much of the start as the header needs. Throws ERR_S3CSE_ENVELOPE_INVALID. */
export async function readHeader(stored: StoredBytes, object: ObjectName): Promise<EsdkHeader> {
  const limits = { maxEncryptedDataKeys: 0xffff, maxHeaderLength: MAX_HEADER_LENGTH }
  for (let wanted = HEADER_START_LENGTH; ;) {
    const start = await stored.start(wanted)
    const result = parseHeader(start, limits)
    if ('header' in result) return result.header
    if ('fault' in result) throw invalidMessage(object, result.fault)
    if (start.length < wanted) throw invalidMessage(object, 'it ends inside its header.')
    // Field by field it would be a request for each.
    wanted = Math.min(MAX_HEADER_LENGTH + 1, Math.max(result.needs, wanted * 4))
  }
}

/** Everything that is checked before a key is used; then the key, its commitment, and the header's tag. */
export async function openHeader(
  header: EsdkHeader,
  request: Opening,
  settings: EsdkSettings,
  object: ObjectName,
  exactContext: boolean,
): Promise<OpenedHeader> {
  const { suite } = header
  const { keyring, commitmentPolicy, signal } = request
  const stored = contextOf(header.context)
  checkLimits(header, stored, request, settings, object)
  const required = checkContext(
    stored,
    { given: callersContext(request.encryptionContext), requiredKeys: settings.requiredKeys, exact: exactContext },
    object,
  )
  const verifier = await verifierOf(header, stored, object)
  if (keyring.algorithms?.includes(esdkAlgorithm) === false) throw notForEsdk()
  // Nothing above has used a key or asked a key service, and nothing below tells one failure from another.
  const dataKey: unknown = await keyring.unwrap({
    suite: suiteForKeyrings(suite),
    context: contextOf([...Object.entries(stored), ...Object.entries(required)]),
    encryptedDataKeys: header.encryptedDataKeys.map((key) => ({ algorithm: esdkAlgorithm, ...key })),
    commitmentPolicy,
    ...(signal && { signal }),
  })
  if (!isBytes(dataKey)) throw new DecryptionError()
  try {
    return { header, contentKey: await headerKey(header, dataKey, requiredBytes(required)), verifier }
  } finally {
    dataKey.fill(0)
  }
}

/** ERR_S3CSE_CONFIG */
export function notForEsdk(): CseError {
  return configError(
    'The keyring is not made for messages of the AWS Encryption SDK: raw keys need keyNamespace and keyName there.',
  )
}

function checkLimits(
  header: EsdkHeader,
  context: Context,
  { commitmentPolicy, ranges = false }: Opening,
  settings: EsdkSettings,
  object: ObjectName,
): void {
  const { suite, frameLength, encryptedDataKeys } = header
  const { maxEncryptedDataKeys, maxFrameLength, rangesWithoutSignature } = settings
  checkCommitment(suite, commitmentPolicy, object, context)
  const summary = summaryOf(suite, context)
  if (encryptedDataKeys.length > maxEncryptedDataKeys) {
    throw refuse(
      object,
      `has ${encryptedDataKeys.length} encrypted data keys, more than maxEncryptedDataKeys (${maxEncryptedDataKeys}).`,
      summary,
    )
  }
  if (frameLength > maxFrameLength) {
    throw refuse(object, `has frames of ${frameLength} bytes, more than maxBodySize (${maxFrameLength}).`, summary)
  }
  if (ranges && suite.signature !== undefined && frameLength > 0 && !rangesWithoutSignature) {
    throw new CseError(
      'ERR_S3CSE_RANGE_REFUSED',
      `${nameOf(object)} is signed, and no part of it can be read with its signature verified. Read all of it; or set esdk({ rangesWithoutSignature: true }): each frame is then authenticated under the data key, but not by the signer.`,
    )
  }
}

/** The key of the signature is in the context of signed messages, and of these only. Throws ERR_S3CSE_ENVELOPE_INVALID. */
async function verifierOf(
  { suite: { signature } }: EsdkHeader,
  context: Context,
  object: ObjectName,
): Promise<EcdsaVerifier | undefined> {
  const text = context[PUBLIC_KEY]
  if (signature === undefined) {
    if (text === undefined) return undefined
    throw invalidMessage(object, `it has ${PUBLIC_KEY}, and its suite does not sign.`)
  }
  if (text === undefined) throw invalidMessage(object, `its suite signs, and it has no ${PUBLIC_KEY}.`)
  const point = decodeBase64(text)
  const verifier = point && (await runtime.ecdsa.verifier(signature.curve, point))
  if (verifier === undefined) throw invalidMessage(object, `its ${PUBLIC_KEY} is no key of ${signature.curve}.`)
  return verifier
}

/** The opener of a message by its header. Throws as `openHeader` does. */
export async function openMessage(
  header: EsdkHeader,
  request: Opening & { readonly stored: StoredBytes },
  settings: EsdkSettings,
  object: ObjectName,
  exactContext: boolean,
): Promise<Opener> {
  if (header.frameLength === 0) await checkUnframed(header, request, settings, object)
  const opened = await openHeader(header, request, settings, object, exactContext)
  let aes: Aes
  try {
    aes = await runtime.aes(opened.contentKey)
  } finally {
    opened.contentKey.fill(0)
  }
  try {
    return await openerOf(aes, opened, request)
  } catch (error) {
    aes.destroy()
    throw error
  }
}

/** What a body without frames says of its length, before a key is used: after that its refusal would tell of the header. */
async function checkUnframed(
  header: EsdkHeader,
  request: Opening & { readonly stored: StoredBytes },
  settings: EsdkSettings,
  object: ObjectName,
): Promise<void> {
  const context = contextOf(header.context)
  checkLimits(header, context, request, settings, object)
  const end = singleEnd(header, await request.stored.start(header.length + SINGLE_START_LENGTH))
  const length = end - header.length - SINGLE_START_LENGTH - TAG_LENGTH
  if (length <= settings.maxUnframedLength) return
  throw refuse(
    object,
    `has ${length} bytes without frames, more than maxBodySize (${settings.maxUnframedLength}).`,
    summaryOf(header.suite, context),
  )
}

// From here on a length that is no message's is a changed object like every other.
const impossible = (): DecryptionError => new DecryptionError()

/** Of a signed message the length of the plaintext can be told from its end, of which the final frame is authenticated. */
function signedOpener(aes: Aes, header: EsdkHeader, verifier: EcdsaVerifier): Opener {
  const { messageId, frameLength, length: headerLength } = header
  return {
    ...signedFrameOpener({ aes, header, verifier, impossible }),
    endLength: maxEndLength(header),
    async plaintextLengthFrom(sealedLength, end) {
      const footerLength = footerLengthFrom(header, sealedLength, end)
      const frames =
        footerLength === undefined ? undefined : framesIn(sealedLength - headerLength - footerLength, frameLength)
      if (footerLength === undefined || frames === undefined) throw new DecryptionError()
      const { regular, finalLength } = frames
      const at = end.length - footerLength - finalLength - FINAL_FRAME_OVERHEAD
      const frame = end.subarray(at, end.length - footerLength)
      const plaintext = await openFinalFrame({ aes, messageId, frameLength }, regular + 1, frame)
      plaintext.fill(0)
      return regular * frameLength + finalLength
    },
  }
}

async function openerOf(
  aes: Aes,
  { header, verifier }: OpenedHeader,
  { stored, ranges = false }: Opening & { readonly stored: StoredBytes },
): Promise<Opener> {
  if (header.frameLength === 0) {
    const start = (await stored.start(header.length + SINGLE_START_LENGTH)).subarray(header.length)
    return singleOpener({ aes, header, start, sealedLength: stored.length, verifier })
  }
  const { signature } = header.suite
  if (signature === undefined) {
    return stored.length === undefined
      ? streamedFrameOpener({ aes, header, impossible })
      : frameOpener({ aes, header, impossible })
  }
  if (!ranges) return signedOpener(aes, header, verifier as EcdsaVerifier)
  if (stored.end === undefined || stored.length === undefined) throw new TypeError('ranges need the end of the message')
  const end = await stored.end(maxEndLength(header))
  const footerLength = footerLengthFrom(header, stored.length, end)
  if (footerLength === undefined) throw new DecryptionError()
  return frameOpener({ aes, header, impossible, footerLength })
}
