import type { Kind, PeerClient, Trial } from './peer.js'
import type { Envelope, Format, WrappingKey } from './protocol.js'

const ENVELOPES: readonly Envelope[] = ['metadata', 'instruction-file']

/** Kinds that have everything in common but the wrap, in both envelopes. */
export function kinds(
  format: Format,
  content: Kind['content'],
  wraps: readonly string[],
  envelopes: readonly Envelope[] = ENVELOPES,
): readonly Kind[] {
  return wraps.flatMap((wrap) => envelopes.map((envelope) => ({ format, content, wrap, envelope })))
}

/** Wraps that nothing has to be switched on for. */
export const CURRENT_WRAPS: readonly string[] = ['AES/GCM', 'RSA-OAEP-SHA1', 'kms+context']

/** Everything that s3-cse writes. */
export const OUR_KINDS: readonly Kind[] = [
  ...kinds('V3', 'GCM', CURRENT_WRAPS),
  ...kinds('V2', 'GCM', CURRENT_WRAPS),
  ...kinds('V2', 'GCM', ['kms']),
  ...kinds('V2', 'CBC', ['kms']),
  ...kinds('V1', 'CBC', ['AES', 'RSA']),
]

export const sameKind = (a: Kind, b: Kind): boolean =>
  a.format === b.format && a.content === b.content && a.wrap === b.wrap && a.envelope === b.envelope

export const includes = (list: readonly Kind[] | undefined, kind: Kind): boolean =>
  list?.some((each) => sameKind(each, kind)) ?? false

/** In the words of the table. */
export const kindName = ({ format, content, wrap, envelope }: Kind): string =>
  `${format} ${content}, ${wrap}, ${envelope === 'metadata' ? 'metadata' : 'instruction file'}`

export function keyKind({ wrap }: Pick<Kind, 'wrap'>): WrappingKey['kind'] {
  if (wrap.startsWith('kms')) return 'kms'
  return wrap.startsWith('RSA') ? 'rsa' : 'aes'
}

export const isLegacyWrap = ({ wrap }: Kind): boolean => !CURRENT_WRAPS.includes(wrap)
export const isLegacy = (kind: Kind): boolean => isLegacyWrap(kind) || kind.content === 'CBC'

/** What s3-cse writes for a client's kinds of keys and its list of what it reads lacks. */
export function missingKinds(client: PeerClient): readonly Kind[] {
  const keys = new Set([...client.writes, ...client.reads].map(keyKind))
  return OUR_KINDS.filter((kind) => keys.has(keyKind(kind)) && !includes(client.reads, kind))
}

/** For `about` of a departure: every read of an object. */
export const isRead = ({ op }: Trial): boolean => op === 'read' || op === 'range' || op === 'suffix-read'
