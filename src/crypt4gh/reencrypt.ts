import { throwIfAborted, untilAborted } from '../bytes/abort.js'
import { sourceOfBytes, viewOf } from '../bytes/body.js'
import { isBytes } from '../bytes/is-bytes.js'
import { peekable } from '../bytes/peekable.js'
import { resources } from '../bytes/resources.js'
import { configError } from '../errors.js'
import { reencryptedHeader } from '../formats/crypt4gh/reencrypted-header.js'
import type { StoredBytes } from '../formats/format.js'
import { noObject } from '../formats/names.js'
import type { Keyring } from '../keyrings/keyring.js'
import { inputSource, lengthOfInput, type ByteInput } from '../message/byte-input.js'
import { throwIfReleased, unlessReleased } from '../message/byte-stream.js'
import type { ByteSource } from '../runtime/runtime.js'
import { checkKeyring } from '../formats/crypt4gh/check.js'
import { takeFlag, takeMessageOptions, type MessageOptions, type Taken } from './options.js'
import { rewriting, type MessageRewriting } from './rewriting.js'
import { storedInMemory } from './stored.js'

/** The options of `reencrypt` and `reencryptHeader`. `keyring` opens what is there. */
export interface ReencryptOptions extends MessageOptions {
  /** Writes the new header: for its recipients, who are the only ones of what `keyring` opens. */
  readonly to: Keyring
  /** Packets that `keyring` does not open are left out: they are other recipients'. Default: false, they stay. */
  readonly trim?: boolean | undefined
}

/** Bytes in memory are given out in pieces of so many bytes. */
const PIECE_LENGTH = 256 * 1024

/**
 * Gives a message for other recipients: a new header, and the same body behind it, which is passed on as it comes and
 * neither decrypted nor verified. Packets that `keyring` opens are encrypted for the recipients of `to`, and for nobody
 * else; edit lists stay. Memory: the header, and what the input gives at a time. Nothing is read before the first read.
 *
 * The data key is the same as before: who had the old message, and could open it, can open the new body as well.
 *
 * @throws CseError `ERR_S3CSE_CONFIG` for a wrong option or input. The stream fails as `decryptStream` does, and with
 * `ERR_S3CSE_CONFIG` where the new header would have more packets than `maxPackets`.
 */
export function reencrypt(input: ByteInput, options: ReencryptOptions): MessageRewriting {
  const owner = 'reencrypt'
  const taken = takeReencryption(owner, options)
  const bytes = viewOf(input)
  const body = bytes ? copies(sourceOfBytes(bytes, PIECE_LENGTH)) : inputSource(owner, input)
  const source = peekable(body)
  const stored = { length: lengthOfInput(input), start: (count: number): Promise<Uint8Array> => source.start(count) }
  const held = resources()
  held.hold((error) => source.cancel(error))
  return rewriting(held, taken.request.signal, async function* (tell) {
    const made = await unlessReleased(held, newHeader(taken, stored))
    tell(made)
    yield made.header
    for (let skip = made.from; ;) {
      const chunk = await source.next()
      throwIfReleased(held)
      if (chunk === undefined) return
      const piece = chunk.subarray(skip)
      skip -= Math.min(skip, chunk.length)
      if (piece.length > 0) yield piece
    }
  })
}

/**
 * The new header alone, for messages whose header is stored apart, or is to be. `header`: the header, or the start of the
 * message.
 *
 * @throws CseError as `reencrypt`.
 */
export async function reencryptHeader(header: Uint8Array, options: ReencryptOptions): Promise<Uint8Array> {
  const owner = 'reencryptHeader'
  const taken = takeReencryption(owner, options)
  if (!isBytes(header)) throw configError(`${owner}: the header must be a Uint8Array`)
  const { signal } = taken.request
  throwIfAborted(signal)
  const stored = { ...storedInMemory(undefined, header), length: undefined }
  const made = await untilAborted(newHeader(taken, stored), signal)
  throwIfAborted(signal)
  return made.header
}

function newHeader(
  { given, settings, request }: Taken<ReencryptOptions>,
  stored: StoredBytes,
): ReturnType<typeof reencryptedHeader> {
  const { to, trim = false } = given
  return reencryptedHeader({ ...request, to, trim, stored }, settings, noObject)
}

function takeReencryption(owner: string, options: ReencryptOptions): Taken<ReencryptOptions> {
  const taken = takeMessageOptions(owner, options, ['to', 'trim'])
  takeFlag(owner, 'trim', taken.given.trim, false)
  checkKeyring(taken.given.to)
  return taken
}

/** What is given out is the reader's, and these bytes are the caller's. */
function copies(source: ByteSource): ByteSource {
  return {
    next: async () => (await source.next())?.slice(),
    cancel: (error) => source.cancel(error),
  }
}
