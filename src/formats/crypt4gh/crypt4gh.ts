import type { BodyEnvelopes, Format, Sealed, SealRequest } from '../format.js'
import { checkRequest, formatName, summaryOf } from './check.js'
import { recogniseMetadata, recogniseStart } from './envelope.js'
import { formatHint, hintKey } from './hint.js'
import { HEADER_START_LENGTH } from './open.js'
import { crypt4ghSettings, type Crypt4ghMessageOptions, type Crypt4ghSettings } from './options.js'
import { headerKeyName, savedHeader } from './resume.js'
import { sealMessage } from './seal.js'

/** The options of `crypt4gh`. */
export type Crypt4ghOptions = Crypt4ghMessageOptions

/**
 * GA4GH Crypt4GH 1.0 files, which samtools with htslib-crypt4gh, the EGA's tools and every other Crypt4GH reader decrypt.
 * What is read is released segment by segment (64 KiB), each authenticated, and of a Range only the segments are read that
 * have it. For `x25519Keyring`.
 *
 * The format (data method 0) authenticates each segment by itself: not their order, and not the end. Objects that this
 * library has written bind both to the data key all the same, if their length was known at the start or they came in
 * order; `encryptionInfo(output).envelope.integrity` is 'ordered' for them, and 'segment' for others: segments of one
 * object could have been swapped, repeated or left out by who can write to the bucket.
 *
 * Objects that are written have the user metadata `s3-cse-crypt4gh`, by which they are known again; what others have
 * stored is recognised by its first bytes.
 *
 * @throws CseError `ERR_S3CSE_CONFIG` for an unknown option or a wrong value.
 */
export function crypt4gh(options: Crypt4ghOptions = {}): Format {
  const settings = crypt4ghSettings('crypt4gh', options)
  const bodyEnvelopes: BodyEnvelopes = Object.freeze({
    startLength: HEADER_START_LENGTH,
    recognise: (start, object) => recogniseStart(start, settings, object),
  } satisfies BodyEnvelopes)
  return Object.freeze({
    name: formatName,
    reservedKeys: new Set([hintKey, headerKeyName]),
    bodyEnvelopes,
    authenticatedRanges: true,
    check: checkRequest,
    seal: (request) => seal(request, settings),
    recognise: (metadata, object) => recogniseMetadata(metadata, settings, object),
  } satisfies Format)
}

async function seal(request: SealRequest, settings: Crypt4ghSettings): Promise<Sealed> {
  const { sealer, method, header, integrity } = await sealMessage(request, settings)
  const metadata = { [hintKey]: formatHint({ headerLength: header.length, method }) }
  return {
    sealer,
    metadata,
    resumption: { ...metadata, ...savedHeader(header, request.plaintextLength) },
    summary: summaryOf(method, integrity),
  }
}
