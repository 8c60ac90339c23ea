import type { NewHeader, StoredBytes } from '../formats/format.js'
import { envelopeWith, foundOut, openingOf } from './header-write.js'
import type { WrittenHeader } from './header-write.js'
import type { LocatedEnvelope } from './locate-envelope.js'
import { lostProperty, requireKeepable } from './object-properties.js'
import { withoutContext } from './open-object.js'
import { replaceHeader } from './reencrypt.js'
import { opens } from './rotate-wrap.js'
import { isUnopened, openRequest, outcome } from './rotation.js'
import type { Outcome, Rotation } from './rotation.js'
import { untilAborted } from './sdk.js'
import { storedObject } from './stored-object.js'
import type { StoredObject } from './stored-object.js'

/** Another key for an object whose header is at the start of its stored bytes: a new header, for nobody but that key. */
export async function rotateHeader(r: Rotation, located: LocatedEnvelope): Promise<Outcome> {
  const { client, settings, object: target, input, from, to, options, sentHeaders: sent } = r
  const w = { client, settings, target, input, from, options, sent }
  const { signal } = options
  const done = await foundOut(w, async (): Promise<WrittenHeader | Outcome> => {
    const source = await storedObject({ client, object: target, input, signal })
    requireKeepable(source.head, target)
    const renewed = await envelopeWith(w, source, 'reencrypt')
    let made: NewHeader
    try {
      made = await untilAborted(renewed({ ...openingOf(w, source), to: to.keyring, trim: true }), signal)
    } catch (error) {
      if (!isUnopened(error) || !(await opens(r, located))) throw error
      return outcome('unchanged', withoutContext(located.summary), source.head)
    }
    if (options.enforceRotation) await requireAnother(r, source, made)
    return replaceHeader(w, source, Promise.resolve(made))
  })
  return 'made' in done ? outcome('header', withoutContext(done.made.summary), done.stored) : done
}

/** Throws ERR_S3CSE_ROTATION where the old key opens the new header as well. */
async function requireAnother(r: Rotation, source: StoredObject, { header, from, to }: NewHeader): Promise<void> {
  const { settings, object, options } = r
  const envelope = settings.format.bodyEnvelopes?.recognise(header, object)
  const stored: StoredBytes = {
    length: header.length + to - from,
    async start(count) {
      const more = Math.min(Math.max(0, count - header.length), to - from)
      const first = new Uint8Array(Math.min(count, header.length) + more)
      first.set(header.subarray(0, count))
      if (more > 0) first.set(await source.part(from, from + more), header.length)
      return first
    },
  }
  try {
    const opening = envelope?.open({ ...openRequest(r, r.from), stored })
    const opener = opening && (await untilAborted(opening, options.signal, (late) => late.destroy()))
    opener?.destroy()
  } catch (error) {
    if (isUnopened(error)) return
    throw error
  }
  throw lostProperty(
    object,
    'the key that opens it now would open the new header as well. Give another key, or enforceRotation: false.',
  )
}
