// The same mixes of formats with instruction files, and with every legacy switch on: neither object nor file may choose the reader.
import assert from 'node:assert/strict'
import { describe, it } from 'node:test'

import { inspect } from '../../src/index.js'
import { envelopeKeys } from '../../src/formats/s3ec/envelope-keys.js'
import { Bucket, pattern, put, world } from '../support/world.js'
import { allKinds } from './kinds.js'
import { allOn, cbc, cbcName, ecb, legacyMetadata, without, wrappingKey } from './legacy.js'
import { assertRefused, counting, decrypts, outcomeOf, policies, readsAll, writesV2 } from './support.js'

const w = await world()
const { kinds, kms } = await allKinds()
const [aes, , viaKms] = kinds as [(typeof kinds)[number], unknown, (typeof kinds)[number]]
const plaintext = pattern(64)
type Values = Readonly<Record<string, string>>
type Version = 'V1' | 'V2' | 'V3'

interface Stored {
  readonly body: Uint8Array
  /** All values, and those that stay on the object beside a file. */
  readonly all: Values
  readonly object: Values
  readonly file: Values
}

function divided(body: Uint8Array, all: Values): Stored {
  const side = (stays: boolean): Values =>
    Object.fromEntries(Object.entries(all).filter(([name]) => /^x-amz-[cdi]$/.test(name) === stays))
  return { body, all, object: side(true), file: side(false) }
}

for (const kind of [aes, viaKms]) {
  const context = { encryptionContext: kind.context }
  const keyring = counting(kind.keyring)
  const clients = policies.map((commitmentPolicy) => w.client({ ...context, ...allOn, commitmentPolicy, keyring }))
  const dataKey = Buffer.alloc(32, 6)
  const iv = Buffer.alloc(16, 6)
  const good = {} as Record<Version, Stored>
  const setUp = async (): Promise<void> => {
    const v1 = legacyMetadata({ version: 'V1', wrap: 'AES', map: '{}' }, cbcName, ecb(wrappingKey, dataKey), iv)
    good.V1 = divided(cbc(dataKey, iv, plaintext), v1)
    for (const [version, commitmentPolicy] of [
      ['V2', writesV2],
      ['V3', readsAll],
    ] as const) {
      await put(w.client({ ...context, keyring: kind.keyring, commitmentPolicy }), 'good', plaintext)
      const { metadata, body } = await w.stored('good')
      good[version] = divided(body, metadata)
    }
  }

  /** Under every policy, before the keyring or KMS is asked; inspect says that it is damaged. */
  const refused = async (object: Values, file: Values | undefined, body: Uint8Array, what: string): Promise<void> => {
    const asked = [keyring.unwraps(), decrypts(kms)]
    // One name for each, since no file of one before may stay.
    const key = `changed, ${what}`
    await w.s3.put(Bucket, key, { body, metadata: object })
    if (file !== undefined) await w.s3.put(Bucket, `${key}.instruction`, { body: JSON.stringify(file) })
    for (const client of clients) assertRefused(await outcomeOf(client, key), 'ERR_S3CSE_ENVELOPE_INVALID', what)
    const { status, facts } = await inspect(clients[0]!, { Bucket, Key: key })
    assert.deepEqual([status, facts], ['unknown', undefined], what)
    assert.deepEqual([keyring.unwraps(), decrypts(kms)], asked, what)
  }

  describe(`${kind.wrap}, all switches on`, () => {
    it('V3HeaderSpoofing: x-amz-c and x-amz-w added to a V2 object, with its file or without', async () => {
      await setUp()
      const { body, all, object, file } = good.V2
      const code = { 'x-amz-w': kind === aes ? '02' : '12' }
      const c = { 'x-amz-c': '115' }
      for (const more of [{ ...c, ...code }, c, code] as Values[]) {
        const names = Object.keys(more).join()
        await refused({ ...all, ...more }, undefined, body, `metadata and ${names}`)
        await refused({ ...object, ...more }, file, body, `${names} on the object beside a file`)
        await refused(object, { ...file, ...more }, body, `${names} in the file`)
      }
      await refused({ ...object, ...c }, { ...file, ...code }, body, 'one on each side')
      // The originals still open.
      await w.s3.put(Bucket, 'original', { body, metadata: object })
      await w.s3.put(Bucket, 'original.instruction', { body: JSON.stringify(file) })
      assert.deepEqual((await outcomeOf(clients[2]!, 'original')).released, plaintext)
      assertRefused(await outcomeOf(clients[0]!, 'original'), 'ERR_S3CSE_POLICY')
    })

    it('exclusive keys: two or three of key, key-v2 and 3, on each side', async () => {
      await setUp()
      const marks = { V1: 'x-amz-key', V2: 'x-amz-key-v2', V3: 'x-amz-3' } as const
      const own = { V1: good.V1.all, V2: good.V2.all, V3: good.V3.all }
      for (const version of ['V1', 'V2', 'V3'] as const) {
        const { body, all, object, file } = good[version]
        const others = (['V1', 'V2', 'V3'] as const).filter((one) => one !== version)
        for (const set of [[others[0]!], [others[1]!], others]) {
          for (const value of ['real', '']) {
            const entries = set.map((one) => [marks[one], value === '' ? '' : own[one][marks[one]]!])
            const more = Object.fromEntries(entries) as Values
            const what = `${version} and ${set.join()} ${value}`
            await refused({ ...all, ...more }, undefined, body, `${what}: metadata`)
            await refused(object, { ...file, ...more }, body, `${what}: the file`)
            await refused({ ...object, ...more }, file, body, `${what}: the object`)
          }
        }
        const everything = { ...own.V1, ...own.V2, ...own.V3 }
        await refused(everything, undefined, body, `${version}: everything on the object`)
        await refused({}, everything, body, `${version}: everything in the file`)
        await refused(object, everything, body, `${version}: everything in the file beside its object`)
      }
    })

    it('any key of another format in the file, whatever its value', async () => {
      await setUp()
      for (const version of ['V1', 'V2', 'V3'] as const) {
        const { body, object, file } = good[version]
        for (const row of envelopeKeys.filter((one) => one.inFile?.includes(version) !== true)) {
          for (const value of ['', '{}', '115']) {
            const rest = without(object, row.key)
            await refused(object, { ...file, [row.key]: value }, body, `${version}, ${row.key}: ${value}`)
            if (row.key in object) {
              await refused(rest, { ...file, [row.key]: value }, body, `${version}, ${row.key}: ${value}, there only`)
            }
          }
        }
      }
    })
  })
}
