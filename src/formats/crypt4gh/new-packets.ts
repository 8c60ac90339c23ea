import type { EncryptedDataKey } from '../../keyrings/keyring.js'
import type { EnvelopeSummary, NewHeader, ObjectMetadata } from '../format.js'
import { summaryOf } from './check.js'
import { contentType, dataKeyLength, type DataMethod } from './content.js'
import { packetNonce } from './header.js'
import { formatHint, hintKey } from './hint.js'
import type { NewHeaderRequest } from './old-header.js'
import type { Bound } from './open.js'
import type { OpenedPacket } from './packets.js'
import { wrapContent } from './wrap.js'

/** What is told of a new header. `isKnown`: how long its plaintext is. */
export function described(
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
export async function nonceFor({ order, kind, first }: Bound, content: Uint8Array): Promise<Uint8Array | undefined> {
  const type = contentType(content)
  if (type === 'edit list') return order.listNonce(content, first)
  return type === 'data key' ? order.mark({ kind, first }) : undefined
}

/** Writes packets one after the other. */
export interface Writing {
  readonly written: readonly EncryptedDataKey[]
  /** Whether all that had a nonce of their own have it. */
  readonly isMarked: boolean
  write(content: Uint8Array, nonce: Uint8Array | undefined): Promise<void>
}

const NOBODY = new Uint8Array(32)

/** For the recipients of the new keyring, of what was found in the packets of the old header. */
export function writing(
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
export function distinct(packets: readonly OpenedPacket[]): readonly Uint8Array[] {
  const contents: Uint8Array[] = []
  for (const { content } of packets) {
    if (content === undefined) continue
    const known = contentType(content) === 'data key' ? content.subarray(0, dataKeyLength(content)) : content
    if (!contents.some((other) => isSame(other, known))) contents.push(known)
  }
  const isKey = (content: Uint8Array): number => (contentType(content) === 'data key' ? 0 : 1)
  return contents.sort((a, b) => isKey(a) - isKey(b))
}
