/** Object tags (Amazon S3 User Guide, "Categorizing your objects using tags"): the header x-amz-tagging, and their own commands. */
import { receiveXml, requireChecksum } from './s3-buckets.js'
import { S3Error } from './s3-error.js'
import { xmlAnswer, type Answer, type Exchange } from './s3-exchange.js'
import { changeObject, objectOf } from './s3-change.js'
import { childText } from './s3-xml.js'

type Headers = Readonly<Record<string, string>>
type Tags = Readonly<Record<string, string>>

const MAX_TAGS = 10
/** Unicode characters. */
const MAX_TAG_KEY = 128
const MAX_TAG_VALUE = 256
const CHARACTERS = /^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$/u

/** The tags of x-amz-tagging, written like the query of a URL. */
export function taggingOf(headers: Headers): Tags {
  const pairs = (headers['x-amz-tagging'] ?? '')
    .split('&')
    .filter((pair) => pair !== '')
    .map((pair) => {
      const [, key = '', value = ''] = /^([^=]*)=?(.*)$/s.exec(pair) ?? []
      return [decoded(key), decoded(value)] as const
    })
  if (new Set(pairs.map(([key]) => key)).size < pairs.length) malformedHeader()
  return tagsOf(pairs)
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch {
    return malformedHeader()
  }
}

function malformedHeader(): never {
  throw new S3Error(
    'InvalidArgument',
    "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without tag name duplicates.",
    { details: { ArgumentName: 'x-amz-tagging' } },
  )
}

function tagsOf(pairs: readonly (readonly [string, string])[]): Tags {
  if (pairs.length > MAX_TAGS) throw new S3Error('BadRequest', `Object tags cannot be greater than ${MAX_TAGS}`)
  const keys = new Set<string>()
  for (const [key, value] of pairs) {
    if (key === '' || codePoints(key) > MAX_TAG_KEY || !CHARACTERS.test(key)) {
      throw new S3Error('InvalidTag', 'The TagKey you have provided is invalid')
    }
    if (codePoints(value) > MAX_TAG_VALUE || !CHARACTERS.test(value)) {
      throw new S3Error('InvalidTag', 'The TagValue you have provided is invalid')
    }
    if (key.startsWith('aws:')) throw new S3Error('InvalidTag', 'System tags cannot be added/updated by requester')
    if (keys.has(key)) throw new S3Error('InvalidTag', 'Cannot provide multiple Tags with the same key')
    keys.add(key)
  }
  return Object.fromEntries(pairs)
}

function codePoints(text: string): number {
  return Array.from(text).length
}

export function getObjectTagging(x: Exchange, bucketName: string, key: string): Answer {
  const { entry, headers } = objectOf(x, bucketName, key)
  const Tag = Object.entries(entry.tags ?? {}).map(([Key, Value]) => ({ Key, Value }))
  const answer = xmlAnswer('Tagging', { TagSet: { Tag } })
  return { ...answer, headers: { ...answer.headers, ...headers } }
}

export async function putObjectTagging(x: Exchange, bucketName: string, key: string): Promise<Answer> {
  requireChecksum(x)
  const xml = await receiveXml(x)
  const set = xml?.children.find(({ name }) => name === 'TagSet')
  if (xml?.name !== 'Tagging' || set === undefined) throw new S3Error('MalformedXML')
  const pairs = set.children.map((tag) => {
    const [name, value] = [childText(tag, 'Key'), childText(tag, 'Value')]
    if (tag.name !== 'Tag' || name === undefined || value === undefined) throw new S3Error('MalformedXML')
    return [name, value] as const
  })
  const tags = tagsOf(pairs)
  return { status: 200, headers: changeObject(x, bucketName, key, () => ({ tags })) }
}

export function deleteObjectTagging(x: Exchange, bucketName: string, key: string): Answer {
  return { status: 204, headers: changeObject(x, bucketName, key, () => ({ tags: undefined })) }
}
