import type { Opener } from '../../message/opener.js'
import type {
  Envelope,
  EnvelopeSummary,
  NewHeader,
  ObjectMetadata,
  ObjectName,
  OpenRequest,
  StoredBytes,
} from '../format.js'
import { invalidMessage } from '../names.js'
import { refused, summaryOf } from './check.js'
import { editedOpener } from './edited-opener.js'
import { isMessage, packetLength, parseHeader, type Crypt4ghHeader } from './header.js'
import { hintedLength, hintKey, parseHint, type Hint } from './hint.js'
import { rearrangedHeader } from './rearranged-header.js'
import { reencryptedHeader } from './reencrypted-header.js'
import { contentsOf } from './contents.js'
import { HEADER_START_LENGTH, openPackets, readHeader, wipe } from './packets.js'
import { openedHeader } from './open.js'
import type { OpenedHeader } from './open.js'
import type { Crypt4ghSettings } from './options.js'
import { headerKeyName, parseSaved, resumeMessage, type BegunMessage } from './resume.js'
import { segmentOpener } from './segment-opener.js'

/** Content of a packet with a data key of method 0, in bytes. */
const KEY_CONTENT_LENGTH = 40

interface Known {
  readonly hint?: Hint | undefined
  readonly header?: Crypt4ghHeader | undefined
  /** What an upload that is continued was begun with. */
  readonly begun?: BegunMessage | undefined
}

/** The envelope of an object whose metadata, or whose first bytes, show that it is a message. */
export function crypt4ghEnvelope(settings: Crypt4ghSettings, object: ObjectName, known: Known): Envelope {
  const hint = known.hint ?? (known.header && hintOf(known.header))
  let summary: EnvelopeSummary = summaryOf(hint?.method ?? 0)
  return {
    get summary() {
      return summary
    },
    inBody: true,
    plaintextLength: (sealedLength) => hint && hintedLength(hint, sealedLength),
    async open(request: OpenRequest): Promise<Opener> {
      const stored = storedOf(request)
      const { header, opened } = await openMessage({ ...request, stored }, settings, object)
      summary = summaryOf(opened.method, opened.integrity)
      return openerOf(header, opened, stored.length)
    },
    async reencrypt(request): Promise<NewHeader> {
      const stored = storedOf(request)
      const made = await reencryptedHeader({ ...request, stored }, settings, object)
      const { to, plaintextLength } = made
      if (to === undefined || plaintextLength === undefined) throw new TypeError('The length of the object is needed.')
      return { ...made, to, plaintextLength }
    },
    rearrange: (request) => rearrangedHeader({ ...request, stored: storedOf(request) }, settings, object),
    ...(known.begun && {
      resume: (request: OpenRequest & { readonly key?: Uint8Array }) =>
        resumeMessage(known.begun as BegunMessage, request, settings, object),
    }),
  }
}

function storedOf({ stored }: OpenRequest): StoredBytes {
  if (stored === undefined) throw new TypeError('The envelope is in the body: its bytes are needed.')
  return stored
}

/** Reads and opens a header. Whoever gets it destroys its reader. Throws as `Envelope.open`. */
export async function openMessage(
  request: Pick<OpenRequest, 'keyring' | 'commitmentPolicy' | 'signal'> & { readonly stored: StoredBytes },
  settings: Crypt4ghSettings,
  object: ObjectName,
): Promise<{ readonly header: Crypt4ghHeader; readonly opened: OpenedHeader }> {
  const { stored } = request
  const header = await readHeader(stored, settings, object)
  const packets = await openPackets(header, request)
  try {
    const opened = await openedHeader(contentsOf(packets, settings, object))
    if (!settings.requireOrdered || opened.integrity === 'ordered') return { header, opened }
    opened.destroy()
    throw refused(
      object,
      'does not bind the order and the end of its segments, which requireOrdered asks for.',
      summaryOf(opened.method, opened.integrity),
    )
  } finally {
    wipe(packets)
  }
}

/** The opener of a message whose length is known. */
export function openerOf(
  { length: headerLength }: Crypt4ghHeader,
  { reader, method, bound, editList, destroy }: OpenedHeader,
  sealedLength: number | undefined,
): Opener {
  const opener = { ...segmentOpener({ reader, method, headerLength, kind: bound?.kind }), destroy }
  return editList === undefined ? opener : editedOpener(opener, editList, sealedLength ?? NaN)
}

/** Of one packet only can be told what it has: one for a second recipient is as long as some edit lists. */
function hintOf({ packets, length }: Crypt4ghHeader): Hint | undefined {
  const [only, ...more] = packets
  const isKey = only?.bytes.length === packetLength(KEY_CONTENT_LENGTH) && only.encrypted !== undefined
  return isKey && more.length === 0 ? { headerLength: length, method: 0 } : undefined
}

/** `undefined`: the metadata show no message. */
export function recogniseMetadata(
  metadata: ObjectMetadata,
  settings: Crypt4ghSettings,
  object: ObjectName,
): Envelope | undefined {
  const entries = Object.entries(metadata)
  const value = (name: string): string | undefined => entries.find(([key]) => key.toLowerCase() === name)?.[1]
  const text = value(hintKey)
  if (text === undefined) return undefined
  const saved = value(headerKeyName)
  const begun = saved === undefined ? undefined : parseSaved(saved, settings, object)
  return crypt4ghEnvelope(settings, object, { hint: parseHint(text), header: begun?.header, begun })
}

/** `undefined`: the object does not begin as a message does. Throws ERR_S3CSE_ENVELOPE_INVALID for one that does, and is none. */
export function recogniseStart(
  start: Uint8Array,
  settings: Crypt4ghSettings,
  object: ObjectName,
): Envelope | undefined {
  if (!isMessage(start)) return undefined
  const result = parseHeader(start, settings.maxPackets)
  if ('fault' in result) throw invalidMessage(object, result.fault)
  if (!('header' in result) && start.length < HEADER_START_LENGTH) {
    throw invalidMessage(object, 'it ends inside its header.')
  }
  return crypt4ghEnvelope(settings, object, { header: 'header' in result ? result.header : undefined })
}
