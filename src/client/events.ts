import type { CseErrorCode, ObjectFacts } from '../errors.js'
import type { ObjectName } from '../formats/format.js'

/** What a client with encryption did about one command, or one of this library's functions. */
export interface DecisionEvent {
  readonly type: 'decision'
  /** `PutObject`, `rotateKey`. */
  readonly command: string
  readonly bucket: string | undefined
  readonly key: string | undefined
  /**
   * 'encrypted', 'decrypted', 'shown' (lengths and metadata of the plaintext), 'copied', 'deleted', 'renamed', 'aborted',
   * 'rotated': by this client. 'unchanged': `rotateKey` had nothing to do. 'plain': an object without an envelope, as it is. 'unknown': an envelope that is damaged, as
   * it is. 'passed': sent unchanged. 'refused': an error of this library. 'failed': another error.
   */
  readonly outcome:
    | 'encrypted'
    | 'decrypted'
    | 'shown'
    | 'copied'
    | 'deleted'
    | 'renamed'
    | 'aborted'
    | 'rotated'
    | 'unchanged'
    | 'plain'
    | 'unknown'
    | 'passed'
    | 'refused'
    | 'failed'
  /** Of 'refused'. */
  readonly code: CseErrorCode | undefined
  /** What the object is, where that is known. */
  readonly facts: ObjectFacts | undefined
  /** From the call until `send()` resolved or rejected; a GetObject's body is not read by then. */
  readonly milliseconds: number
}

/** A keyring was asked: for KMS keyrings, one call of KMS. */
export interface DataKeyEvent {
  readonly type: 'dataKey'
  readonly operation: 'wrap' | 'unwrap' | 'rewrap'
  readonly bucket: string
  readonly key: string
  readonly milliseconds: number
  /** 'failed': it rejected, or did not open what it was given. */
  readonly outcome: 'done' | 'failed'
}

/** A step of a body. */
export interface BodyEvent {
  /**
   * 'seal': encrypting all pieces of a body or multipart upload, summed up; once, when it is done or given up. 'spool':
   * writing ciphertext to the temporary file. 'verify': from the first read of Body until the whole object was verified,
   * the network included.
   */
  readonly type: 'seal' | 'spool' | 'verify'
  readonly bucket: string
  readonly key: string
  /** Of plaintext ('seal') or of the stored object. */
  readonly bytes: number
  readonly milliseconds: number
  /** 'failed': the object was not what it should be, or could not be read. */
  readonly outcome: 'done' | 'failed'
}

/** Never has keys, values of an encryption context, or plaintext. */
export type EncryptionEvent = DecisionEvent | DataKeyEvent | BodyEvent

/** What a client tells of itself. */
export interface Observer {
  /** Whether anybody wants to know of steps. */
  readonly timed: boolean
  readonly emit: (event: EncryptionEvent) => void
}

/** What is used of a logger, as the SDK's clients have it. */
export interface Logger {
  info?(...content: unknown[]): void
  warn?(...content: unknown[]): void
}

/** Of an object. */
export type Emit = (event: Step) => void
type Step = Omit<DataKeyEvent, 'bucket' | 'key'> | Omit<BodyEvent, 'bucket' | 'key'>

export function now(): number {
  return performance.now()
}

/** The hook must not disturb a request, whatever it does. */
export function observer(onEvent: ((event: EncryptionEvent) => unknown) | undefined): Observer {
  return {
    timed: onEvent !== undefined,
    emit(event) {
      if (onEvent === undefined) return
      try {
        const result = onEvent(Object.freeze(event))
        if (result instanceof Promise) result.catch(() => undefined)
      } catch {
        // Metrics that fail are the hook's to notice.
      }
    },
  }
}

/** What steps of one object are told with; `undefined` where nobody listens. */
export function emitterFor({ timed, emit }: Observer, { bucket, key }: ObjectName): Emit | undefined {
  return timed ? (event) => emit({ ...event, bucket, key }) : undefined
}

/** One line. */
export function describe(event: DecisionEvent): string {
  const { command, bucket, key, outcome, code, facts, milliseconds } = event
  const where = bucket === undefined ? '' : ` ${key === undefined ? bucket : JSON.stringify(`${bucket}/${key}`)}`
  const what =
    facts === undefined
      ? ''
      : `, ${facts.format} ${facts.version}, ${facts.suite}, wrap ${facts.wrapAlgorithm}${facts.instructionFile === undefined ? '' : ', instruction file'}`
  return `s3-cse: ${command}${where}: ${outcome}${code === undefined ? '' : ` (${code})`}${what}, ${milliseconds.toFixed(1)} ms`
}

/** The SDK's own stands for none. */
export function isLogging(logger: Logger | undefined): logger is Logger {
  // (A logger may have no prototype.)
  return logger !== undefined && (logger as { constructor?: { name?: unknown } }).constructor?.name !== 'NoOpLogger'
}
