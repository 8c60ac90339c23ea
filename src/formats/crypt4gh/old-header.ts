import { DecryptionError } from '../../errors.js'
import type { Keyring } from '../../keyrings/keyring.js'
import type { ObjectName, StoredBytes } from '../format.js'
import { checkRequest } from './check.js'
import { contentsOf } from './contents.js'
import { edited, type EditedPlaintext } from './edit-list.js'
import type { Crypt4ghHeader } from './header.js'
import { openedHeader, type OpenedHeader } from './open.js'
import type { Crypt4ghSettings } from './options.js'
import { openPackets, readHeader, wipe, type OpenedPacket, type Opening } from './packets.js'
import { checkEnd } from './segment-opener.js'
import { lengthOf, segmentsIn } from './segments.js'

/** What a new header is made from. */
export interface NewHeaderRequest extends Opening {
  /** Writes it. */
  readonly to: Keyring
  readonly stored: StoredBytes
}

/** A header that was opened, to be written anew. */
export interface OldHeader {
  readonly header: Crypt4ghHeader
  readonly packets: readonly OpenedPacket[]
  readonly opened: OpenedHeader
  /** `undefined` where the message's length is not known. */
  readonly plaintext: { readonly storedLength: number; readonly edited: EditedPlaintext } | undefined
}

/** Opens a header for one use, and wipes what it had. Throws as `Envelope.open`, and ERR_S3CSE_CONFIG for a keyring that does not write it. */
export async function withHeader<T>(
  request: NewHeaderRequest,
  settings: Crypt4ghSettings,
  object: ObjectName,
  use: (old: OldHeader) => Promise<T>,
): Promise<T> {
  const { stored, to, commitmentPolicy } = request
  checkRequest({ keyring: to, commitmentPolicy, encryptionContext: undefined })
  const header = await readHeader(stored, settings, object)
  const packets = await openPackets(header, request)
  try {
    const opened = await openedHeader(contentsOf(packets, settings, object))
    try {
      return await use({ header, packets, opened, plaintext: plaintextOf(header, opened, stored.length) })
    } finally {
      opened.destroy()
    }
  } finally {
    wipe(packets)
  }
}

/** Throws DecryptionError where the message cannot be that long. */
function plaintextOf(
  { length }: Crypt4ghHeader,
  { method, editList, bound }: OpenedHeader,
  sealedLength: number | undefined,
): OldHeader['plaintext'] {
  if (sealedLength === undefined) return undefined
  const segments = segmentsIn(sealedLength - length, method)
  if (segments === undefined) throw new DecryptionError()
  checkEnd(segments, method, bound?.kind)
  const storedLength = lengthOf(segments)
  const found = edited(editList ?? [0n], storedLength)
  if (found === undefined) throw new DecryptionError()
  return { storedLength, edited: found }
}
