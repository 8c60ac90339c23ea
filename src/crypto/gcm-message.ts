import { runtime } from '#runtime'
import { configError, CseError, DecryptionError } from '../errors.js'
import type { Opener } from '../message/opener.js'
import type { Sealer } from '../message/sealer.js'
import type { GcmStream, MaybePromise } from '../runtime/runtime.js'
import { checkExtent, checkIv, GCM_MAX_LENGTH, GCM_TAG_LENGTH, messageClosed } from './gcm-blocks.js'
import { positionalGcmWorks } from './gcm-self-test.js'
import { positionalGcm, type GcmMessage } from './positional-gcm.js'

export interface GcmSealerOptions extends GcmMessage {
  /**
   * The pieces will come in order, from 0 on: where the runtime has a streaming cipher, that is used. Default `false`:
   * any order, where the runtime can do that (see `positionalGcmWorks`).
   */
  readonly ordered?: boolean
}

/** The pieces of one message, in any order or in the one order that is left. */
type Pieces = Pick<Sealer, 'ordered' | 'trailer' | 'destroy'> & {
  seal(offset: number, plaintext: Uint8Array): MaybePromise<Uint8Array>
}

/**
 * Body and trailer of one AES-GCM message, ciphertext ‖ tag (NIST SP 800-38D section 7.1), with no header. Owns the Aes
 * from now on. Refuses (ERR_S3CSE_CONFIG) what would use a keystream or J0 twice: overlapping pieces, pieces after the
 * trailer, `sealWhole` twice or beside pieces. The `works` parameter is for tests.
 */
export async function gcmSealer(
  options: GcmSealerOptions,
  works: () => Promise<boolean> = positionalGcmWorks,
): Promise<Sealer> {
  const { aes, ordered = false } = options
  checkIv(options.iv)
  const [iv, aad] = [Uint8Array.from(options.iv), Uint8Array.from(options.aad)]
  const begin = aes.gcmStream?.bind(aes, iv, aad)
  const message = { aes, iv, aad }
  const positional = ordered && begin !== undefined ? false : await works()
  const pieces = positional ? anyOrder(message) : inOrder(begin)
  let used: 'pieces' | 'whole' | undefined
  let closed = false

  const use = (as: 'pieces' | 'whole'): void => {
    if (closed) throw messageClosed()
    if (used !== undefined && (as === 'whole' || used === 'whole')) {
      throw configError('A message is sealed once: whole, or in pieces.')
    }
    used = as
  }
  return {
    header: new Uint8Array(0),
    alignment: 1,
    ordered: pieces.ordered,
    sealedLength(plaintextLength) {
      checkExtent(0, plaintextLength)
      return plaintextLength + GCM_TAG_LENGTH
    },
    seal(offset, plaintext) {
      use('pieces')
      return pieces.seal(offset, plaintext)
    },
    trailer(plaintextLength) {
      use('pieces')
      return pieces.trailer(plaintextLength)
    },
    sealWhole(plaintext) {
      use('whole')
      checkExtent(0, plaintext.length)
      return aes.gcmEncrypt(iv, aad, plaintext)
    },
    destroy() {
      closed = true
      pieces.destroy()
      aes.destroy()
    },
  }
}

function anyOrder(options: GcmMessage): Pieces {
  const message = positionalGcm(options)
  return {
    ordered: false,
    async seal(offset, plaintext) {
      const { ciphertext, state } = await message.seal(offset, plaintext)
      await message.join(offset, plaintext.length, state)
      state.fill(0)
      return ciphertext
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
  const message = positionalGcm({ aes, iv, aad })
  return {
    headerLength: 0,
    trailerLength: GCM_TAG_LENGTH,
    authentication: 'whole',
    alignment: 16,
    plaintextLength: gcmPlaintextLength,
    extent: (start, end) => ({ start: start - (start % 16), end }),
    openWhole(sealed) {
      gcmPlaintextLength(sealed.length)
      const plaintext = aes.gcmDecrypt(iv, aad, sealed)
      return plaintext instanceof Promise ? plaintext.then(authentic) : authentic(plaintext)
    },
    open: (sealedOffset, sealed) => message.open(sealedOffset, sealed),
    async absorb(sealedOffset, sealed) {
      const state = await message.hash(sealedOffset, sealed)
      await message.join(sealedOffset, sealed.length, state)
      return state
    },
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
