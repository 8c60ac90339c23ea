import { CseError } from '../errors.js'
import type { ObjectMetadata, ObjectName } from './format.js'

/** User metadata by which the formats of this library are known, and what reads them: also to clients that do not. */
const MARKS: readonly (readonly [key: string, format: string])[] = Object.freeze([
  ['x-amz-key', 's3ec()'],
  ['x-amz-key-v2', 's3ec()'],
  ['x-amz-c', 's3ec()'],
  ['s3-cse-esdk', 'esdk()'],
  ['s3-cse-crypt4gh', 'crypt4gh({ keyring })'],
])

/**
 * Throws ERR_S3CSE_ENVELOPE_INVALID for an object with an envelope that these reserved keys are not of: it is no plain
 * object, and a copy that does not take the envelope along would be lost.
 */
export function refuseForeign(
  metadata: ObjectMetadata,
  reservedKeys: ReadonlySet<string>,
  { bucket, key }: ObjectName,
): void {
  const names = new Set(Object.keys(metadata).map((name) => name.toLowerCase()))
  const mark = MARKS.find(([name]) => names.has(name) && !reservedKeys.has(name))
  if (mark === undefined) return
  throw new CseError(
    'ERR_S3CSE_ENVELOPE_INVALID',
    `${bucket}/${key} has an envelope of another format, which this client does not read: alsoRead: [${mark[1]}]`,
  )
}
