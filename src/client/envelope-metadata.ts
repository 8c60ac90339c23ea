import { configError, CseError } from '../errors.js'
import type { ObjectMetadata } from '../formats/format.js'
import type { Input } from './sdk.js'

/** User metadata of an object: keys and values in bytes (S3 User Guide, "Working with object metadata"). */
const MAX_METADATA_BYTES = 2048

/** Throws ERR_S3CSE_CONFIG for metadata that is the envelope's. */
export function refuseReserved(metadata: Input, reserved: ReadonlySet<string>): void {
  for (const name of Object.keys(metadata)) {
    if (!reserved.has(name.toLowerCase())) continue
    throw configError(
      `Metadata must not contain '${name}': the key belongs to the encryption envelope, which this client writes itself`,
    )
  }
}

/** The caller's metadata and the envelope together. Throws ERR_S3CSE_ENVELOPE_TOO_LARGE. */
export function mergedMetadata(
  own: Input,
  envelope: ObjectMetadata,
  bucket: string,
  key: string,
): Record<string, unknown> {
  const merged = { ...own, ...envelope }
  const encoder = new TextEncoder()
  let size = 0
  for (const [name, value] of Object.entries(merged)) {
    size += encoder.encode(name).length + encoder.encode(String(value)).length
  }
  if (size > MAX_METADATA_BYTES) {
    throw new CseError(
      'ERR_S3CSE_ENVELOPE_TOO_LARGE',
      `Metadata and envelope of ${bucket}/${key} have ${size} bytes together; S3 stores at most ${MAX_METADATA_BYTES}. Shorten the metadata, the encryption context or the materials description, or put the envelope into an instruction file: instructionFile: { write: true }.`,
    )
  }
  return merged
}

/** User metadata as stored, divided into the caller's and the envelope's. */
export function divided(
  { Metadata }: Readonly<Record<string, unknown>>,
  reserved: ReadonlySet<string>,
): { own: ObjectMetadata; envelope: ObjectMetadata } {
  const all = Object.entries((Metadata ?? {}) as ObjectMetadata)
  const isEnvelopes = ([name]: [string, string]): boolean => reserved.has(name.toLowerCase())
  return {
    own: Object.fromEntries(all.filter((entry) => !isEnvelopes(entry))),
    envelope: Object.fromEntries(all.filter(isEnvelopes)),
  }
}
