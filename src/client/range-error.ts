import type { Output } from './sdk.js'

/**
 * Has the SDK's name for the class of errors that it has no class for: its own `instanceof S3ServiceException` goes by
 * the name and the members, as it must between copies of itself.
 */
class S3ServiceException extends Error {
  readonly $fault = 'client'
  readonly $retryable = undefined
}

const CODE = 'InvalidRange'
const MESSAGE = 'The requested range is not satisfiable'

/**
 * What the SDK makes of S3's 416, for a range that is unsatisfiable in the plaintext only. `length` is the plaintext's,
 * in bytes; `output` is of the response that told.
 */
export function invalidRange(header: string, length: number, output: Output): Error {
  const $metadata = { ...(output.$metadata as Record<string, unknown> | undefined), httpStatusCode: 416 }
  const { requestId } = $metadata as { requestId?: unknown }
  return Object.assign(new S3ServiceException(MESSAGE), {
    name: CODE,
    $metadata,
    Code: CODE,
    RangeRequested: header,
    ActualObjectSize: String(length),
    ...(requestId === undefined ? {} : { RequestId: requestId }),
  })
}

/** S3's own 416, by what is changed of it. */
export interface InvalidRange extends Error {
  RangeRequested?: string
  ActualObjectSize?: string
}

export function isInvalidRange(error: unknown): error is InvalidRange {
  return error instanceof Error && error.name === CODE
}
