/** The sessions of directory buckets: CreateSession, and whose key must have signed a request. */
import { randomBytes } from 'node:crypto'
import type { AuthSettings } from './s3-auth.js'
import { isDirectoryBucket, READ_ONLY, WITHOUT_SESSION } from './s3-directory.js'
import { S3Error } from './s3-error.js'
import { xmlAnswer, type Answer, type Exchange } from './s3-exchange.js'
import type { Route } from './s3-route.js'
import type { S3Credentials } from './s3-types.js'

export interface Session extends S3Credentials {
  readonly bucket: string
  readonly readOnly: boolean
  /** Milliseconds since the epoch, of the machine's clock. */
  readonly expires: number
}

export interface Sessions {
  /** By token. */
  readonly known: Map<string, Session>
  readonly lifetimeMs: number
}

/** The latest ones are remembered. */
const MAX_SESSIONS = 10_000

export function createSession(x: Exchange, name: string): Answer {
  x.store.bucket(name)
  const mode = x.headers['x-amz-create-session-mode'] ?? 'ReadWrite'
  if (mode !== 'ReadWrite' && mode !== 'ReadOnly') throw new S3Error('InvalidArgument', 'Unknown session mode.')
  const { known, lifetimeMs } = x.settings.sessions
  const token = randomBytes(48).toString('base64')
  const session: Session = {
    accessKeyId: `ASIA${randomBytes(8).toString('hex').toUpperCase()}`,
    secretAccessKey: randomBytes(30).toString('base64'),
    bucket: name,
    readOnly: mode === 'ReadOnly',
    expires: Date.now() + lifetimeMs,
  }
  known.set(token, session)
  const [oldest] = known.keys()
  if (known.size > MAX_SESSIONS && oldest !== undefined) known.delete(oldest)
  return xmlAnswer('CreateSessionResult', {
    Credentials: {
      SessionToken: token,
      SecretAccessKey: session.secretAccessKey,
      AccessKeyId: session.accessKeyId,
      Expiration: new Date(session.expires).toISOString(),
    },
  })
}

/**
 * What a request must have been signed with. Objects of directory buckets are for sessions alone: AccessDenied without
 * one, and with one where there must be none; InvalidToken for one that is not of this bucket; ExpiredToken.
 */
export function signerOf(
  found: Route,
  headers: Readonly<Record<string, string>>,
  settings: AuthSettings & { readonly sessions: Sessions },
): AuthSettings {
  const { region, credentials, sessions } = settings
  const inQuery = found.query.find(([name]) => name.toLowerCase() === 'x-amz-s3session-token')?.[1]
  const token = headers['x-amz-s3session-token'] ?? inQuery
  if (found.bucket === undefined || !isDirectoryBucket(found.bucket)) {
    if (token !== undefined) throw new S3Error('InvalidToken')
    return { region, credentials }
  }
  const own = { region, credentials, services: ['s3express'] }
  if (WITHOUT_SESSION.has(found.operation)) {
    if (token !== undefined) throw new S3Error('AccessDenied', 'This operation is not for sessions.')
    return own
  }
  if (token === undefined) throw new S3Error('AccessDenied', 'This operation needs a session of CreateSession.')
  const session = sessions.known.get(token)
  if (session?.bucket !== found.bucket) throw new S3Error('InvalidToken')
  if (session.expires <= Date.now()) throw new S3Error('ExpiredToken')
  if (session.readOnly && !READ_ONLY.has(found.operation)) throw new S3Error('AccessDenied')
  // (The SDK signs with the name that it used first: s3, if the client has been at another bucket before.)
  return { region, credentials: session, services: ['s3express', 's3'] }
}
