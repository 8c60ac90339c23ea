// CVE-2025-14759 to 14764: whoever can write the bucket swaps an instruction file for one with another data key, under which the same body opens to another text ("invisible salamanders"). V2 cannot tell; in V3 what commits stays on the object.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, it } from 'node:test'

import type { CseErrorCode } from '../../src/index.js'
import { hkdf, referenceMetadata } from '../support/s3ec-reference.js'
import { Bucket, keyring, pattern, put, world } from '../support/world.js'
import { collision } from './collision.js'
import {
  assertRefused,
  base64,
  counting,
  flipBase64,
  modes,
  outcomeOf,
  policies,
  readsAll,
  writesV2,
  wrapKey,
} from './support.js'

const w = await world()
const texts = [Buffer.from('Pay 100 to Alice'.repeat(4)), Buffer.from('Pay 999 to Mallo'.repeat(6))] as const
const dataKeys = [randomBytes(32), randomBytes(32)] as const
const invalid: CseErrorCode = 'ERR_S3CSE_ENVELOPE_INVALID'

type Values = Readonly<Record<string, string>>

/** c, d and i, and the rest. */
function split(all: Values): [object: Values, file: Values] {
  const stays = (name: string): boolean => /^x-amz-[cdi]$/.test(name)
  const pick = (which: boolean): Values =>
    Object.fromEntries(Object.entries(all).filter(([name]) => stays(name) === which))
  return [pick(true), pick(false)]
}

async function putBoth(key: string, body: Uint8Array, object: Values, file: unknown): Promise<void> {
  await w.s3.put(Bucket, key, { body, metadata: object })
  await w.s3.put(Bucket, `${key}.instruction`, { body: typeof file === 'string' ? file : JSON.stringify(file) })
}

describe('one body, two instruction files', () => {
  it('V2: each opens it, to a text of its own', async () => {
    const iv = randomBytes(12)
    const gcm = dataKeys.map((key) => ({ key, iv, aad: Buffer.alloc(0) }))
    const body = collision(gcm[0]!, gcm[1]!, texts)
    const opened: Buffer[] = []
    for (const [i, dataKey] of dataKeys.entries()) {
      const { encryptedDataKey } = await wrapKey(keyring, 'V2', dataKey)
      const file = referenceMetadata({ version: 'V2', dataKey, nonce: iv }, { wrap: 'AES/GCM', encryptedDataKey })
      await putBoth('v2', body, {}, file)
      for (const [mode, options] of modes) {
        const { released, error } = await outcomeOf(w.client({ commitmentPolicy: readsAll, ...options }), 'v2')
        assert.equal(error, undefined, mode)
        opened[i] = released
      }
      assertRefused(await outcomeOf(w.client(), 'v2'), 'ERR_S3CSE_POLICY')
    }
    assert.deepEqual(opened[0]?.subarray(0, texts[0].length), texts[0])
    assert.deepEqual(opened[1]?.subarray(texts[0].length, -16), texts[1])
  })

  it('V3: only the one whose key the object commits to, under every policy', async () => {
    const nonce = randomBytes(28)
    const derived = dataKeys.map((dataKey) => hkdf(dataKey, nonce, 'DERIVEKEY', 32))
    const gcm = derived.map((key) => ({ key, iv: Buffer.alloc(12, 1), aad: Buffer.from('0073', 'hex') }))
    const body = collision(gcm[0]!, gcm[1]!, texts)
    const sides = await Promise.all(
      dataKeys.map(async (dataKey) => {
        const { encryptedDataKey } = await wrapKey(keyring, 'V3', dataKey)
        return split(referenceMetadata({ version: 'V3', dataKey, nonce }, { wrap: 'AES/GCM', encryptedDataKey }))
      }),
    )
    for (const [i, [object]] of sides.entries()) {
      for (const [j, [, file]] of sides.entries()) {
        await putBoth('v3', body, object, file)
        for (const [mode, options] of modes) {
          for (const commitmentPolicy of policies) {
            const outcome = await outcomeOf(w.client({ commitmentPolicy, ...options }), 'v3')
            if (i !== j) assertRefused(outcome, 'ERR_S3CSE_DECRYPTION_FAILED', `${mode}, ${commitmentPolicy}`)
            else assert.equal(outcome.error, undefined, mode)
          }
        }
      }
    }
  })
})

const plaintext = pattern(500)

/** An object with its file, as this library writes it. */
async function written(key: string, version: 'V2' | 'V3'): Promise<{ body: Uint8Array; object: Values; file: Values }> {
  const commitmentPolicy = version === 'V2' ? writesV2 : readsAll
  await put(w.client({ commitmentPolicy, instructionFile: { write: true, overwrite: true } }), key, plaintext)
  const { body, metadata } = await w.stored(key)
  const file = JSON.parse(Buffer.from((await w.stored(`${key}.instruction`)).body).toString()) as Values
  return { body, object: metadata, file }
}

describe('V3, what commits', () => {
  const asked = counting(keyring)
  const clients = policies.map((commitmentPolicy) =>
    w.client({ keyring: asked, commitmentPolicy, legacy: { wrapping: true, content: true } }),
  )
  async function refused(object: Values, file: unknown, body: Uint8Array, code: CseErrorCode, what: string) {
    const before = asked.unwraps()
    await putBoth('changed', body, object, file)
    for (const client of clients) assertRefused(await outcomeOf(client, 'changed'), code, what)
    if (code === invalid) assert.equal(asked.unwraps(), before, `${what}: a key was used`)
  }

  it('is what it was: the object as written opens', async () => {
    await written('good', 'V3')
    for (const client of clients) assert.deepEqual((await outcomeOf(client, 'good')).released, plaintext)
  })

  it('moved to the file, or in both', async () => {
    const { body, object, file } = await written('good', 'V3')
    const names = Object.keys(object)
    assert.deepEqual(names.sort(), ['x-amz-c', 'x-amz-d', 'x-amz-i'])
    for (let set = 1; set < 8; set++) {
      const moved = Object.fromEntries(Object.entries(object).filter((_, i) => (set >> i) & 1))
      const rest = Object.fromEntries(Object.entries(object).filter((_, i) => !((set >> i) & 1)))
      const what = Object.keys(moved).join()
      await refused(object, { ...file, ...moved }, body, invalid, `${what} in both`)
      await refused(rest, { ...file, ...moved }, body, invalid, `${what} in the file`)
      await refused(rest, file, body, invalid, `${what} nowhere`)
      const others = Object.fromEntries(Object.keys(moved).map((name) => [name, '']))
      await refused(object, { ...file, ...others }, body, invalid, `${what} empty in the file`)
    }
  })

  it('with any bit of d or i flipped, or another length', async () => {
    const { body, object, file } = await written('good', 'V3')
    for (const name of ['x-amz-d', 'x-amz-i']) {
      for (const bit of [0, 7, 8, 111, 112, 216, 223]) {
        const flipped = { ...object, [name]: flipBase64(object[name], bit) }
        await refused(flipped, file, body, 'ERR_S3CSE_DECRYPTION_FAILED', `${name}, bit ${bit}`)
      }
      const bytes = Buffer.from(object[name]!, 'base64')
      for (const other of [bytes.subarray(0, 27), Buffer.concat([bytes, Buffer.of(0)]), Buffer.alloc(0)]) {
        await refused({ ...object, [name]: base64(other) }, file, body, invalid, `${name}, ${other.length} bytes`)
      }
    }
    for (const c of ['114', '116', '112', '', '0115', 'AES/GCM/NoPadding']) {
      await refused({ ...object, 'x-amz-c': c }, file, body, invalid, `c is ${c}`)
    }
  })

  it('and what wraps: each value of the file changed, removed, or moved to the object', async () => {
    const { body, object, file } = await written('good', 'V3')
    for (const name of ['x-amz-3', 'x-amz-w']) {
      const { [name]: value, ...rest } = file
      await refused(object, rest, body, invalid, `without ${name}`)
      await refused({ ...object, [name]: value! }, rest, body, invalid, `${name} on the object`)
      await refused({ ...object, [name]: value! }, file, body, invalid, `${name} in both`)
    }
    for (const bit of [0, 95, 96, 300, 479]) {
      const flipped = { ...file, 'x-amz-3': flipBase64(file['x-amz-3'], bit) }
      await refused(object, flipped, body, 'ERR_S3CSE_DECRYPTION_FAILED', `x-amz-3, bit ${bit}`)
    }
    for (const code of ['12', '22', '01', '11', '21', 'AES/GCM', 'AESWrap', '']) {
      await refused(object, { ...file, 'x-amz-w': code }, body, invalid, `w is ${code}`)
    }
  })

  it('with the file of another object, a copy of its own file, or none', async () => {
    const { body, object, file } = await written('good', 'V3')
    const other = await written('other', 'V3')
    await refused(object, other.file, body, 'ERR_S3CSE_DECRYPTION_FAILED', 'the file of another')
    await refused(other.object, file, body, 'ERR_S3CSE_DECRYPTION_FAILED', 'c, d, i of another')
    await refused(object, file, other.body, 'ERR_S3CSE_DECRYPTION_FAILED', 'the body of another')
    // All of another object is that object: only where it lies has changed, which the format does not bind.
    await putBoth('moved', other.body, other.object, other.file)
    assert.deepEqual((await outcomeOf(clients[0]!, 'moved')).released, plaintext)
    await w.s3.put(Bucket, 'alone', { body, metadata: object })
    assertRefused(await outcomeOf(clients[0]!, 'alone'), invalid, 'without a file')
  })
})
