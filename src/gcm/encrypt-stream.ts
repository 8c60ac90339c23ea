import { runtime } from '#runtime'
import { resources, type Resources } from '../bytes/resources.js'
import { checkExtent, GCM_IV_LENGTH } from '../crypto/gcm-blocks.js'
import { gcmSealer } from '../crypto/gcm-message.js'
import { chunksOf, inputSource, type ByteInput } from '../message/byte-input.js'
import {
  COMMON_NAMES,
  takeAad,
  takeBytes,
  takeChunkSize,
  takeKey,
  takeNames,
  type GcmKey,
  type TakenKey,
} from './options.js'
import { byteStream, later, holdSignal, takeSignal, type ByteStream } from '../message/byte-stream.js'
import type { ByteSource } from '../runtime/runtime.js'

/** What encrypting needs. */
export interface GcmEncryptOptions {
  /**
   * The AES key: 16, 24 or 32 bytes, or a secret KeyObject or extractable CryptoKey of that size. With random IVs one key
   * is for 2^32 messages at most (NIST SP 800-38D section 8.3).
   */
  readonly key: GcmKey
  /** Authenticated and not stored: decrypting needs the same bytes. At most 16 MiB. Default: none. */
  readonly aad?: Uint8Array | undefined
  /**
   * The IV, 12 bytes, instead of a random one. **Two messages with the same key and IV give away both plaintexts and the
   * key of the authentication**: only for test vectors, and for protocols that count. Default: 12 random bytes.
   */
  readonly unsafeIv?: Uint8Array | undefined
  /** Gives the message up. Default: none. */
  readonly signal?: AbortSignal | undefined
}

/** The options of `encryptStream`. */
export interface GcmEncryptStreamOptions extends GcmEncryptOptions {
  /** Length in bytes of every chunk but the last, from 1 to 64 MiB. It leaves no trace in the bytes. Default: 64 KiB. */
  readonly chunkSize?: number | undefined
}

/** Ciphertext, as long as the plaintext, with what has to be stored beside it. */
export interface GcmEncryption extends ByteStream {
  /** 12 bytes; not secret. There before anything is read. */
  readonly iv: Uint8Array
  /**
   * 16 bytes; not secret. There when the ciphertext was read to its end, which waits for its reader: do not await it
   * before. Rejects when the encryption failed or was given up; need not be listened to.
   */
  readonly tag: Promise<Uint8Array>
}

/**
 * Encrypts one AES-GCM message (NIST SP 800-38D) of any length up to 2^36 - 32 bytes, with the IV and the tag beside the
 * ciphertext. Memory: one chunk.
 *
 * @throws CseError `ERR_S3CSE_CONFIG` for a wrong option or input; `ERR_S3CSE_BODY_TOO_LARGE`, at the call or when the
 * stream gets there, before anything beyond the limit is encrypted. Errors of the input pass unchanged.
 */
export function encryptStream(plaintext: ByteInput, options: GcmEncryptStreamOptions): GcmEncryption {
  const owner = 'encryptStream'
  const given = takeNames(owner, options, [...COMMON_NAMES, 'unsafeIv', 'chunkSize'])
  const aad = takeAad(owner, given.aad)
  const iv = takeUnsafeIv(owner, given.unsafeIv)
  const chunkSize = takeChunkSize(owner, given.chunkSize)
  const signal = takeSignal(owner, given.signal)
  const held = resources()
  const source = inputSource(owner, plaintext, { check: checkExtent })
  const key = takeKey(owner, given.key)
  held.hold((error) => source.cancel(error))
  held.hold(() => key.wipe())

  const { promise: tag, resolve: finish } = later<Uint8Array>(held)
  const ciphertext = byteStream(sealed({ source, key, iv, aad, chunkSize, held, finish }), held)
  holdSignal(held, signal)
  return { ...ciphertext, iv: Uint8Array.from(iv), tag }
}

export function takeUnsafeIv(owner: string, iv: unknown): Uint8Array {
  if (iv === undefined) return runtime.randomBytes(GCM_IV_LENGTH)
  return takeBytes(`${owner}: unsafeIv`, iv, GCM_IV_LENGTH)
}

interface Sealing {
  readonly source: ByteSource
  readonly key: TakenKey
  readonly iv: Uint8Array
  readonly aad: Uint8Array
  readonly chunkSize: number
  readonly held: Resources
  readonly finish: (tag: Uint8Array) => void
}

async function* sealed(o: Sealing): AsyncGenerator<Uint8Array, void> {
  const { source, key, iv, aad, chunkSize, held, finish } = o
  const aes = await key.aes()
  held.hold(() => aes.destroy())
  const sealer = await gcmSealer({ aes, iv, aad, ordered: true })
  held.hold(() => sealer.destroy())
  let room: Uint8Array | undefined
  held.hold(() => room?.fill(0))
  const chunks = chunksOf(source, chunkSize)
  let offset = 0
  for (;;) {
    const chunk = await chunks.next(() => (room ??= new Uint8Array(chunkSize)))
    if (chunk === undefined) break
    const ciphertext = await sealer.seal(offset, chunk, false)
    offset += chunk.length
    yield ciphertext
  }
  // A stream that was cancelled may end like one that is complete: the sealer was destroyed then, and refuses.
  finish(await sealer.trailer(offset))
}
