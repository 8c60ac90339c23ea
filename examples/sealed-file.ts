/**
 * A file of your own, without S3: encrypted as one AES-GCM message whose IV and tag are kept apart, decrypted, and read at
 * any place.
 */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { createReadStream, createWriteStream } from 'node:fs'
import { mkdtemp, open, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { decryptStream, encryptStream, openSeekable } from 's3-cse/gcm'

const directory = await mkdtemp(join(tmpdir(), 's3-cse-example-'))
const path = join(directory, 'sealed')
const plaintext = randomBytes(5_000_000)
const key = randomBytes(32)
// Authenticated and not stored: the file opens under this name only.
const aad = new TextEncoder().encode('measurements of May')

const encryption = encryptStream(Readable.from([plaintext]), { key, aad })
await pipeline(encryption, createWriteStream(path))
// Neither is secret; both are needed to read it.
const message = { key, aad, iv: encryption.iv, tag: await encryption.tag }
assert.equal((await stat(path)).size, plaintext.length)

// Verified before the first byte comes out.
const copy = join(directory, 'copy')
await pipeline(decryptStream(createReadStream(path), message), createWriteStream(copy))
assert.ok((await readFile(copy)).equals(plaintext))

const file = await open(path, 'r+')
const reader = await openSeekable(file, message)
assert.deepEqual(Buffer.from(await reader.read(4_000_000, 4_000_100)), plaintext.subarray(4_000_000, 4_000_100))

// Somebody changes the file after it was verified.
await file.write(randomBytes(16), 0, 16, 4_500_000)
await assert.rejects(reader.read(4_500_000, 4_500_100), { name: 'DecryptionError' })
await assert.rejects(pipeline(decryptStream(createReadStream(path), message), createWriteStream(copy)), {
  name: 'DecryptionError',
})
assert.equal((await stat(copy)).size, 0)
console.log(`${plaintext.length} bytes, sealed, read at any place, and refused after a change`)

reader.close()
await file.close()
await rm(directory, { recursive: true })
