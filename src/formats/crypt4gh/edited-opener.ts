import { DecryptionError } from '../../errors.js'
import type { Opener } from '../../message/opener.js'
import { edited, type EditedPlaintext } from './edit-list.js'
import { SEALED_SEGMENT_LENGTH, SEGMENT_LENGTH } from './segments.js'

/** Opens a message with an edit list: its plaintext is what that keeps. Everything is authenticated, also what is left out. */
export function editedOpener(opener: Opener, lengths: readonly bigint[], sealedLength: number): Opener {
  const { headerLength } = opener
  let plaintext: EditedPlaintext | undefined
  const known = (length: number): EditedPlaintext => {
    const stored = opener.plaintextLength(length)
    const found = stored === undefined ? undefined : edited(lengths, stored)
    if (found === undefined) throw new DecryptionError()
    return found
  }
  const kept = (): EditedPlaintext => (plaintext ??= known(sealedLength))
  return {
    ...opener,
    isUneven: true,
    plaintextLength(length) {
      return length === sealedLength ? kept().length : known(length).length
    },
    extent(start, end) {
      const plain = kept()
      if (start === end) {
        const at = start < plain.length ? plain.storedAt(start) : 0
        return { start: opener.extent(at, at).start, end: opener.extent(at, at).start, offset: start }
      }
      const extent = opener.extent(plain.storedAt(start), plain.storedAt(end - 1) + 1)
      return { ...extent, offset: plain.keptBefore(extent.offset) }
    },
    async openWhole(sealed) {
      const plain = known(sealed.length)
      return plain.keep(0, await opener.openWhole(sealed))
    },
    async open(sealedOffset, sealed, last, into) {
      const offset = ((sealedOffset - headerLength) / SEALED_SEGMENT_LENGTH) * SEGMENT_LENGTH
      return kept().keep(offset, await opener.open(sealedOffset, sealed, last, into))
    },
  }
}
