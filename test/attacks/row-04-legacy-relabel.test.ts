// CVE-2020-8912 with every legacy switch on: GCM relabelled as CBC or CTR, old wraps relabelled. What is bound refuses; for pairs that old writers really used with both contents, what comes is the one error or garbage, never the object's text.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, it } from 'node:test'

import { CseError } from '../../src/index.js'
import type { CseErrorCode } from '../../src/index.js'
import { wraps } from '../../src/formats/s3ec/wraps.js'
import { Bucket, pattern, put, world } from '../support/world.js'
import { allKinds } from './kinds.js'
import { allOn, cbc, cbcName, gcm, gcmName, legacyKinds, legacyMetadata, without } from './legacy.js'
import { assertRefused, base64, counting, modes, outcomeOf, versions } from './support.js'
import { expected, visible } from './uniform.js'

const w = await world()
const { kinds: current } = await allKinds()
const { kinds: legacy } = await legacyKinds()
/** Whole blocks with the tag, so that it can pass for CBC. */
const plaintext = pattern(192)
const dataKey = Buffer.alloc(32, 'the data key of this object')
const iv12 = Buffer.alloc(12, 5)
const iv16 = Buffer.alloc(16, 5)
const invalid: CseErrorCode = 'ERR_S3CSE_ENVELOPE_INVALID'

/** Every name of a content that some client has, and spellings that are none. */
const labels = [
  ...[cbcName, 'AES/CBC/PKCS7Padding', gcmName, 'AES/CTR/NoPadding', 'AES/CTR/PKCS5Padding', 'AES/ECB/PKCS5Padding'],
  ...['AES/CBC/NoPadding', 'AES_256_CTR', 'ALG_AES_256_CTR_IV16_TAG16_NO_KDF', '112', '113', '114', '115', '116'],
  ...['', 'aes/cbc/pkcs5padding', 'AES/CBC/PKCS5Padding ,', 'toString', '__proto__'],
]
const isCbc = (name: string): boolean => name === cbcName || name === 'AES/CBC/PKCS7Padding'

type Values = Readonly<Record<string, string>>

/** As the label has it: the IV's length, the tag's length. A GCM message continued as a CTR or CBC one begins with counter 2. */
function relabelled(metadata: Values, name: string, ivLength: number, tagLength: string | undefined): Values {
  const iv = Buffer.concat([Buffer.from(metadata['x-amz-iv'] ?? '', 'base64'), Buffer.from('00000002', 'hex')])
  const changed: Record<string, string> = {
    ...metadata,
    'x-amz-cek-alg': name,
    'x-amz-iv': base64(iv.subarray(0, ivLength)),
  }
  delete changed['x-amz-tag-len']
  return tagLength === undefined ? changed : { ...changed, 'x-amz-tag-len': tagLength }
}

describe('GCM under the wraps of today', () => {
  for (const kind of current) {
    it(`${kind.wrap}: relabelled as each other content, before any key is used`, async () => {
      const context = { encryptionContext: kind.context }
      await put(w.client({ ...context, keyring: kind.keyring, commitmentPolicy: versions[0]![1] }), 'good', plaintext)
      const { metadata, body } = await w.stored('good')
      for (const claims of [true, false]) {
        const keyring = counting(kind.keyring, claims)
        const client = w.client({ ...context, ...allOn, keyring })
        for (const name of labels.filter((label) => label !== gcmName)) {
          for (const ivLength of [12, 16]) {
            for (const bytes of [body, body.subarray(0, -16)]) {
              const tagLengths = ivLength === 12 ? ['128', '0', undefined] : [undefined, '']
              for (const tagLength of tagLengths) {
                await w.s3.put(Bucket, 'changed', {
                  body: bytes,
                  metadata: relabelled(metadata, name, ivLength, tagLength),
                })
                assertRefused(await outcomeOf(client, 'changed'), invalid, `${name}, IV of ${ivLength}`)
              }
            }
          }
        }
        assert.equal(keyring.unwraps(), 0)
      }
    })

    it(`${kind.wrap}: without its wrap or content, or under each legacy wrap`, async () => {
      const context = { encryptionContext: kind.context }
      for (const [version, commitmentPolicy] of versions) {
        await put(w.client({ ...context, keyring: kind.keyring, commitmentPolicy }), 'good', plaintext)
        const { metadata, body } = await w.stored('good')
        const [content, wrap] = version === 'V2' ? ['x-amz-cek-alg', 'x-amz-wrap-alg'] : ['x-amz-c', 'x-amz-w']
        const client = w.client({ ...context, ...allOn, keyring: kind.keyring })
        for (const name of [content, wrap]) {
          await w.s3.put(Bucket, 'changed', { body, metadata: without(metadata, name) })
          assertRefused(await outcomeOf(client, 'changed'), invalid, `${version} without ${name}`)
        }
        for (const { name, code = '', status } of wraps) {
          if (name === kind.wrap || (version === 'V3' && code === '')) continue
          await w.s3.put(Bucket, 'changed', {
            body,
            metadata: { ...metadata, [wrap]: version === 'V2' ? name : code },
          })
          const codes: CseErrorCode[] = [invalid, 'ERR_S3CSE_CONTEXT_MISMATCH']
          // A keyring that opens the old wrap too is asked, and it is not that.
          if (status === 'legacy' && name !== 'kms') codes.push('ERR_S3CSE_DECRYPTION_FAILED')
          assertRefused(await outcomeOf(client, 'changed'), codes, `${version} under ${name}`)
        }
      }
    })
  }
})

describe('GCM under legacy wraps', () => {
  for (const kind of legacy.filter(({ contents }) => contents.includes(gcmName))) {
    it(`${kind.wrap}: relabelled as each other content`, async () => {
      const encryptedDataKey = await kind.seal(dataKey)
      const metadata = legacyMetadata(kind, gcmName, encryptedDataKey, iv12)
      const body = gcm(dataKey, iv12, plaintext)
      const keyring = counting(kind.keyring)
      const clients = modes.map(([, options]) => w.client({ ...allOn, ...options, keyring }))
      await w.s3.put(Bucket, 'changed', { body, metadata })
      for (const client of clients) assert.deepEqual((await outcomeOf(client, 'changed')).released, plaintext)
      let garbage = 0
      let failed = 0
      for (const name of labels.filter((label) => label !== gcmName)) {
        for (const bytes of [body, body.subarray(0, -16), body.subarray(0, 17)]) {
          await w.s3.put(Bucket, 'changed', { body: bytes, metadata: relabelled(metadata, name, 16, undefined) })
          const before = keyring.unwraps()
          for (const client of clients) {
            const outcome = await outcomeOf(client, 'changed')
            if (!isCbc(name) || !kind.contents.includes(cbcName)) {
              assertRefused(outcome, invalid, name)
              assert.equal(keyring.unwraps(), before)
            } else if (outcome.error === undefined) garbage++
            else {
              assert.deepEqual(visible(outcome.error), expected, name)
              assert.equal(outcome.released.length, 0)
              failed++
            }
            assertNothingOf(outcome.released, name)
          }
        }
      }
      const possible = kind.contents.includes(cbcName)
      // Two names, three bodies, every mode.
      assert.equal(garbage + failed, possible ? 6 * clients.length : 0)
    })
  }

  it("AESWrap and kms: whole blocks of the attacker's choice come back as garbage of the block cipher, and only as that", async () => {
    // What the CVE does: CBC with a chosen block before each, and an end that fits. It shows E^-1 of a block: why the switches stay off where others write.
    for (const kind of legacy.filter(({ contents }) => contents.length === 2)) {
      const body = gcm(dataKey, iv12, plaintext)
      const metadata = legacyMetadata(kind, cbcName, await kind.seal(dataKey), iv16)
      const client = w.client({ ...allOn, keyring: kind.keyring })
      const outcomes = { garbage: 0, failed: 0 }
      for (let last = 0; last < 256; last++) {
        const chosen = Buffer.concat([body.subarray(0, 16), Buffer.alloc(15), Buffer.of(last), body.subarray(16, 32)])
        await w.s3.put(Bucket, 'changed', { body: chosen, metadata })
        const { error, released } = await outcomeOf(client, 'changed')
        if (error === undefined) outcomes.garbage++
        else {
          assert.deepEqual(visible(error), expected)
          outcomes.failed++
        }
        assertNothingOf(released, kind.wrap)
      }
      assert.ok(outcomes.garbage >= 1 && outcomes.garbage <= 2, JSON.stringify(outcomes))
    }
  })
})

/** No 8 bytes of the object's text in a row. */
function assertNothingOf(released: Buffer, what: string): void {
  for (let at = 0; at + 8 <= released.length; at++) {
    assert.equal(plaintext.indexOf(released.subarray(at, at + 8)), -1, `${what}: text of the object`)
  }
}

describe('CBC relabelled', () => {
  for (const kind of legacy.filter(({ contents, version }) => contents.includes(cbcName) && version === 'V2')) {
    it(`${kind.wrap}: as GCM it fails, as all else it is refused`, async () => {
      const metadata = legacyMetadata(kind, cbcName, await kind.seal(dataKey), iv16)
      const body = cbc(dataKey, iv16, plaintext)
      const clients = modes.map(([, options]) => w.client({ ...allOn, ...options, keyring: kind.keyring }))
      await w.s3.put(Bucket, 'changed', { body, metadata })
      for (const client of clients) assert.deepEqual((await outcomeOf(client, 'changed')).released, plaintext)
      for (const name of labels.filter((label) => !isCbc(label))) {
        const changed = relabelled(metadata, name, name === gcmName ? 12 : 16, name === gcmName ? '128' : undefined)
        await w.s3.put(Bucket, 'changed', { body, metadata: changed })
        for (const [i, client] of clients.entries()) {
          const { error, released } = await outcomeOf(client, 'changed')
          assert.ok(error instanceof CseError, name)
          assert.equal(error.code, name === gcmName ? 'ERR_S3CSE_DECRYPTION_FAILED' : invalid, name)
          if (modes[i]![0] !== 'delayed') assert.equal(released.length, 0, name)
          assertNothingOf(released, name)
        }
      }
    })
  }
})

describe('old wraps relabelled as each other', () => {
  for (const kind of legacy) {
    it(kind.wrap, async () => {
      for (const content of kind.contents) {
        const seal = content === gcmName ? gcm : cbc
        const iv = content === gcmName ? iv12 : iv16
        const metadata = legacyMetadata(kind, content, await kind.seal(dataKey), iv)
        const body = seal(dataKey, iv, plaintext)
        const client = w.client({ ...allOn, keyring: kind.keyring })
        // V1 stores no wrap: the same key as a V2 object.
        const asV2 = legacyMetadata({ ...kind, version: 'V2' }, content, await kind.seal(dataKey), iv)
        const codes: CseErrorCode[] = [invalid, 'ERR_S3CSE_DECRYPTION_FAILED']
        for (const { name } of wraps) {
          if (name === kind.wrap && kind.version === 'V2') continue
          await w.s3.put(Bucket, 'changed', { body, metadata: { ...asV2, 'x-amz-wrap-alg': name } })
          assertRefused(await outcomeOf(client, 'changed'), codes, `${content}, ${name}`)
        }
        if (kind.version === 'V1') continue
        // And as V1, where the length decides.
        const { 'x-amz-key-v2': key = '', 'x-amz-matdesc': map = '' } = metadata
        const asV1 = { 'x-amz-key': key, 'x-amz-iv': base64(randomBytes(16)), 'x-amz-matdesc': map }
        await w.s3.put(Bucket, 'changed', { body, metadata: asV1 })
        const outcome = await outcomeOf(client, 'changed')
        if (outcome.error !== undefined) assertRefused(outcome, codes, `${content}, V1`)
        assertNothingOf(outcome.released, `${content}, V1`)
      }
    })
  }
})
