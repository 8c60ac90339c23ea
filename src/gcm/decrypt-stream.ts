import { runtime } from '#runtime'
import { resources } from '../bytes/resources.js'
import { checkExtent, GCM_MAX_LENGTH, GCM_TAG_LENGTH } from '../crypto/gcm-blocks.js'
import { gcmOpener } from '../crypto/gcm-message.js'
import { configError, DecryptionError } from '../errors.js'
import { isWhole } from '../message/verified-read.js'
import type { ByteSource } from '../runtime/runtime.js'
import { chunksOf, inputSource, type ByteInput } from '../message/byte-input.js'
import {
  COMMON_NAMES,
  takeAad,
  takeChunkSize,
  takeIv,
  takeKey,
  takeNames,
  takeNumber,
  takeTag,
  type GcmKey,
  type Later,
} from './options.js'
import {
  byteStream,
  throwIfReleased,
  unlessReleased,
  holdSignal,
  takeSignal,
  type ByteStream,
} from '../message/byte-stream.js'
import { knownSource, type SeekableSource } from '../message/seekable-source.js'
import type { Keeping } from './spool-writer.js'
import { readOnce, readTwice, type Verifying } from './verified.js'

/** Ciphertext, kept in memory in a verified read before it goes to disk: 64 MiB. */
const MAX_BUFFERED = 64 * 1024 * 1024

/** What decrypting needs: all of it as it was encrypted. */
export interface GcmDecryptOptions {
  /** The AES key: 16, 24 or 32 bytes, or a secret KeyObject or extractable CryptoKey of that size. */
  readonly key: GcmKey
  /** 12 bytes, or a promise of them. */
  readonly iv: Later
  /** 16 bytes, or a promise of them, which is waited for at the end of the ciphertext. */
  readonly tag: Later
  /** What was authenticated beside the plaintext. Default: none. */
  readonly aad?: Uint8Array | undefined
  /** Gives the message up. Default: none. */
  readonly signal?: AbortSignal | undefined
}

/** The options of `decryptStream`. */
export interface GcmDecryptStreamOptions extends GcmDecryptOptions {
  /** Length in bytes of every chunk but the last, from 1 to 64 MiB; need not be that of the encryption. Default: 64 KiB. */
  readonly chunkSize?: number | undefined
  /**
   * 'verified': nothing is given out before the tag was checked. 'unverified': plaintext comes at once, in constant
   * memory, and the error at the end: **until then it may be anything that an attacker made of it**. Default: 'verified'.
   */
  readonly release?: 'verified' | 'unverified' | undefined
  /**
   * 'verified': bytes of ciphertext that are kept in memory. What is longer is kept in a temporary file. A Blob and bytes
   * in memory are read twice instead, and never kept. Default: 64 MiB; up to 1 MiB is kept in any case.
   */
  readonly maxBufferedBytes?: number | undefined
  /** The temporary file; `false`: none, and what is longer than `maxBufferedBytes` is refused, as it is where there is no disk. Default: `{}`. */
  readonly spool?: GcmSpoolOptions | false | undefined
}

/** The temporary file for ciphertext: private, without a name, gone with the process. */
export interface GcmSpoolOptions {
  /** Where it is. Default: the system's directory for temporary files (often memory: see df). */
  readonly directory?: string | undefined
  /** Bytes on disk that the message may take. Default: 64 GiB, which is any message. */
  readonly maxBytes?: number | undefined
}

/**
 * Decrypts one AES-GCM message whose IV and tag are stored beside the ciphertext.
 *
 * @throws CseError `ERR_S3CSE_CONFIG` for a wrong option or input, an IV that is not 12 bytes or a tag that is not 16.
 * The stream fails with `ERR_S3CSE_DECRYPTION_FAILED` (DecryptionError) where key, IV, tag, additional data or ciphertext
 * are not those of one message; with `ERR_S3CSE_BODY_TOO_LARGE` or `ERR_S3CSE_SPOOL` where there is no room to verify it
 * before it is released. Errors of the input pass unchanged.
 */
export function decryptStream(ciphertext: ByteInput, options: GcmDecryptStreamOptions): ByteStream {
  const owner = 'decryptStream'
  const names = ['iv', 'tag', 'chunkSize', 'release', 'maxBufferedBytes', 'spool'] as const
  const given = takeNames(owner, options, [...COMMON_NAMES, ...names])
  const { release = 'verified' } = given
  if (!['verified', 'unverified'].includes(release)) {
    throw configError(`${owner}: release must be 'verified' or 'unverified'`)
  }
  const [iv, tag] = [takeIv(owner, given.iv), takeTag(owner, given.tag)]
  const aad = takeAad(owner, given.aad)
  const chunkSize = takeChunkSize(owner, given.chunkSize)
  const keep = takeKeeping(owner, given)
  const signal = takeSignal(owner, given.signal)
  const held = resources()
  const source = inputSource(owner, ciphertext, { check: checkExtent })
  const key = takeKey(owner, given.key)
  held.hold((error) => source.cancel(error))
  held.hold(() => key.wipe())
  const twice = release === 'verified' ? knownSource(ciphertext) : undefined

  async function* opened(): AsyncGenerator<Uint8Array, void> {
    const aes = await key.aes()
    held.hold(() => aes.destroy())
    const opener = gcmOpener({ aes, iv: await unlessReleased(held, iv()), aad })
    held.hold(() => opener.destroy())
    // Which it is: this is for the compiler.
    if (!isWhole(opener)) throw new DecryptionError()
    const message = { opener, tag, held }
    if (release === 'unverified') yield* readUnverified(message, source, chunkSize)
    else yield* inChunks(verified(message, source, twice, keep), chunkSize)
  }

  const plaintext = byteStream(opened(), held)
  holdSignal(held, signal)
  return plaintext
}

function takeKeeping(owner: string, { maxBufferedBytes = MAX_BUFFERED, spool = {} }: GcmDecryptStreamOptions): Keeping {
  const maxMemory = takeNumber(`${owner}: maxBufferedBytes`, maxBufferedBytes, 0, Number.MAX_SAFE_INTEGER)
  if (spool === false) return { maxMemory, maxDisk: 0, createSpool: undefined }
  const { directory, maxBytes = GCM_MAX_LENGTH } = takeNames(`${owner}: spool`, spool, ['directory', 'maxBytes'])
  if (directory !== undefined && typeof directory !== 'string') {
    throw configError(`${owner}: spool.directory must be a string`)
  }
  const { createSpool } = runtime
  return {
    maxMemory,
    maxDisk: takeNumber(`${owner}: spool.maxBytes`, maxBytes, 0, Number.MAX_SAFE_INTEGER),
    createSpool: createSpool && (() => createSpool(directory)),
  }
}

function verified(
  message: Verifying,
  source: ByteSource,
  twice: SeekableSource | undefined,
  keep: Keeping,
): AsyncGenerator<Uint8Array, void> {
  return twice === undefined ? readOnce(message, keep, source) : readTwice(message, twice)
}

async function* inChunks(
  pieces: AsyncGenerator<Uint8Array, void>,
  chunkSize: number,
): AsyncGenerator<Uint8Array, void> {
  const next = async (): Promise<Uint8Array | undefined> => {
    const { done, value } = await pieces.next()
    return done === true ? undefined : value
  }
  const chunks = chunksOf({ next }, chunkSize)
  for (;;) {
    const chunk = await chunks.next(() => new Uint8Array(chunkSize))
    if (chunk === undefined) return
    yield chunk
  }
}

/** In one pass, as it comes; the error at the end says that none of it was authentic. */
export async function* readUnverified(
  { opener, tag, held }: Verifying,
  source: ByteSource,
  chunkSize: number,
): AsyncGenerator<Uint8Array, void> {
  const stream = opener.stream?.()
  let room: Uint8Array | undefined
  const chunks = chunksOf(source, chunkSize)
  let offset = 0
  for (;;) {
    const sealed = await chunks.next(() => (room ??= new Uint8Array(chunkSize)))
    throwIfReleased(held)
    if (sealed === undefined) break
    if (stream === undefined) await opener.absorb(offset, sealed)
    const plaintext = await (stream?.update(sealed) ?? opener.open(offset, sealed, false))
    offset += sealed.length
    yield plaintext
  }
  const trailer = await unlessReleased(held, tag())
  if (stream === undefined) await opener.verify(offset + GCM_TAG_LENGTH, trailer)
  else await stream.final(trailer)
}
