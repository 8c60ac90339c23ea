import type { EditedPlaintext } from '../formats/crypt4gh/edit-list.js'
import { SEGMENT_LENGTH } from '../formats/crypt4gh/segments.js'
import type { Span } from './options.js'

/**
 * Where a span of what an edit list leaves is stored, in bytes of what is stored: runs without a segment that holds nothing
 * of the span. What of a run is not kept has to be left out yet.
 */
export function* storedRuns({ ranges }: EditedPlaintext, span: Span): Generator<Span, void> {
  let run: Span | undefined
  for (const range of ranges) {
    if (range.before >= span.end) break
    const start = range.start + Math.max(0, span.start - range.before)
    const end = Math.min(range.end, range.start + span.end - range.before)
    if (start >= end) continue
    const isNear = run !== undefined && Math.floor(start / SEGMENT_LENGTH) <= Math.ceil(run.end / SEGMENT_LENGTH)
    if (run !== undefined && !isNear) yield run
    run = { start: run !== undefined && isNear ? run.start : start, end }
  }
  if (run !== undefined) yield run
}
