import type { Resources } from '../bytes/resources.js'
import type { Reencrypted } from '../formats/crypt4gh/reencrypted-header.js'
import { byteStream, holdSignal, later, type ByteStream } from '../message/byte-stream.js'
import { packetsIn } from './header.js'

/** The header of a message that is made of another one. */
export interface RewrittenHeader {
  /** The header itself. */
  readonly bytes: Uint8Array
  /** In bytes. */
  readonly length: number
  readonly packets: number
  /** As `MessageHeader.integrity`. */
  readonly integrity: 'segment' | 'ordered'
  /** Of the new message, in bytes; `undefined` where that of the old one is not known. */
  readonly plaintextLength: number | undefined
  /** Of the whole new message, in bytes; `undefined` where that of the old one is not known. */
  readonly messageLength: number | undefined
}

/** A message that is made of another one. */
export interface MessageRewriting extends ByteStream {
  /** There with the first read; rejects with what the stream fails with. Need not be listened to. */
  readonly header: Promise<RewrittenHeader>
}

function rewrittenHeader(made: Reencrypted): RewrittenHeader {
  const { header, from, to, summary, plaintextLength } = made
  return Object.freeze({
    bytes: header.slice(),
    length: header.length,
    packets: packetsIn(header),
    integrity: summary.integrity ?? 'segment',
    plaintextLength,
    messageLength: to === undefined ? undefined : header.length + to - from,
  })
}

/** `held`: has the input. `chunks`: tells of the header. */
export function rewriting(
  held: Resources,
  signal: AbortSignal | undefined,
  chunks: (tell: (made: Reencrypted) => void) => AsyncGenerator<Uint8Array, void>,
): MessageRewriting {
  const header = later<RewrittenHeader>(held)
  const stream = byteStream(
    chunks((made) => header.resolve(rewrittenHeader(made))),
    held,
  )
  holdSignal(held, signal)
  return { ...stream, header: header.promise }
}
