/** Object Lock (Amazon S3 User Guide, "Locking objects with Object Lock"): retention and legal holds of versions. */
import { receiveXml, requireChecksum } from './s3-buckets.js'
import { S3Error } from './s3-error.js'
import { xmlAnswer, type Answer, type Exchange } from './s3-exchange.js'
import { isMarker, versionsOf } from './s3-history.js'
import { changeObject, objectOf } from './s3-change.js'
import type { Bucket, Entry } from './s3-store.js'
import type { S3ObjectLock } from './s3-types.js'
import { childText } from './s3-xml.js'

type Headers = Readonly<Record<string, string>>
type Retention = Pick<S3ObjectLock, 'mode' | 'retainUntil'>

const PREFIX = 'x-amz-object-lock-'

/** The lock that a request asks for, if it does. */
export function lockOf(headers: Headers, bucket: Bucket, now: () => Date): S3ObjectLock | undefined {
  const mode = headers[`${PREFIX}mode`]
  const date = headers[`${PREFIX}retain-until-date`]
  const hold = headers[`${PREFIX}legal-hold`]
  if (mode === undefined && date === undefined && hold === undefined) return undefined
  checkLockable(bucket)
  if ((mode === undefined) !== (date === undefined)) {
    throw new S3Error(
      'InvalidArgument',
      'x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be supplied',
    )
  }
  if (hold !== undefined && hold !== 'ON' && hold !== 'OFF') {
    throw new S3Error('InvalidArgument', "Legal Hold must be either of 'ON' or 'OFF'")
  }
  if (mode !== undefined && mode !== 'GOVERNANCE' && mode !== 'COMPLIANCE') {
    throw new S3Error('InvalidArgument', 'Unknown wormMode directive.')
  }
  return {
    ...(mode === undefined ? {} : { mode, retainUntil: futureDate(date ?? '', now) }),
    ...(hold === undefined ? {} : { legalHold: hold }),
  }
}

export function lockHeaders({ mode, retainUntil, legalHold }: S3ObjectLock = {}): Record<string, string> {
  return {
    ...(mode === undefined ? {} : { [`${PREFIX}mode`]: mode }),
    ...(retainUntil === undefined ? {} : { [`${PREFIX}retain-until-date`]: retainUntil.toISOString() }),
    ...(legalHold === undefined ? {} : { [`${PREFIX}legal-hold`]: legalHold }),
  }
}

/** AccessDenied for a version that is under a legal hold, or retained and not bypassed. */
export function checkUnlocked(x: Exchange, bucket: Bucket, key: string, versionId: string): void {
  const version = versionsOf(bucket, key).find((one) => one.versionId === versionId)
  const lock = version === undefined || isMarker(version) ? undefined : version.lock
  if (lock?.legalHold === 'ON' || !mayLift(x, lock)) {
    throw new S3Error('AccessDenied', 'Access Denied because object protected by object lock.')
  }
}

/** Whether the retention may be ended before its time; where none is running there is nothing to end. */
function mayLift(x: Exchange, { mode, retainUntil }: Retention = {}): boolean {
  if (retainUntil === undefined || retainUntil <= x.settings.now()) return true
  return mode === 'GOVERNANCE' && x.headers['x-amz-bypass-governance-retention'] === 'true'
}

function checkLockable(bucket: Bucket): void {
  if (!bucket.objectLock) throw new S3Error('InvalidRequest', 'Bucket is missing Object Lock Configuration')
}

function futureDate(text: string, now: () => Date): Date {
  const date = new Date(text)
  if (Number.isNaN(date.getTime())) throw new S3Error('InvalidArgument', 'The retain until date is not a date.')
  if (date <= now()) throw new S3Error('InvalidArgument', 'The retain until date must be in the future!')
  return date
}

export async function putObjectRetention(x: Exchange, bucketName: string, key: string): Promise<Answer> {
  requireChecksum(x)
  const xml = await receiveXml(x)
  checkLockable(x.store.bucket(bucketName))
  if (xml?.name !== 'Retention') throw new S3Error('MalformedXML')
  const [mode, text] = [childText(xml, 'Mode'), childText(xml, 'RetainUntilDate')]
  if ((mode === undefined) !== (text === undefined)) throw new S3Error('MalformedXML')
  if (mode !== undefined && mode !== 'GOVERNANCE' && mode !== 'COMPLIANCE') throw new S3Error('MalformedXML')
  const retention: Retention = mode === undefined ? {} : { mode, retainUntil: futureDate(text ?? '', x.settings.now) }
  const headers = changeObject(x, bucketName, key, ({ lock }) => {
    if (!isStricter(retention, lock) && !mayLift(x, lock)) {
      throw new S3Error('AccessDenied', 'Access Denied because object protected by object lock.')
    }
    return { lock: { ...(lock?.legalHold === undefined ? {} : { legalHold: lock.legalHold }), ...retention } }
  })
  return { status: 200, headers }
}

/** A retention may always be made longer, and GOVERNANCE may become COMPLIANCE. */
function isStricter(next: Retention, { mode, retainUntil }: Retention = {}): boolean {
  if (retainUntil === undefined) return true
  if (next.retainUntil === undefined || next.retainUntil < retainUntil) return false
  return next.mode === mode || next.mode === 'COMPLIANCE'
}

export async function putObjectLegalHold(x: Exchange, bucketName: string, key: string): Promise<Answer> {
  requireChecksum(x)
  const xml = await receiveXml(x)
  checkLockable(x.store.bucket(bucketName))
  const legalHold = xml?.name === 'LegalHold' ? childText(xml, 'Status') : undefined
  if (legalHold !== 'ON' && legalHold !== 'OFF') throw new S3Error('MalformedXML')
  return { status: 200, headers: changeObject(x, bucketName, key, ({ lock }) => ({ lock: { ...lock, legalHold } })) }
}

export function getObjectRetention(x: Exchange, bucketName: string, key: string): Answer {
  const { mode, retainUntil } = lockedEntry(x, bucketName, key).lock ?? {}
  if (mode === undefined) throw new S3Error('NoSuchObjectLockConfiguration')
  return xmlAnswer('Retention', { Mode: mode, RetainUntilDate: retainUntil?.toISOString() })
}

export function getObjectLegalHold(x: Exchange, bucketName: string, key: string): Answer {
  const { legalHold } = lockedEntry(x, bucketName, key).lock ?? {}
  if (legalHold === undefined) throw new S3Error('NoSuchObjectLockConfiguration')
  return xmlAnswer('LegalHold', { Status: legalHold })
}

function lockedEntry(x: Exchange, bucketName: string, key: string): Entry {
  checkLockable(x.store.bucket(bucketName))
  return objectOf(x, bucketName, key).entry
}
