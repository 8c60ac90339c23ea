/** The error that the SDK makes for an aborted request. */
export function abortError(signal: AbortSignal): Error {
  const { reason } = signal as { reason: unknown }
  if (reason instanceof Error && reason.name === 'AbortError') return reason
  return Object.assign(new Error('Request aborted', { cause: reason }), { name: 'AbortError' })
}

export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw abortError(signal)
}
