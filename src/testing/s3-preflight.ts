import { preflightHeaders } from './cors.js'
import { S3Error } from './s3-error.js'
import type { Answer, Exchange } from './s3-exchange.js'

/** OPTIONS, which browsers send without a signature before they send the request itself. */
export function preflight({ headers, settings: { cors } }: Pick<Exchange, 'headers' | 'settings'>): Answer {
  for (const [name, shown] of [
    ['origin', 'Origin'],
    ['access-control-request-method', 'Access-Control-Request-Method'],
  ] as const) {
    if (headers[name] === undefined) {
      throw new S3Error('BadRequest', `Insufficient information. ${shown} request header needed.`)
    }
  }
  if (cors === undefined) {
    throw new S3Error('AccessForbidden', 'CORSResponse: CORS is not enabled for this bucket.')
  }
  const allowed = preflightHeaders(cors, headers)
  if (allowed === undefined) throw new S3Error('AccessForbidden')
  return { status: 200, headers: allowed }
}
