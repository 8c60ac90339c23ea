import type { DataMethod } from './content.js'
import { lengthOf, segmentsIn } from './segments.js'

/** User metadata that says that an object is a Crypt4GH message, and how its lengths are to be reckoned. */
export const hintKey = 's3-cse-crypt4gh'

/** What an object's metadata say of its message: enough to show the plaintext's length, and never believed where it is decrypted. */
export interface Hint {
  /** In bytes. */
  readonly headerLength: number
  readonly method: DataMethod
  /** Of the plaintext in bytes, where an edit list makes it shorter than what is stored. */
  readonly editedLength?: number | undefined
}

/** `124,0`: header and data method; `216,0,60`: and what an edit list leaves. */
export function formatHint({ headerLength, method, editedLength }: Hint): string {
  return [headerLength, method, ...(editedLength === undefined ? [] : [editedLength])].join(',')
}

const shape = /^([1-9]\d{1,7}),([01])(?:,(0|[1-9]\d{0,15}))?$/

/** `undefined` for what somebody else has written: the message speaks for itself. */
export function parseHint(text: string): Hint | undefined {
  const [, header, method, length] = shape.exec(text) ?? []
  if (header === undefined) return undefined
  const editedLength = length === undefined ? undefined : Number(length)
  if (editedLength !== undefined && !Number.isSafeInteger(editedLength)) return undefined
  return { headerLength: Number(header), method: method === '1' ? 1 : 0, editedLength }
}

/** What a stored message of that length holds; `undefined` where the hint cannot be right. */
export function hintedLength({ headerLength, method, editedLength }: Hint, sealedLength: number): number | undefined {
  const segments = segmentsIn(sealedLength - headerLength, method)
  if (segments === undefined) return undefined
  const length = lengthOf(segments)
  if (editedLength === undefined) return length
  return editedLength <= length ? editedLength : undefined
}
