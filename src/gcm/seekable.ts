import { resources, type Resources } from '../bytes/resources.js'
import { checkExtent } from '../crypto/gcm-blocks.js'
import { gcmOpener } from '../crypto/gcm-message.js'
import { configError, DecryptionError } from '../errors.js'
import { trimmed } from '../message/streamed-read.js'
import { isWhole, release, SLICE_LENGTH, type KeptSlice, type WholeOpener } from '../message/verified-read.js'
import type { GcmDecryptOptions } from './decrypt-stream.js'
import { COMMON_NAMES, takeAad, takeIv, takeKey, takeNames, takeTag } from './options.js'
import { byteStream, holdSignal, takeSignal, unlessReleased, type ByteStream } from '../message/byte-stream.js'
import { seekableSource, takeSpan, type SeekableInput, type SeekableSource } from '../message/seekable-source.js'
import { readerAhead, sliceBuffers, verifySource } from './verified.js'

/** Plaintext that can be read at any place. Several reads and streams at a time are fine. */
export interface SeekableReader {
  /** Of the plaintext, in bytes. */
  readonly length: number
  /**
   * The bytes from `start` to before `end`, as `slice` has them: an `end` behind the last byte means the last byte.
   * Default of `end`: the length.
   */
  read(start: number, end?: number): Promise<Uint8Array>
  /** The same as a stream, in chunks of 64 KiB at most. Defaults: all of it. */
  stream(start?: number, end?: number): ByteStream
  /** Wipes the key; every later read, and those under way, fail. Idempotent. */
  close(): void
}

export function closed(): Error {
  return configError('This reader was closed: its key was wiped.')
}

/**
 * Verifies one AES-GCM message from end to end, without decrypting it, and then decrypts at any place. What is read again
 * is hashed again, slice by slice of 1 MiB, and given out only if it is what was verified: the file may change meanwhile.
 * Memory: 3 MiB, and 16 bytes for each MiB of the message.
 *
 * @throws CseError `ERR_S3CSE_DECRYPTION_FAILED` if the message is not authentic, and of `read` and `stream` if it has
 * changed since; `ERR_S3CSE_CONFIG` and `ERR_S3CSE_BODY_TOO_LARGE` as `decryptStream`.
 */
export async function openSeekable(source: SeekableInput, options: GcmDecryptOptions): Promise<SeekableReader> {
  const owner = 'openSeekable'
  const given = takeNames(owner, options, [...COMMON_NAMES, 'iv', 'tag'])
  const [iv, tag] = [takeIv(owner, given.iv), takeTag(owner, given.tag)]
  const aad = takeAad(owner, given.aad)
  const signal = takeSignal(owner, given.signal)
  const held = resources()
  // The signal is for the verification: it does not close the reader.
  const opening = resources()
  opening.hold((error) => {
    if (error !== undefined) held.release(error)
  })
  const key = takeKey(owner, given.key)
  held.hold(() => key.wipe())
  try {
    holdSignal(opening, signal)
    const stored = await unlessReleased(held, seekableSource(owner, source))
    checkExtent(0, stored.length)
    const aes = await key.aes()
    held.hold(() => aes.destroy())
    const opener = gcmOpener({ aes, iv: await unlessReleased(held, iv()), aad })
    held.hold(() => opener.destroy())
    // Which it is: this is for the compiler.
    if (!isWhole(opener)) throw new DecryptionError()
    const kept = await verifySource({ opener, tag, held }, stored, sliceBuffers(stored.length))
    opening.release()
    return verifiedReader(opener, stored, kept, held)
  } catch (error) {
    const reason = held.error ?? (error as Error)
    opening.release(reason)
    throw reason
  }
}

function verifiedReader(
  opener: WholeOpener,
  source: SeekableSource,
  kept: readonly KeptSlice[],
  held: Resources,
): SeekableReader {
  const { length } = source
  /** The slice that was read last: small reads one behind the other need it again. */
  let last: { readonly index: number; readonly sealed: Promise<Uint8Array> } | undefined
  held.hold(() => (last = undefined))

  const load = async (index: number): Promise<Uint8Array> => {
    const { slice, state } = kept[index] as KeptSlice
    // A copy of our own: what is compared is what is decrypted.
    const sealed = new Uint8Array(slice.length)
    await source.read(slice.offset, sealed)
    if (held.released) throw closed()
    if (!(await opener.matches(state, slice.offset, sealed))) throw new DecryptionError()
    return sealed
  }
  const sliceAt = (index: number): Promise<Uint8Array> => {
    if (last?.index === index) return last.sealed
    const sealed = load(index)
    last = { index, sealed }
    sealed.catch(() => {
      if (last?.sealed === sealed) last = undefined
    })
    return sealed
  }

  return {
    length,
    async read(from, to = Infinity) {
      if (held.released) throw closed()
      const { start, end } = takeSpan(length, from, to)
      const plaintext = room(end - start)
      for (let at = start; at < end;) {
        const index = Math.floor(at / SLICE_LENGTH)
        const sealed = await sliceAt(index)
        const offset = index * SLICE_LENGTH
        const piece = sealed.subarray(at - offset, end - offset)
        plaintext.set(await opener.open(at, piece, false), at - start)
        at += piece.length
      }
      return plaintext
    },
    stream(from = 0, to = Infinity) {
      if (held.released) throw closed()
      const { start, end } = takeSpan(length, from, to)
      const wanted = opener.extent(start, end)
      const some = kept.filter(({ slice }) => slice.offset < end && slice.offset + slice.length > start)
      const list = some.map(({ slice }) => slice)
      const own = resources()
      async function* pieces(): AsyncGenerator<Uint8Array, void> {
        const read = readerAhead(source, list, sliceBuffers(length))
        yield* trimmed(release(opener, some, wanted, read), start - wanted.offset, end - start)
      }
      return byteStream(pieces(), own)
    },
    close: () => held.release(),
  }
}

/** For one read. */
export function room(length: number): Uint8Array {
  try {
    return new Uint8Array(length)
  } catch {
    throw configError(`${length} bytes are more than fits in memory at once: read less, or a stream.`)
  }
}
