import { configError, CseError, DecryptionError } from '../../errors.js'
import type { EncryptedDataKey, Keyring } from '../../keyrings/keyring.js'
import type { EnvelopeSummary, NewHeader, ObjectMetadata, ObjectName, StoredBytes } from '../format.js'
import { nameOf } from '../names.js'
import { checkRequest, summaryOf } from './check.js'
import {
  contentType,
  dataKeyContent,
  dataKeyLength,
  editListContent,
  parseContent,
  type DataMethod,
} from './content.js'
import { edited, type EditedPlaintext } from './edit-list.js'
import { packetNonce, type Crypt4ghHeader } from './header.js'
import { formatHint, hintKey } from './hint.js'
import { contentsOf, integrityOf, openedHeader, openPackets, readHeader, wipe } from './open.js'
import type { Bound, OpenedHeader, OpenedPacket, Opening } from './open.js'
import type { Crypt4ghSettings } from './options.js'
import { checkEnd } from './segment-opener.js'
import { lengthOf, SEALED_SEGMENT_LENGTH, SEGMENT_LENGTH, segmentsIn } from './segments.js'
import { headerOf, wrapContent } from './wrap.js'

/** What a new header is made from. */
export interface NewHeaderRequest extends Opening {
  /** Writes it. */
  readonly to: Keyring
  readonly stored: StoredBytes
}

/** The same as `NewHeader`, of a message whose length may not be known. */
export interface Reencrypted extends Omit<NewHeader, 'to' | 'plaintextLength'> {
  readonly to: number | undefined
  readonly plaintextLength: number | undefined
}

interface OldHeader {
  readonly header: Crypt4ghHeader
  readonly packets: readonly OpenedPacket[]
  readonly opened: OpenedHeader
  /** `undefined` where the message's length is not known. */
  readonly plaintext: { readonly storedLength: number; readonly edited: EditedPlaintext } | undefined
}

async function withHeader<T>(
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
      opened.reader.destroy()
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

/**
 * A new header for the recipients of `to`, before the same body. Packets that the old keyring cannot open are others', and
 * stay unless `trim`; those that it opens are encrypted for the new recipients only.
 */
export async function reencryptedHeader(
  request: NewHeaderRequest & { readonly trim?: boolean },
  settings: Crypt4ghSettings,
  object: ObjectName,
): Promise<Reencrypted> {
  const { trim = false, stored } = request
  return withHeader(request, settings, object, async ({ header, packets, opened, plaintext }) => {
    const { bound, editList, method } = opened
    const w = writing(request, packets)
    for (const content of distinct(packets)) await w.write(content, bound && (await nonceFor(bound, content)))
    const others = trim ? [] : packets.flatMap(({ packet, content }) => (content ? [] : [packet.bytes]))
    const plaintextLength = plaintext?.edited.length
    const isKnown = editList === undefined || plaintextLength !== undefined
    const integrity = integrityOf(method, w.isMarked ? bound?.kind : undefined, editList)
    return {
      ...described(headerOf([...w.written, ...others], settings), method, integrity, {
        editedLength: editList && plaintextLength,
        isKnown,
      }),
      from: header.length,
      to: stored.length,
      plaintextLength,
    }
  })
}

/**
 * A new header for plaintext [start, end): before the segments that have it, with an edit list that leaves no more than
 * that. Packets of others are left out, as they would open more. Throws ERR_S3CSE_CONFIG for a range that is empty or not
 * in the plaintext, and ERR_S3CSE_RANGE_REFUSED where whole segments in between would have to be left out, or, in the
 * draft's authenticated mode, the end of the message.
 */
export async function rearrangedHeader(
  request: NewHeaderRequest & { readonly start: number; readonly end: number },
  settings: Crypt4ghSettings,
  object: ObjectName,
): Promise<NewHeader> {
  return withHeader(request, settings, object, async ({ header, packets, opened, plaintext }) => {
    if (plaintext === undefined) throw configError('The length of the message has to be known for a part of it.')
    const { method, bound } = opened
    const cut = cutOut(plaintext.edited, request, object)
    const [firstSegment, endSegment] = [Math.floor(cut.start / SEGMENT_LENGTH), Math.ceil(cut.end / SEGMENT_LENGTH)]
    // (There may be an empty segment behind it.)
    const reachesEnd = endSegment * SEGMENT_LENGTH >= plaintext.storedLength
    if (method === 1 && !reachesEnd) {
      throw refused(object, 'in the authenticated mode its end cannot be left out: nobody could tell that from a loss')
    }
    const offset = firstSegment * SEGMENT_LENGTH
    const lengths = cut.lengths.map((length, index) => (index === 0 ? length - offset : length))
    const w = writing(request, packets)
    for (const content of distinct(packets)) {
      const parsed = parseContent(content)
      if (parsed?.type !== 'data key') continue
      const nonce = bound?.order.mark({ kind: 'part', first: bound.first + firstSegment })
      const sequence = BigInt.asUintN(64, parsed.sequence + BigInt(method === 1 ? firstSegment : 0))
      const moved = dataKeyContent({ ...parsed, sequence })
      parsed.key.fill(0)
      try {
        await w.write(moved, nonce)
      } finally {
        moved.fill(0)
      }
    }
    const editList = editListContent(lengths)
    const nonce = await bound?.order.listNonce(editList, bound.first + firstSegment)
    await w.write(editList, nonce)
    const plaintextLength = cut.length
    const end = reachesEnd ? Infinity : header.length + endSegment * SEALED_SEGMENT_LENGTH
    return {
      ...described(headerOf(w.written, settings), method, w.isMarked ? 'ordered' : 'segment', {
        editedLength: plaintextLength,
        isKnown: true,
      }),
      from: header.length + firstSegment * SEALED_SEGMENT_LENGTH,
      to: Math.min(end, request.stored.length as number),
      plaintextLength,
    }
  })
}

interface Cut {
  /** In bytes of what is stored, up to the last byte that is wanted. */
  readonly start: number
  readonly end: number
  /** An edit list from the start of what is stored on. */
  readonly lengths: readonly number[]
  readonly length: number
}

function cutOut(
  { length, ranges }: EditedPlaintext,
  { start, end: wanted }: { readonly start: number; readonly end: number },
  object: ObjectName,
): Cut {
  const end = Math.min(wanted, length)
  if (!Number.isSafeInteger(start) || start < 0 || !(start < end)) {
    throw configError(
      `${nameOf(object)} has ${length} bytes of plaintext, and no byte from ${start} to before ${wanted}.`,
    )
  }
  const lengths: number[] = []
  let at = 0
  for (const range of ranges) {
    const from = range.start + Math.max(0, start - range.before)
    const to = Math.min(range.end, range.start + end - range.before)
    if (from >= to) continue
    // What is left out between two pieces has to share its segments with them.
    if (at > 0 && Math.floor(from / SEGMENT_LENGTH) > Math.ceil(at / SEGMENT_LENGTH)) {
      throw refused(object, 'its edit list leaves out whole segments in between, which would have to stay')
    }
    lengths.push(from - at, to - from)
    at = to
  }
  return { start: lengths[0] as number, end: at, lengths, length: end - start }
}

function refused(object: ObjectName, why: string): CseError {
  return new CseError(
    'ERR_S3CSE_RANGE_REFUSED',
    `This part of ${nameOf(object)} cannot be a message of its own: ${why}. Decrypt it, and encrypt it anew.`,
  )
}

function described(
  header: Uint8Array,
  method: DataMethod,
  integrity: EnvelopeSummary['integrity'],
  { editedLength, isKnown }: { readonly editedLength: number | undefined; readonly isKnown: boolean },
): Pick<NewHeader, 'header' | 'metadata' | 'summary'> {
  const metadata: ObjectMetadata = isKnown
    ? { [hintKey]: formatHint({ headerLength: header.length, method, editedLength }) }
    : {}
  return { header, metadata, summary: summaryOf(method, integrity) }
}

/** The nonce with which a reader knows that who has written a content had the data key. */
async function nonceFor({ order, kind, first }: Bound, content: Uint8Array): Promise<Uint8Array | undefined> {
  const type = contentType(content)
  if (type === 'edit list') return order.listNonce(content, first)
  return type === 'data key' ? order.mark({ kind, first }) : undefined
}

/** Writes packets one after the other. */
interface Writing {
  readonly written: readonly EncryptedDataKey[]
  /** Whether all that had a nonce of their own have it. */
  readonly isMarked: boolean
  write(content: Uint8Array, nonce: Uint8Array | undefined): Promise<void>
}

const NOBODY = new Uint8Array(32)

function writing(
  { to: keyring, commitmentPolicy, signal }: NewHeaderRequest,
  packets: readonly OpenedPacket[],
): Writing {
  const found = packets.flatMap(({ packet, content }) => (content ? (packet.encrypted?.info ?? []) : []))
  const [first = NOBODY, ...others] = found
  // Either all of them have nonces of their own, or none has.
  const foundFrom = others.every((other) => isSame(other, first)) ? first : NOBODY
  const written: EncryptedDataKey[] = []
  let isMarked = true
  return {
    written,
    get isMarked() {
      return isMarked
    },
    async write(content, nonce) {
      const made = await wrapContent({ keyring, commitmentPolicy, signal, content, nonce, foundFrom })
      isMarked &&= nonce !== undefined && made.every((packet) => isSame(packetNonce(packet), nonce))
      written.push(...made)
    },
  }
}

const isSame = (a: Uint8Array, b: Uint8Array): boolean => a.length === b.length && a.every((byte, i) => byte === b[i])

/** Each content once, data keys first, and these without padding: it would be another one for every length of that. */
function distinct(packets: readonly OpenedPacket[]): readonly Uint8Array[] {
  const contents: Uint8Array[] = []
  for (const { content } of packets) {
    if (content === undefined) continue
    const known = contentType(content) === 'data key' ? content.subarray(0, dataKeyLength(content)) : content
    if (!contents.some((other) => isSame(other, known))) contents.push(known)
  }
  const isKey = (content: Uint8Array): number => (contentType(content) === 'data key' ? 0 : 1)
  return contents.sort((a, b) => isKey(a) - isKey(b))
}
