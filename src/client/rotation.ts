import type { S3Client } from '@aws-sdk/client-s3'
import { HeadObjectCommand } from '@aws-sdk/client-s3'
import type { HeadObjectCommandInput } from '@aws-sdk/client-s3'

import { configError, CseError } from '../errors.js'
import type { ObjectFacts } from '../errors.js'
import type { ObjectMetadata, ObjectName, OpenRequest, RewrapEnvelopeRequest } from '../formats/format.js'
import type { Context, Keyring } from '../keyrings/keyring.js'
import { boundContext } from './binding.js'
import { emitterFor } from './events.js'
import { asStored } from './internal.js'
import type { SentHeader } from './header-write.js'
import { isFileMismatch } from './file-mismatch.js'
import { locateEnvelope } from './locate-envelope.js'
import type { LocatedEnvelope, Locating } from './locate-envelope.js'
import { lostProperty } from './object-properties.js'
import { notEncrypted } from './open-object.js'
import type { Settings } from './options.js'
import { requestSettings } from './request-options.js'
import type { RotateKeyInput, RotateKeyResult, RotationSettings } from './rotation-options.js'
import { sendOptions, statusOf, untilAborted } from './sdk.js'
import type { Input, Output } from './sdk.js'
import { carriedMembers } from './stored-file.js'
import { timedKeyring } from './timed.js'

/** How an object is opened. */
export interface Opening {
  readonly keyring: Keyring
  readonly encryptionContext: Context
}

/** The change of one object's key. */
export interface Rotation {
  readonly client: S3Client
  readonly settings: Settings
  readonly object: ObjectName
  /** With the members that requests for the object need. */
  readonly input: Input
  readonly from: Opening
  readonly to: Opening
  readonly options: RotationSettings
  /** What was written, as an answer may be lost. */
  readonly sent: Sent[]
  readonly sentHeaders: SentHeader[]
}

/** An envelope that was sent, into metadata or a file. */
export interface Sent {
  readonly metadata?: ObjectMetadata
  readonly file?: Uint8Array
  readonly reEncrypted: boolean
}

/** Throws ERR_S3CSE_CONFIG where keyring and context do not go together. */
export function rotationOf(
  client: S3Client,
  settings: Settings,
  input: RotateKeyInput,
  options: RotationSettings,
): Rotation {
  const object = { bucket: input.Bucket, key: input.Key }
  const own = requestSettings(settings, {}, object.bucket, object.key)
  const { bind } = settings
  let context = own.encryptionContext
  if (input.encryptionContext !== undefined) {
    const given = input.encryptionContext
    context = bind === undefined ? given : boundContext(bind, given, object.bucket, object.key)
  }
  checkTarget(settings, input, context)
  const emit = emitterFor(settings.observer, object)
  const from = {
    keyring: input.from?.keyring === undefined ? own.keyring : timedKeyring(input.from.keyring, emit),
    encryptionContext: input.from?.encryptionContext ?? own.encryptionContext,
  }
  const to = { keyring: timedKeyring(input.to, emit), encryptionContext: context }
  return { client, settings, object, input: { ...input }, from, to, options, sent: [], sentHeaders: [] }
}

function checkTarget(
  { format, commitmentPolicy }: Settings,
  { to, encryptionContext }: RotateKeyInput,
  context: Context,
): void {
  try {
    format.check({ keyring: to, commitmentPolicy, encryptionContext: context })
  } catch (error) {
    if (!(error instanceof CseError) || Object.keys(context).length === 0) throw error
    const own = encryptionContext === undefined ? "the client's encryption context" : 'the encryption context'
    throw configError(
      `to, with ${own}: ${error.message} (For a new wrap without a context: encryptionContext: {}, with a client that has no bind.)`,
    )
  }
}

/** As it is now. Rejects with the SDK's NotFound if there is none. Throws ERR_S3CSE_ROTATION for what no write can be pinned to. */
export async function headOf({ client, input, object, options }: Rotation): Promise<Output> {
  const head = { ...carriedMembers(input), Bucket: object.bucket, Key: object.key } as HeadObjectCommandInput
  const output = await client.send(new HeadObjectCommand(asStored(head)), sendOptions(options.signal))
  requireEtag(output.ETag, object, object.key)
  return output as unknown as Output
}

/** Without it, there is no condition under which a write loses nothing of what others write. */
export function requireEtag(etag: unknown, object: ObjectName, key: string): void {
  if (typeof etag === 'string' && etag !== '') return
  throw lostProperty(
    object,
    `the server shows no ETag of ${key}, so that what somebody writes meanwhile could be lost.`,
  )
}

/**
 * Throws NotEncryptedError. `mismatched`: file and object did not fit before. Until then versions of the file are not
 * looked at, as only the current one can be replaced; and what opens with another version's key is wrapped anew for that.
 */
export async function envelopeOf(r: Rotation, head: Output, mismatched: boolean): Promise<LocatedEnvelope> {
  const { settings, input, object, options } = r
  const output = options.rewrite || mismatched ? head : { ...head, VersionId: undefined }
  const located = await locateEnvelope(locating(r, mismatched), output)
  if (located === undefined) throw notEncrypted(object, settings, input)
  return located
}

export function locating({ client, settings, input, object, options }: Rotation, again = false): Locating {
  return { client, settings, input, object, signal: options.signal, again }
}

export function openRequest(
  { settings, object, options }: Rotation,
  { keyring, encryptionContext }: Opening,
): OpenRequest {
  const { commitmentPolicy, legacy } = settings
  const { signal } = options
  return { keyring, commitmentPolicy, legacy, encryptionContext, object, ...(signal === undefined ? {} : { signal }) }
}

/** For an envelope that the old keyring opens. */
export function rewrapRequest(r: Rotation, reEncrypt: boolean): RewrapEnvelopeRequest {
  return { ...openRequest(r, r.from), to: r.to, enforceRotation: r.options.enforceRotation, reEncrypt }
}

/** Whether an error says that an object does not open as asked. */
export function isUnopened(error: unknown): boolean {
  const { code } = error as Partial<CseError>
  return (
    code === 'ERR_S3CSE_DECRYPTION_FAILED' ||
    code === 'ERR_S3CSE_ENVELOPE_INVALID' ||
    code === 'ERR_S3CSE_CONTEXT_MISMATCH'
  )
}

/** Milliseconds of the first wait between two looks at an object. */
const FIRST_PAUSE = 20
const LONGEST_PAUSE = 2_000
/** How often a file that does not fit is looked at: it may be a matter of time, or it may not. */
const MAX_MISMATCHES = 3

/** Tries again where the object was written meanwhile. */
export async function untilQuiet<T>(
  { maxAttempts, signal }: Pick<RotationSettings, 'maxAttempts' | 'signal'>,
  step: (attempt: number, mismatched: boolean) => Promise<T>,
): Promise<T> {
  let mismatches = 0
  for (let attempt = 1; ; attempt++) {
    try {
      return await step(attempt, mismatches === MAX_MISMATCHES - 1)
    } catch (error) {
      const isConflict = statusOf(error) === 409 || statusOf(error) === 412
      const mayFit = isFileMismatch(error) && ++mismatches < MAX_MISMATCHES
      if (attempt >= maxAttempts || !(isConflict || mayFit)) throw error
    }
    const longest = Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** attempt)
    await pause(longest * (0.5 + Math.random() / 2), signal)
  }
}

async function pause(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined
  try {
    await untilAborted(new Promise((resolve) => (timer = setTimeout(resolve, milliseconds))), signal)
  } finally {
    clearTimeout(timer)
  }
}

export type Outcome = Omit<RotateKeyResult, 'attempts'>

/** Of an object as the last answer names it; the data key was seen. */
export function outcome(
  what: Outcome['outcome'],
  facts: ObjectFacts,
  { ETag, VersionId }: { ETag?: unknown; VersionId?: unknown },
): Outcome {
  return {
    outcome: what,
    facts,
    reEncrypted: false,
    ETag: ETag as string | undefined,
    VersionId: VersionId as string | undefined,
  }
}
