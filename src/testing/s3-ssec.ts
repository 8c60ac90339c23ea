/**
 * SSE-C: keys that the client sends with each request. Nothing is encrypted here, but the key must be the same each
 * time. Real S3 takes these headers over https only; this server has no TLS and takes them as they come.
 */
import { createHash } from 'node:crypto'
import { S3Error } from './s3-error.js'

type Headers = Readonly<Record<string, string>>

const NAME = 'server-side-encryption-customer-'

/** The base64 MD5 of the key that a request carries, if it carries one. `prefix` is `x-amz-copy-source-` for a source. */
export function customerKey(headers: Headers, prefix = 'x-amz-'): string | undefined {
  const algorithm = headers[`${prefix}${NAME}algorithm`]
  const key = headers[`${prefix}${NAME}key`]
  const md5 = headers[`${prefix}${NAME}key-md5`]
  if (algorithm === undefined && key === undefined && md5 === undefined) return undefined
  if (algorithm === undefined || key === undefined || md5 === undefined) {
    throw new S3Error(
      'InvalidArgument',
      'Requests specifying Server Side Encryption with Customer provided keys must provide the algorithm, the secret key and its MD5.',
    )
  }
  if (algorithm !== 'AES256') throw new S3Error('InvalidEncryptionAlgorithmError')
  const bytes = Buffer.from(key, 'base64')
  if (bytes.length !== 32)
    throw new S3Error('InvalidArgument', 'The secret key was invalid for the specified algorithm.')
  if (createHash('md5').update(bytes).digest('base64') !== md5) {
    throw new S3Error('InvalidArgument', 'The calculated MD5 hash of the key did not match the hash that was provided.')
  }
  return md5
}

/** The key of a read against that of the object: InvalidRequest if one of them is missing, AccessDenied if they differ. */
export function checkReadKey(given: string | undefined, stored: string | undefined): void {
  if (given === stored) return
  if (stored === undefined) {
    throw new S3Error('InvalidRequest', 'The encryption parameters are not applicable to this object.')
  }
  if (given !== undefined) throw new S3Error('AccessDenied')
  throw new S3Error(
    'InvalidRequest',
    'The object was stored using a form of Server Side Encryption. The correct parameters must be provided to retrieve the object.',
  )
}

/** The key of a part against that of its upload: InvalidRequest unless they are the same. */
export function checkPartKey(given: string | undefined, upload: string | undefined): void {
  if (given === upload) return
  throw new S3Error(
    'InvalidRequest',
    upload === undefined
      ? 'The encryption parameters are not applicable to this multipart upload.'
      : given === undefined
        ? 'The multipart upload initiate requested encryption. Subsequent part requests must include the appropriate encryption parameters.'
        : 'The provided encryption parameters did not match the ones used originally.',
  )
}

/** What answers say about the key. */
export function customerKeyHeaders(md5: string | undefined): Record<string, string> {
  return md5 === undefined ? {} : { [`x-amz-${NAME}algorithm`]: 'AES256', [`x-amz-${NAME}key-md5`]: md5 }
}
