/** What an upload stores beside its body: user metadata and system headers, in and out. */
import { S3Error } from './s3-error.js'

type Headers = Readonly<Record<string, string>>

const PREFIX = 'x-amz-meta-'
/** Bytes of all keys and values together. */
const METADATA_LIMIT = 2048

/** User metadata of a request without its prefix (Node has trimmed the values), encoded words decoded. MetadataTooLarge above 2 KB. */
export function metadataOf(headers: Headers): Record<string, string> {
  const metadata: Record<string, string> = {}
  let size = 0
  for (const [name, value] of Object.entries(headers)) {
    if (!name.startsWith(PREFIX)) continue
    const key = name.slice(PREFIX.length)
    const stored = decodeWords(value)
    metadata[key] = stored
    size += Buffer.byteLength(key) + Buffer.byteLength(stored)
  }
  if (size > METADATA_LIMIT) {
    throw new S3Error('MetadataTooLarge', undefined, { details: { Size: size, MaxSizeAllowed: METADATA_LIMIT } })
  }
  return metadata
}

/** The headers that return user metadata: ASCII as it is, everything else as one RFC 2047 word, as S3 does. */
export function metadataHeaders(metadata: Headers): Record<string, string> {
  return Object.fromEntries(Object.entries(metadata).map(([key, value]) => [PREFIX + key, encodeWord(value)]))
}

// S3 takes header bytes as Latin-1 (so does Node), and decodes RFC 2047 words in what it gets. RFC 2047 section 6.2:
// blanks between adjacent words do not count.
function decodeWords(value: string): string {
  const joined = value.replace(/(=\?[^?\s]+\?[bq]\?[^?\s]*\?=)\s+(?==\?[^?\s]+\?[bq]\?[^?\s]*\?=)/gi, '$1')
  return joined.replace(/=\?([^?\s*]+)(?:\*[^?\s]*)?\?([bq])\?([^?\s]*)\?=/gi, (word, charset: string, kind, text) => {
    const bytes = /b/i.test(String(kind)) ? Buffer.from(String(text), 'base64') : decodeQ(String(text))
    try {
      return new TextDecoder(charset).decode(bytes)
    } catch {
      return word // a charset that nobody knows
    }
  })
}

function decodeQ(text: string): Buffer {
  const latin1 = text
    .replaceAll('_', ' ')
    .replace(/=([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)))
  return Buffer.from(latin1, 'latin1')
}

function encodeWord(value: string): string {
  if (/^[\x20-\x7e\t]*$/.test(value)) return value
  // eslint-disable-next-line no-control-regex
  if (/[\u0000-\u001f\u007f\ufffd]/.test(value)) return `=?UTF-8?B?${Buffer.from(value).toString('base64')}?=`
  const text = Array.from(Buffer.from(value), (byte) => {
    if (byte === 0x20) return '_'
    if (byte > 0x20 && byte < 0x7f && !'=_?'.includes(String.fromCharCode(byte))) return String.fromCharCode(byte)
    return `=${byte.toString(16).toUpperCase().padStart(2, '0')}`
  })
  return `=?UTF-8?Q?${text.join('')}?=`
}

const STORED = [
  'cache-control',
  'content-disposition',
  'content-language',
  'expires',
  'x-amz-website-redirect-location',
  'x-amz-server-side-encryption',
  'x-amz-server-side-encryption-aws-kms-key-id',
  'x-amz-server-side-encryption-bucket-key-enabled',
] as const

const STORAGE_CLASSES = new Set(
  'STANDARD REDUCED_REDUNDANCY STANDARD_IA ONEZONE_IA INTELLIGENT_TIERING GLACIER DEEP_ARCHIVE GLACIER_IR EXPRESS_ONEZONE'.split(
    ' ',
  ),
)

/** The system headers that are stored with an object and returned by GetObject and HeadObject. */
export function systemHeaders(headers: Headers): Record<string, string> {
  const stored: Record<string, string> = { 'content-type': headers['content-type'] ?? 'binary/octet-stream' }
  for (const name of STORED) {
    const value = headers[name]
    if (value !== undefined) stored[name] = value
  }
  // aws-chunked describes the transfer, not the object.
  const encodings = (headers['content-encoding'] ?? '').split(',').map((one) => one.trim())
  const encoding = encodings.filter((one) => one !== '' && one.toLowerCase() !== 'aws-chunked').join(',')
  if (encoding !== '') stored['content-encoding'] = encoding
  checkRedirect(headers['x-amz-website-redirect-location'])
  checkEncryption(headers)
  const storageClass = headers['x-amz-storage-class'] ?? 'STANDARD'
  if (!STORAGE_CLASSES.has(storageClass)) throw new S3Error('InvalidStorageClass')
  if (storageClass !== 'STANDARD') stored['x-amz-storage-class'] = storageClass
  return stored
}

/** What a copy takes over of the stored headers of its source, whatever else it says: not these. */
const NEVER_COPIED = /^x-amz-(storage-class|website-redirect-location|server-side-encryption.*)$/

/** The stored headers of a copy that keeps those of its source; `own` are those of the request. */
export function copiedHeaders(source: Headers, own: Headers): Record<string, string> {
  const kept = Object.entries(source).filter(([name]) => !NEVER_COPIED.test(name))
  const given = Object.entries(own).filter(([name]) => NEVER_COPIED.test(name))
  return Object.fromEntries([...kept, ...given])
}

/** Those that answers to uploads and copies return as well. */
export function encryptionHeaders(stored: Headers): Record<string, string> {
  return Object.fromEntries(Object.entries(stored).filter(([name]) => name.startsWith(ENCRYPTION)))
}

const ENCRYPTION = 'x-amz-server-side-encryption'

function checkEncryption(headers: Headers): void {
  const method = headers[ENCRYPTION]
  if (method !== undefined && !['AES256', 'aws:kms', 'aws:kms:dsse'].includes(method)) {
    throw new S3Error('InvalidArgument', 'The encryption method specified is not supported')
  }
  if (method !== undefined && headers[`${ENCRYPTION}-customer-algorithm`] !== undefined) {
    throw new S3Error(
      'InvalidArgument',
      'Server Side Encryption with Customer provided key is incompatible with the encryption method specified',
    )
  }
  if (method?.startsWith('aws:kms') !== true && headers[`${ENCRYPTION}-aws-kms-key-id`] !== undefined) {
    throw new S3Error(
      'InvalidArgument',
      'Server Side Encryption with AWS KMS managed key requires HTTP header x-amz-server-side-encryption : aws:kms',
    )
  }
}

function checkRedirect(location = '/'): void {
  if (!/^(https?:\/\/|\/)/.test(location)) throw new S3Error('InvalidRedirectLocation')
}

const UNSUPPORTED = ['x-amz-write-offset-bytes']

/** Rejects headers of uploads that this server would otherwise silently ignore. */
export function rejectUnsupported(headers: Headers): void {
  const name = UNSUPPORTED.find((one) => headers[one] !== undefined)
  if (name !== undefined) throw new S3Error('NotImplemented', undefined, { details: { Header: name } })
}
