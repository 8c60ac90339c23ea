import { Buffer } from 'node:buffer'
import { layoutOf } from './layout.js'
import type { Layout } from './layout.js'

type HeaderChange =
  | 'message id'
  | 'a value of the encryption context'
  | 'an encrypted data key'
  | 'frame length'
  | 'key commitment or IV'
  | 'tag of the header'
type FramesChange =
  | 'sequence number'
  | 'IV of a frame'
  | 'content of a frame'
  | 'tag of a frame'
  | 'frames in another order'
  | 'a frame is missing'
type EndChange =
  | 'sequence number of the final frame'
  | 'length of the final frame'
  | 'content of the final frame'
  | 'tag of the final frame'
  | 'cut off inside a frame'
  | 'cut off behind a frame'
  | 'bytes behind the end'
type FooterChange = 'length of the signature' | 'a byte of the signature' | 'no footer'
export type ChangeName = HeaderChange | FramesChange | EndChange | FooterChange
export type Area = 'header' | 'frames' | 'end' | 'footer'

type Change = (bytes: Uint8Array, layout: Layout) => Uint8Array

/** One bit of the byte that `at` names, from the end where it is negative. */
const flipped =
  (field: (layout: Layout) => readonly [number, number], at = -1): Change =>
  (bytes, layout) => {
    const [start, end] = field(layout)
    const changed = Uint8Array.from(bytes)
    const index = at < 0 ? end + at : start + at
    if (index < start || index >= end) throw new Error(`there is no byte ${at} in ${start} to ${end}`)
    changed[index] = (changed[index] ?? 0) ^ 1
    return changed
  }

function frame({ frames }: Layout, index: number): readonly [number, number] {
  const found = frames[index]
  if (found === undefined) throw new Error(`the message has no frame ${index}`)
  return found
}

const header: Readonly<Record<HeaderChange, Change>> = {
  'message id': flipped(({ messageId }) => messageId),
  'a value of the encryption context': flipped(({ context }) => context),
  'an encrypted data key': flipped(({ encryptedDataKey }) => encryptedDataKey),
  'frame length': flipped(({ frameLength }) => frameLength),
  'key commitment or IV': flipped(({ authentication }) => authentication),
  'tag of the header': flipped(({ headerTag }) => headerTag),
}

const second = (layout: Layout): readonly [number, number] => frame(layout, 1)
const frames: Readonly<Record<FramesChange, Change>> = {
  'sequence number': flipped(second, 3),
  'IV of a frame': flipped(second, 4),
  'content of a frame': flipped(second, 16),
  'tag of a frame': flipped(second),
  'frames in another order': (bytes, layout) => {
    const [[start, middle], [, end]] = [frame(layout, 0), frame(layout, 1)]
    const [one, two] = [bytes.subarray(start, middle), bytes.subarray(middle, end)]
    return Buffer.concat([bytes.subarray(0, start), two, one, bytes.subarray(end)])
  },
  'a frame is missing': (bytes, layout) => {
    const [start, end] = frame(layout, 1)
    return Buffer.concat([bytes.subarray(0, start), bytes.subarray(end)])
  },
}

const end: Readonly<Record<EndChange, Change>> = {
  'sequence number of the final frame': flipped(({ finalFrame }) => finalFrame, 7),
  'length of the final frame': flipped(({ finalFrame }) => finalFrame, 23),
  'content of the final frame': flipped(({ finalFrame }) => finalFrame, 24),
  'tag of the final frame': flipped(({ finalFrame }) => finalFrame),
  'cut off inside a frame': (bytes, layout) => bytes.slice(0, frame(layout, 1)[1] - 20),
  'cut off behind a frame': (bytes, layout) => bytes.slice(0, frame(layout, 1)[1]),
  'bytes behind the end': (bytes) => Buffer.concat([bytes, new Uint8Array(1)]),
}

const footer: Readonly<Record<FooterChange, Change>> = {
  'length of the signature': flipped(({ footer: field }) => field, 1),
  'a byte of the signature': flipped(({ footer: field }) => field),
  'no footer': (bytes, { footer: [start] }) => bytes.slice(0, start),
}

const changes: Readonly<Record<ChangeName, Change>> = { ...header, ...frames, ...end, ...footer }
export const CHANGES: Readonly<Record<Area, readonly ChangeName[]>> = {
  header: Object.keys(header) as ChangeName[],
  frames: Object.keys(frames) as ChangeName[],
  end: Object.keys(end) as ChangeName[],
  footer: Object.keys(footer) as ChangeName[],
}
export const isChange = (name: string | undefined): name is ChangeName => name !== undefined && name in changes

/** A copy of a message of so much plaintext, with one change. */
export const changed = (name: ChangeName, bytes: Uint8Array, plaintextLength: number): Uint8Array =>
  changes[name](bytes, layoutOf(bytes, plaintextLength))
