import { runtime } from '#runtime'
import { configError, RotationError } from '../../errors.js'
import type { Context, Keyring } from '../../keyrings/keyring.js'
import { isBytes } from '../../keyrings/options.js'
import type {
  CommitmentPolicy,
  ObjectMetadata,
  ObjectName,
  RewrapEnvelopeRequest,
  RewrappedEnvelope,
} from '../format.js'
import { callersContext } from './context.js'
import type { StoredEnvelope } from './decode.js'
import { encodeV1, encodeV2, encodeV3 } from './encode.js'
import { nameOf } from './messages.js'
import { checkWrapped, isObject, legacyWrapOf, mistake, type Wrapped } from './seal.js'
import { suiteForKeyrings, summaryOf } from './summary.js'
import { allowsContent, checkMessage, encryptedDataKeysOf, withCommittedKey, withDataKey } from './unwrap.js'
import { bindsContext } from './wraps.js'
import { current, type WritingKind } from './writing.js'

/** Besides the envelope itself. */
export interface Rewrapping {
  readonly object: ObjectName
  /** What this format writes: with legacy writing also the wraps of old readers. */
  readonly writes: (policy: CommitmentPolicy) => WritingKind
  /** What of the envelope is nobody's to change. */
  readonly kept: ObjectMetadata
}

interface Target {
  readonly kind: WritingKind
  readonly keyring: Keyring
  /** The caller's context. */
  readonly given: Context
  readonly algorithm: string | undefined
}

/**
 * Wraps the data key of a message anew. Content, IV or message id, and commitment stay: whoever had the data key before
 * still has it.
 */
export async function rewrapMessage(
  envelope: StoredEnvelope,
  request: RewrapEnvelopeRequest,
  { object, writes, kept }: Rewrapping,
): Promise<RewrappedEnvelope> {
  checkMessage(envelope, request, object)
  const target = targetOf(envelope, request, object, writes)
  const inService = await reEncrypted(envelope, request, target)
  const { wrapped, sameKey } = inService ?? (await unwrappedAndWrapped(envelope, request, target, object))
  if (request.enforceRotation && sameKey) {
    throw rotationError(
      object,
      'the key that opens it now would open the new envelope as well. Give another key; or, to wrap under the same one once more (KMS may have new key material for it), enforceRotation: false, which is also needed where the client reads with a kmsDiscoveryKeyring and ReEncrypt is not used.',
    )
  }
  const found = { ...envelope, ...wrapped }
  return {
    metadata: { ...encoded(envelope, wrapped), ...kept },
    summary: summaryOf(found),
    reEncrypted: inService !== undefined,
  }
}

function rotationError(object: ObjectName, what: string, needsRewrite = false): RotationError {
  return new RotationError(`The envelope of ${nameOf(object)} was not changed: ${what}`, needsRewrite)
}

/** Found before a key is used. */
function targetOf(
  { version, suite, contentAlgorithm }: StoredEnvelope,
  { to, commitmentPolicy }: RewrapEnvelopeRequest,
  object: ObjectName,
  writes: Rewrapping['writes'],
): Target {
  const { keyring } = to
  const own = writes(commitmentPolicy)
  const kind = own.legacy && own.version === version && own.suite === suite ? own : current(version, suite)
  if (kind.wraps.length === 0) {
    throw rotationError(
      object,
      `format ${version} with ${contentAlgorithm} has no wrap but legacy ones, and another format needs another body. rewrite: true reads the object and writes it anew.`,
      true,
    )
  }
  const given = callersContext(to.encryptionContext)
  const algorithm = kind.legacy ? legacyWrapOf(kind, keyring) : undefined
  const { algorithms } = keyring
  const possible = algorithms === undefined ? kind.wraps : kind.wraps.filter((name) => algorithms.includes(name))
  if (possible.length === 0) {
    throw configError(`The new keyring has none of the wraps of format ${version}: ${kind.wraps.join(', ')}.`)
  }
  return { kind, keyring, given, algorithm }
}

/** Inside the key service; `undefined` where that is not wanted or not possible. */
async function reEncrypted(
  envelope: StoredEnvelope,
  request: RewrapEnvelopeRequest,
  { kind, keyring, given, algorithm }: Target,
): Promise<{ wrapped: Wrapped; sameKey: boolean } | undefined> {
  if (!request.reEncrypt || keyring.rewrap === undefined) return undefined
  const { contentAlgorithm } = envelope
  const result = await keyring.rewrap({
    ...keyOf(envelope, request),
    from: request.keyring,
    newContext: given,
    ...(algorithm !== undefined && { algorithm }),
  })
  if (result === undefined) return undefined
  const wrapped = checkWrapped(result, { kind, given, algorithm, contentAlgorithm })
  return { wrapped, sameKey: result.sameKey }
}

async function unwrappedAndWrapped(
  envelope: StoredEnvelope,
  request: RewrapEnvelopeRequest,
  { kind, keyring, given, algorithm }: Target,
  object: ObjectName,
): Promise<{ wrapped: Wrapped; sameKey: boolean }> {
  const { commitment, nonce, contentAlgorithm } = envelope
  return withDataKey(envelope, request, object, async (dataKey) => {
    // A data key that is not the object's must not come under the new key.
    if (commitment !== undefined) await withCommittedKey(dataKey, nonce, commitment, () => Promise.resolve())
    const { suite, commitmentPolicy, signal } = keyOf(envelope, request)
    const result: unknown = await keyring.wrap({
      suite,
      context: given,
      dataKey,
      commitmentPolicy,
      ...(algorithm !== undefined && { algorithm }),
      ...(signal && { signal }),
    })
    if (!isObject(result)) throw mistake('gave no result.')
    const copy = result.dataKey
    const same = isBytes(copy) && copy.length === dataKey.length && runtime.equal(copy, dataKey)
    if (isBytes(copy)) copy.fill(0)
    if (!same) throw mistake('wrapped another data key than the one that was given.')
    const wrapped = checkWrapped(result, { kind, given, algorithm, contentAlgorithm })
    return { wrapped, sameKey: request.enforceRotation && (await oldKeyOpens(envelope, request, wrapped, dataKey)) }
  })
}

/** What a keyring is told of the stored data key. */
function keyOf(envelope: StoredEnvelope, request: RewrapEnvelopeRequest) {
  const { signal, commitmentPolicy } = request
  return {
    suite: suiteForKeyrings(envelope.suite, envelope.contentAlgorithm, allowsContent(request)),
    context: envelope.context,
    encryptedDataKeys: encryptedDataKeysOf(envelope),
    commitmentPolicy,
    ...(signal && { signal }),
  }
}

/** Raw keys are chosen by the stored description: with the old one it is the very key that has opened the old wrap. */
async function oldKeyOpens(
  envelope: StoredEnvelope,
  request: RewrapEnvelopeRequest,
  { wrap, encryptedDataKey, context }: Wrapped,
  dataKey: Uint8Array,
): Promise<boolean> {
  const { keyring } = request
  if (keyring.algorithms?.includes(wrap.name) === false) return false
  const opened: unknown = await keyring.unwrap({
    ...keyOf(envelope, request),
    context: bindsContext(wrap) ? context : envelope.context,
    encryptedDataKeys: encryptedDataKeysOf({ ...envelope, wrap, encryptedDataKey }),
  })
  if (!isBytes(opened)) return false
  // Wraps that nothing authenticates open with every key, as something else.
  const same = opened.length === dataKey.length && runtime.equal(opened, dataKey)
  opened.fill(0)
  return same
}

function encoded({ version, suite, nonce, commitment }: StoredEnvelope, wrapped: Wrapped): ObjectMetadata {
  if (version === 'V1') return encodeV1({ ...wrapped, iv: nonce })
  if (commitment === undefined) return encodeV2({ ...wrapped, iv: nonce, suite })
  return encodeV3({ ...wrapped, messageId: nonce, commitment })
}
