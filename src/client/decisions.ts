import type { S3Client } from '@aws-sdk/client-s3'

import { CseError } from '../errors.js'
import type { CseErrorCode, ObjectFacts } from '../errors.js'
import { describe, isLogging, now } from './events.js'
import type { DecisionEvent, Logger } from './events.js'
import { encryptionInfo } from './info.js'
import { withoutContext } from './open-object.js'
import type { Settings } from './options.js'
import type { Input, Result } from './sdk.js'

/** What came of a command. */
export interface Acted {
  readonly result: Result
  /** It was sent unchanged. */
  readonly passed: boolean
}

type Outcome = DecisionEvent['outcome']

const outcomes: ReadonlyMap<string, Outcome> = new Map<string, Outcome>([
  ['PutObjectCommand', 'encrypted'],
  ['CreateMultipartUploadCommand', 'encrypted'],
  ['UploadPartCommand', 'encrypted'],
  ['CompleteMultipartUploadCommand', 'encrypted'],
  ['AbortMultipartUploadCommand', 'aborted'],
  ['GetObjectCommand', 'decrypted'],
  ['HeadObjectCommand', 'shown'],
  ['CopyObjectCommand', 'copied'],
  ['DeleteObjectCommand', 'deleted'],
  ['DeleteObjectsCommand', 'deleted'],
  ['RenameObjectCommand', 'renamed'],
])

function outcomeOf(command: string, { result, passed }: Acted): Pick<DecisionEvent, 'outcome' | 'facts'> {
  const info = encryptionInfo(result.output)
  const outcome = outcomes.get(command)
  if (passed || outcome === undefined) return { outcome: 'passed', facts: undefined }
  if (info !== undefined && info.status !== 'encrypted') return { outcome: info.status, facts: undefined }
  return { outcome, facts: info?.envelope && withoutContext(info.envelope) }
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}

interface Asked {
  /** Of the SDK, by the name of its class, or a function of this library. */
  readonly command: string
  readonly input: Input
}

/** Tells of what is decided about a command: a line for the client's logger, an event for the hook. */
export function decided(
  client: S3Client,
  settings: Settings,
  asked: Asked,
  act: () => Promise<Acted>,
): Promise<Result> {
  const acted = isObserved(client, settings)
    ? observed(client, settings, asked, act, (done) => outcomeOf(asked.command, done))
    : act()
  return acted.then(({ result }) => result)
}

function isObserved(client: S3Client, { observer }: Settings): boolean {
  return observer.timed || isLogging((client.config as { logger?: Logger }).logger)
}

/** The same for a function of this library. */
export async function observed<T>(
  client: S3Client,
  settings: Settings,
  { command, input }: Asked,
  act: () => Promise<T>,
  outcome: (result: T) => Pick<DecisionEvent, 'outcome' | 'facts'>,
): Promise<T> {
  if (!isObserved(client, settings)) return act()
  const { observer } = settings
  const { logger } = client.config as { logger?: Logger }
  const logging = isLogging(logger)
  const start = now()
  const tell = (what: Pick<DecisionEvent, 'outcome' | 'facts'>, code?: CseErrorCode): void => {
    const event: DecisionEvent = {
      type: 'decision',
      command: command.replace(/Command$/, ''),
      bucket: text(input.Bucket),
      key: text(input.Key),
      ...what,
      code,
      milliseconds: now() - start,
    }
    if (logging) log(logger, event)
    observer.emit(event)
  }
  let result: T
  try {
    result = await act()
  } catch (error) {
    const ours = error instanceof CseError ? error : undefined
    const facts: ObjectFacts | undefined = (ours as { facts?: ObjectFacts } | undefined)?.facts
    tell({ outcome: ours === undefined ? 'failed' : 'refused', facts }, ours?.code)
    throw error
  }
  tell(outcome(result))
  return result
}

/** A logger that fails must not make requests fail. */
function log(logger: Logger, event: DecisionEvent): void {
  const isTrouble = event.outcome === 'refused' || event.outcome === 'failed'
  try {
    if (isTrouble) logger.warn?.(describe(event))
    else logger.info?.(describe(event))
  } catch {
    // As above.
  }
}
