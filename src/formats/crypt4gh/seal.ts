import { runtime } from '#runtime'
import { crypt4ghRuntime } from '#runtime/crypt4gh'
import { joined } from '../../bytes/body.js'
import { configError, CseError } from '../../errors.js'
import type { PositionalSealer } from '../../message/sealer.js'
import { segmentSealer } from '../../message/segment-sealer.js'
import type { SealRequest } from '../format.js'
import { dataKeyContent, parseContent, SEQUENCE_LENGTH, type DataMethod } from './content.js'
import { packetNonce } from './header.js'
import type { Crypt4ghSettings } from './options.js'
import { orderOf, type OrderKind } from './order.js'
import { sealedLength, sealSegments, type SealKeys } from './seal-segments.js'
import { checkPlace, NONCE_LENGTH, SEALED_SEGMENT_LENGTH, SEGMENT_LENGTH } from './segments.js'
import { headerOf, wrapContent } from './wrap.js'

/** A message that can be written. */
export interface SealedMessage {
  readonly sealer: PositionalSealer
  readonly method: DataMethod
  /** All of it. */
  readonly header: Uint8Array
  readonly integrity: 'segment' | 'ordered'
}

type Sealing = Pick<SealRequest, 'keyring' | 'commitmentPolicy' | 'plaintextLength' | 'ordered' | 'signal'>

/**
 * Makes a data key, has it encrypted for the recipients, and makes header and sealer. The end of the message is bound
 * where its plaintext's length is known, or where its pieces come in order (`ordered`), of which the last is not empty.
 * Throws ERR_S3CSE_CONFIG, and what the keyring throws.
 */
export async function sealMessage(request: Sealing, settings: Crypt4ghSettings): Promise<SealedMessage> {
  const { keyring, commitmentPolicy, plaintextLength, signal } = request
  const method = settings.writes
  const key = runtime.randomBytes(32)
  const sequence = method === 1 ? new DataView(runtime.randomBytes(SEQUENCE_LENGTH).buffer).getBigUint64(0) : 0n
  const content = dataKeyContent({ method, key, sequence })
  const kind = kindOf(request)
  try {
    const order = await orderOf(key)
    const nonce = order.mark({ kind, first: 0 })
    order.destroy()
    const packets = await wrapContent({ keyring, commitmentPolicy, content, nonce, plaintextLength, signal })
    const isMarked = packets.every((packet) => runtime.equal(packetNonce(packet), nonce))
    const header = headerOf(packets, settings)
    const sealer = await messageSealer({ content, header, kind, plaintextLength })
    const integrity = method === 1 || (isMarked && kind !== 'open') ? 'ordered' : 'segment'
    return { sealer, method, header, integrity }
  } finally {
    key.fill(0)
    content.fill(0)
  }
}

export function kindOf({ plaintextLength, ordered = false }: Pick<Sealing, 'plaintextLength' | 'ordered'>): OrderKind {
  if (plaintextLength === 0) return 'empty'
  return plaintextLength !== undefined || ordered ? 'ended' : 'open'
}

export interface MessageSealerOptions {
  /** Of the packet with the data key; copied. */
  readonly content: Uint8Array
  readonly header: Uint8Array
  readonly kind: OrderKind
  /** In bytes, where it is known. */
  readonly plaintextLength: number | undefined
}

/** Seals the segments of a message, in any order. Its key, as exported, is the content of the packet with the data key. */
export async function messageSealer({
  content,
  header,
  kind,
  plaintextLength,
}: MessageSealerOptions): Promise<PositionalSealer> {
  const parsed = parseContent(content)
  if (parsed?.type !== 'data key') throw configError('This is not the key of a Crypt4GH message.')
  const { method, key, sequence } = parsed
  const order = await orderOf(key)
  const cipher = await crypt4ghRuntime.chacha20Poly1305(key)
  key.fill(0)
  const end: SealKeys['end'] = kind === 'ended' ? (plaintextLength ?? 'last') : undefined
  const keys = { cipher, method, sequence, order, end }
  const isBound = method === 0 && plaintextLength !== undefined
  const checkEnd = (length: number): void => {
    if (isBound && length !== plaintextLength) {
      throw new CseError(
        'ERR_S3CSE_BODY_LENGTH',
        `The message was begun for ${plaintextLength} bytes of plaintext, and it has ${length}.`,
      )
    }
  }
  return segmentSealer({
    key: content,
    salt: header.slice(0, 0),
    header,
    segmentLength: SEGMENT_LENGTH,
    sealedSegmentLength: SEALED_SEGMENT_LENGTH,
    name: 'segment',
    check: checkPlace,
    checkEnd,
    pieceLength: (length, last) => sealedLength(length, last, method),
    sealInto: (offset, plaintext, last, output) => sealSegments(keys, offset, plaintext, last, output),
    destroy() {
      cipher.destroy()
      order.destroy()
    },
  })
}

/**
 * The end of a message, where a piece of whole segments that was sealed, and has not left, turns out to be its last: its
 * last segment is opened and sealed once more, with the nonce that says so. In method 1 an empty segment says that.
 */
export async function sealedEnd(sealer: PositionalSealer, offset: number, sealed: Uint8Array): Promise<Uint8Array> {
  const content = sealer.exportKey()
  const parsed = parseContent(content)
  content.fill(0)
  if (parsed?.type !== 'data key') throw configError('This is not the key of a Crypt4GH message.')
  const { method, key } = parsed
  const end = offset + (sealed.length / SEALED_SEGMENT_LENGTH) * SEGMENT_LENGTH
  try {
    if (method === 1) return joined(sealed, await sealer.seal(end, new Uint8Array(0), true))
    const at = sealed.length - SEALED_SEGMENT_LENGTH
    const cipher = await crypt4ghRuntime.chacha20Poly1305(key)
    const nonce = sealed.subarray(at, at + NONCE_LENGTH)
    const plaintext = cipher.decrypt(nonce, new Uint8Array(0), sealed.subarray(at + NONCE_LENGTH))
    cipher.destroy()
    if (plaintext === undefined) throw configError('This was not sealed for this message.')
    const { sealed: last } = await sealer.sealAgain(end - SEGMENT_LENGTH, plaintext, true)
    plaintext.fill(0)
    return joined(sealed.subarray(0, at), last)
  } finally {
    key.fill(0)
  }
}
