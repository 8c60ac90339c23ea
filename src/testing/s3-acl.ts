/**
 * Access control lists of objects, as they are in a bucket that has them (object ownership ObjectWriter), or refused as
 * in one that has not (BucketOwnerEnforced). They are kept and returned, and give or take no access: there is one account.
 */
import { receiveXml } from './s3-buckets.js'
import { S3Error } from './s3-error.js'
import { ACCOUNT, xmlAnswer, type Answer, type Exchange } from './s3-exchange.js'
import { changeObject, objectOf } from './s3-change.js'
import type { Bucket } from './s3-store.js'
import type { S3Grant } from './s3-types.js'
import { childText, type XmlChildren, type XmlElement } from './s3-xml.js'

type Headers = Readonly<Record<string, string>>

const OWNER: S3Grant = Object.freeze({ grantee: ACCOUNT, permission: 'FULL_CONTROL' })
const ALL_USERS = 'http://acs.amazonaws.com/groups/global/AllUsers'
const AUTHENTICATED_USERS = 'http://acs.amazonaws.com/groups/global/AuthenticatedUsers'

/** (Amazon S3 User Guide, "Canned ACL".) The owner of the bucket is that of all its objects. */
const CANNED: Readonly<Record<string, readonly S3Grant[]>> = {
  private: [OWNER],
  'public-read': [OWNER, { grantee: ALL_USERS, permission: 'READ' }],
  'public-read-write': [OWNER, { grantee: ALL_USERS, permission: 'READ' }, { grantee: ALL_USERS, permission: 'WRITE' }],
  'authenticated-read': [OWNER, { grantee: AUTHENTICATED_USERS, permission: 'READ' }],
  'bucket-owner-read': [OWNER],
  'bucket-owner-full-control': [OWNER],
}

const PERMISSIONS = new Map<string, S3Grant['permission']>([
  ['full-control', 'FULL_CONTROL'],
  ['read', 'READ'],
  ['read-acp', 'READ_ACP'],
  ['write-acp', 'WRITE_ACP'],
  ['write', 'WRITE'],
])
const MAX_GRANTS = 100

/** What an object without any has: its owner may do everything. */
export const PRIVATE: readonly S3Grant[] = Object.freeze([OWNER])

/** The grants that a request names by x-amz-acl or x-amz-grant-*; undefined if it does not. */
export function grantsOf(headers: Headers, bucket: Bucket): readonly S3Grant[] | undefined {
  const canned = headers['x-amz-acl']
  const granted = [...PERMISSIONS].flatMap(([name, permission]) =>
    granteesOf(headers[`x-amz-grant-${name}`]).map((grantee) => ({ grantee, permission })),
  )
  if (canned === undefined) {
    if (granted.length > 0) checkAclsEnabled(bucket)
    return granted.length > 0 ? granted : undefined
  }
  if (granted.length > 0) {
    throw new S3Error('InvalidRequest', 'Specifying both Canned ACLs and Header Grants is not allowed')
  }
  const grants = Object.hasOwn(CANNED, canned) ? CANNED[canned] : undefined
  if (grants === undefined) {
    throw new S3Error('InvalidArgument', undefined, {
      details: { ArgumentName: 'x-amz-acl', ArgumentValue: canned },
    })
  }
  if (canned !== 'bucket-owner-full-control') checkAclsEnabled(bucket)
  return grants
}

function checkAclsEnabled(bucket: Bucket): void {
  if (bucket.aclsDisabled) throw new S3Error('AccessControlListNotSupported')
}

/** `id="…", uri="…"` */
function granteesOf(header: string | undefined): string[] {
  if (header === undefined) return []
  return header.split(',').map((one) => {
    const [, kind, value] = /^\s*(id|uri|emailAddress)\s*=\s*"?([^"]+?)"?\s*$/i.exec(one) ?? []
    if (kind === undefined || value === undefined) {
      throw new S3Error('InvalidArgument', 'Argument format not recognized')
    }
    return grantee(kind.toLowerCase() === 'emailaddress' ? { email: value } : { [kind.toLowerCase()]: value })
  })
}

function grantee({ id, uri, email }: { id?: string | undefined; uri?: string | undefined; email?: string }): string {
  if (email !== undefined) throw new S3Error('UnresolvableGrantByEmailAddress')
  if (uri !== undefined && !/^http:\/\/acs\.amazonaws\.com\/groups\/(global|s3)\/\w+$/.test(uri)) {
    throw new S3Error('InvalidArgument', 'Invalid group uri')
  }
  const name = uri ?? id
  if (name === undefined || (uri === undefined && !/^[0-9a-f]{12,64}$/i.test(name))) {
    throw new S3Error('InvalidArgument', 'Invalid id')
  }
  return name
}

export function getObjectAcl(x: Exchange, bucketName: string, key: string): Answer {
  const { entry, headers } = objectOf(x, bucketName, key)
  const element = ({ grantee: name, permission }: S3Grant): XmlChildren => {
    const group = name.startsWith('http:')
    const type = `Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="${group ? 'Group' : 'CanonicalUser'}"`
    return { [type]: group ? { URI: name } : { ID: name }, Permission: permission }
  }
  const answer = xmlAnswer('AccessControlPolicy', {
    Owner: { ID: ACCOUNT },
    AccessControlList: { Grant: (entry.grants ?? PRIVATE).map(element) },
  })
  return { ...answer, headers: { ...answer.headers, ...headers } }
}

export async function putObjectAcl(x: Exchange, bucketName: string, key: string): Promise<Answer> {
  const bucket = x.store.bucket(bucketName)
  const xml = await receiveXml(x)
  const named = grantsOf(x.headers, bucket)
  if (named === undefined && xml === undefined) throw new S3Error('MissingSecurityHeader')
  if (named !== undefined && xml !== undefined) throw new S3Error('UnexpectedContent')
  const grants = named ?? bodyGrants(xml, bucket)
  return { status: 200, headers: changeObject(x, bucketName, key, () => ({ grants })) }
}

function bodyGrants(xml: XmlElement | undefined, bucket: Bucket): S3Grant[] {
  const list = xml?.children.find(({ name }) => name === 'AccessControlList')
  const owner = xml?.children.find(({ name }) => name === 'Owner')
  if (xml?.name !== 'AccessControlPolicy' || owner === undefined || list === undefined) {
    throw new S3Error('MalformedACLError')
  }
  checkAclsEnabled(bucket)
  if (childText(owner, 'ID') !== ACCOUNT) throw new S3Error('AccessDenied')
  if (list.children.length > MAX_GRANTS) throw new S3Error('MalformedACLError')
  return list.children.map((grant) => {
    const to = grant.children.find(({ name }) => name === 'Grantee')
    const text = childText(grant, 'Permission')
    const permission = [...PERMISSIONS.values()].find((one) => one === text)
    if (grant.name !== 'Grant' || to === undefined || permission === undefined) throw new S3Error('MalformedACLError')
    if (childText(to, 'EmailAddress') !== undefined) throw new S3Error('UnresolvableGrantByEmailAddress')
    return { grantee: grantee({ id: childText(to, 'ID'), uri: childText(to, 'URI') }), permission }
  })
}
