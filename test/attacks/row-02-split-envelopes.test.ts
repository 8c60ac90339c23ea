// CVE-2025-14759 to 14764, the rest of it: an envelope that is split between object and instruction file in a way that no writer has, so that each side is trusted for what the other should say.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, it } from 'node:test'

import type { EncryptionOptions } from '../../src/index.js'
import { referenceMetadata, referenceSeal } from '../support/s3ec-reference.js'
import { Bucket, keyring, pattern, world } from '../support/world.js'
import { allOn, cbc, cbcName, ecb, legacyMetadata, wrappingKey } from './legacy.js'
import { assertRefused, base64, counting, outcomeOf, wrapKey } from './support.js'

const w = await world()
const plaintext = pattern(100)
const asked = counting(keyring)
const client = w.client({ keyring: asked, ...allOn })
type Values = Readonly<Record<string, string>>
type Version = 'V1' | 'V2' | 'V3'

async function complete(version: Version): Promise<{ body: Uint8Array; values: Values }> {
  const dataKey = randomBytes(32)
  if (version === 'V1') {
    const iv = randomBytes(16)
    const kind = { version, wrap: 'AES', map: '{}' } as const
    return { body: cbc(dataKey, iv, plaintext), values: legacyMetadata(kind, cbcName, ecb(wrappingKey, dataKey), iv) }
  }
  const { encryptedDataKey } = await wrapKey(keyring, version, dataKey)
  const reference = { version, dataKey, nonce: randomBytes(version === 'V2' ? 12 : 28) } as const
  const values = referenceMetadata(reference, { wrap: 'AES/GCM', encryptedDataKey, map: '{}' })
  return { body: referenceSeal(reference, plaintext), values }
}
const good = { V1: await complete('V1'), V2: await complete('V2'), V3: await complete('V3') }

/** Where each value stands beside an instruction file. */
const onObject = (name: string): boolean => /^x-amz-[cdi]$/.test(name)

function pick(values: Values, which: (name: string, index: number) => boolean): Values {
  return Object.fromEntries(Object.entries(values).filter(([name], index) => which(name, index)))
}

/** Readers may do without them. */
const optional = ['x-amz-matdesc', 'x-amz-tag-len', 'x-amz-m']

const asksFor = (): unknown[] => w.s3.requests.map(({ key }) => key)

async function store(body: Uint8Array, object: Values, file: Values): Promise<void> {
  await w.s3.put(Bucket, 'split', { body, metadata: object })
  await w.s3.put(Bucket, 'split.instruction', { body: JSON.stringify(file) })
}

async function refused(body: Uint8Array, object: Values, file: Values, what: string): Promise<void> {
  const before = asked.unwraps()
  await store(body, object, file)
  assertRefused(await outcomeOf(client, 'split'), 'ERR_S3CSE_ENVELOPE_INVALID', what)
  assert.equal(asked.unwraps(), before, `${what}: a key was used`)
}

for (const version of ['V1', 'V2', 'V3'] as const) {
  const { body, values } = good[version]
  const names = Object.keys(values)

  it(`${version}: every way to divide its keys but the right ones`, async () => {
    let opened = 0
    for (let set = 0; set < 2 ** names.length; set++) {
      const object = pick(values, (_, i) => ((set >> i) & 1) === 1)
      const file = pick(values, (_, i) => ((set >> i) & 1) === 0)
      const right = names.every((name) => onObject(name) === name in object)
      // What is on the object is an envelope by itself: what a file says is not looked at.
      const whole = Object.keys(file).every((name) => optional.includes(name))
      const what = `${Object.keys(object).join()} on the object`
      if (!whole && !right) {
        await refused(body, object, file, what)
        continue
      }
      await store(body, object, file)
      w.s3.requests.length = 0
      assert.deepEqual((await outcomeOf(client, 'split')).released, plaintext, what)
      assert.deepEqual(asksFor(), whole ? ['split'] : ['split', 'split.instruction'])
      opened++
    }
    assert.equal(opened, 1 + 2 ** names.filter((name) => optional.includes(name)).length)
  })

  it(`${version}: any key twice, on the object and in the file`, async () => {
    for (const name of names) {
      const value = { [name]: values[name]! }
      const [object, file] = [pick(values, onObject), pick(values, (one) => !onObject(one))]
      await refused(body, { ...object, ...value }, { ...file, ...value }, name)
    }
  })

  it(`${version}: beside a file of another format, or with one more key of another`, async () => {
    for (const other of (['V1', 'V2', 'V3'] as const).filter((one) => one !== version)) {
      const foreign = good[other].values
      const [object, file] = [pick(values, onObject), pick(values, (name) => !onObject(name))]
      const [foreignObject, foreignFile] = [pick(foreign, onObject), pick(foreign, (name) => !onObject(name))]
      // Two whole pairs change places where both leave nothing on the object: that is another object's envelope.
      if (Object.keys({ ...object, ...foreignObject }).length > 0) {
        await refused(body, object, foreignFile, `the object of ${version}, the file of ${other}`)
        await refused(body, foreignObject, file, `the object of ${other}, the file of ${version}`)
      }
      for (const name of Object.keys(foreign).filter((one) => !(one in values))) {
        const more = { [name]: foreign[name]! }
        await refused(body, object, { ...file, ...more }, `${name} in the file`)
        await refused(body, { ...object, ...more }, file, `${name} on the object`)
      }
    }
  })

  it(`${version}: whole on the object, no file is asked for, whatever one says`, async () => {
    for (const other of ['V1', 'V2', 'V3'] as const) {
      await store(body, values, good[other].values)
      w.s3.requests.length = 0
      assert.deepEqual((await outcomeOf(client, 'split')).released, plaintext)
      assert.deepEqual(asksFor(), ['split'])
    }
  })
}

describe("the file under the name of .NET's first client", () => {
  const { body, values } = good.V1
  const file = JSON.stringify({ EncryptedEnvelopeKey: values['x-amz-key'], IV: values['x-amz-iv'] })
  const withLegacy = (legacy: NonNullable<EncryptionOptions['legacy']>) => w.client({ ...allOn, legacy })

  it('is never asked for without both legacy switches', async () => {
    await w.s3.put(Bucket, 'net', { body })
    await w.s3.put(Bucket, 'netINSTRUCTION_SUFFIX', { body: file })
    assert.deepEqual((await outcomeOf(client, 'net')).released, plaintext)
    for (const legacy of [{}, { wrapping: true }, { content: true }, { wrapping: false, content: false }]) {
      w.s3.requests.length = 0
      assertRefused(await outcomeOf(withLegacy(legacy), 'net'), 'ERR_S3CSE_NOT_ENCRYPTED', JSON.stringify(legacy))
      assert.deepEqual(asksFor(), ['net', 'net.instruction'])
    }
  })

  it('cannot replace a file of today, nor take part in an object that has one', async () => {
    const { body: v3Body, values: v3 } = good.V3
    await w.s3.put(Bucket, 'net', { body: v3Body, metadata: pick(v3, onObject) })
    assertRefused(await outcomeOf(client, 'net'), 'ERR_S3CSE_ENVELOPE_INVALID', 'with c, d and i')
    w.s3.requests.length = 0
    await w.s3.put(Bucket, 'net.instruction', { body: JSON.stringify(pick(v3, (name) => !onObject(name))) })
    assert.deepEqual((await outcomeOf(client, 'net')).released, plaintext)
    assert.deepEqual(asksFor(), ['net', 'net.instruction'])
  })

  it('has its own names only, and a file of today has not', async () => {
    const own = { EncryptedEnvelopeKey: values['x-amz-key']!, IV: values['x-amz-iv']! }
    for (const [suffix, names] of [
      ['INSTRUCTION_SUFFIX', values],
      ['INSTRUCTION_SUFFIX', { ...own, ...values }],
      ['INSTRUCTION_SUFFIX', { ...own, 'x-amz-matdesc': '{}' }],
      ['.instruction', own],
      ['.instruction', { ...values, IV: own.IV }],
    ] as const) {
      const key = `net ${base64(randomBytes(6))}`
      await w.s3.put(Bucket, key, { body })
      await w.s3.put(Bucket, `${key}${suffix}`, { body: JSON.stringify(names) })
      assertRefused(
        await outcomeOf(client, key),
        'ERR_S3CSE_ENVELOPE_INVALID',
        `${suffix} ${Object.keys(names).join()}`,
      )
    }
  })
})
