import { crypt4ghAlgorithm } from '../../keyrings/crypt4gh-keys.js'
import type { Keyring } from '../../keyrings/keyring.js'
import { takeOptions } from '../../keyrings/options.js'
import type { BodyEnvelopes, Envelope, Format, Sealed, SealRequest } from '../format.js'
import { checkKeyring, checkRequest, formatName, summaryOf } from './check.js'
import { recogniseMetadata, recogniseStart } from './envelope.js'
import { formatHint, hintKey } from './hint.js'
import { HEADER_START_LENGTH } from './packets.js'
import { crypt4ghSettings, type Crypt4ghMessageOptions, type Crypt4ghSettings } from './options.js'
import { headerKeyName, savedHeader } from './resume.js'
import { sealMessage } from './seal.js'

/** The options of `crypt4gh`. */
export interface Crypt4ghOptions extends Crypt4ghMessageOptions {
  /**
   * Opens and writes messages of this format unless the client's keyring, or the request's, says that it is for them: for
   * clients that read Crypt4GH besides what they write (`alsoRead`). Default: the client's only.
   */
  readonly keyring?: Keyring | undefined
}

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
  const { keyring, ...message } = takeOptions<Crypt4ghOptions>('crypt4gh', options, {
    experimentalAuthenticatedMode: 'optional',
    keyring: 'optional',
    maxPackets: 'optional',
    requireOrdered: 'optional',
  })
  const settings = crypt4ghSettings('crypt4gh', message)
  if (keyring !== undefined) checkKeyring(keyring)
  const withKeyring = <R extends { readonly keyring: Keyring }>(request: R): R =>
    keyring === undefined || request.keyring.algorithms?.includes(crypt4ghAlgorithm) === true
      ? request
      : { ...request, keyring }
  const bodyEnvelopes: BodyEnvelopes = Object.freeze({
    startLength: HEADER_START_LENGTH,
    recognise: (start, object) => asking(withKeyring, recogniseStart(start, settings, object)),
  } satisfies BodyEnvelopes)
  return Object.freeze({
    name: formatName,
    reservedKeys: new Set([hintKey, headerKeyName]),
    bodyEnvelopes,
    authenticatedRanges: true,
    check: (request) => checkRequest(withKeyring(request)),
    seal: (request) => seal(withKeyring(request), settings),
    recognise: (metadata, object) => asking(withKeyring, recogniseMetadata(metadata, settings, object)),
  } satisfies Format)
}

type WithKeyring = <R extends { readonly keyring: Keyring }>(request: R) => R

/** An envelope that is opened with the format's own keyring where the other is not for it. */
function asking(withKeyring: WithKeyring, envelope: Envelope | undefined): Envelope | undefined {
  if (envelope === undefined) return undefined
  const reencrypt = envelope.reencrypt?.bind(envelope)
  const rearrange = envelope.rearrange?.bind(envelope)
  const resume = envelope.resume?.bind(envelope)
  return {
    ...envelope,
    get summary() {
      return envelope.summary
    },
    open: (request) => envelope.open(withKeyring(request)),
    ...(reencrypt && { reencrypt: (request) => reencrypt(withKeyring(request)) }),
    ...(rearrange && { rearrange: (request) => rearrange(withKeyring(request)) }),
    ...(resume && { resume: (request) => resume(withKeyring(request)) }),
  }
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
