import type { NewHeader, ObjectName } from '../format.js'
import { described, distinct, nonceFor, writing } from './new-packets.js'
import { withHeader, type NewHeaderRequest } from './old-header.js'
import { integrityOf } from './open.js'
import type { Crypt4ghSettings } from './options.js'
import { headerOf } from './wrap.js'

/** The same as `NewHeader`, of a message whose length may not be known. */
export interface Reencrypted extends Omit<NewHeader, 'to' | 'plaintextLength'> {
  readonly to: number | undefined
  readonly plaintextLength: number | undefined
}

/**
 * A new header for the recipients of `to`, before the same body. Packets that the old keyring cannot open are others', and
 * stay unless `trim`; those that it opens are encrypted for the new recipients only.
 */
export async function reencryptedHeader(
  request: NewHeaderRequest & { readonly trim?: boolean },
  settings: Crypt4ghSettings,
  object: ObjectName,
): Promise<Reencrypted> {
  const { trim = false, stored } = request
  return withHeader(request, settings, object, async ({ header, packets, opened, plaintext }) => {
    const { bound, editList, method } = opened
    const w = writing(request, packets)
    for (const content of distinct(packets)) await w.write(content, bound && (await nonceFor(bound, content)))
    const others = trim ? [] : packets.flatMap(({ packet, content }) => (content ? [] : [packet.bytes]))
    const plaintextLength = plaintext?.edited.length
    const isKnown = editList === undefined || plaintextLength !== undefined
    const integrity = integrityOf(method, w.isMarked ? bound?.kind : undefined, editList)
    return {
      ...described(headerOf([...w.written, ...others], settings), method, integrity, {
        editedLength: editList && plaintextLength,
        isKnown,
      }),
      from: header.length,
      to: stored.length,
      plaintextLength,
    }
  })
}
