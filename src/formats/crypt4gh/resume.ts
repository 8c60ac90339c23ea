import { runtime } from '#runtime'
import { decodeBase64, encodeBase64 } from '../../bytes/base64.js'
import { DecryptionError, PolicyError } from '../../errors.js'
import type { PositionalSealer } from '../../message/sealer.js'
import type { ObjectMetadata, ObjectName, OpenRequest } from '../format.js'
import { invalidMessage, nameOf } from '../names.js'
import { contentType, parseContent } from './content.js'
import { packetNonce, parseHeader, type Crypt4ghHeader } from './header.js'
import { contentsOf } from './contents.js'
import { openPackets, wipe, type OpenedPacket } from './packets.js'
import type { Crypt4ghSettings } from './options.js'
import { orderOf } from './order.js'
import { kindOf, messageSealer } from './seal.js'

/** In the saved state of an upload: the whole header in base64, which S3 does not show before the object is there, and the length that the plaintext will have, where that was known. */
export const headerKeyName = 's3-cse-crypt4gh-header'

/** A message whose segments are still being sealed. */
export interface BegunMessage {
  readonly header: Crypt4ghHeader
  readonly bytes: Uint8Array
  readonly plaintextLength: number | undefined
}

/** What the metadata of an upload's saved state have beside those of the object. */
export function savedHeader(header: Uint8Array, plaintextLength: number | undefined): ObjectMetadata {
  return {
    [headerKeyName]: [encodeBase64(header), ...(plaintextLength === undefined ? [] : [plaintextLength])].join(','),
  }
}

/** Throws ERR_S3CSE_ENVELOPE_INVALID. */
export function parseSaved(text: string, { maxPackets }: Crypt4ghSettings, object: ObjectName): BegunMessage {
  const [, base64 = '', length] = /^([^,]*)(?:,(0|[1-9]\d{0,15}))?$/.exec(text) ?? []
  const bytes = decodeBase64(base64)
  const result = bytes && parseHeader(bytes, maxPackets)
  if (bytes === undefined || result === undefined || !('header' in result) || result.header.length !== bytes.length) {
    throw invalidMessage(object, 'its saved header is damaged.')
  }
  return { header: result.header, bytes, plaintextLength: length === undefined ? undefined : Number(length) }
}

/** Goes on with the segments of a message. Throws PolicyError where it is not what is written here. */
export async function resumeMessage(
  { header, bytes, plaintextLength }: BegunMessage,
  request: OpenRequest & { readonly key?: Uint8Array },
  settings: Crypt4ghSettings,
  object: ObjectName,
): Promise<PositionalSealer> {
  const packets = request.key === undefined ? await openPackets(header, request) : []
  try {
    const content = request.key ?? dataKeyOf(packets, settings, object)
    const parsed = parseContent(content)
    if (parsed?.type !== 'data key') throw new DecryptionError()
    const { method, key } = parsed
    const kind = kindOf({ ...(plaintextLength !== undefined && { plaintextLength }) })
    const order = await orderOf(key)
    key.fill(0)
    const mark = order.mark({ kind, first: 0 })
    order.destroy()
    const isItsKey = header.packets.some(({ encrypted }) => encrypted && runtime.equal(packetNonce(encrypted), mark))
    // What a keyring has opened is this header's, whatever nonces it takes.
    if (request.key !== undefined && !isItsKey) throw new DecryptionError()
    if (method !== settings.writes) {
      throw new PolicyError(
        'ERR_S3CSE_POLICY',
        `The upload of ${nameOf(object)} was begun with data method ${method}, which is not what is written here. Go on with it under the options that it was created with.`,
      )
    }
    return await messageSealer({ content, header: bytes, kind, plaintextLength })
  } finally {
    wipe(packets)
  }
}

/** The content that has the one data key. */
function dataKeyOf(packets: readonly OpenedPacket[], settings: Crypt4ghSettings, object: ObjectName): Uint8Array {
  const { keys } = contentsOf(packets, { ...settings, readsAuthenticatedMode: true }, object)
  for (const { key } of keys) key.fill(0)
  const found = packets.find(({ content }) => content && contentType(content) === 'data key')?.content
  if (found === undefined || keys.length !== 1) throw new DecryptionError()
  return found
}
