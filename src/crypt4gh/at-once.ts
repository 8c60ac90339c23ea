import { throwIfAborted, untilAborted } from '../bytes/abort.js'
import { viewOf } from '../bytes/body.js'
import { configError } from '../errors.js'
import { openerOf, openMessage } from '../formats/crypt4gh/envelope.js'
import { sealMessage } from '../formats/crypt4gh/seal.js'
import { noObject } from '../formats/names.js'
import { openedHeader, writtenHeader, type MessageHeader, type WrittenHeader } from './header.js'
import { takeMessageOptions, takeRange, type DecryptMessageOptions, type EncryptMessageOptions } from './options.js'
import { checkDetached, storedInMemory, takeDetached } from './stored.js'

/** Encrypts bytes as a Crypt4GH message. Errors as `encryptStream`. */
export async function encrypt(
  plaintext: Uint8Array,
  options: EncryptMessageOptions,
): Promise<{ readonly message: Uint8Array; readonly header: WrittenHeader }> {
  const owner = 'encrypt'
  const { settings, request } = takeMessageOptions(owner, options, [])
  const bytes = inMemory(owner, plaintext)
  throwIfAborted(request.signal)
  const sealing = sealMessage({ ...request, ordered: true, plaintextLength: bytes.length }, settings)
  const made = await untilAborted(sealing, request.signal, (late) => late.sealer.destroy())
  try {
    throwIfAborted(request.signal)
    return { message: await made.sealer.sealWhole(bytes), header: writtenHeader(made) }
  } finally {
    made.sealer.destroy()
  }
}

/**
 * Decrypts a message in memory: nothing is given out unless all of it is authentic, also of a part of it. Errors as
 * `decryptStream`.
 */
export async function decrypt(
  message: Uint8Array,
  options: DecryptMessageOptions,
): Promise<{ readonly plaintext: Uint8Array; readonly header: MessageHeader }> {
  const owner = 'decrypt'
  const { given, settings, request } = takeMessageOptions(owner, options, ['start', 'end', 'header'])
  const { start, end } = takeRange(given)
  const detached = takeDetached(owner, given.header)
  const bytes = inMemory(owner, message)
  const { signal } = request
  throwIfAborted(signal)
  checkDetached(detached, settings)
  const stored = storedInMemory(detached, bytes)
  const opening = openMessage({ ...request, stored }, settings, noObject)
  const { header, opened } = await untilAborted(opening, signal, (late) => late.opened.destroy())
  try {
    throwIfAborted(signal)
    // What is stored apart does not stand before the segments.
    const opener = openerOf(detached ? { ...header, length: 0 } : header, opened, bytes.length)
    const plaintext = await opener.openWhole(bytes)
    const isAll = start === 0 && end >= plaintext.length
    const wanted = isAll ? plaintext : plaintext.slice(start, Math.min(end, plaintext.length))
    if (!isAll) plaintext.fill(0)
    return { plaintext: wanted, header: openedHeader(header, opened) }
  } finally {
    opened.destroy()
  }
}

function inMemory(owner: string, value: unknown): Uint8Array {
  const bytes = viewOf(value)
  if (bytes === undefined) throw configError(`${owner}: the input must be a Uint8Array; streams are for ${owner}Stream`)
  return bytes
}
