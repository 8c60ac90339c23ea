import { throwIfAborted, untilAborted } from '../bytes/abort.js'
import { viewOf } from '../bytes/body.js'
import { configError } from '../errors.js'
import { noObject } from '../formats/names.js'
import { openMessage, readHeader } from '../formats/esdk/open.js'
import { sealMessage } from '../formats/esdk/seal.js'
import { messageHeader, openedHeader, type MessageHeader } from './header.js'
import {
  DECRYPT_NAMES,
  ENCRYPT_NAMES,
  takeMessageOptions,
  type DecryptMessageOptions,
  type EncryptMessageOptions,
} from './options.js'

/** Encrypts bytes as a message of the AWS Encryption SDK. Errors as `encryptStream`. */
export async function encrypt(
  plaintext: Uint8Array,
  options: EncryptMessageOptions,
): Promise<{ readonly message: Uint8Array; readonly header: MessageHeader }> {
  const owner = 'encrypt'
  const { settings, signal, ...request } = takeMessageOptions(owner, options, ENCRYPT_NAMES)
  const bytes = inMemory(owner, plaintext)
  throwIfAborted(signal)
  const asked = { ...request, plaintextLength: bytes.length, ...(signal && { signal }) }
  const sealing = sealMessage(asked, settings)
  const { sealer, suite, context, header } = await untilAborted(sealing, signal, (late) => late.sealer.destroy())
  try {
    throwIfAborted(signal)
    const { frameLength } = settings
    const given = request.encryptionContext
    return {
      message: await sealer.sealWhole(bytes),
      header: messageHeader(suite, { stored: context, given, frameLength, length: header.length }),
    }
  } finally {
    sealer.destroy()
  }
}

/** Decrypts a message in memory: nothing is given out unless all of it is authentic, its signature included. Errors as `decryptStream`. */
export async function decrypt(
  message: Uint8Array,
  options: DecryptMessageOptions,
): Promise<{ readonly plaintext: Uint8Array; readonly header: MessageHeader }> {
  const owner = 'decrypt'
  const { settings, signal, ...request } = takeMessageOptions(owner, options, DECRYPT_NAMES)
  const bytes = inMemory(owner, message)
  throwIfAborted(signal)
  const stored = {
    length: bytes.length,
    start: (count: number): Promise<Uint8Array> => Promise.resolve(bytes.subarray(0, count)),
  }
  const header = await readHeader(stored, noObject)
  const opening = { ...request, object: noObject, stored, ...(signal && { signal }) }
  const opened = openMessage(header, opening, settings, noObject, false)
  const opener = await untilAborted(opened, signal, (late) => late.destroy())
  try {
    throwIfAborted(signal)
    return {
      plaintext: await opener.openWhole(bytes),
      header: openedHeader(header, request.encryptionContext),
    }
  } finally {
    opener.destroy()
  }
}

function inMemory(owner: string, value: unknown): Uint8Array {
  const bytes = viewOf(value)
  if (bytes === undefined) throw configError(`${owner}: the input must be a Uint8Array; streams are for ${owner}Stream`)
  return bytes
}
