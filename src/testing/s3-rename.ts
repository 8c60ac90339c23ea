/** RenameObject, which only directory buckets have. */
import { failed, readCondition, writeCondition } from './s3-conditions.js'
import { decodePath } from './s3-copy-source.js'
import { S3Error } from './s3-error.js'
import type { Answer, Exchange } from './s3-exchange.js'
import { entryOf } from './s3-history.js'
import type { Bucket, Entry } from './s3-store.js'

const DONE: Answer = Object.freeze({ status: 200, headers: Object.freeze({}) })

/** So many client tokens are remembered for each bucket. */
const MAX_TOKENS = 1000

/** What was asked for under each client token. */
const tokens = new WeakMap<Bucket, Map<string, string>>()

/**
 * The object is at its new key, with everything that belongs to it (LastModified too), and not at its old one, in one step.
 * A repeated client token is answered as before; IdempotentParameterMismatch where it asks for something else.
 */
export async function renameObject(x: Exchange, bucketName: string, key: string): Promise<Answer> {
  const bucket = x.store.bucket(bucketName)
  const from = sourceKey(x.headers['x-amz-rename-source'] ?? '', bucketName)
  if (from.endsWith('/') || key.endsWith('/') || from === key) {
    throw new S3Error('InvalidRequest', 'A source or destination that ends in /, or is the other one, is not allowed.')
  }
  const token = x.headers['x-amz-client-token']
  if (isRepeated(bucket, token, fingerprintOf(x, from, key))) return DONE
  // Nothing may wait between the conditions and the end of the move.
  const entry = entryOf(bucket, from)
  if (readCondition(x.headers, entry, 'x-amz-rename-source-') !== 'met') failed('x-amz-rename-source-if-*')
  const target = bucket.objects.get(key)
  writeCondition(x.headers, key, target)
  checkDates(x.headers, target)
  bucket.objects.delete(from) // (Its reference to the body goes with it.)
  const { released } = x.store.set(bucket, key, entry)
  remember(bucket, token, fingerprintOf(x, from, key))
  await released
  return DONE
}

/** `key`, or with its bucket `bucket/key` or `/bucket/key`; URL-encoded. */
function sourceKey(header: string, bucket: string): string {
  const path = decodePath(header).replace(/^\//, '')
  const key = path.startsWith(`${bucket}/`) ? path.slice(bucket.length + 1) : path
  if (key === '') throw new S3Error('InvalidArgument', 'x-amz-rename-source must name an object.')
  return key
}

function checkDates(headers: Exchange['headers'], target: Entry | undefined): void {
  const { 'if-modified-since': since, 'if-unmodified-since': until } = headers
  const dates = {
    ...(since === undefined ? {} : { 'if-modified-since': since }),
    ...(until === undefined ? {} : { 'if-unmodified-since': until }),
  }
  if (target !== undefined && readCondition(dates, target) !== 'met') failed('If-Modified-Since, If-Unmodified-Since')
}

function fingerprintOf({ headers }: Exchange, from: string, key: string): string {
  const conditions = Object.entries(headers).filter(([name]) => /^(x-amz-rename-source-)?if-/.test(name))
  return JSON.stringify([from, key, conditions.sort()])
}

function isRepeated(bucket: Bucket, token: string | undefined, fingerprint: string): boolean {
  const before = token === undefined ? undefined : tokens.get(bucket)?.get(token)
  if (before === undefined) return false
  if (before !== fingerprint) throw new S3Error('IdempotentParameterMismatch')
  return true
}

function remember(bucket: Bucket, token: string | undefined, fingerprint: string): void {
  if (token === undefined) return
  const known = tokens.get(bucket) ?? new Map<string, string>()
  tokens.set(bucket, known.set(token, fingerprint))
  const [oldest] = known.keys()
  if (known.size > MAX_TOKENS && oldest !== undefined) known.delete(oldest)
}
