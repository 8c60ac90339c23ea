/** An answer other than 200, as KMS gives it: `__type` and HTTP status (its API reference, "Common Errors" and each operation's errors). */
export interface KmsFailure {
  readonly code: string
  readonly message: string
  readonly status: number
}

const statuses: ReadonlyMap<string, number> = new Map([
  ['DryRunOperationException', 412],
  ['KMSInternalException', 500],
  ['KeyUnavailableException', 500],
  ['DependencyTimeoutException', 503],
  ['ServiceUnavailableException', 503],
  ['InternalFailure', 500],
])

/** Thrown by operations, and turned into an answer in one place. */
export class KmsFailureError extends Error {
  readonly failure: KmsFailure

  constructor(failure: KmsFailure) {
    super(failure.message)
    this.name = failure.code
    this.failure = failure
  }
}

/** 400 unless KMS's model says otherwise. */
export function kmsStatus(code: string): number {
  return statuses.get(code) ?? 400
}

export function kmsFailure(code: string, message: string): KmsFailureError {
  return new KmsFailureError({ code, message, status: kmsStatus(code) })
}
