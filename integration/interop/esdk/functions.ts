import { Buffer } from 'node:buffer'
import type { EncryptionOptions } from 's3-cse'
import { decrypt, decryptStream, encrypt, encryptStream, openRange } from 's3-cse/esdk'
import type { DecryptMessageOptions } from 's3-cse/esdk'
import { expectRefusal, expectSame } from '../ours.js'
import { contextOf, REQUIRED } from './contexts.js'
import type { KeyList, MessageKeys } from './keys.js'
import type { MessageTrial } from './peer.js'
import { commits, isSigned } from './suites.js'

/** What is handed over at a time: ends of frames fall anywhere. */
const CHUNK = 50_001

async function* chunksOf(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += CHUNK) yield await Promise.resolve(bytes.subarray(at, at + CHUNK))
}

async function collected(chunks: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const all: Uint8Array[] = []
  for await (const chunk of chunks) all.push(chunk)
  return Buffer.concat(all)
}

/** A message that s3-cse makes without S3. */
export async function messageHere(
  keys: MessageKeys,
  { suite, frameLength, context, required = false, written }: MessageTrial,
  list: KeyList,
  plaintext: Uint8Array,
): Promise<Uint8Array> {
  const options = {
    ...{ keyring: keys.keyring(list, 'write'), algorithmSuite: suite, frameLength },
    encryptionContext: contextOf(context, required),
    ...(required ? { requiredEncryptionContextKeys: [REQUIRED] } : {}),
    ...(commits(suite) ? {} : { commitmentPolicy: 'FORBID_ENCRYPT_ALLOW_DECRYPT' as const }),
  }
  if (written === 'encrypt') return (await encrypt(plaintext, options)).message
  return collected(encryptStream(chunksOf(plaintext), options))
}

/** The message is read by every function that reads one. */
export async function decryptHere(
  keys: MessageKeys,
  trial: MessageTrial,
  list: KeyList,
  message: Uint8Array,
  wanted: Uint8Array,
): Promise<void> {
  const { suite, frameLength, context, required } = trial
  const options: DecryptMessageOptions = {
    keyring: keys.keyring(list, 'read'),
    encryptionContext: contextOf(context, required),
    ...(commits(suite) ? {} : { commitmentPolicy: 'REQUIRE_ENCRYPT_ALLOW_DECRYPT' }),
  }
  const { plaintext, header } = await decrypt(message, options)
  expectSame(plaintext, wanted)
  if (header.algorithmSuite !== suite) throw new Error(`decrypt: ${header.algorithmSuite}`)
  expectSame(await collected(decryptStream(chunksOf(message), options)), wanted)
  if (frameLength === 0) return
  const reader = await openRange(message, isSigned(suite) ? { ...options, rangesWithoutSignature: true } : options)
  try {
    if (reader.length !== wanted.length) throw new Error(`openRange: ${reader.length} bytes`)
    const third = Math.floor(wanted.length / 3)
    expectSame(await reader.read(third, 2 * third), wanted.subarray(third, 2 * third))
    expectSame(await collected(reader.stream(third)), wanted.subarray(third))
  } finally {
    reader.close()
  }
}

/** As `get` of an object, with the same settings. */
export async function refusedHere(
  what: string,
  message: Uint8Array,
  { keyring, commitmentPolicy, encryptionContext }: EncryptionOptions,
  codes: readonly string[],
  maxEncryptedDataKeys: number | undefined,
): Promise<void> {
  if (typeof encryptionContext === 'function') throw new Error('a context for each object')
  const options = { keyring, commitmentPolicy, encryptionContext, maxEncryptedDataKeys }
  await expectRefusal(`decrypt, ${what}`, () => decrypt(message, options), ...codes)
  const read = (): Promise<unknown> => collected(decryptStream(chunksOf(message), options))
  await expectRefusal(`decryptStream, ${what}`, read, ...codes)
}
