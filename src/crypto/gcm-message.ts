import { runtime } from '#runtime'
import { configError, CseError, DecryptionError } from '../errors.js'
import type { Opener, OpenerStream } from '../message/opener.js'
import type { PositionalSealer, Sealer } from '../message/sealer.js'
import type { GcmOpenStream, GcmStream, MaybePromise } from '../runtime/runtime.js'
import { checkExtent, checkIv, GCM_MAX_LENGTH, GCM_TAG_LENGTH, messageClosed } from './gcm-blocks.js'
import type { GcmWay } from './gcm-pieces.js'
import { messageKey } from './message-key.js'
import { messageUse } from './message-use.js'
import { positionalGcmWay } from './gcm-self-test.js'
import { positionalGcm, type GcmMessage, type PositionalGcmOptions } from './positional-gcm.js'

export interface GcmSealerOptions extends GcmMessage {
  /**
   * The pieces will come in order, from 0 on: where the runtime has a streaming cipher, that is used. Default `false`:
   * any order, where the runtime can do that (see `positionalGcmWay`).
   */
  readonly ordered?: boolean
  /** The key of the message, for `deriveKey` and `exportKey` of a sealer in any order; copied. */
  readonly key?: Uint8Array
}

/** The pieces of one message, in any order or in the one order that is left. */
type Pieces = Pick<Sealer, 'ordered' | 'trailer' | 'destroy'> & {
  seal(offset: number, plaintext: Uint8Array): MaybePromise<Uint8Array>
  readonly parts?: Pick<PositionalSealer, 'sealPiece' | 'sealPieces' | 'sealAgain' | 'join'>
}

/**
 * Body and trailer of one AES-GCM message, ciphertext ‖ tag (NIST SP 800-38D section 7.1), with no header. Owns the Aes
 * from now on. Refuses (ERR_S3CSE_CONFIG) what would use a keystream or J0 twice: overlapping pieces, pieces after the
 * trailer, `sealWhole` twice or beside pieces. The `findWay` parameter is for tests.
 */
export async function gcmSealer(
  options: GcmSealerOptions,
  findWay: () => Promise<GcmWay | undefined> = positionalGcmWay,
): Promise<Sealer> {
  const { aes, ordered = false } = options
  checkIv(options.iv)
  const [iv, aad] = [Uint8Array.from(options.iv), Uint8Array.from(options.aad)]
  const key = options.key === undefined ? undefined : Uint8Array.from(options.key)
  const begin = aes.gcmStream?.bind(aes, iv, aad)
  const message = { aes, iv, aad }
  const way = ordered && begin !== undefined ? undefined : await findWay()
  const pieces = way === undefined ? inOrder(begin) : anyOrder({ ...message, way })
  const use = messageUse()

  const sealer: Sealer = {
    header: new Uint8Array(0),
    trailerLength: GCM_TAG_LENGTH,
    alignment: 1,
    ordered: pieces.ordered,
    sealedLength(plaintextLength) {
      checkExtent(0, plaintextLength)
      return plaintextLength + GCM_TAG_LENGTH
    },
    sealedOffset(offset) {
      checkExtent(offset, 0)
      return offset
    },
    seal(offset, plaintext) {
      use.begin('pieces')
      return pieces.seal(offset, plaintext)
    },
    trailer(plaintextLength) {
      use.begin('pieces')
      return pieces.trailer(plaintextLength)
    },
    sealWhole(plaintext) {
      use.begin('whole')
      checkExtent(0, plaintext.length)
      return aes.gcmEncrypt(iv, aad, plaintext)
    },
    destroy() {
      use.close()
      pieces.destroy()
      aes.destroy()
      key?.fill(0)
    },
  }
  const { parts } = pieces
  if (parts === undefined || key === undefined) return sealer
  const { sealPieces } = parts
  const checked = (): Uint8Array => {
    use.check()
    return key
  }
  const positionalSealer: PositionalSealer = {
    ...sealer,
    ordered: false,
    async sealPiece(offset, plaintext, last, into) {
      use.begin('pieces')
      return parts.sealPiece(offset, plaintext, last, into)
    },
    ...(sealPieces === undefined
      ? {}
      : {
          async sealPieces(offset, lengths, plaintext, into, hash) {
            use.begin('pieces')
            return sealPieces(offset, lengths, plaintext, into, hash)
          },
        }),
    async sealAgain(offset, plaintext, last, into) {
      use.begin('pieces')
      return parts.sealAgain(offset, plaintext, last, into)
    },
    async join(offset, length, state) {
      use.begin('pieces')
      return parts.join(offset, length, state)
    },
    ...messageKey(checked),
  }
  return positionalSealer
}

function anyOrder(options: PositionalGcmOptions): Pieces {
  const message = positionalGcm(options)
  const { sealApart } = message
  return {
    ordered: false,
    async seal(offset, plaintext) {
      const { ciphertext, state } = await message.seal(offset, plaintext)
      await message.join(offset, plaintext.length, state)
      state.fill(0)
      return ciphertext
    },
    parts: {
      async sealPiece(offset, plaintext, _last, into) {
        const { ciphertext, state } = await message.seal(offset, plaintext, into)
        await message.join(offset, plaintext.length, state)
        return { sealed: ciphertext, state }
      },
      ...(sealApart === undefined
        ? {}
        : {
            async sealPieces(offset, lengths, plaintext, into, hash) {
              const sealed = await sealApart(offset, lengths, plaintext, into, hash)
              let at = offset
              for (const [i, state] of sealed.states.entries()) {
                const length = lengths[i] as number
                await message.join(at, length, state)
                at += length
              }
              return sealed
            },
          }),
      async sealAgain(offset, plaintext, _last, into) {
        const { ciphertext, state } = await message.sealAgain(offset, plaintext, into)
        return { sealed: ciphertext, state }
      },
      join: (offset, length, state) => message.join(offset, length, state),
    },
    trailer: (length) => message.tag(length),
    destroy: () => message.destroy(),
  }
}

/** `begin` is absent where the runtime has no streaming cipher: such messages must be sealed whole. */
function inOrder(begin: (() => GcmStream) | undefined): Pieces {
  let stream: GcmStream | undefined
  let position = 0
  let tag: Uint8Array | undefined
  const started = (): GcmStream => {
    if (begin === undefined) {
      throw configError('This runtime can encrypt with AES-GCM only what is in memory whole: its self-test failed.')
    }
    return (stream ??= begin())
  }
  return {
    ordered: true,
    seal(offset, plaintext) {
      if (tag !== undefined) throw configError('The message has its tag: no piece may be added any more.')
      checkExtent(offset, plaintext.length)
      if (offset !== position) throw configError(`Pieces come in order here: ${position} is next, not ${offset}.`)
      const ciphertext = started().update(plaintext)
      position += plaintext.length
      return ciphertext
    },
    trailer(length) {
      if (length !== position) throw configError(`${position} bytes of the message were sealed, not ${length}.`)
      tag ??= started().final()
      return Uint8Array.from(tag)
    },
    destroy() {
      stream = undefined
    },
  }
}

/** Reads one AES-GCM message, ciphertext ‖ tag, of any order. Owns the Aes from now on. */
export function gcmOpener(options: GcmMessage): Opener {
  const { aes } = options
  const [iv, aad] = [Uint8Array.from(options.iv), Uint8Array.from(options.aad)]
  // What is sealed here was sealed before, for `absorbPlaintext`: in the way that works wherever reading does.
  const message = positionalGcm({ aes, iv, aad, way: 'two-pass' })
  return {
    headerLength: 0,
    trailerLength: GCM_TAG_LENGTH,
    authentication: 'whole',
    alignment: 16,
    plaintextLength: gcmPlaintextLength,
    extent: (start, end) => ({ start: start - (start % 16), end, offset: start - (start % 16) }),
    openWhole(sealed) {
      gcmPlaintextLength(sealed.length)
      const plaintext = aes.gcmDecrypt(iv, aad, sealed)
      return plaintext instanceof Promise ? plaintext.then(authentic) : authentic(plaintext)
    },
    open: (sealedOffset, sealed, _last, into) => message.open(sealedOffset, sealed, into),
    async absorb(sealedOffset, sealed) {
      const state = await message.hash(sealedOffset, sealed)
      await message.join(sealedOffset, sealed.length, state)
      return state
    },
    hash: (sealedOffset, sealed) => message.hash(sealedOffset, sealed),
    join: (sealedOffset, length, state) => message.join(sealedOffset, length, state),
    async absorbPlaintext(offset, plaintext) {
      const { ciphertext, state } = await message.sealAgain(offset, plaintext)
      ciphertext.fill(0)
      await message.join(offset, plaintext.length, state)
      return state
    },
    ...(aes.gcmOpenStream === undefined ? {} : { stream: () => openStream(aes.gcmOpenStream?.(iv, aad)) }),
    async matches(state, sealedOffset, sealed) {
      const found = await message.hash(sealedOffset, sealed)
      const equal = runtime.equal(state, found)
      found.fill(0)
      return equal
    },
    async verify(sealedLength, trailer) {
      const length = gcmPlaintextLength(sealedLength)
      if (!message.covers(length)) throw new DecryptionError()
      const tag = await message.tag(length)
      const equal = runtime.equal(tag, trailer)
      // The right tag of a message that is not authentic is a forgery.
      tag.fill(0)
      if (!equal) throw new DecryptionError()
    },
    destroy() {
      message.destroy()
      aes.destroy()
    },
  }
}

function openStream(stream: GcmOpenStream | undefined): OpenerStream {
  if (stream === undefined) throw messageClosed()
  return {
    update: (sealed) => stream.update(sealed),
    final(tag) {
      if (!stream.final(tag)) throw new DecryptionError()
    },
  }
}

/** Throws ERR_S3CSE_ENVELOPE_INVALID for what no message can be: under 16 bytes, or over the limit of one message. */
export function gcmPlaintextLength(sealedLength: number): number {
  const length = sealedLength - GCM_TAG_LENGTH
  if (Number.isSafeInteger(length) && length >= 0 && length <= GCM_MAX_LENGTH) return length
  throw new CseError('ERR_S3CSE_ENVELOPE_INVALID', `No AES-GCM message has a stored length of ${sealedLength} bytes.`)
}

function authentic(plaintext: Uint8Array | undefined): Uint8Array {
  if (plaintext === undefined) throw new DecryptionError()
  return plaintext
}
