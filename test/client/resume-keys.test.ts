// Who can import a state: who can unwrap the data key, or has the stateKey. It is found out before anything is at S3.
import { CreateMultipartUploadCommand } from '@aws-sdk/client-s3'
import assert from 'node:assert/strict'
import { createHash, generateKeyPairSync, randomBytes } from 'node:crypto'
import { beforeEach, describe, it } from 'node:test'

import { kmsKeyring } from '../../src/kms.js'
import { exportUpload, importUpload, requestOptions, rsaKeyring, s3ec } from '../../src/index.js'
import type { Format, RequestOptions } from '../../src/index.js'
import { kmsWorld } from '../attacks/support.js'
import { code } from '../support/errors.js'
import { changed, complete, create, finish, log, PART, send, source } from '../support/resume.js'
import { Bucket, keyring, read, world } from '../support/world.js'

const w = await world({ recordBodyBytes: 0, verifyPayload: false, etag: 'random' })
const { kms, client: kmsClient } = await kmsWorld()
const keyId = kms.createKey().arn
const kmsKeys = kmsKeyring({ client: kmsClient, keyId })
const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
const writer = rsaKeyring({ publicKey })
const reader = rsaKeyring({ publicKey, privateKey })
const parts = source(PART, 1000)
const stateKey = new Uint8Array(randomBytes(32))

const notImportable = code('ERR_S3CSE_UPLOAD_STATE', /cannot unwrap.*stateKey/s)
const undecryptable = code('ERR_S3CSE_DECRYPTION_FAILED')
const operations = (name: string) => kms.requests.filter(({ operation }) => operation === name).length

beforeEach(() => {
  w.s3.requests.length = 0
  kms.requests.length = 0
  kms.faults.length = 0
})

describe('a principal that may only encrypt', () => {
  const denied = () => kms.fail({ operation: 'Decrypt', code: 'AccessDeniedException', times: 100 })
  const principals = [
    ['with a public RSA key', writer],
    ['without kms:Decrypt', kmsKeys],
  ] as const
  for (const [who, keys] of principals) {
    it(`${who} cannot begin to save what nobody could import: nothing is at S3 then`, async () => {
      denied()
      const saved = log()
      const creating = create(w.client({ keyring: keys }), 'none', { saveUpload: saved.save })
      await assert.rejects(creating, notImportable)
      assert.deepEqual(saved.saves, [])
      assert.deepEqual(w.s3.requests, [])
    })

    it(`${who} cannot export it either, and goes on`, async () => {
      denied()
      const client = w.client({ keyring: keys })
      const name = await create(client, 'goes-on', {}, {})
      for (const options of [{}, { worker: false }]) {
        await assert.rejects(exportUpload(client, name, options), notImportable)
      }
      const sized = await create(client, 'goes-on', { partSize: PART })
      await assert.rejects(exportUpload(client, sized, { worker: true }), notImportable)
      await send(client, name, 1, parts[0])
    })

    it(`${who} saves, exports and imports with a stateKey, and unwraps nothing`, async () => {
      denied()
      const saved = log()
      const client = w.client({ keyring: keys })
      const name = await create(client, 'with-key', { saveUpload: saved.save, stateKey })
      await send(client, name, 1, parts[0])
      const other = w.client({ keyring: keys })
      await importUpload(other, { Bucket, Key: 'with-key' }, saved.text, { stateKey })
      const text = await exportUpload(other, name, { stateKey })
      const third = w.client({ keyring: keys })
      const imported = await importUpload(third, { Bucket, Key: 'with-key' }, text, { stateKey })
      const last = { PartNumber: 2, ETag: (await send(third, imported, 2, parts[1])).ETag! }
      await complete(third, imported, [...imported.Parts, last])
      assert.equal(operations('Decrypt'), 0)
      kms.faults.length = 0
      const all = w.client({ keyring: keys === writer ? reader : keys })
      assert.ok((await read(all, 'with-key')).equals(Buffer.concat(parts)))
    })
  }

  it('is told from a KMS that does not answer', async () => {
    const client = w.client({ keyring: kmsKeys })
    for (const reason of ['ThrottlingException', 'KMSInternalException', 'DisabledException']) {
      kms.fail({ operation: 'Decrypt', code: reason })
      await assert.rejects(create(client, 'throttled', { saveUpload: () => undefined }), code('ERR_S3CSE_KMS'))
    }
    assert.deepEqual(w.s3.requests, [])
  })

  it('is asked once where it may decrypt, and not at all where nothing is saved', async () => {
    await create(w.client({ keyring: kmsKeys }), 'asked', { saveUpload: () => undefined })
    assert.equal(operations('Decrypt'), 1)
    await create(w.client({ keyring: kmsKeys }), 'asked')
    assert.equal(operations('Decrypt'), 1)
  })
})

describe('a stateKey', () => {
  async function saved(Key: string, options: RequestOptions = {}) {
    const state = log()
    const client = w.client()
    const name = await create(client, Key, { saveUpload: state.save, ...options })
    await send(client, name, 1, parts[0])
    w.s3.requests.length = 0
    return state
  }
  const importing = (Key: string, text: string, options = {}) =>
    importUpload(w.client(), { Bucket, Key }, text, options)

  it('must be the right one, and must be given', async () => {
    const state = await saved('a', { stateKey })
    const wrong = Uint8Array.from(stateKey)
    wrong[31]! ^= 1
    await assert.rejects(importing('a', state.text, { stateKey: wrong }), undecryptable)
    await assert.rejects(importing('a', state.text), code('ERR_S3CSE_UPLOAD_STATE', /with a stateKey: give the same/))
    await assert.rejects(importing('a', state.text, { stateKey: 'x' }), code('ERR_S3CSE_CONFIG', /32 bytes/))
    const client = w.client()
    await finish(client, await importUpload(client, { Bucket, Key: 'a' }, state.text, { stateKey }), parts)
  })

  it('is copied: the caller can wipe it at once', async () => {
    const own = Uint8Array.from(stateKey)
    const state = log()
    const client = w.client()
    const input = requestOptions({ Bucket, Key: 'wiped' }, { saveUpload: state.save, stateKey: own })
    own.fill(0)
    const { UploadId } = await client.send(new CreateMultipartUploadCommand(input))
    await send(client, { Bucket, Key: 'wiped', UploadId: UploadId! }, 1, parts[0])
    assert.equal((await importing('wiped', state.text, { stateKey })).Parts.length, 1)
    const again = Uint8Array.from(stateKey)
    const later = importing('wiped', state.text, { stateKey: again, saveUpload: state.save })
    again.fill(0)
    await later
    assert.equal((await importing('wiped', state.text, { stateKey })).Parts.length, 1)
  })

  it('says who may write a state: one without it is refused', async () => {
    // Whoever has the public key can make a data key, and with it a state that this reader could import.
    const state = await saved('forged', { keyring: writer, stateKey })
    assert.ok(state.text.length > 0)
    const forger = w.client({ keyring: reader })
    const name = await create(forger, 'forged')
    const text = await exportUpload(forger, name)
    const victim = w.client({ keyring: reader })
    await assert.rejects(
      importUpload(victim, { Bucket, Key: 'forged' }, text, { stateKey }),
      code('ERR_S3CSE_UPLOAD_STATE', /not encrypted with a stateKey/),
    )
    assert.equal(w.s3.requests.filter(({ operation }) => operation !== 'CreateMultipartUpload').length, 0)
  })

  it('is wiped in the state of a client that goes on without it', async () => {
    const state = await saved('without', { stateKey })
    const client = w.client()
    const imported = await importUpload(client, { Bucket, Key: 'without' }, state.text, { stateKey })
    // Exporting names its own key, or none.
    const text = await exportUpload(client, imported)
    await finish(client, await importUpload(client, { Bucket, Key: 'without' }, text), parts)
  })
})

describe('a state under KMS', () => {
  const context = { tenant: 'a', purpose: 'backup' }

  it('is imported with the context that it was created with', async () => {
    const saved = log()
    const client = w.client({ keyring: kmsKeys, encryptionContext: context })
    const name = await create(client, 'context', { saveUpload: saved.save })
    await send(client, name, 1, parts[0])
    kms.requests.length = 0
    for (const encryptionContext of [{ tenant: 'b', purpose: 'backup' }, { tenant: 'a' }, undefined]) {
      const other = w.client({ keyring: kmsKeys, encryptionContext })
      await assert.rejects(
        importUpload(other, { Bucket, Key: 'context' }, saved.text),
        code('ERR_S3CSE_CONTEXT_MISMATCH'),
      )
    }
    assert.equal(operations('Decrypt'), 0)
    const byClient = w.client({ keyring: kmsKeys, encryptionContext: context })
    await importUpload(byClient, { Bucket, Key: 'context' }, saved.text)
    assert.equal(operations('Decrypt'), 1)
    const byRequest = w.client({ keyring })
    const input = requestOptions({ Bucket, Key: 'context' }, { keyring: kmsKeys, encryptionContext: context })
    const imported = await importUpload(byRequest, input, saved.text)
    assert.equal(imported.Parts.length, 1)
  })

  it('is imported with a stateKey in the same context only', async () => {
    const saved = log()
    const client = w.client({ keyring: kmsKeys, encryptionContext: context })
    await create(client, 'context-key', { saveUpload: saved.save, stateKey })
    const other = w.client({ keyring: kmsKeys, encryptionContext: { tenant: 'b' } })
    const importing = importUpload(other, { Bucket, Key: 'context-key' }, saved.text, { stateKey })
    await assert.rejects(importing, code('ERR_S3CSE_CONTEXT_MISMATCH'))
  })

  it('is held against policy and keyring before KMS is asked', async () => {
    const saved = log()
    const v2 = w.client({ keyring: kmsKeys, commitmentPolicy: 'FORBID_ENCRYPT_ALLOW_DECRYPT' })
    await create(v2, 'policy', { saveUpload: saved.save })
    kms.requests.length = 0
    const strict = w.client({ keyring: kmsKeys })
    await assert.rejects(importUpload(strict, { Bucket, Key: 'policy' }, saved.text), code('ERR_S3CSE_POLICY'))
    const mixed = w.client({ keyring: kmsKeys, commitmentPolicy: 'REQUIRE_ENCRYPT_ALLOW_DECRYPT' })
    await assert.rejects(importUpload(mixed, { Bucket, Key: 'policy' }, saved.text), code('ERR_S3CSE_POLICY'))
    const raw = w.client({ keyring, commitmentPolicy: 'FORBID_ENCRYPT_ALLOW_DECRYPT' })
    await assert.rejects(importUpload(raw, { Bucket, Key: 'policy' }, saved.text), code('ERR_S3CSE_ENVELOPE_INVALID'))
    assert.deepEqual(kms.requests, [])
  })

  it('of another key is not opened, nor where KMS refuses', async () => {
    const saved = log()
    await create(w.client({ keyring: kmsKeys }), 'other-key', { saveUpload: saved.save })
    const others = kmsKeyring({ client: kmsClient, keyId: kms.createKey().arn })
    const other = w.client({ keyring: others })
    await assert.rejects(importUpload(other, { Bucket, Key: 'other-key' }, saved.text), undecryptable)
    kms.fail({ operation: 'Decrypt', code: 'AccessDeniedException' })
    const client = w.client({ keyring: kmsKeys })
    await assert.rejects(importUpload(client, { Bucket, Key: 'other-key' }, saved.text), code('ERR_S3CSE_KMS'))
    await importUpload(client, { Bucket, Key: 'other-key' }, saved.text)
  })
})

describe('the text of a state', () => {
  /** Whether bytes can be read from a text: as they are, in hexadecimal, in Base64 wherever they begin, or inside of its lines. */
  function shows(text: string, bytes: Uint8Array): boolean {
    const wanted = Buffer.from(bytes)
    const lines = text.split('\n').map((line) => Buffer.from(line.replace(/\.$/, ''), 'base64'))
    const base64 = [0, 1, 2].map((shift) => {
      const encoded = Buffer.concat([Buffer.alloc(shift), wanted])
        .toString('base64')
        .replaceAll('=', '')
      return encoded.slice(shift === 0 ? 0 : 4, encoded.length - 2)
    })
    return (
      [wanted.toString('latin1'), wanted.toString('utf8'), wanted.toString('hex'), ...base64].some((form) =>
        text.toLowerCase().includes(form.toLowerCase()),
      ) || lines.some((line) => line.includes(wanted))
    )
  }

  it('shows no key, no plaintext, no digest of it and no state', async () => {
    const short = Buffer.from('a last part that is kept, with a secret in it: hunter2 hunter2')
    const saved = log()
    const client = w.client()
    const name = await create(client, 'secrets', { saveUpload: saved.save, stateKey, partSize: PART })
    const texts = [
      await exportUpload(client, name, { worker: true }),
      await exportUpload(client, name, { worker: true, stateKey }),
    ]
    await send(client, name, 2, short)
    await send(client, name, 1, parts[0])
    texts.push(await exportUpload(client, name, { worker: true }), saved.text, await exportUpload(client, name))

    const header = JSON.parse(saved.text.split('\n')[1]!) as { metadata: Record<string, string>; salt: string }
    const object = { bucket: Bucket, key: 'secrets' }
    const commitmentPolicy = 'REQUIRE_ENCRYPT_REQUIRE_DECRYPT'
    const envelope = s3ec().recognise(header.metadata, object)
    const sealer = await envelope!.resume!({ keyring, commitmentPolicy, encryptionContext: {}, object })
    const first = await sealer.sealPiece(0, parts[0]!.subarray(0, 1024 * 1024), false)
    const kept = await sealer.sealPiece(PART, short, true)
    const secrets: readonly [name: string, bytes: Uint8Array][] = [
      ['content key', sealer.exportKey()],
      ['state key', stateKey],
      ['state of the first slice', first.state],
      ['state of the last slice', kept.state],
      ['plaintext', short],
      ['plaintext of the first part', parts[0]!.subarray(0, 48)],
      ['ciphertext that is kept', kept.sealed.subarray(0, 48)],
      ...['md5', 'sha1', 'sha256', 'sha512'].flatMap((digest) =>
        [short, parts[0]!, Buffer.concat([parts[0]!, short])].map(
          (bytes) => [digest, createHash(digest).update(bytes).digest()] as [string, Uint8Array],
        ),
      ),
    ]
    for (const [index, text] of texts.entries()) {
      // What it does show is found.
      assert.ok(shows(text, Buffer.from(header.metadata['x-amz-3']!, 'base64')))
      for (const [name, bytes] of secrets) assert.ok(!shows(text, bytes), `${name} in text ${index}`)
    }
    // Everything is found where it is not encrypted.
    for (const [name, bytes] of secrets) {
      for (const encoding of ['base64', 'hex'] as const) {
        const inside = `12${Buffer.from(bytes).toString(encoding)}`
        assert.ok(shows(JSON.stringify({ inside }), bytes), `${name} as ${encoding}`)
      }
      assert.ok(shows(`${Buffer.concat([randomBytes(7), bytes]).toString('base64')}.`, bytes), `${name} in a line`)
    }
  })
})

describe('keys of an import that fails', () => {
  it('are wiped', async () => {
    const inner = s3ec()
    let alive = 0
    let made = 0
    const format: Format = {
      ...inner,
      recognise(metadata, object) {
        const envelope = inner.recognise(metadata, object)
        return (
          envelope && {
            ...envelope,
            async resume(request) {
              const sealer = await envelope.resume!(request)
              alive++
              made++
              let gone = false
              return {
                ...sealer,
                destroy() {
                  if (!gone) alive--
                  gone = true
                  sealer.destroy()
                },
              }
            },
          }
        )
      },
    }
    const saved = log()
    const client = w.client({ format })
    const name = await create(client, 'wipe', { saveUpload: saved.save })
    await send(client, name, 1, parts[0])
    assert.deepEqual([made, alive], [1, 0])
    const other = w.client({ format })
    const lines = saved.text.split('\n')
    const swapped = [...lines.slice(0, 3), lines[4], lines[3], ''].join('\n')
    await assert.rejects(importUpload(other, { Bucket, Key: 'wipe' }, swapped), undecryptable)
    const failing = () => Promise.reject(new Error('disk full'))
    const options = { saveUpload: failing }
    await assert.rejects(importUpload(other, { Bucket, Key: 'wipe' }, saved.text, options), { message: 'disk full' })
    assert.deepEqual([made, alive], [3, 0])
    const imported = await importUpload(other, { Bucket, Key: 'wipe' }, saved.text)
    assert.deepEqual([made, alive], [4, 1])
    await assert.rejects(send(other, imported, 1, changed(parts[0]!)), code('ERR_S3CSE_UPLOAD_STATE'))
    await exportUpload(other, imported)
    assert.deepEqual([made, alive], [5, 0])
  })
})
