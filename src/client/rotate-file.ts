import type { S3Client } from '@aws-sdk/client-s3'

import { sameEntries } from '../bytes/same-entries.js'
import { configError } from '../errors.js'
import type { ObjectFacts } from '../errors.js'
import type { EnvelopeSummary } from '../formats/format.js'
import { observed } from './decisions.js'
import { settingsOf } from './internal.js'
import { lostProperty } from './object-properties.js'
import { withoutContext } from './open-object.js'
import { suffixOption } from './option-values.js'
import { objectName } from './request-options.js'
import { replaceFile, sentAs, writeSecond } from './rotate-file-write.js'
import { rewrapped } from './rotate-wrap.js'
import { envelopeOf, headOf, rotationOf, untilQuiet } from './rotation.js'
import { reEncryptMembers, rotationInput, rotationSettings } from './rotation-options.js'
import type { RotateKeyInput, RotateKeyOptions } from './rotation-options.js'

/** The input of `reEncryptInstructionFile`. */
export interface ReEncryptInstructionFileInput extends Omit<
  RotateKeyInput,
  'rewrite' | 'copyInPartsAbove' | 'copyPartSize'
> {
  /** Where the new envelope goes: another suffix than the client's makes a second file, for somebody else's key. Default: the client's, in place of the old one. */
  readonly instructionFileSuffix?: string | undefined
}

/** The names are those of the S3 Encryption Client for Java. */
export interface ReEncryptInstructionFileResult {
  readonly Bucket: string
  readonly Key: string
  readonly InstructionFileSuffix: string
  /** Whether it was checked that the old key does not open the new envelope. */
  readonly EnforceRotation: boolean
  readonly facts: ObjectFacts
  /** Whether the data key stayed inside KMS. */
  readonly reEncrypted: boolean
}

/**
 * Wraps the data key of an object with an instruction file anew, and writes that into the file, or into a second one for
 * the holder of another key. The object is not touched.
 *
 * With raw keys the new keyring must have another materials description than the one that is stored, by which readers with
 * both keys choose. Throws as `rotateKey` does; ERR_S3CSE_ROTATION also for an object whose envelope is in its metadata.
 */
export async function reEncryptInstructionFile(
  client: S3Client,
  input: ReEncryptInstructionFileInput,
  options: RotateKeyOptions = {},
): Promise<ReEncryptInstructionFileResult> {
  const owner = 'reEncryptInstructionFile'
  const settings = settingsOf(client, owner)
  const given = rotationInput(input, owner, [...reEncryptMembers, 'instructionFileSuffix'])
  const { bucket, key } = objectName({ ...given })
  const suffix =
    given.instructionFileSuffix === undefined
      ? settings.instructionFile.suffix
      : suffixOption(given.instructionFileSuffix, 'instructionFileSuffix')
  if (settings.format.instructionFiles?.legacySuffixes.includes(suffix) === true) {
    throw configError(
      `${owner}: files of '${suffix}' have another form, and are only read. Give instructionFileSuffix.`,
    )
  }
  const r = rotationOf(client, settings, given, rotationSettings(given, options, owner))
  const renew = async (_attempt: number, mismatched: boolean): Promise<ReEncryptInstructionFileResult> => {
    const head = await headOf(r)
    const located = await envelopeOf(r, head, mismatched)
    const { file, summary } = located
    if (file === undefined) {
      throw lostProperty(r.object, 'its envelope is in its metadata. rotateKey changes that.')
    }
    const result = (of: EnvelopeSummary, reEncrypted: boolean): ReEncryptInstructionFileResult => ({
      Bucket: bucket,
      Key: key,
      InstructionFileSuffix: suffix,
      EnforceRotation: r.options.enforceRotation,
      facts: { ...withoutContext(of), instructionFile: `${key}${suffix}` },
      reEncrypted,
    })
    const sent = sentAs(r, file.bytes)
    if (sent !== undefined) return result(summary, sent.reEncrypted)
    const made = await rewrapped(r, head, located)
    if (made === undefined)
      throw lostProperty(r.object, 'the old key does not open its instruction file, and the new one does.')
    const isRaw =
      made.summary.contextKind === 'materials description' && summary.contextKind === made.summary.contextKind
    if (isRaw && sameEntries(summary.context, made.summary.context)) {
      throw configError(
        `${owner}: the new keyring has the materials description that is stored. Give it another one, so that readers with both keys can tell them apart.`,
      )
    }
    if (file.suffix === suffix) await replaceFile(r, file, made)
    else await writeSecond(r, head, { first: file, suffix, made })
    return result(made.summary, made.reEncrypted)
  }
  return observed(
    client,
    settings,
    { command: owner, input: r.input },
    () => untilQuiet(r.options, renew),
    ({ facts }) => ({ outcome: 'rotated', facts }),
  )
}
