/** What the parts of the server hand to each other for one request. */
import type { IncomingMessage } from 'node:http'
import type { CorsOptions } from './cors.js'
import type { AccessPoints } from './s3-address.js'
import type { Authorization } from './s3-auth.js'
import type { StoredBody } from './s3-body.js'
import type { Pacer } from './s3-pace.js'
import type { Sessions } from './s3-sessions.js'
import type { Store } from './s3-store.js'
import type { S3Credentials, S3Fault, S3Request } from './s3-types.js'
import { xmlDocument, type XmlChildren } from './s3-xml.js'

export interface Settings {
  readonly region: string
  readonly credentials: S3Credentials
  readonly recordBodyBytes: number
  readonly etag: 'md5' | 'random'
  readonly verifyPayload: boolean
  /** The clock of everything that is stored, in whole seconds. */
  readonly now: () => Date
  readonly ignoreConditions: readonly ('write' | 'copy-source')[]
  /** What tests want to happen between the two halves of a copy. */
  readonly afterCopyRead: (request: S3Request) => Promise<void>
  /** undefined: as fast as it goes. */
  readonly pacer: Pacer | undefined
  readonly accessPoints: AccessPoints
  readonly sessions: Sessions
  /** undefined: no other origin is let in. */
  readonly cors: CorsOptions | undefined
}

export interface Exchange {
  readonly incoming: IncomingMessage
  readonly record: S3Request
  /** Names in lower case; x-amz-* parameters of a presigned query count as headers. */
  readonly headers: Readonly<Record<string, string>>
  readonly query: ReadonlyMap<string, string>
  readonly authorization: Authorization
  readonly settings: Settings
  readonly store: Store
  readonly fault: S3Fault | undefined
  /** Tells a client that sent `Expect: 100-continue` to send its body. */
  proceed(): void
}

export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  /** A slice holds a reference to its body, which whoever sends the answer releases. */
  readonly body?: Uint8Array | BodySlice
  readonly errorCode?: string
}

export interface BodySlice {
  readonly body: StoredBody
  readonly start: number
  /** Exclusive. */
  readonly end: number
}

/** The account that owns everything, for x-amz-expected-bucket-owner and Owner elements. */
export const ACCOUNT = '123456789012'

/** The largest object that one PUT or copy may make, in bytes (5 GiB). */
export const MAX_OBJECT_BYTES: number = 5 * 1024 ** 3

export function xmlAnswer(root: string, children: XmlChildren): Answer {
  return { status: 200, headers: { 'content-type': 'application/xml' }, body: xmlDocument(root, children) }
}
