import { Buffer } from 'node:buffer'
import { readFile, writeFile } from 'node:fs/promises'
import {
  changePassphrase,
  generateKeyPair,
  publicKeyOf,
  readPublicKey,
  readSecretKey,
  writePublicKey,
  writeSecretKey,
} from 's3-cse/crypt4gh'
import { command } from '../../support/command.js'
import { expectRefusal, expectSame } from '../ours.js'
import { itRefuses, withFiles } from './meeting.js'
import type { Meeting } from './meeting.js'
import type { PlannedFile } from './peer.js'

const PASSPHRASE = 'Größe 鍵 🔑'
const COMMENTS = [undefined, 'Ada Lovelace, schlüssel'] as const

type Kdf = 'scrypt' | 'bcrypt' | 'pbkdf2_hmac_sha256' | 'none'

/** Files with keys, both ways. */
export function planKeyFiles(): PlannedFile[] {
  return [
    ...(['scrypt', 'bcrypt', 'none'] as const).flatMap(theirFiles),
    ...(['scrypt', 'bcrypt', 'pbkdf2_hmac_sha256', 'none'] as const).flatMap(ourFiles),
    ...CIPHERS.map(opensshFile),
    ...refusals(),
  ]
}

/** What the program reads out of a key file. */
async function itReads(m: Meeting, file: string, passphrase = PASSPHRASE): Promise<Uint8Array> {
  return withFiles(m, ['key', 'to'], async ([from = '', to = '']) => {
    await writeFile(from, file)
    await m.session.ask({ op: 'read-key', from, to, passphrase })
    return await readFile(to)
  })
}

async function itReadsPublic(m: Meeting, file: string): Promise<Uint8Array> {
  return withFiles(m, ['key', 'to'], async ([from = '', to = '']) => {
    await writeFile(from, file)
    await m.session.ask({ op: 'read-public-key', from, to })
    return await readFile(to)
  })
}

/** What it makes: the text of both files. */
async function itWrites(m: Meeting, kdf: Kdf, comment: string | undefined): Promise<readonly [string, string]> {
  return withFiles(m, ['key', 'key.pub'], async ([to = '', publicKeyTo = '']) => {
    await m.session.ask({
      op: 'write-key',
      to,
      publicKeyTo,
      kdf: kdf === 'bcrypt' ? 'bcrypt' : 'scrypt',
      ...(kdf === 'none' ? {} : { passphrase: PASSPHRASE }),
      ...(comment === undefined ? {} : { comment }),
    })
    return [await readFile(to, 'utf8'), await readFile(publicKeyTo, 'utf8')]
  })
}

function theirFiles(kdf: Kdf): PlannedFile[] {
  return COMMENTS.map((comment) => ({
    cell: `key files written by it, read here: ${kdf}`,
    details: `comment: ${String(comment)}`,
    attempt: async (m) => {
      const [secret, open] = await itWrites(m, kdf, comment)
      const read = await readSecretKey(secret, kdf === 'none' ? {} : { passphrase: PASSPHRASE })
      expectSame(read.secretKey, await itReads(m, secret))
      expectSame(read.publicKey, await readPublicKey(open))
      expectSame(read.publicKey, await itReadsPublic(m, open))
      if (read.comment !== comment || read.kdf !== kdf || read.kind !== 'crypt4gh') {
        throw new Error(`it is read as ${read.kind}, ${read.kdf}, ${String(read.comment)}`)
      }
    },
  }))
}

function ourFiles(kdf: Kdf): PlannedFile[] {
  return COMMENTS.flatMap((comment) => {
    const details = `comment: ${String(comment)}`
    const how = kdf === 'none' ? {} : { kdf }
    const passphrase = kdf === 'none' ? null : PASSPHRASE
    return [
      {
        cell: `key files written here, read by it: ${kdf}`,
        details,
        attempt: async (m: Meeting): Promise<void> => {
          const { secretKey, publicKey } = await generateKeyPair()
          const file = await writeSecretKey(secretKey, { passphrase, ...how, comment })
          expectSame(await itReads(m, file), secretKey)
          expectSame(await itReadsPublic(m, writePublicKey(publicKey)), publicKey)
        },
      },
      {
        cell: `key files written by it, under another passphrase from here, read by it: ${kdf}`,
        details,
        attempt: async (m: Meeting): Promise<void> => {
          const [before] = await itWrites(m, 'scrypt', comment)
          const newPassphrase = kdf === 'none' ? null : 'another one'
          const after = await changePassphrase(before, { passphrase: PASSPHRASE, newPassphrase, ...how })
          expectSame(await itReads(m, after, 'another one'), await itReads(m, before))
        },
      },
    ]
  })
}

/** As ssh-keygen names them; the last three authenticate. */
const CIPHERS = [
  'none',
  'aes128-ctr',
  'aes192-ctr',
  'aes256-ctr',
  'aes128-cbc',
  'aes192-cbc',
  'aes256-cbc',
  '3des-cbc',
  'aes128-gcm@openssh.com',
  'aes256-gcm@openssh.com',
  'chacha20-poly1305@openssh.com',
] as const

function opensshFile(cipher: (typeof CIPHERS)[number]): PlannedFile {
  return {
    cell: 'key files of ssh-keygen, the same here as there',
    details: cipher,
    ...(cipher.includes('@') ? { about: 'AEAD cipher of OpenSSH' } : {}),
    attempt: async (m) =>
      withFiles(m, ['ssh', 'ssh.pub'], async ([file = '', publicFile = '']) => {
        const protection = cipher === 'none' ? ['-N', ''] : ['-N', 'passphrase', '-Z', cipher, '-a', '4']
        await command('ssh-keygen', ['-q', '-t', 'ed25519', '-C', 'ada@example.com', '-f', file, ...protection])
        const text = await readFile(file, 'utf8')
        const line = await readFile(publicFile, 'utf8')
        const read = await readSecretKey(text, { passphrase: 'passphrase' })
        expectSame(read.publicKey, await readPublicKey(line))
        expectSame(read.publicKey, await publicKeyOf(read.secretKey))
        if (read.comment !== 'ada@example.com' || read.cipher !== cipher)
          throw new Error(`${String(read.comment)}, ${read.cipher}`)
        expectSame(read.publicKey, await itReadsPublic(m, line))
        expectSame(read.secretKey, await itReads(m, text, 'passphrase'))
      }),
  }
}

const field = (bytes: Uint8Array): Uint8Array => Buffer.concat([Uint8Array.of(0, bytes.length), bytes])

/** A file of the Crypt4GH kind that is not encrypted, with a key of so many bytes. */
function openFile(length: number): string {
  const none = field(Buffer.from('none'))
  const bytes = Buffer.concat([Buffer.from('c4gh-v1'), none, none, field(Buffer.alloc(length, 7))])
  return `-----BEGIN CRYPT4GH PRIVATE KEY-----\n${bytes.toString('base64')}\n-----END CRYPT4GH PRIVATE KEY-----\n`
}

function refusals(): PlannedFile[] {
  const wrong = 'another passphrase'
  const makers = {
    'written by it': async (m: Meeting, kdf: 'scrypt' | 'bcrypt') => (await itWrites(m, kdf, undefined))[0],
    'written here': async (_: Meeting, kdf: 'scrypt' | 'bcrypt') =>
      writeSecretKey((await generateKeyPair()).secretKey, { passphrase: PASSPHRASE, kdf }),
  } as const
  const passphrases = (['scrypt', 'bcrypt'] as const).flatMap((kdf): PlannedFile[] => [
    {
      cell: 'key files written by it, refused here: another passphrase',
      details: kdf,
      attempt: async (m) => {
        const file = await makers['written by it'](m, kdf)
        await expectRefusal(wrong, () => readSecretKey(file, { passphrase: wrong }), 'ERR_S3CSE_KEY_FILE')
      },
    },
    {
      cell: 'key files written here, refused by it: another passphrase',
      details: kdf,
      about: 'passphrase',
      attempt: async (m) => itRefuses(m, itReads(m, await makers['written here'](m, kdf), wrong)),
    },
  ])
  return [
    ...passphrases,
    {
      cell: 'key files with a short key, refused here',
      details: '31 bytes',
      attempt: async () => expectRefusal('31 bytes', () => readSecretKey(openFile(31)), 'ERR_S3CSE_KEY_FILE'),
    },
    {
      cell: 'key files with a short key, refused by it',
      details: '31 bytes',
      about: 'length of a secret key',
      attempt: async (m) => {
        // One of 32 bytes that is made in the same way is read, so that it is the length.
        expectSame(await itReads(m, openFile(32)), Buffer.alloc(32, 7))
        await itRefuses(m, itReads(m, openFile(31)))
      },
    },
  ]
}
