import { configError } from '../errors.js'
import type { PositionalSealer, Sealer } from '../message/sealer.js'
import { checkedIv, checkPlace } from './cbc-blocks.js'
import type { CbcMessage } from './cbc-blocks.js'
import { cbcChain } from './cbc-chain.js'
import { messageKey } from './message-key.js'
import { messageUse } from './message-use.js'
import { BLOCK_LENGTH, paddedBlock } from './pkcs7.js'

export type { CbcMessage } from './cbc-blocks.js'
export { cbcOpener } from './cbc-opener.js'
export type { CbcOpenerOptions } from './cbc-opener.js'

export interface CbcSealerOptions extends CbcMessage {
  /** The key of the message, for `deriveKey` and `exportKey` of a sealer that takes parts; copied. */
  readonly key?: Uint8Array
}

/**
 * One AES-CBC message (NIST SP 800-38A section 6.2) with the padding of PKCS #7 (RFC 5652 section 6.3), with no header;
 * the trailer is the padded block. Owns the Aes from now on. Pieces come in order: each is chained to the last block of
 * ciphertext before it. Refuses (ERR_S3CSE_CONFIG) pieces that overlap, or whose block before is not known, pieces after
 * the trailer, `sealWhole` twice or beside pieces.
 *
 * With a `key` it is a PositionalSealer. The state of a piece is its last block of ciphertext (of the end of the message
 * the padded one), so an upload can be continued from its states in another process. But for the padded one a state is
 * stored for all to see, with the object; it is treated as the secret that it is with other formats.
 */
export function cbcSealer(options: CbcSealerOptions): Sealer {
  const { aes } = options
  const iv = checkedIv(options.iv)
  const key = options.key === undefined ? undefined : Uint8Array.from(options.key)
  const chain = cbcChain({ aes, iv: Uint8Array.from(iv) })
  const use = messageUse()
  /** Where the last piece in order has ended. */
  let streamed = 0

  const sealer: Sealer = {
    header: new Uint8Array(0),
    trailerLength: BLOCK_LENGTH,
    alignment: BLOCK_LENGTH,
    ordered: true,
    sealedLength(plaintextLength) {
      checkPlace(0, plaintextLength)
      return plaintextLength - (plaintextLength % BLOCK_LENGTH) + BLOCK_LENGTH
    },
    sealedOffset(offset) {
      checkPlace(offset, 0)
      return offset
    },
    async seal(offset, plaintext, last) {
      use.begin('pieces')
      const next = chain.end()
      if (offset !== next) throw configError(`Pieces come in order here: ${next} is next, not ${offset}.`)
      const { sealed, state } = await chain.seal(offset, plaintext, last)
      state.fill(0)
      // A long message has many pieces, and nobody will ask for these again.
      if (offset > 0 && offset === streamed && plaintext.length > 0) chain.forget(offset)
      streamed = offset + plaintext.length
      return sealed
    },
    async trailer(plaintextLength) {
      use.begin('pieces')
      return chain.trailer(plaintextLength)
    },
    async sealWhole(plaintext) {
      use.begin('whole')
      checkPlace(0, plaintext.length)
      const rest = plaintext.length % BLOCK_LENGTH
      const padded = new Uint8Array(sealer.sealedLength(plaintext.length))
      padded.set(plaintext.subarray(0, plaintext.length - rest))
      padded.set(paddedBlock(plaintext.subarray(plaintext.length - rest)), plaintext.length - rest)
      try {
        return await aes.cbcEncrypt(iv, padded)
      } finally {
        padded.fill(0)
      }
    },
    destroy() {
      use.close()
      chain.destroy()
      aes.destroy()
      key?.fill(0)
    },
  }
  if (key === undefined) return sealer
  const checked = (): Uint8Array => {
    use.check()
    return key
  }
  const positionalSealer: PositionalSealer = {
    ...sealer,
    async sealPiece(offset, plaintext, last) {
      use.begin('pieces')
      return chain.seal(offset, plaintext, last)
    },
    async sealAgain(offset, plaintext, last) {
      use.begin('pieces')
      return chain.sealAgain(offset, plaintext, last)
    },
    async join(offset, length, state) {
      use.begin('pieces')
      chain.join(offset, length, state)
    },
    ...messageKey(checked),
  }
  return positionalSealer
}
