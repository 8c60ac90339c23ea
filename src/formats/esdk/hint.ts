import { FINAL_FRAME_OVERHEAD, framesIn } from './frames.js'
import { suiteNumber } from './policy.js'
import { suiteById, type EsdkSuite } from './suites.js'

/** User metadata that says that an object is a message of the AWS Encryption SDK, and how its lengths are to be reckoned. */
export const hintKey = 's3-cse-esdk'

/** What an object's metadata say of its message: enough to show the plaintext's length, and never believed where it is decrypted. */
export interface Hint {
  readonly suite: EsdkSuite
  /** All lengths in bytes. */
  readonly headerLength: number
  readonly frameLength: number
  /** 0 where the message is not signed. */
  readonly footerLength: number
}

/** `0478,341,65536,0`: suite, header, frame and footer. */
export function formatHint({ suite, headerLength, frameLength, footerLength }: Hint): string {
  return [suiteNumber(suite), headerLength, frameLength, footerLength].join(',')
}

const shape = /^([0-9a-f]{4}),([1-9]\d{1,6}),([1-9]\d{0,9}),(0|[1-9]\d{0,2})$/

/** `undefined` for what somebody else has written: the message speaks for itself. */
export function parseHint(text: string): Hint | undefined {
  const [, id, header, frame, footer] = shape.exec(text) ?? []
  const suite = id === undefined ? undefined : suiteById(parseInt(id, 16))
  if (suite === undefined) return undefined
  const [headerLength, frameLength, footerLength] = [Number(header), Number(frame), Number(footer)]
  if (frameLength > 0xffffffff || (suite.signature === undefined) !== (footerLength === 0)) return undefined
  return { suite, headerLength, frameLength, footerLength }
}

/** What a stored message of that length holds; `undefined` where the hint cannot be right. */
export function hintedLength(hint: Hint, sealedLength: number): number | undefined {
  const { headerLength, frameLength, footerLength } = hint
  const body = sealedLength - headerLength - footerLength
  const frames = body < FINAL_FRAME_OVERHEAD ? undefined : framesIn(body, frameLength)
  return frames && frames.regular * frameLength + frames.finalLength
}
