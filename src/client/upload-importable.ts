import { CseError, KmsError } from '../errors.js'
import type { ObjectMetadata } from '../formats/format.js'
import { uploadState } from '../message/multipart.js'
import type { PositionalSealer } from '../message/sealer.js'
import type { Settings } from './options.js'
import type { RequestSettings } from './request-options.js'

export interface Importing {
  readonly bucket: string
  readonly key: string
  /** The object's envelope. */
  readonly metadata: ObjectMetadata
  readonly sealer: PositionalSealer
  readonly partSize: number | undefined
  readonly settings: Settings
  readonly request: RequestSettings
  readonly signal: AbortSignal | undefined
}

/**
 * That the state of an upload can be imported again, found out before anything relies on it: by a principal that may
 * decrypt, or with a state key. Throws ERR_S3CSE_UPLOAD_STATE; what says nothing about that, such as a KMS that does not answer,
 * is thrown as it is.
 */
export async function checkImportable(importing: Importing): Promise<void> {
  const { bucket, key, metadata, sealer, partSize, settings, request, signal } = importing
  if (sealer.alignment > 1 && partSize === undefined) {
    throw uploadState(
      `The state of this upload could not be imported: parts of any size leave bytes over that fill no segment of ${sealer.alignment}. Give partSize when the upload is created (requestOptions).`,
    )
  }
  const object = { bucket, key }
  const envelope = settings.format.recognise(metadata, object)
  if (envelope?.resume === undefined) throw uploadState('No upload of this format can be continued from its state.')
  if (request.stateKey !== undefined) return
  try {
    const again = await envelope.resume({
      keyring: request.keyring,
      commitmentPolicy: settings.commitmentPolicy,
      encryptionContext: request.encryptionContext,
      object,
      ...(signal === undefined ? {} : { signal }),
    })
    again.destroy()
  } catch (error) {
    if (!(error instanceof CseError) || (error instanceof KmsError && !isDenied(error))) throw error
    throw new CseError(
      'ERR_S3CSE_UPLOAD_STATE',
      "The state of this upload could not be imported again: the client's keyring cannot unwrap the object's data key. Give a stateKey of 32 random bytes, and keep it as secret as the data.",
      { cause: error },
    )
  }
}

function isDenied({ cause }: KmsError): boolean {
  return (cause as Partial<Error> | undefined)?.name === 'AccessDeniedException'
}
