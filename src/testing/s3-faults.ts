/** The schedule of faults, and what faults put in place of an operation or an object. */
import { memoryBody, release, retain } from './s3-body.js'
import { checksumOf, isAlgorithm } from './s3-checksums.js'
import type { Answer } from './s3-exchange.js'
import { readBody } from './s3-segments.js'
import type { Entry } from './s3-store.js'
import type { S3Checksums, S3Fault, S3Request } from './s3-types.js'
import { xmlDocument } from './s3-xml.js'

/** Takes the first fault that matches; it leaves the schedule with its last use. */
export function takeFault(
  schedule: S3Fault[],
  uses: WeakMap<S3Fault, number>,
  request: S3Request,
): S3Fault | undefined {
  const fault = schedule.find((one) => one.match?.(request) ?? true)
  if (fault === undefined) return undefined
  const used = (uses.get(fault) ?? 0) + 1
  uses.set(fault, used)
  if (used >= (fault.times ?? 1)) {
    schedule.splice(schedule.indexOf(fault), 1)
    uses.delete(fault)
  }
  return fault
}

const DEFAULT_CODES: Readonly<Record<number, string>> = { 500: 'InternalError', 503: 'SlowDown' }

/** The error that a fault answers instead of carrying out the operation, if it is of that kind. */
export function faultAnswer(fault: S3Fault | undefined, requestId: string): Answer | undefined {
  if (fault?.status === undefined || (fault.status < 400 && fault.code === undefined)) return undefined
  const code = fault.code ?? DEFAULT_CODES[fault.status] ?? 'InjectedFault'
  return errorAnswer(fault.status, code, 'This fault was scheduled.', requestId)
}

export function errorAnswer(
  status: number,
  code: string,
  message: string,
  requestId: string,
  more: {
    readonly details?: Readonly<Record<string, string | number>>
    readonly headers?: Readonly<Record<string, string>>
  } = {},
): Answer {
  const body = xmlDocument('Error', { Code: code, Message: message, ...more.details, RequestId: requestId })
  return { status, headers: { 'content-type': 'application/xml', ...more.headers }, body, errorCode: code }
}

/** The entry as a fault shows it to a reader. The caller gets one reference to its body. */
export async function shownEntry(entry: Entry, fault: S3Fault | undefined): Promise<Entry> {
  retain(entry.body)
  if (fault?.body === undefined) return entry
  try {
    const bytes = typeof fault.body === 'function' ? fault.body(await readBody(entry.body)) : fault.body
    const keep = fault.keepChecksums === true
    const checksums = keep
      ? {}
      : { checksums: sameChecksums(entry.checksums, bytes), checksumType: 'FULL_OBJECT' as const }
    // (Parts of a body of another length would lie anywhere.)
    const parts = bytes.length === entry.body.size ? entry.parts : undefined
    const shown = keep ? parts : parts?.map(({ size }) => ({ size, checksums: {} }))
    return { ...entry, body: memoryBody(bytes), parts: shown, ...checksums }
  } finally {
    await release(entry.body)
  }
}

/** The checksums of other bytes under the same algorithms. */
export function sameChecksums(of: S3Checksums, bytes: Uint8Array): S3Checksums {
  const names = Object.keys(of).filter(isAlgorithm)
  return Object.fromEntries(names.map((name) => [name, checksumOf(name, bytes)]))
}
