/**
 * Cross-origin requests (CORS, Fetch standard section 3.2), as S3 answers them for a bucket that has a CORS
 * configuration, and as KMS answers them always. Only browsers ask.
 */

/** What other origins may do: everything that the credentials allow. */
export interface CorsOptions {
  /** `https://app.example`, with at most one `*` for any characters, or `*` for every origin. Default: every one. */
  readonly origins?: readonly string[]
  /**
   * The headers of answers that scripts of other origins may read, in full: S3 takes no wildcards here, so a bucket has
   * to name every `x-amz-meta-…` that is to be seen, those of the envelope too. Default: all that an answer has.
   */
  readonly exposeHeaders?: readonly string[]
}

/** AllowedMethods: all that S3 has. */
const METHODS = ['GET', 'PUT', 'POST', 'DELETE', 'HEAD']

type Headers = Readonly<Record<string, string>>

/** Throws a TypeError for what S3 would not take as a configuration. */
export function corsOf(option: boolean | CorsOptions | undefined, caller: string): CorsOptions | undefined {
  if (option === undefined || option === false) return undefined
  const { origins = ['*'], exposeHeaders } = option === true ? {} : option
  for (const origin of origins) {
    if (origin.split('*').length > 2) throw new TypeError(`${caller}: ${origin} has more than one *`)
  }
  for (const name of exposeHeaders ?? []) {
    if (name.includes('*')) throw new TypeError(`${caller}: S3 takes no wildcard in ExposeHeaders: ${name}`)
  }
  return { origins: [...origins], ...(exposeHeaders !== undefined && { exposeHeaders: [...exposeHeaders] }) }
}

/** What an answer to this origin has besides its own headers. Nothing if the request is no cross-origin one, or of an origin that is not allowed. */
export function corsHeaders(cors: CorsOptions | undefined, request: Headers, answer: Headers): Headers {
  const allowed = allowedOrigin(cors, request.origin)
  if (cors === undefined || allowed === undefined) return {}
  const exposed = cors.exposeHeaders ?? Object.keys(answer)
  return {
    ...allowed,
    ...(exposed.length > 0 && { 'access-control-expose-headers': exposed.join(', ') }),
  }
}

/** The answer to a preflight request; `undefined` if what it asks for is not allowed. */
export function preflightHeaders(cors: CorsOptions | undefined, request: Headers): Headers | undefined {
  const allowed = allowedOrigin(cors, request.origin)
  if (allowed === undefined || !METHODS.includes(request['access-control-request-method'] ?? '')) return undefined
  const asked = request['access-control-request-headers']
  return {
    ...allowed,
    ...(asked !== undefined && { 'access-control-allow-headers': asked }),
    'access-control-max-age': '3000',
  }
}

/** With `*` no credentials (cookies) go along; a named origin is repeated, and may send them. */
function allowedOrigin(cors: CorsOptions | undefined, origin: string | undefined): Headers | undefined {
  if (origin === undefined) return undefined
  const match = cors?.origins?.find((pattern) => fits(pattern, origin))
  if (match === undefined) return undefined
  return {
    'access-control-allow-origin': match === '*' ? '*' : origin,
    ...(match !== '*' && { 'access-control-allow-credentials': 'true' }),
    'access-control-allow-methods': METHODS.join(', '),
    vary: 'Origin, Access-Control-Request-Headers, Access-Control-Request-Method',
  }
}

function fits(pattern: string, origin: string): boolean {
  const [start = '', end] = pattern.split('*')
  if (end === undefined) return pattern === origin
  return origin.length >= start.length + end.length && origin.startsWith(start) && origin.endsWith(end)
}
