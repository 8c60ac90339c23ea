/**
 * Crypt4GH files without S3: keys in files under passphrases, a file for two recipients, a part of it out of the middle,
 * the same file for somebody else, and another passphrase. crypt4gh, crypt4gh-keygen and other Crypt4GH programs read
 * these files, and this program reads theirs.
 */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { createReadStream, createWriteStream } from 'node:fs'
import { mkdtemp, open, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import {
  changePassphrase,
  CseError,
  decryptStream,
  encryptStream,
  generateKeyPair,
  openRange,
  readPublicKey,
  readSecretKey,
  reencrypt,
  writePublicKey,
  writeSecretKey,
  x25519Keyring,
} from 's3-cse/crypt4gh'

const directory = await mkdtemp(join(tmpdir(), 's3-cse-example-'))
const path = (name: string): string => join(directory, name)

/** As crypt4gh-keygen: a file with the secret key, and one with the public key, to be handed out. */
async function keygen(name: string, passphrase: string): Promise<void> {
  const { secretKey, publicKey } = await generateKeyPair()
  await writeFile(path(`${name}.sec`), await writeSecretKey(secretKey, { passphrase, comment: name }), { mode: 0o600 })
  await writeFile(path(`${name}.pub`), writePublicKey(publicKey))
  secretKey.fill(0)
}

try {
  await keygen('ada', 'open sesame')
  await keygen('ben', 'swordfish')
  await keygen('cem', 'xyzzy')

  // Ada writes for herself and for Ben. Recipients may be what public key files say, ssh-ed25519 lines of OpenSSH included.
  const plaintext = randomBytes(3_000_000)
  await writeFile(path('reads'), plaintext)
  const ada = await readSecretKey(await readFile(path('ada.sec')), { passphrase: 'open sesame' })
  const keyring = x25519Keyring({
    secretKey: ada,
    recipients: [ada.publicKey, await readFile(path('ben.pub'), 'utf8')],
  })
  await pipeline(encryptStream(createReadStream(path('reads')), { keyring }), createWriteStream(path('reads.c4gh')))

  // Ben reads a part, and only if Ada has written it. The function is asked for encrypted key files only.
  const ben = await readSecretKey(await readFile(path('ben.sec')), { passphrase: async () => 'swordfish' })
  const bensKeyring = x25519Keyring({
    secretKey: ben,
    senderPublicKey: await readPublicKey(await readFile(path('ada.pub'))),
  })
  const file = await open(path('reads.c4gh'))
  const reader = await openRange(file, { keyring: bensKeyring })
  assert.equal(reader.length, plaintext.length)
  // 'ordered': nobody has swapped segments, or left some out at the end, which the format itself would not show.
  assert.equal(reader.header.integrity, 'ordered')
  assert.deepEqual(Buffer.from(await reader.read(2_000_000, 2_000_100)), plaintext.subarray(2_000_000, 2_000_100))
  reader.close()
  await file.close()

  // The same file for Cem: a new header, and the body as it is.
  const to = x25519Keyring({ secretKey: ben, recipients: [await readFile(path('cem.pub'), 'utf8')] })
  const forCem = reencrypt(createReadStream(path('reads.c4gh')), { keyring: bensKeyring, to, trim: true })
  await pipeline(forCem, createWriteStream(path('for-cem.c4gh')))

  // Cem gets another passphrase; the key stays, and so does what was written for it.
  const newFile = await changePassphrase(await readFile(path('cem.sec')), {
    passphrase: 'xyzzy',
    newPassphrase: 'plugh',
  })
  await writeFile(path('cem.sec'), newFile)
  const refused: unknown = await readSecretKey(newFile, { passphrase: 'xyzzy' }).catch((error: unknown) => error)
  assert.ok(refused instanceof CseError && refused.code === 'ERR_S3CSE_KEY_FILE')
  const cem = await readSecretKey(newFile, { passphrase: 'plugh' })
  const cemsKeyring = x25519Keyring({ secretKey: cem })
  await pipeline(
    decryptStream(createReadStream(path('for-cem.c4gh')), { keyring: cemsKeyring }),
    createWriteStream(path('copy')),
  )
  assert.ok((await readFile(path('copy'))).equals(plaintext))
  // Of whom there is no packet cannot read it.
  const stream = decryptStream(createReadStream(path('for-cem.c4gh')), { keyring })
  await assert.rejects(pipeline(stream, createWriteStream(path('nothing'))), { name: 'DecryptionError' })

  const { size } = await stat(path('reads.c4gh'))
  console.log(
    `${plaintext.length} bytes for two recipients are ${size} in the file; Cem (${cem.comment}) has read them all`,
  )
  for (const { secretKey } of [ada, ben, cem]) secretKey.fill(0)
} finally {
  await rm(directory, { recursive: true })
}
