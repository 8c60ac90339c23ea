import { isWellFormed } from '../bytes/well-formed.js'
import { configError, CseError } from '../errors.js'
import type { Format } from '../formats/format.js'
import type { Context } from '../keyrings/keyring.js'
import { booleanOption, onlyMembers } from './option-values.js'
import type { BindOptions } from './options.js'

/** Entries of the encryption context that tie an object to its place. */
const LABEL = 's3-cse-label'
const KEY = 's3-cse-key'

/** Names of access points where a bucket's stands: the same object has another one through another door. */
const ACCESS_POINT = /^arn:|-s3alias$|--(?:ol|op)-s3$|\.mrap$|--xa-s3$/

export function bindOption(value: unknown): BindOptions | undefined {
  if (value === undefined || typeof value === 'boolean') return booleanOption(value, 'bind') ? {} : undefined
  const { label } = onlyMembers(value, ['label'], 'bind')
  if (label === undefined) return {}
  if (typeof label === 'string' && label !== '' && isWellFormed(label)) return Object.freeze({ label })
  throw configError('bind.label must be a text that is not empty')
}

/** Throws ERR_S3CSE_CONFIG where nothing would authenticate the context. */
export function checkBindable(format: Format, request: Parameters<Format['check']>[0]): void {
  const { encryptionContext } = request
  if (encryptionContext !== undefined) refuseOwn(encryptionContext)
  try {
    format.check({ ...request, encryptionContext: { ...encryptionContext, [LABEL]: 'label', [KEY]: 'key' } })
  } catch (error) {
    if (!(error instanceof CseError)) throw error
    throw configError(`bind puts the object's place into the encryption context. ${error.message}`)
  }
}

function refuseOwn(context: Context): void {
  const own = [LABEL, KEY].find((name) => Object.hasOwn(context, name))
  if (own !== undefined) throw configError(`encryptionContext may not have '${own}', which the option bind sets`)
}

/** The context of an object at its place. Throws ERR_S3CSE_CONFIG where the bucket is named by an access point and has no label. */
export function boundContext({ label }: BindOptions, context: Context, bucket: string, key: string): Context {
  refuseOwn(context)
  if (label === undefined && ACCESS_POINT.test(bucket)) {
    throw configError(
      'bind: the request names the bucket by an access point, so that its own name is not known. Give the bucket a label: bind: { label }.',
    )
  }
  const bound = Object.assign(Object.create(null) as Record<string, string>, context)
  bound[LABEL] = label ?? bucket
  bound[KEY] = key
  return Object.freeze(bound)
}
