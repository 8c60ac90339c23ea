import { CONTEXTS, LARGE, RANGES, SIZES, SMALL } from './inputs.js'
import { includes, isLegacy, kindName } from './kinds.js'
import type { ContextName, Departure, Kind, Op, PeerClient, Trial } from './peer.js'

/** A trial and the row of the table that it belongs to. */
export interface Planned extends Trial {
  readonly cell: string
  readonly departure: Departure | undefined
}

type Contexts = PeerClient['contexts']

const contextsOf = (contexts: Contexts, kind: Kind): readonly ContextName[] =>
  typeof contexts === 'function' ? contexts(kind) : (contexts ?? CONTEXTS)

/** Where the context does not matter. */
const usualOf = (contexts: Contexts, kind: Kind): ContextName =>
  contextsOf(contexts, kind).includes('simple') ? 'simple' : 'none'

const readContexts = (client: PeerClient): Contexts => client.readContexts ?? client.contexts

/** Everything that is tried with a client. */
export function plan(client: PeerClient): Planned[] {
  const trials = [
    ...client.writes.flatMap((kind) => ofWritten(client, kind)),
    ...client.reads.flatMap((kind) => ofRead(client, kind)),
    ...(client.reencrypts ?? []).flatMap(({ kind }) => one('reencrypt', kind, 'simple')),
  ]
  const [first] = client.reads
  if (first !== undefined) trials.push(...one('refuse-plain', first, usualOf(readContexts(client), first)))
  return trials.map((trial) => ({
    ...trial,
    cell: `${client.name}: ${wordsOf(trial)}`,
    departure: client.departures?.find(({ about }) => about(trial)),
  }))
}

const one = (op: Op, kind: Kind, context: ContextName, size: number = SMALL): Trial[] => [{ op, kind, context, size }]

/** All sizes with one context, and the other contexts with one size. */
function product(op: Op, kind: Kind, usual: ContextName, contexts: readonly ContextName[]): Trial[] {
  const others = contexts.filter((context) => context !== usual)
  return [
    ...SIZES.flatMap((size) => one(op, kind, usual, size)),
    ...others.flatMap((context) => one(op, kind, context)),
  ]
}

function ofWritten(client: PeerClient, kind: Kind): Trial[] {
  const usual = usualOf(client.contexts, kind)
  const trials = [...product('write', kind, usual, contextsOf(client.contexts, kind)), ...one('refused', kind, usual)]
  if (includes(client.multipart, kind)) trials.push(...one('multipart', kind, usual, LARGE))
  if (includes(client.suffixes?.write, kind)) trials.push(...one('suffix-write', kind, usual))
  if (kind.envelope === 'instruction-file') trials.push(...one('deleted', kind, usual))
  if (includes(client.reads, kind)) trials.push(...one('rotated', kind, usual))
  return trials
}

function ofRead(client: PeerClient, kind: Kind): Trial[] {
  const contexts = contextsOf(readContexts(client), kind)
  const usual = usualOf(contexts, kind)
  const isReadable = reads(client, kind, usual)
  // What is refused altogether is tried with each context, and in one size.
  const trials = isReadable
    ? [...product('read', kind, usual, contexts), ...one('read', kind, usual, LARGE)]
    : contexts.flatMap((context) => one('read', kind, context))
  if (includes(client.ranges, kind)) {
    for (const [size, start, end] of RANGES) {
      trials.push({ op: 'range', kind, context: usual, size, range: `bytes=${start}-${end}` })
    }
  }
  if (includes(client.suffixes?.read, kind)) trials.push(...one('suffix-read', kind, usual))
  if (client.deletes === true && kind.envelope === 'instruction-file') trials.push(...one('delete', kind, usual))
  // That says nothing about why it refuses something else.
  if (!isReadable) return trials
  trials.push(...one('refuse-wrong-key', kind, usual), ...one('refuse-flipped-bit', kind, usual))
  if (kind.wrap === 'kms+context') trials.push(...one('refuse-wrong-context', kind, usual))
  if (
    kind.format === 'V2' &&
    !isLegacy(kind) &&
    client.reads.some((each) => each.format === 'V3' && reads(client, each, usualOf(readContexts(client), each)))
  ) {
    trials.push(...one('refuse-not-committing', kind, usual))
  }
  if (isLegacy(kind)) trials.push(...one('refuse-legacy', kind, usual))
  return trials
}

function reads(client: PeerClient, kind: Kind, context: ContextName): boolean {
  const trial = { op: 'read', kind, context, size: SMALL } as const
  return !(client.departures?.some(({ about }) => about(trial)) ?? false)
}

const WORDS: Readonly<Record<Op, string>> = {
  write: 'written by it, read here',
  multipart: 'written by it, read here',
  refused: 'written by it, refused here',
  read: 'written here, read by it',
  range: 'written here, ranges read by it',
  'suffix-write': 'written by it under another suffix, read here',
  'suffix-read': 'written here under another suffix, read by it',
  reencrypt: 're-encrypted by it, read here',
  rotated: 'put under another key here, read by it',
  delete: 'deleted by it with the instruction file',
  deleted: 'written by it, deleted here with the instruction file',
  'refuse-wrong-key': 'refused by it: another key',
  'refuse-flipped-bit': 'refused by it: a flipped bit',
  'refuse-wrong-context': 'refused by it: another context',
  'refuse-not-committing': 'refused by it: no key commitment',
  'refuse-legacy': 'refused by it: old algorithms without the switch',
  'refuse-plain': 'refused by it: an object that is not encrypted',
}

function wordsOf({ op, kind }: Trial): string {
  return op === 'refuse-plain' ? WORDS[op] : `${WORDS[op]}: ${kindName(kind)}`
}

/** For messages. */
export function detailsOf({ context, size, range, op }: Planned): string {
  return `${op}, context ${context}, ${size} bytes${range === undefined ? '' : `, ${range}`}`
}
