/** The error that the SDK makes for an aborted request. */
export function abortError(signal: AbortSignal): Error {
  const { reason } = signal as { reason: unknown }
  if (reason instanceof Error && reason.name === 'AbortError') return reason
  return Object.assign(new Error('Request aborted', { cause: reason }), { name: 'AbortError' })
}

export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw abortError(signal)
}

/**
 * Waits for a promise no longer than until the request is aborted. What comes after that is given to `late`, which gives
 * back what it holds.
 */
export function untilAborted<T>(
  promise: Promise<T>,
  signal: AbortSignal | undefined,
  late: (value: T) => void = () => undefined,
): Promise<T> {
  if (signal === undefined) return promise
  return new Promise((resolve, reject) => {
    const settle = (finish: () => void): void => {
      signal.removeEventListener('abort', abort)
      finish()
    }
    const abort = (): void => {
      settle(() => reject(abortError(signal)))
      promise.then(late, () => undefined)
    }
    signal.addEventListener('abort', abort, { once: true })
    promise.then(
      (value) => {
        if (!signal.aborted) settle(() => resolve(value))
      },
      (error: unknown) => settle(() => reject(error)),
    )
    if (signal.aborted) abort()
  })
}
