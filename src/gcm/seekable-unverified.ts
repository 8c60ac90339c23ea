import { resources } from '../bytes/resources.js'
import { checkExtent, GCM_IV_LENGTH } from '../crypto/gcm-blocks.js'
import { configError } from '../errors.js'
import { ctr, gcmCounter } from './ctr.js'
import { CHUNK_LENGTH, takeBytes, takeKey, takeNames, type GcmKey } from './options.js'
import { byteStream } from '../message/byte-stream.js'
import { closed, room, type SeekableReader } from './seekable.js'
import { seekableSource, takeSpan, type SeekableInput } from '../message/seekable-source.js'

/** The options of `openSeekableUnverified`: a key, and one of `iv` and `counter`. */
export interface UnverifiedOptions {
  /** The AES key: 16, 24 or 32 bytes, or a secret KeyObject or extractable CryptoKey of that size. */
  readonly key: GcmKey
  /** Of an AES-GCM message: 12 bytes. */
  readonly iv?: Uint8Array | undefined
  /** Of plain AES-CTR: the first counter block, 16 bytes, which counts as one big-endian number of 128 bits. */
  readonly counter?: Uint8Array | undefined
}

const COUNTER_LENGTH = 16

/**
 * Decrypts at any place of an AES-GCM message, or of plain AES-CTR, what nothing authenticates: **whoever can write to
 * the file can flip any bit of the plaintext unnoticed**, and reads of a wrong key give noise. Nothing is read before the
 * first read, and no more than what is asked for.
 *
 * @throws CseError `ERR_S3CSE_CONFIG` for a wrong option or source; `ERR_S3CSE_BODY_TOO_LARGE` for a GCM message that
 * cannot be that long.
 */
export async function openSeekableUnverified(
  source: SeekableInput,
  options: UnverifiedOptions,
): Promise<SeekableReader> {
  const owner = 'openSeekableUnverified'
  const given = takeNames(owner, options, ['key', 'iv', 'counter'])
  if ((given.iv === undefined) === (given.counter === undefined)) {
    throw configError(`${owner}: give either iv, of AES-GCM, or counter, of AES-CTR`)
  }
  const counter =
    given.iv === undefined
      ? takeBytes(`${owner}: counter`, given.counter, COUNTER_LENGTH)
      : gcmCounter(takeBytes(`${owner}: iv`, given.iv, GCM_IV_LENGTH))
  const key = takeKey(owner, given.key)
  const held = resources()
  held.hold(() => key.wipe())
  try {
    const stored = await seekableSource(owner, source)
    if (given.iv !== undefined) checkExtent(0, stored.length)
    const aes = await key.aes()
    held.hold(() => aes.destroy())
    const { length } = stored
    const read = async (start: number, end: number): Promise<Uint8Array> => {
      const sealed = room(end - start)
      if (sealed.length === 0) return sealed
      await stored.read(start, sealed)
      if (held.released) throw closed()
      return ctr(aes, counter, start, sealed)
    }
    return {
      length,
      async read(from, to = Infinity) {
        if (held.released) throw closed()
        const { start, end } = takeSpan(length, from, to)
        return read(start, end)
      },
      stream(from = 0, to = Infinity) {
        if (held.released) throw closed()
        const { start, end } = takeSpan(length, from, to)
        const own = resources()
        async function* pieces(): AsyncGenerator<Uint8Array, void> {
          for (let at = start; at < end; at += CHUNK_LENGTH) yield await read(at, Math.min(at + CHUNK_LENGTH, end))
        }
        return byteStream(pieces(), own)
      },
      close: () => held.release(),
    }
  } catch (error) {
    held.release(error as Error)
    throw error
  }
}
