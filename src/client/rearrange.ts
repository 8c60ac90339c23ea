import type { S3Client } from '@aws-sdk/client-s3'

import { configError } from '../errors.js'
import type { NewHeader, ObjectName } from '../formats/format.js'
import type { Keyring } from '../keyrings/keyring.js'
import { sourceInput } from './copy-source.js'
import { observed } from './decisions.js'
import { divided, mergedMetadata } from './envelope-metadata.js'
import { emitterFor } from './events.js'
import { byteCounts, envelopeWith, foundOut, openingOf, writeHeader } from './header-write.js'
import type { HeaderWriting, WrittenHeader } from './header-write.js'
import { settingsOf } from './internal.js'
import type { NewObject } from './new-object.js'
import { contentMembers, requireKeepable, tagMembers } from './object-properties.js'
import { withoutContext } from './open-object.js'
import { booleanOption, keyringOption, onlyMembers } from './option-values.js'
import { headerInput, rearrangeMembers, storingMembers } from './reencrypt-options.js'
import type { RearrangeInput, RearrangeResult, ReencryptOptions } from './reencrypt-options.js'
import { objectName, requestSettings } from './request-options.js'
import { untilQuiet } from './rotation.js'
import { rotationSettings } from './rotation-options.js'
import { pick, statusOf } from './sdk.js'
import type { Input } from './sdk.js'
import { storedObject } from './stored-object.js'
import type { StoredObject } from './stored-object.js'
import { timedKeyring } from './timed.js'

interface Rearranging extends HeaderWriting {
  readonly source: ObjectName & { readonly versionId: string | undefined }
  readonly to: Keyring
  readonly start: number
  readonly end: number
  readonly copiesMetadata: boolean
  readonly overwrite: boolean
}

/**
 * Stores a part of an object's plaintext, [start, end), as an object of its own, for the recipients of `to`: a new header,
 * and of the stored body those segments that hold it, which S3 copies, all but the first 5 MiB. Nothing of the body is
 * decrypted. An object that is at the destination stays, unless `overwrite` is set.
 *
 * The data key is the source's: recipients of the new object could open all of the source if they got its body.
 *
 * Throws ERR_S3CSE_CONFIG for mistakes in the arguments and a range that is not in the plaintext, ERR_S3CSE_ROTATION for
 * what cannot be done or not without a loss (formats without such a header included), NotEncryptedError, what reading the
 * source throws, and what the SDK throws: PreconditionFailed (412) where the destination is there.
 */
export async function rearrange(
  client: S3Client,
  input: RearrangeInput,
  options: ReencryptOptions = {},
): Promise<RearrangeResult> {
  const owner = 'rearrange'
  const settings = settingsOf(client, owner)
  const given = headerInput(input, owner, rearrangeMembers)
  const how = rotationSettings(given, options, owner)
  const w: Rearranging = { client, settings, input: { ...given }, options: how, sent: [], ...named(client, given) }
  const asked = { command: owner, input: { ...given } }
  const taken = { error: undefined as unknown }
  const step = async (attempts: number): Promise<RearrangeResult | undefined> => {
    const sentBefore = w.sent.length
    try {
      return resultOf(await foundOut(w, () => once(w)), attempts)
    } catch (error) {
      const isThere = statusOf(error) === 412 && w.sent.length > sentBefore && !w.overwrite
      if (!isThere) throw error
      // It will be there the next time as well.
      taken.error = error
      return undefined
    }
  }
  const act = async (): Promise<RearrangeResult> => {
    const result = await untilQuiet(how, step)
    if (result === undefined) throw taken.error
    return result
  }
  return observed(client, settings, asked, act, ({ facts }) => ({ outcome: 'copied', facts }))
}

/** Throws ERR_S3CSE_CONFIG. */
function named(
  client: S3Client,
  given: RearrangeInput,
): Omit<Rearranging, 'client' | 'settings' | 'input' | 'options' | 'sent'> {
  const owner = 'rearrange'
  const settings = settingsOf(client, owner)
  const target = objectName({ ...given })
  const copySource = onlyMembers(given.CopySource, ['Bucket', 'Key', 'VersionId'], `${owner}: CopySource`)
  const { bucket, key } = objectName(copySource)
  const { VersionId: versionId } = copySource as { VersionId?: string }
  if (versionId !== undefined && (typeof versionId !== 'string' || versionId === '')) {
    throw configError(`${owner}: CopySource.VersionId must be the id of a version`)
  }
  const { start = 0, end = Number.MAX_SAFE_INTEGER, metadata = 'copy' } = given
  if (!Number.isSafeInteger(start) || !Number.isSafeInteger(end) || start < 0 || end <= start) {
    throw configError(`${owner}: start and end must be whole numbers of bytes, 0 <= start < end`)
  }
  if ((metadata as unknown) !== 'copy' && (metadata as unknown) !== 'none') {
    throw configError(`${owner}: metadata must be 'copy' or 'none'`)
  }
  const emit = emitterFor(settings.observer, target)
  const own = requestSettings(settings, {}, bucket, key)
  const keyring = given.from?.keyring === undefined ? own.keyring : timedKeyring(given.from.keyring, emit)
  const to = given.to === undefined ? own.keyring : timedKeyring(keyringOption(given.to, `${owner}: to`), emit)
  return {
    target,
    source: { bucket, key, versionId },
    from: { keyring, encryptionContext: own.encryptionContext },
    to,
    start,
    end,
    copiesMetadata: metadata === 'copy',
    overwrite: booleanOption(given.overwrite, 'overwrite'),
  }
}

function resultOf(written: WrittenHeader, attempts: number): RearrangeResult {
  const { summary, plaintextLength } = written.made
  const facts = withoutContext(summary)
  return { outcome: 'rearranged', facts, ...written.stored, plaintextLength, attempts, ...byteCounts(written) }
}

async function once(w: Rearranging): Promise<WrittenHeader> {
  const { client, source: of, to, start, end, options } = w
  const { versionId, ...object } = of
  const input = sourceInput(w.input, of)
  const source = await storedObject({ client, object, input, versionId, signal: options.signal })
  if (w.copiesMetadata) requireKeepable(source.head, object)
  const part = await envelopeWith(w, source, 'rearrange')
  const making = part({ ...openingOf(w, source), to, start, end })
  return writeHeader(w, source, making, {
    members: (made) => membersOf(w, source, made),
    condition: conditionOf(w, source),
  })
}

function conditionOf({ overwrite, source, target }: Rearranging, { head }: StoredObject): NewObject['condition'] {
  if (!overwrite) return { IfNoneMatch: '*' }
  const isSelf = source.bucket === target.bucket && source.key === target.key && source.versionId === undefined
  // What is overwritten is what it is a part of, and nothing newer.
  return isSelf ? { IfMatch: head.ETag as string } : undefined
}

async function membersOf(
  { client, settings, target, options, copiesMetadata, input: given }: Rearranging,
  { head, input, object }: StoredObject,
  { metadata }: NewHeader,
): Promise<Input> {
  const own = copiesMetadata ? divided(head, settings.format.reservedKeys).own : {}
  return {
    ...(copiesMetadata && contentMembers(head, object)),
    ...(copiesMetadata && (await tagMembers({ client, input, object, head, signal: options.signal }))),
    ...pick(given, storingMembers),
    Metadata: mergedMetadata(own, metadata, target.bucket, target.key),
  }
}
