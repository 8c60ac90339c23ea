import { Buffer } from 'node:buffer'
import { isDeepStrictEqual } from 'node:util'
import { CseError, inspect } from 's3-cse'
import { OTHER_CONTEXT } from './inputs.js'
import { isLegacy } from './kinds.js'
import { expectRefusal, expectSame, get, needs, view } from './ours.js'
import type { Opening, Ours, Place } from './ours.js'
import type { Kind } from './peer.js'

/** Reads an object in every way, with exactly what its kind needs. */
export async function readHere(
  ours: Ours,
  kind: Kind,
  place: Place,
  opening: Opening,
  wanted: Uint8Array,
  suffix?: string,
): Promise<void> {
  const options = suffix === undefined ? {} : { instructionFileSuffix: suffix }
  const client = view(ours, opening, needs(kind))
  await looksLike(ours, kind, place, wanted.length, suffix)
  expectSame(await get(client, place, options), wanted)
  expectSame(await get(client, place, { ...options, delayedAuthentication: true }), wanted)
  if (wanted.length < 3) return
  const [start, end] = [Math.floor(wanted.length / 3), Math.ceil((wanted.length * 2) / 3)]
  const part = wanted.subarray(start, end + 1)
  const Range = `bytes=${start}-${end}`
  expectSame(await get(client, place, { ...options, Range, rangeReads: 'unauthenticated' }), part)
  const whole = (): Promise<Uint8Array> => get(client, place, { ...options, Range, rangeReads: 'whole-object' })
  // Nothing in CBC can be verified.
  if (kind.content === 'CBC') await expectRefusal('a range', whole, 'ERR_S3CSE_RANGE_REFUSED')
  else expectSame(await whole(), part)
}

const CONTENT: Readonly<Record<string, RegExp>> = {
  'V3 GCM': /^115$/,
  'V2 GCM': /^AES\/GCM\/NoPadding$/,
  'V2 CBC': /^AES\/CBC\/PKCS[57]Padding$/,
  'V1 CBC': /^AES\/CBC\/PKCS5Padding$/,
}

/** What can be seen without the key. */
async function looksLike(ours: Ours, kind: Kind, place: Place, length: number, suffix = '.instruction'): Promise<void> {
  const keyless = view(
    ours,
    { key: { kind: 'aes', hex: '00'.repeat(32) }, context: {} },
    { instructionFile: { suffix } },
  )
  const { status, facts, plaintextLength, problem } = await inspect(keyless, { ...place })
  const seen = {
    status: status === 'encrypted' ? status : `${status}: ${String(problem)}`,
    version: facts?.version,
    content: CONTENT[`${kind.format} ${kind.content}`]?.test(facts?.contentAlgorithm ?? '') ?? false,
    wrap: facts?.wrapAlgorithm,
    file: facts?.instructionFile,
    length: plaintextLength,
    commits: facts?.needs.commitmentPolicies.includes('REQUIRE_ENCRYPT_REQUIRE_DECRYPT'),
    legacy: facts?.needs.legacy,
  }
  const expected = {
    status: 'encrypted',
    version: kind.format,
    content: true,
    wrap: kind.wrap,
    file: kind.envelope === 'metadata' ? undefined : place.Key + suffix,
    length: kind.content === 'CBC' ? undefined : length,
    commits: kind.format === 'V3',
    legacy: { wrapping: false, content: false, ...needs(kind).legacy },
  }
  if (!isDeepStrictEqual(seen, expected)) {
    throw new Error(`inspect: ${JSON.stringify(seen)} instead of ${JSON.stringify(expected)}`)
  }
}

/** What must not be read. */
export async function refuseHere(
  ours: Ours,
  kind: Kind,
  place: Place,
  opening: Opening,
  otherKey: Opening,
  wanted: Uint8Array,
  flip: () => Promise<Place>,
): Promise<void> {
  const needed = needs(kind)
  const failed = 'ERR_S3CSE_DECRYPTION_FAILED'
  const read = await get(view(ours, otherKey, needed), place).catch((error: unknown) => {
    if (error instanceof CseError && error.code === failed) return undefined
    throw error
  })
  // Nothing authenticates CBC: what comes of another key may once in a while look like plaintext.
  if (read !== undefined && (kind.content !== 'CBC' || Buffer.compare(read, wanted) === 0)) {
    throw new Error('another key: not refused')
  }
  const changed = await flip()
  await expectRefusal('a flipped bit', () => get(view(ours, opening, needed), changed), failed)
  const delayed = { delayedAuthentication: true }
  await expectRefusal('a flipped bit, delayed', () => get(view(ours, opening, needed), changed, delayed), failed)
  if (kind.wrap === 'kms+context') {
    const other = { ...opening, context: OTHER_CONTEXT }
    await expectRefusal('another context', () => get(view(ours, other, needed), place), 'ERR_S3CSE_CONTEXT_MISMATCH')
  }
  if (kind.format === 'V3') return
  const refused = ['ERR_S3CSE_POLICY', 'ERR_S3CSE_LEGACY_DISABLED']
  await expectRefusal('not committing', () => get(view(ours, opening), place), ...refused)
  if (!isLegacy(kind)) return
  const { commitmentPolicy } = needed
  const withoutSwitch = view(ours, opening, commitmentPolicy === undefined ? {} : { commitmentPolicy })
  await expectRefusal('old algorithms', () => get(withoutSwitch, place), 'ERR_S3CSE_LEGACY_DISABLED')
}
