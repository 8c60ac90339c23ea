import { CopyObjectCommand, GetObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3'
import { OTHER_CONTEXT, plaintext } from './inputs.js'
import { CURRENT_WRAPS, includes, keyKind, kinds } from './kinds.js'
import { INSTRUCTION, newPlace, theirRead, writtenHere } from './meeting.js'
import type { Meeting, Reading } from './meeting.js'
import { expectSame, put } from './ours.js'
import type { Opening, Place } from './ours.js'
import type { Kind, Op, Trial } from './peer.js'
import { PeerError } from './session.js'

/** What is thrown by a client that never came to decide: nothing there, no server, a mistake of the program or of a request. */
const NO_DECISION: readonly RegExp[] = [
  /NoSuch(Key|Bucket|Version)|NotFound|not found|no such|does not exist|ENOENT|instruction file/i,
  /status ?code:? (404|5\d\d)\b|\((404|50\d)\) when calling|AccessDenied|Forbidden|SignatureDoesNotMatch|InternalError|Unavailable/i,
  /connect|socket|timed? ?-?out|unreachable|EPIPE|\bEOF\b/i,
  /argument|unknown (op|client|kind)|unsupported|cannot do this|is missing|not implemented/i,
  /\b(Key|Name|Type|Attribute|Index|Import|NoMethod|Assertion|Syntax)Error|panic|NullPointer|ClassCast|IndexOutOf/,
  /NoClassDef|NoSuchMethod|OutOfMemory/,
]

const isDecision = (text: string): boolean => !NO_DECISION.some((each) => each.test(text))

/** It must fail to read, by a decision of its own. */
export async function refuse(m: Meeting, trial: Trial, opening: Opening): Promise<void> {
  const { op, kind } = trial
  if (op === 'refuse-plain') {
    await refusePlain(m, trial, opening)
    return
  }
  const place = await writtenHere(m, trial, opening)
  const other: Partial<Record<Op, Partial<Opening> & Reading>> = {
    'refuse-wrong-key': { key: m.inputs.key(keyKind(kind), 'second') },
    'refuse-flipped-bit': {},
    'refuse-wrong-context': { context: OTHER_CONTEXT },
    'refuse-not-committing': { format: 'V3' },
    'refuse-legacy': { legacy: false },
  }
  const { key = opening.key, context = opening.context, ...more } = other[op] ?? {}
  const from = op === 'refuse-flipped-bit' ? await flipped(m, trial, place) : place
  const read = await refusal(theirRead(m, trial, from, { key, context }, more))
  if (typeof read === 'string') {
    expectDecision(read)
    return
  }
  try {
    expectSame(read, plaintext(trial.size, place))
  } catch (error) {
    // Nothing authenticates CBC: another key, or other bytes, may as well give garbage.
    if (kind.content === 'CBC' && (op === 'refuse-wrong-key' || op === 'refuse-flipped-bit')) return
    throw error
  }
  throw new Error('it did not refuse')
}

/** What the client threw, or what it read instead; everything else that fails is no answer of the client. */
async function refusal(reading: Promise<Uint8Array>): Promise<Uint8Array | string> {
  try {
    return await reading
  } catch (error) {
    if (error instanceof PeerError) return error.message
    throw error
  }
}

function expectDecision(text: string): void {
  if (!isDecision(text)) throw new Error(`it failed, but that is no refusal: ${text}`)
}

/** An object that is not encrypted; many clients look for its instruction file, and that is missing. */
async function refusePlain(m: Meeting, trial: Trial, opening: Opening): Promise<void> {
  const place = newPlace(m)
  const wanted = plaintext(trial.size, place)
  await m.ours.s3.send(new PutObjectCommand({ ...place, Body: wanted }))
  let read = await refusal(theirRead(m, trial, place, opening))
  if (typeof read === 'string' && !isDecision(read)) {
    // Then the instruction file of another object is there: a client that looked elsewhere finds nothing again.
    const kind = kinds('V2', 'GCM', WRAPS, ['instruction-file']).find((each) => isReadWith(m, each, trial.kind))
    if (kind === undefined) throw new Error(`there is no kind of instruction file to try with after: ${read}`)
    const whole = newPlace(m)
    await put(m.ours, kind, whole, opening, trial.size)
    await copyInstruction(m, whole, place)
    read = await refusal(theirRead(m, { ...trial, kind }, place, opening))
  }
  if (typeof read === 'string') {
    expectDecision(read)
    return
  }
  expectSame(read, wanted)
  throw new Error('it did not refuse')
}

const WRAPS: readonly string[] = [...CURRENT_WRAPS, 'kms']

const isReadWith = (m: Meeting, kind: Kind, like: Kind): boolean =>
  keyKind(kind) === keyKind(like) && includes(m.client.reads, kind)

async function copyInstruction(m: Meeting, from: Place, to: Place): Promise<void> {
  const CopySource = `${from.Bucket}/${from.Key}${INSTRUCTION}`
  await m.ours.s3.send(new CopyObjectCommand({ ...to, Key: to.Key + INSTRUCTION, CopySource }))
}

/** A copy with one bit changed: in CBC the one before the last byte of the padding, which is always seen. */
export async function flipped(m: Meeting, { kind }: Trial, from: Place): Promise<Place> {
  const place = newPlace(m)
  const { Body, Metadata = {} } = await m.ours.s3.send(new GetObjectCommand({ ...from }))
  const bytes = (await Body?.transformToByteArray()) ?? new Uint8Array()
  const at = kind.content === 'CBC' ? bytes.length - 17 : 0
  bytes[at] = (bytes[at] ?? 0) ^ 1
  if (kind.envelope === 'instruction-file') {
    await copyInstruction(m, from, place)
  }
  await m.ours.s3.send(new PutObjectCommand({ ...place, Body: bytes, Metadata }))
  return place
}
