import { configError, CseError, NotEncryptedError, PolicyError } from '../errors.js'
import type { ObjectFacts } from '../errors.js'
import type { Envelope, EnvelopeSummary, ObjectMetadata, ObjectName, StoredBytes } from '../formats/format.js'
import type { Opener } from '../message/opener.js'
import type { Settings } from './options.js'
import { suffixOf } from './request-options.js'
import type { RequestSettings } from './request-options.js'
import { untilAborted } from './sdk.js'
import type { Input, Output } from './sdk.js'

export function unexpected(message: string): CseError {
  return new CseError('ERR_S3CSE_RESPONSE_UNEXPECTED', message)
}

/** What an error of this library says of an object. Throws every other one. By its code: a format of another copy of this package has other classes. */
export function problemOf(error: unknown): string {
  // (Of an abort it is a number.)
  const { code, message } = error as { code?: unknown; message?: string }
  if (typeof code !== 'string' || !code.startsWith('ERR_S3CSE_')) throw error
  return message ?? code
}

export function notEncrypted({ bucket, key }: ObjectName, settings: Settings, input: Input): NotEncryptedError {
  const { read } = settings.instructionFile
  const files = settings.format.instructionFiles
  const file =
    files === undefined
      ? ': it is stored as plaintext'
      : read
        ? `, and there is no instruction file ${key}${suffixOf(settings, input)}: it is stored as plaintext, or its instruction file is missing or has another suffix (instructionFile.suffix, or instructionFileSuffix in requestOptions)`
        : ', and instruction files are not read here (instructionFile.read): it is stored as plaintext, or has such a file'
  return new NotEncryptedError(
    `${bucket}/${key} has no encryption envelope in its metadata${file}. Plain objects are read with a client without encryption, or with the option passthrough.`,
  )
}

/** The envelope in the metadata of an output of GetObject or HeadObject; `undefined` if it has none. Throws ERR_S3CSE_ENVELOPE_INVALID. */
export function recogniseObject(settings: Settings, output: Output, object: ObjectName): Envelope | undefined {
  return settings.format.recognise((output.Metadata ?? {}) as ObjectMetadata, object)
}

/** Whether an object may be as long as it is: by its format, and by `maxObjectBytes`. Before any key is used. */
export function checkObjectSize(envelope: Envelope, sealedLength: number, settings: Settings, where: string): void {
  envelope.plaintextLength(sealedLength)
  if (sealedLength > settings.maxObjectBytes) {
    throw new PolicyError(
      'ERR_S3CSE_POLICY',
      `${where} has ${sealedLength} stored bytes, more than maxObjectBytes (${settings.maxObjectBytes})`,
      withoutContext(envelope.summary),
    )
  }
}

/** Its values may be somebody's names and numbers. */
export function withoutContext(summary: EnvelopeSummary): ObjectFacts {
  const facts: Partial<EnvelopeSummary> = { ...summary }
  delete (facts as { context?: unknown }).context
  return facts as ObjectFacts
}

export interface OpenEnvelope {
  readonly envelope: Envelope
  readonly settings: Settings
  readonly request: RequestSettings
  readonly object: ObjectName
  readonly signal: AbortSignal | undefined
  /** Needed where the envelope is in the body. */
  readonly stored?: StoredBytes
  /** Only a part is to be opened. */
  readonly ranges?: boolean
}

/** Policy, context and key, in that order. Who gets the Opener destroys it. */
export function openEnvelope({
  envelope,
  settings,
  request,
  object,
  signal,
  stored,
  ranges,
}: OpenEnvelope): Promise<Opener> {
  const opening = envelope.open({
    keyring: request.keyring,
    commitmentPolicy: settings.commitmentPolicy,
    legacy: settings.legacy,
    encryptionContext: request.encryptionContext,
    object,
    ...(stored && { stored }),
    ...(ranges === true && { ranges }),
    ...(signal === undefined ? {} : { signal }),
  })
  return untilAborted(opening, signal, (late) => late.destroy())
}

/** Whether the caller takes an object without an envelope as it is. `output` has the length of the whole object. */
export function takesPlain(settings: Settings, output: Output, { bucket, key }: ObjectName): boolean {
  const answer: unknown = settings.passthrough({
    Bucket: bucket,
    Key: key,
    VersionId: output.VersionId as string | undefined,
    ETag: output.ETag as string | undefined,
    ContentLength: output.ContentLength as number | undefined,
    ContentType: output.ContentType as string | undefined,
    Metadata: (output.Metadata ?? {}) as ObjectMetadata,
  })
  // A promise would count as a yes, whatever it resolves to.
  if (typeof answer === 'boolean') return answer
  if (answer instanceof Promise) answer.catch(() => undefined)
  throw configError('passthrough must return true or false, at once: it cannot be async')
}
