import type { S3Client } from '@aws-sdk/client-s3'

import type { NewHeader } from '../formats/format.js'
import type { Keyring } from '../keyrings/keyring.js'
import { observed } from './decisions.js'
import { divided, mergedMetadata } from './envelope-metadata.js'
import { emitterFor } from './events.js'
import { byteCounts, envelopeWith, foundOut, openingOf, writeHeader } from './header-write.js'
import type { HeaderWriting, WrittenHeader } from './header-write.js'
import { settingsOf } from './internal.js'
import { requireKeepable, storedMembers, tagMembers } from './object-properties.js'
import { withoutContext } from './open-object.js'
import { booleanOption, keyringOption } from './option-values.js'
import { headerInput, reencryptMembers } from './reencrypt-options.js'
import type { ReencryptInput, ReencryptOptions, ReencryptResult } from './reencrypt-options.js'
import { objectName, requestSettings } from './request-options.js'
import { untilQuiet } from './rotation.js'
import { rotationSettings } from './rotation-options.js'
import type { RotationSettings } from './rotation-options.js'
import type { Input } from './sdk.js'
import { storedObject } from './stored-object.js'
import type { StoredObject } from './stored-object.js'
import { timedKeyring } from './timed.js'

/**
 * Gives an object whose header is in its first bytes (Crypt4GH) a new header, for the recipients of `to`, and leaves the
 * body where it is: S3 copies it from the object onto itself, all but the first 5 MiB. Everything else of the object
 * stays, and what somebody writes meanwhile is never overwritten.
 *
 * The data key stays: who had it still has it, and earlier versions and copies of the object open as before. Without
 * `trim`, those packets stay that the client's keyring cannot open.
 *
 * Throws ERR_S3CSE_CONFIG for mistakes in the arguments, ERR_S3CSE_ROTATION for what cannot be done or not without a loss
 * (formats without such a header included), NotEncryptedError, what reading the object throws, and what the SDK throws.
 * Whatever is thrown, the object is the old or the new one, and whole.
 */
export async function reencrypt(
  client: S3Client,
  input: ReencryptInput,
  options: ReencryptOptions = {},
): Promise<ReencryptResult> {
  const owner = 'reencrypt'
  const settings = settingsOf(client, owner)
  const given = headerInput(input, owner, reencryptMembers)
  const target = objectName({ ...given })
  const emit = emitterFor(settings.observer, target)
  const to = timedKeyring(keyringOption(given.to, `${owner}: to`), emit)
  const trim = booleanOption(given.trim, 'trim')
  const how = rotationSettings(given, options, owner)
  const own = requestSettings(settings, {}, target.bucket, target.key)
  const { encryptionContext } = own
  const keyring = given.from?.keyring === undefined ? own.keyring : timedKeyring(given.from.keyring, emit)
  const from = { keyring, encryptionContext }
  const w = { client, settings, target, input: { ...given }, from, options: how, sent: [] }
  return observed(
    client,
    settings,
    { command: owner, input: { ...given } },
    () => untilQuiet(how, async (attempts) => resultOf(await foundOut(w, () => once(w, to, trim)), attempts)),
    ({ facts }) => ({ outcome: 'rotated', facts }),
  )
}

function resultOf(written: WrittenHeader, attempts: number): ReencryptResult {
  const facts = withoutContext(written.made.summary)
  return { outcome: 'reencrypted', facts, ...written.stored, attempts, ...byteCounts(written) }
}

type Reencrypting = HeaderWriting & { readonly options: RotationSettings }

async function once(w: Reencrypting, to: Keyring, trim: boolean): Promise<WrittenHeader> {
  const { client, target: object, input, options } = w
  const source = await storedObject({ client, object, input, signal: options.signal })
  requireKeepable(source.head, object)
  const renewed = await envelopeWith(w, source, 'reencrypt')
  return replaceHeader(w, source, renewed({ ...openingOf(w, source), to, trim }))
}

/** The object with a new header in its place, with everything else that it has. */
export function replaceHeader(
  w: Reencrypting,
  source: StoredObject,
  making: Promise<NewHeader>,
): Promise<WrittenHeader> {
  const { head } = source
  const members = ({ metadata }: NewHeader): Promise<Input> => keptMembers(w, source, metadata)
  return writeHeader(w, source, making, { members, condition: { IfMatch: head.ETag as string } })
}

async function keptMembers(
  { client, settings, target: object, input, options }: Reencrypting,
  { head }: StoredObject,
  metadata: NewHeader['metadata'],
): Promise<Input> {
  const { acl, signal } = options
  const keeping = { client, input, object, head, signal }
  const { own } = divided(head, settings.format.reservedKeys)
  return {
    ...(await storedMembers({ ...keeping, acl })),
    ...(await tagMembers(keeping)),
    Metadata: mergedMetadata(own, metadata, object.bucket, object.key),
  }
}
