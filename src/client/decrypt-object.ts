import { resources } from '../bytes/resources.js'
import type { Envelope } from '../formats/format.js'
import { decryptInBody } from './decrypt-in-body.js'
import { checkObjectSize, openEnvelope } from './open-object.js'
import type { Settings } from './options.js'
import { answeredRange } from './range-answer.js'
import {
  checkSpool,
  lengthFromEnd,
  nothingVerified,
  showReading,
  sourceFor,
  storedLength,
  wantedRange,
} from './reading.js'
import type { Found, GetContext, Reading } from './reading.js'
import type { Output } from './sdk.js'

function mayBeRead({ summary: { needs } }: Envelope, { commitmentPolicy, legacy }: Settings): boolean {
  const { wrapping, content } = needs.legacy
  if (!needs.commitmentPolicies.includes(commitmentPolicy)) return false
  return (!wrapping || legacy.wrapping) && (!content || legacy.content)
}

/** Puts plaintext into an output: Body, lengths, range, metadata. All that can be seen without a key is checked first. */
export async function decryptObject(g: GetContext, output: Output, found: Found): Promise<void> {
  if (found.envelope.inBody === true) return decryptInBody(g, output, found)
  const { settings } = g
  const { object, envelope, request, upstream, asked } = found
  const where = `${object.bucket}/${object.key}`
  const answered = asked?.sent === undefined ? undefined : answeredRange(output, asked.sent, where)
  const sealedLength = answered?.total ?? storedLength(output, where)
  checkObjectSize(envelope, sealedLength, settings, where)
  const unauthenticated = request.rangeReads === 'unauthenticated'
  const known = envelope.plaintextLength(sealedLength)
  // Before a key is used; what the policy refuses is refused for that.
  const verifiable = known !== undefined || unauthenticated || settings.format.authenticatedRanges === true
  if (asked?.spec !== undefined && !verifiable && mayBeRead(envelope, settings)) throw nothingVerified(where)
  const early = wantedRange(asked, known, output)
  if (answered === undefined && !request.delayedAuthentication) checkSpool(sealedLength, early, settings, where)

  const opener = await openEnvelope({ envelope, settings, request, object, signal: g.signal })
  const held = resources()
  held.hold(() => opener.destroy())
  held.hold((error) => upstream.cancel(error))
  try {
    const begun = { found, first: { ...output }, opener, sealedLength, answered, held, where }
    let plaintextLength = opener.plaintextLength(sealedLength)
    const fromEnd = asked?.spec !== undefined && plaintextLength === undefined && unauthenticated
    if (fromEnd) plaintextLength = await lengthFromEnd(g, begun)
    const spent = found.spent || fromEnd
    const range = early ?? wantedRange(asked, plaintextLength, output)
    if (asked?.spec !== undefined && (range === undefined || plaintextLength === undefined)) {
      throw nothingVerified(where)
    }
    const r: Reading = { ...begun, range, spent }
    showReading(g, output, r, { source: await sourceFor(g, r), plaintextLength })
  } catch (error) {
    held.release(error as Error)
    throw error
  }
}
