import assert from 'node:assert/strict'

import { DecryptionError } from '../../src/index.js'
import type { CseErrorCode, EncryptionOptions, Keyring } from '../../src/index.js'
import { aesKey, newKmsKey, outcomeOf, pattern, put, readsAll, refused, rsa, store, stored } from './stored-objects.js'
import type { Outcome, Stored } from './stored-objects.js'
import type { Place } from './support.js'
import type { Change, KindName } from './tampering-changes.js'

/** Every way in which an object is read. All but the last give out only what is verified. */
export const modes: readonly [name: string, options: Partial<EncryptionOptions>, more?: { Range: string }][] = [
  ['in memory', {}],
  ['spooled', { maxBufferedBytes: 0 }],
  ['read twice', { maxBufferedBytes: 0, spool: false }],
  ['a range', { rangeReads: 'whole-object' }, { Range: 'bytes=1-40' }],
  ['delayed', { delayedAuthentication: true }],
]

export interface Keys {
  readonly own: Partial<EncryptionOptions> & { readonly keyring: Keyring }
  /** Another key of the same kind. */
  readonly another: Partial<EncryptionOptions>
}

export const kinds: readonly [name: KindName, uses: 's3' | 'both', keys: (t: Place) => Promise<Keys>][] = [
  ['AES', 's3', async () => ({ own: { keyring: aesKey(7) }, another: { keyring: aesKey(8) } })],
  ['RSA', 's3', async () => ({ own: { keyring: rsa('one') }, another: { keyring: rsa('two') } })],
  [
    'KMS',
    'both',
    async (t) => {
      const encryptionContext = { tenant: 'a' }
      return {
        own: { keyring: await t.kmsKeyring(), encryptionContext },
        another: { keyring: await t.kmsKeyring({ keyId: await newKmsKey(t) }), encryptionContext },
      }
    },
  ],
]

/** For what is refused before a byte of the body is read. */
export const early: typeof modes = modes.filter(([mode]) => mode === 'in memory' || mode === 'delayed')

/** All that can be seen of an error but for its stack. */
function look(error: unknown): unknown {
  assert.ok(error instanceof Error)
  const own = Reflect.ownKeys(error).filter((name) => name !== 'stack')
  return {
    class: error.constructor,
    text: String(error),
    own: own.map((name) => [name, Object.getOwnPropertyDescriptor(error, name)]),
    cause: 'cause' in error,
  }
}
const alike = look(new DecryptionError())

export function mustFail(outcome: Outcome, mode: string, code: CseErrorCode, what: string): void {
  // What is delayed gives out what is not verified, as asked.
  refused(mode === 'delayed' ? { ...outcome, released: Buffer.alloc(0) } : outcome, code, `${what}, ${mode}`)
  if (code === 'ERR_S3CSE_DECRYPTION_FAILED') assert.deepEqual(look(outcome.error), alike, what)
}

export interface Scene extends Keys {
  readonly good: Stored
  /** Of the same writer. */
  readonly second: Stored
}

export async function scene(t: Place, keys: Keys, options: Partial<EncryptionOptions>): Promise<Scene> {
  const writer = t.client({ ...keys.own, ...options })
  const [one, two] = [t.key('one'), t.key('two')]
  await put(writer, t.Bucket, one, pattern(100))
  await put(writer, t.Bucket, two, pattern(100).reverse())
  return { ...keys, good: await stored(t, t.Bucket, one), second: await stored(t, t.Bucket, two) }
}

/** Every change is refused in every one of the modes; the original is read. */
export async function refusedAll(
  t: Place,
  { good, second, own }: Scene,
  changes: readonly Change[],
  how: typeof modes = modes,
): Promise<void> {
  const key = t.key('changed')
  const readers = how.map(([mode, options, more]) => ({
    mode,
    more,
    client: t.client({ ...readsAll, ...own, ...options }),
  }))
  assert.ok(changes.length > 0)
  for (const { name, change, code, isEmpty } of changes) {
    const changed = change(good, second)
    assert.notDeepEqual(changed, good, `${name} changes nothing`)
    await store(t, t.Bucket, key, changed)
    for (const { mode, more, client } of readers) {
      const outcome = await outcomeOf(client, t.Bucket, key, more)
      if (isEmpty && more !== undefined) assert.equal((outcome.error as Error).name, 'InvalidRange')
      else mustFail(outcome, mode, code, name)
    }
  }
  await store(t, t.Bucket, key, good)
  for (const { mode, more, client } of readers) {
    const { released, error } = await outcomeOf(client, t.Bucket, key, more)
    assert.equal(error, undefined, mode)
    assert.deepEqual(released, more === undefined ? pattern(100) : pattern(100).subarray(1, 41), mode)
  }
}
