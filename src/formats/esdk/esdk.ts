import { configError } from '../../errors.js'
import { takeOptions } from '../../keyrings/options.js'
import type { BodyEnvelopes, Format, Sealed, SealRequest } from '../format.js'
import { checkRequest } from './check.js'
import { headerKeyName, recogniseMetadata, recogniseStart, savedHeader } from './envelope.js'
import { formatHint, hintKey } from './hint.js'
import { HEADER_START_LENGTH } from './open.js'
import { esdkSettings, messageOptionNames, type EsdkMessageOptions, type EsdkSettings } from './options.js'
import { summaryOf } from './policy.js'
import { sealMessage } from './seal.js'
import { formatName } from './suites.js'

/** The options of `esdk`. */
export interface EsdkOptions extends EsdkMessageOptions {
  /**
   * Whether a Range of a signed message may be read: each frame is authenticated under the data key, and the signature,
   * which needs all of the message, is not verified. Default: false, an error (ERR_S3CSE_RANGE_REFUSED).
   */
  readonly rangesWithoutSignature?: boolean | undefined
}

/**
 * Messages of the AWS Encryption SDK (message format versions 1 and 2, all eleven algorithm suites), which the SDKs for
 * Python, Java, C, .NET and JavaScript and the command line tool decrypt. What is read is released frame by frame, each
 * authenticated, and a Range is authenticated as well.
 *
 * Objects that are written have the user metadata `s3-cse-esdk`, by which they are known again; what others have stored
 * is recognised by its first bytes. The encryption context is authenticated with every keyring.
 *
 * @throws CseError `ERR_S3CSE_CONFIG` for an unknown option or a wrong value.
 */
export function esdk(options: EsdkOptions = {}): Format {
  const { rangesWithoutSignature = false, ...message } = takeOptions<EsdkOptions>('esdk', options, {
    ...(Object.fromEntries(messageOptionNames.map((name) => [name, 'optional'])) as Record<
      keyof EsdkMessageOptions,
      'optional'
    >),
    rangesWithoutSignature: 'optional',
  })
  if (typeof rangesWithoutSignature !== 'boolean')
    throw configError('esdk: rangesWithoutSignature must be true or false')
  const settings = esdkSettings('esdk', message, rangesWithoutSignature)
  const bodyEnvelopes: BodyEnvelopes = Object.freeze({
    startLength: HEADER_START_LENGTH,
    recognise: (start, object) => recogniseStart(start, settings, object),
  } satisfies BodyEnvelopes)
  return Object.freeze({
    name: formatName,
    reservedKeys: new Set([hintKey, headerKeyName]),
    bodyEnvelopes,
    authenticatedRanges: true,
    check: (request) => checkRequest(request, settings),
    seal: (request) => seal(request, settings),
    recognise: (metadata, object) => recogniseMetadata(metadata, settings, object),
  } satisfies Format)
}

async function seal(request: SealRequest, settings: EsdkSettings): Promise<Sealed> {
  const { sealer, suite, header, context } = await sealMessage(request, settings)
  const { frameLength } = settings
  const footerLength = sealer.trailerLength
  const metadata = { [hintKey]: formatHint({ suite, headerLength: header.length, frameLength, footerLength }) }
  return {
    sealer,
    metadata,
    resumption: { ...metadata, ...savedHeader(header) },
    summary: summaryOf(suite, context),
  }
}
