// Envelopes and user metadata against S3's limit of 2 KB, and texts that a header might change.
import { CreateMultipartUploadCommand, HeadObjectCommand } from '@aws-sdk/client-s3'
import type { S3Client } from '@aws-sdk/client-s3'
import assert from 'node:assert/strict'

import { aesKeyring, encryptionInfo } from '../../src/index.js'
import type { Keyring } from '../../src/index.js'
import { write } from './instruction-support.js'
import { code, exists, headed, oddContext, pattern, put, read, readsAll, rsa } from './stored-objects.js'
import { stored, versions, wrappings } from './stored-objects.js'
import { check } from './support.js'

const LIMIT = 2048

function described(comment: string): Keyring {
  return aesKeyring({ wrappingKey: new Uint8Array(32).fill(7), materialsDescription: { comment } })
}

/** Bytes of metadata, names and values, as S3 counts them. */
const sizeOf = (metadata: Readonly<Record<string, string>>): number =>
  Object.entries(metadata).reduce((sum, [name, value]) => sum + Buffer.byteLength(name) + Buffer.byteLength(value), 0)

/** The commands that the client sends from now on. */
function sent(client: S3Client): string[] {
  const names: string[] = []
  client.middlewareStack.add(
    (next, context) => (args) => {
      names.push(context.commandName!)
      return next(args)
    },
    { step: 'finalizeRequest', name: 'sent' },
  )
  return names
}

for (const [version, options] of versions) {
  const what = `large metadata: ${version}`

  check(`${what}: an envelope that fills the 2 KB exactly; with one byte more nothing is sent`, async (t) => {
    const [small, full] = [t.key('small'), t.key('full')]
    await put(t.client({ ...options, keyring: described('') }), t.Bucket, small, 'x')
    const room = LIMIT - sizeOf((await stored(t, t.Bucket, small)).metadata)
    const own = { ...options, keyring: described('x'.repeat(room)) }
    await put(t.client(own), t.Bucket, full, 'secret')
    assert.equal(sizeOf((await stored(t, t.Bucket, full)).metadata), LIMIT)
    assert.equal((await read(t.client({ ...own, ...readsAll }), t.Bucket, full)).toString(), 'secret')

    const large = { ...options, keyring: described('x'.repeat(room + 1)) }
    const client = t.client(large)
    const commands = sent(client)
    const key = t.key()
    await assert.rejects(put(client, t.Bucket, key, 'secret'), code('ERR_S3CSE_ENVELOPE_TOO_LARGE'))
    const create = new CreateMultipartUploadCommand({ Bucket: t.Bucket, Key: key })
    await assert.rejects(client.send(create), code('ERR_S3CSE_ENVELOPE_TOO_LARGE'))
    assert.deepEqual(commands, [])
    assert.equal(await exists(t, t.Bucket, key), false)
    // In a file it has room.
    await put(t.client({ ...large, ...write }), t.Bucket, key, 'secret')
    assert.equal((await read(t.client({ ...large, ...readsAll }), t.Bucket, key)).toString(), 'secret')
  })

  check(`${what}: user metadata and envelope count together`, async (t) => {
    const [small, full, key] = [t.key('small'), t.key('full'), t.key()]
    await put(t.client(options), t.Bucket, small, 'x', { Metadata: { own: '' } })
    const room = LIMIT - sizeOf((await stored(t, t.Bucket, small)).metadata)
    await put(t.client(options), t.Bucket, full, 'secret', { Metadata: { own: 'y'.repeat(room) } })
    const head = await t.client(readsAll).send(new HeadObjectCommand({ Bucket: t.Bucket, Key: full }))
    assert.deepEqual(head.Metadata, { own: 'y'.repeat(room) })
    const client = t.client(options)
    const commands = sent(client)
    const more = { Metadata: { own: 'y'.repeat(room + 1) } }
    await assert.rejects(put(client, t.Bucket, key, 'secret', more), code('ERR_S3CSE_ENVELOPE_TOO_LARGE'))
    assert.deepEqual(commands, [])
    // Beside an instruction file there is room for more.
    await put(t.client({ ...options, ...write }), t.Bucket, key, 'secret', more)
    assert.equal((await read(t.client(readsAll), t.Bucket, key)).toString(), 'secret')
  })

  check(`${what}: RSA with 4096 bits`, async (t) => {
    const key = t.key()
    const own = { ...options, keyring: rsa('large', { comment: 'z'.repeat(600) }, 4096) }
    await put(t.client(own), t.Bucket, key, pattern(1000))
    const { metadata } = await stored(t, t.Bucket, key)
    assert.equal((metadata['x-amz-3'] ?? metadata['x-amz-key-v2'])?.length, 684)
    assert.deepEqual(await read(t.client({ ...own, ...readsAll }), t.Bucket, key), pattern(1000))
  })

  for (const { name, uses, options: wrapping } of wrappings) {
    check(
      `${what}: ${name}: texts that a header might change come back as they were`,
      async (t) => {
        const own = { ...options, ...(await wrapping(t)) }
        const key = t.key()
        await put(t.client(own), t.Bucket, key, 'secret')
        const { metadata } = await stored(t, t.Bucket, key)
        for (const [entry, value] of Object.entries(metadata)) assert.match(value, /^[ -~]*$/, entry)
        const client = t.client({ ...own, ...readsAll })
        assert.equal((await read(client, t.Bucket, key)).toString(), 'secret')
        const head = await client.send(new HeadObjectCommand({ Bucket: t.Bucket, Key: key }))
        const map = { ...encryptionInfo(head)?.envelope?.context } as Record<string, string>
        delete map['aws:x-amz-cek-alg']
        assert.deepEqual(map, oddContext)
      },
      { uses },
    )
  }

  check(`${what}: user metadata of printable ASCII is not touched`, async (t) => {
    const key = t.key()
    const Metadata = {
      quotes: '{"a":"b\\"c\\\\"}',
      blanks: 'two  blanks   three',
      marks: "!#$%&'()*+,-./:;<=>?@[]^_`{|}~",
      empty: '',
    }
    await put(t.client(options), t.Bucket, key, 'secret', { Metadata })
    const head = await t.client(readsAll).send(new HeadObjectCommand({ Bucket: t.Bucket, Key: key }))
    assert.deepEqual({ ...head.Metadata }, Metadata)
    const own = Object.entries((await headed(t, t.Bucket, key)).Metadata ?? {})
    assert.deepEqual(Object.fromEntries(own.filter(([name]) => !name.startsWith('x-amz-'))), Metadata)
  })
}

check('large metadata: more than 2 KB of metadata is refused by the server as well', async (t) => {
  const key = t.key()
  const writing = put(t.plain, t.Bucket, key, 'x', { Metadata: { own: 'x'.repeat(LIMIT) } })
  await assert.rejects(writing, { name: 'MetadataTooLarge' })
})
