import type { S3Client } from '@aws-sdk/client-s3'

import { sameEntries } from '../bytes/same-entries.js'
import { requireConditions } from './condition-probe.js'
import { observed } from './decisions.js'
import { divided, mergedMetadata } from './envelope-metadata.js'
import { settingsOf } from './internal.js'
import { requireKeepable } from './object-properties.js'
import { withoutContext } from './open-object.js'
import { objectName } from './request-options.js'
import { copyOntoItself, isInParts, pinnedSource } from './rotate-copy.js'
import { rotateHeader } from './rotate-header.js'
import { replaceFile, sentAs } from './rotate-file-write.js'
import { rewriteObject } from './rewrite-object.js'
import { rewrapped } from './rotate-wrap.js'
import { envelopeOf, headOf, outcome, rotationOf, untilQuiet } from './rotation.js'
import type { Outcome, Rotation } from './rotation.js'
import { rotateKeyMembers, rotationInput, rotationSettings } from './rotation-options.js'
import type { RotateKeyInput, RotateKeyOptions, RotateKeyResult } from './rotation-options.js'

/**
 * Puts an object under another key without moving it: its data key is wrapped by the keyring `to`, and the new envelope
 * replaces the old one, in the metadata (by a copy of the object onto itself, which keeps all its other properties) or in
 * its instruction file. What somebody writes meanwhile is never overwritten: the copy is pinned to the very object whose
 * envelope was read, on both sides, and where it has changed it is read again.
 *
 * The data key, and with it the content, stays: who had it still has it, and earlier versions of the object, copies of it
 * and of its envelope still open with the old key. `rewrite: true` makes a new one. Let one rotation at a time go over an
 * object: a copy that changes metadata only keeps the ETag, so two of them cannot see each other.
 *
 * Throws ERR_S3CSE_CONFIG for mistakes in the arguments, ERR_S3CSE_ROTATION for what cannot be done or not without a loss,
 * what reading the object throws (it is opened with the client's keyring, under its policies), and what the SDK throws.
 * Whatever is thrown, the object is the old or the new one, and whole.
 */
export async function rotateKey(
  client: S3Client,
  input: RotateKeyInput,
  options: RotateKeyOptions = {},
): Promise<RotateKeyResult> {
  const settings = settingsOf(client, 'rotateKey')
  const given = rotationInput(input, 'rotateKey', rotateKeyMembers)
  objectName({ ...given })
  const r = rotationOf(client, settings, given, rotationSettings(given, options, 'rotateKey'))
  return observed(
    client,
    settings,
    { command: 'rotateKey', input: r.input },
    () => untilQuiet(r.options, async (attempts, mismatched) => ({ ...(await once(r, mismatched)), attempts })),
    ({ outcome, facts }) => ({ outcome: outcome === 'unchanged' ? outcome : 'rotated', facts }),
  )
}

async function once(r: Rotation, mismatched: boolean): Promise<Outcome> {
  const { settings, object, options } = r
  const head = await headOf(r)
  const located = await envelopeOf(r, head, mismatched)
  const { own, envelope } = divided(head, settings.format.reservedKeys)
  const facts = withoutContext(located.summary)
  // An answer may have been lost.
  const sent = r.sent.find(({ metadata }) => metadata !== undefined && sameEntries(metadata, envelope))
  if (sent !== undefined) return { ...outcome('metadata', facts, head), reEncrypted: sent.reEncrypted }
  const sentFile = sentAs(r, located.file?.bytes)
  if (sentFile !== undefined) {
    return { ...outcome('instruction file', facts, head), reEncrypted: sentFile.reEncrypted }
  }
  if (options.rewrite) return rewriteObject(r, head, located)
  if (located.rewrap === undefined && located.reencrypt !== undefined) return rotateHeader(r, located)
  const made = await rewrapped(r, head, located)
  if (made === undefined) return outcome('unchanged', facts, head)
  const { metadata, reEncrypted } = made
  if (located.file !== undefined) {
    await replaceFile(r, located.file, made)
    const { instructionFile } = facts
    return { ...outcome('instruction file', { ...withoutContext(made.summary), instructionFile }, head), reEncrypted }
  }
  requireKeepable(head, object)
  const copy = { ...r, head, metadata: mergedMetadata(own, metadata, object.bucket, object.key) }
  const { signal } = options
  if (!options.allowUnconditional) {
    const source = pinnedSource(copy)
    await requireConditions({ ...r, source, head, signal }, isInParts(copy) ? 'parts' : 'copy')
  }
  r.sent.push({ metadata, reEncrypted })
  const stored = await copyOntoItself(copy)
  return { ...outcome('metadata', withoutContext(made.summary), stored), reEncrypted }
}
