import { encodeBase64, decodeBase64 } from '../../bytes/base64.js'
import { joined } from '../../bytes/body.js'
import { runtime } from '#runtime'
import { PolicyError } from '../../errors.js'
import type { Opener } from '../../message/opener.js'
import type { PositionalSealer } from '../../message/sealer.js'
import type { Envelope, EnvelopeSummary, ObjectMetadata, ObjectName, OpenRequest, StoredBytes } from '../format.js'
import { contextOf } from '../context-of.js'
import { callersContext, checkContext, requiredBytes } from './context.js'
import { frameSealer } from './frame-sealer.js'
import { checkHeaderTag } from './header-auth.js'
import { parseHeader, type EsdkHeader } from './header.js'
import { hintedLength, hintKey, parseHint, type Hint } from './hint.js'
import { invalidMessage, nameOf } from '../names.js'
import { HEADER_START_LENGTH, MAX_HEADER_LENGTH, openHeader, openMessage, readHeader } from './open.js'
import type { EsdkSettings } from './options.js'
import { summaryOf } from './policy.js'
import { committingSuite, suiteById } from './suites.js'

/** In the saved state of an upload: the whole header in base64, which S3 does not show before the object is there. */
export const headerKeyName = 's3-cse-esdk-header'

/** The envelope of an object whose metadata, or whose first bytes, show that it is a message. */
export function esdkEnvelope(
  settings: EsdkSettings,
  object: ObjectName,
  known: { readonly hint?: Hint | undefined; readonly header?: EsdkHeader | undefined; readonly resumable?: boolean },
): Envelope {
  let { header } = known
  const { hint, resumable = false } = known
  // (Where neither is known it is nobody's suite yet: what most messages have.)
  const suite = header?.suite ?? hint?.suite ?? committingSuite
  let summary: EnvelopeSummary = summaryOf(suite, contextOf(header?.context ?? []))
  const read = async (stored: StoredBytes): Promise<EsdkHeader> => {
    header = await readHeader(stored, object)
    summary = summaryOf(header.suite, contextOf(header.context))
    return header
  }
  return {
    get summary() {
      return summary
    },
    inBody: true,
    plaintextLength(sealedLength) {
      const lengths: Hint | undefined = header
        ? { suite: header.suite, headerLength: header.length, frameLength: header.frameLength, footerLength: 0 }
        : hint
      // How long somebody's signature is only the end of the message shows.
      if (lengths === undefined || lengths.frameLength === 0) return undefined
      if (header !== undefined && hint === undefined && header.suite.signature !== undefined) return undefined
      return hintedLength({ ...lengths, footerLength: hint?.footerLength ?? 0 }, sealedLength)
    },
    async open(request: OpenRequest): Promise<Opener> {
      const { stored } = request
      if (stored === undefined) throw new TypeError('The envelope is in the body: its bytes are needed.')
      return openMessage(await read(stored), { ...request, stored }, settings, object, true)
    },
    ...(resumable && {
      resume: (request: OpenRequest & { readonly key?: Uint8Array }) =>
        resumeMessage(header as EsdkHeader, request, settings, object),
    }),
  }
}

/** Goes on with the frames of a message that is not signed. Throws PolicyError where it is not what is written here. */
async function resumeMessage(
  header: EsdkHeader,
  request: OpenRequest & { readonly key?: Uint8Array },
  settings: EsdkSettings,
  object: ObjectName,
): Promise<PositionalSealer> {
  const { suite, frameLength, messageId, context } = header
  const stored = contextOf(context)
  if (suite !== settings.suiteFor(request.commitmentPolicy) || frameLength !== settings.frameLength) {
    throw new PolicyError(
      'ERR_S3CSE_POLICY',
      `The upload of ${nameOf(object)} was begun with ${suite.name} and frames of ${frameLength} bytes, which is not what is written here. Go on with it under the options that it was created with.`,
    )
  }
  const contentKey = await contentKeyOf(header, request, settings, object, stored)
  try {
    return await frameSealer({
      aes: await runtime.aes(contentKey),
      key: contentKey,
      messageId,
      frameLength,
      header: joined(header.body, suite.version === 1 ? header.iv : new Uint8Array(0), header.tag),
    })
  } finally {
    contentKey.fill(0)
  }
}

async function contentKeyOf(
  header: EsdkHeader,
  request: OpenRequest & { readonly key?: Uint8Array },
  settings: EsdkSettings,
  object: ObjectName,
  stored: ReturnType<typeof contextOf>,
): Promise<Uint8Array> {
  if (request.key === undefined) return (await openHeader(header, request, settings, object, true)).contentKey
  const given = callersContext(request.encryptionContext)
  const required = checkContext(stored, { given, requiredKeys: settings.requiredKeys, exact: true }, object)
  await checkHeaderTag(header, request.key, requiredBytes(required))
  return Uint8Array.from(request.key)
}

/** `undefined`: the metadata show no message. */
export function recogniseMetadata(
  metadata: ObjectMetadata,
  settings: EsdkSettings,
  object: ObjectName,
): Envelope | undefined {
  const entries = Object.entries(metadata)
  const value = (name: string): string | undefined => entries.find(([key]) => key.toLowerCase() === name)?.[1]
  const text = value(hintKey)
  if (text === undefined) return undefined
  const saved = value(headerKeyName)
  if (saved === undefined) return esdkEnvelope(settings, object, { hint: parseHint(text) })
  const bytes = decodeBase64(saved)
  const result = bytes && parseHeader(bytes, { maxEncryptedDataKeys: 0xffff, maxHeaderLength: MAX_HEADER_LENGTH })
  if (result === undefined || !('header' in result) || result.header.length !== bytes?.length) {
    throw invalidMessage(object, 'its saved header is damaged.')
  }
  const { header } = result
  return esdkEnvelope(settings, object, {
    hint: parseHint(text),
    header,
    resumable: header.suite.signature === undefined,
  })
}

/** What the metadata of an upload's saved state have beside those of the object. */
export function savedHeader(header: Uint8Array): ObjectMetadata {
  return { [headerKeyName]: encodeBase64(header) }
}

/** Version, type and suite of version 1; version and suite of version 2: no more is looked at to say that it is one. */
const MARK_LENGTH = 4

function beginsAsMessage(start: Uint8Array): boolean {
  const [version, second = 0, third = 0, fourth = 0] = start
  if (start.length < MARK_LENGTH) return false
  if (version === 1) return second === 0x80 && suiteById(third * 256 + fourth)?.version === 1
  return version === 2 && suiteById(second * 256 + third)?.version === 2
}

/** The same in base64, which is what a tool for text makes of it. */
function beginsAsBase64(start: Uint8Array): boolean {
  const text = String.fromCharCode(...start.subarray(0, 8))
  const bytes = text.length === 8 ? decodeBase64(text) : undefined
  return bytes !== undefined && beginsAsMessage(bytes)
}

/** `undefined`: the object does not begin as a message does. Throws ERR_S3CSE_ENVELOPE_INVALID for one that does, and is none. */
export function recogniseStart(start: Uint8Array, settings: EsdkSettings, object: ObjectName): Envelope | undefined {
  if (beginsAsBase64(start)) {
    throw invalidMessage(object, 'it begins as a message in base64 does: decode it before it is stored.')
  }
  if (!beginsAsMessage(start)) return undefined
  const result = parseHeader(start, { maxEncryptedDataKeys: 0xffff, maxHeaderLength: MAX_HEADER_LENGTH })
  if ('fault' in result) throw invalidMessage(object, result.fault)
  if (!('header' in result) && start.length < HEADER_START_LENGTH) {
    throw invalidMessage(object, 'it ends inside its header.')
  }
  return esdkEnvelope(settings, object, { header: 'header' in result ? result.header : undefined })
}
