import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import test, { describe } from 'node:test'
import type { ObjectMetadata } from '../../src/formats/format.js'
import { wraps } from '../../src/formats/s3ec/wraps.js'
import { kinds, plaintext, refusal, refusedEverywhere, writer } from '../support/s3ec-kinds.js'
import { changed, load, store } from '../support/s3ec-objects.js'
import { testKeyring } from '../support/test-keyring.js'

for (const kind of kinds) {
  describe(`${kind.version} ${kind.algorithm}`, () => {
    const good = store(writer(kind), plaintext)

    test('suite relabelled as each other one', async () => {
      const { metadata, body } = await good
      const key = kind.version === 'V2' ? 'x-amz-cek-alg' : 'x-amz-c'
      const names = ['AES/GCM/NoPadding', 'AES/CBC/PKCS5Padding', 'AES/CBC/PKCS7Padding', 'AES/CTR/NoPadding', '']
      names.push('112', '113', '114', '115', '116', '0115', '115 ', '0x73', 'aes/gcm/nopadding', 'constructor')
      for (const name of names.filter((other) => other !== metadata[key])) {
        const iv16 = { 'x-amz-iv': randomBytes(16).toString('base64'), 'x-amz-tag-len': undefined }
        const changes = { [key]: name, ...(name.includes('CBC') && kind.version === 'V2' && iv16) }
        await refusedEverywhere(kind, { metadata: changed(metadata, changes), body }, ['ENVELOPE_INVALID'])
      }
    })

    test('wrap relabelled as each other one, with the right, a wrong and no context', async () => {
      const { metadata, body } = await good
      const key = kind.version === 'V2' ? 'x-amz-wrap-alg' : 'x-amz-w'
      const names = [
        ...wraps.flatMap(({ name, code = '' }) => [name, code]),
        '01',
        '11',
        '21',
        '',
        'KMS',
        'constructor',
      ]
      for (const name of names.filter((other) => other !== metadata[key])) {
        const stored = { metadata: changed(metadata, { [key]: name }), body }
        await refusedEverywhere(kind, stored, [
          'ENVELOPE_INVALID',
          'LEGACY_DISABLED',
          'CONTEXT_MISMATCH',
          'DECRYPTION_FAILED',
        ])
        for (const encryptionContext of [{}, { tenant: 'other' }]) {
          const ignoresLabels = kind.algorithm === 'kms+context'
          const keyring = testKeyring({ algorithm: kind.algorithm, algorithms: undefined, ignoresLabels })
          await refusal({ ...writer(kind), keyring, encryptionContext }, stored)
        }
        const legacy = wraps.find((wrap) => wrap.name === name)?.status === 'legacy'
        if (legacy || kind.version === 'V3') {
          const stays = kind.version === 'V2' && name !== 'AES' && name !== 'RSA'
          const code = stays ? 'LEGACY_DISABLED' : 'ENVELOPE_INVALID'
          if (!['02', '12', '22'].includes(name)) assert.equal(await refusal(writer(kind), stored), code)
        }
      }
    })

    test('an object under the keys of another format, or with them added', async () => {
      const { metadata, body } = await good
      const edk = String(metadata['x-amz-key-v2'] ?? metadata['x-amz-3'])
      const map = String(metadata['x-amz-matdesc'] ?? metadata['x-amz-t'] ?? metadata['x-amz-m'])
      const wrapCode = kind.algorithm === 'AES/GCM' ? '02' : '12'
      const iv = Buffer.alloc(12, 1).toString('base64')
      const forged: Record<'V1' | 'V2' | 'V3', ObjectMetadata> = {
        V1: { 'x-amz-key': edk, 'x-amz-iv': randomBytes(16).toString('base64'), 'x-amz-matdesc': map },
        V2: {
          'x-amz-key-v2': edk,
          'x-amz-iv': metadata['x-amz-iv'] ?? iv,
          'x-amz-cek-alg': 'AES/GCM/NoPadding',
          'x-amz-wrap-alg': kind.algorithm,
          'x-amz-matdesc': map,
        },
        V3: {
          'x-amz-c': '115',
          'x-amz-3': edk,
          'x-amz-w': wrapCode,
          'x-amz-d': randomBytes(28).toString('base64'),
          'x-amz-i': randomBytes(28).toString('base64'),
          'x-amz-m': map,
          'x-amz-t': map,
        },
      }
      for (const version of ['V1', 'V2', 'V3'] as const) {
        if (version === kind.version) continue
        await refusedEverywhere(kind, { metadata: { ...metadata, ...forged[version] }, body }, ['ENVELOPE_INVALID'])
        const codes = { V1: ['LEGACY_DISABLED'], V2: [], V3: [] }[version]
        await refusedEverywhere(
          kind,
          { metadata: forged[version], body },
          codes.length > 0 ? codes : ['ENVELOPE_INVALID', 'DECRYPTION_FAILED'],
        )
        // The stored name of the algorithm changed as well: then only the wrap can tell.
        const other = version === 'V2' ? 'AES/GCM/NoPadding' : '115'
        const bound = kind.algorithm === 'kms+context' && { 'aws:x-amz-cek-alg': other }
        const rebound = JSON.stringify({ ...(JSON.parse(map) as object), ...bound })
        const metadataRebound = Object.fromEntries(
          Object.entries(forged[version]).map(([key, value]) => [key, value === map ? rebound : value]),
        )
        if (version !== 'V1') await refusedEverywhere(kind, { metadata: metadataRebound, body }, ['DECRYPTION_FAILED'])
      }
      // Single keys of V3 on a V2 object, as in the spoofing tests of the official clients.
      const spoofed =
        kind.version === 'V2' ? { 'x-amz-c': '115', 'x-amz-w': '12' } : { 'x-amz-key-v2': edk, 'x-amz-iv': iv }
      await refusedEverywhere(kind, { metadata: { ...metadata, ...spoofed }, body }, ['ENVELOPE_INVALID'])
      assert.deepEqual(await load(writer(kind), { metadata, body }), plaintext)
    })
  })
}
