import { configError, CseError } from '../../errors.js'
import type { NewHeader, ObjectName } from '../format.js'
import { nameOf } from '../names.js'
import { dataKeyContent, editListContent, parseContent } from './content.js'
import type { EditedPlaintext } from './edit-list.js'
import { described, distinct, writing } from './new-packets.js'
import { withHeader, type NewHeaderRequest } from './old-header.js'
import type { Crypt4ghSettings } from './options.js'
import { SEALED_SEGMENT_LENGTH, SEGMENT_LENGTH } from './segments.js'
import { headerOf } from './wrap.js'

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
