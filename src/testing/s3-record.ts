/** The log of requests, kept within bounds. */
import type { IncomingMessage } from 'node:http'
import type { Route } from './s3-route.js'
import type { S3Request } from './s3-types.js'

/** Bytes of recorded bodies, all together. */
const MAX_BODIES_BYTES = 64 * 1024 * 1024

/** Names in lower case; repeated headers joined by commas, as signatures have them. */
export function headersOf(incoming: IncomingMessage): Record<string, string> {
  return Object.fromEntries(
    Object.entries(incoming.headersDistinct).map(([name, values]) => [name, (values ?? []).join(',')]),
  )
}

export function recordOf(incoming: IncomingMessage, route: Route, headers: Record<string, string>): S3Request {
  const attempt = /\battempt=(\d+)/.exec(headers['amz-sdk-request'] ?? '')
  return {
    operation: route.operation,
    method: incoming.method ?? '',
    path: (incoming.url ?? '').replace(/\?.*$/s, ''),
    query: Object.fromEntries(route.query),
    headers,
    bucket: route.bucket,
    key: route.key,
    attempt: Number(attempt?.[1] ?? 1),
    bodyLength: 0,
    body: undefined,
    chunkSizes: [],
    trailers: {},
    status: undefined,
    errorCode: undefined,
  }
}

/** Drops the oldest requests, and the oldest bodies, that are over the limits. */
export function trimRecords(requests: S3Request[], maxRequests: number): void {
  if (requests.length > maxRequests) requests.splice(0, requests.length - maxRequests)
}

/** Keeps track of how much the recorded bodies hold, and lets go of the oldest. */
export function bodyBudget(): (request: S3Request) => void {
  const holders: { request: S3Request; size: number }[] = []
  let total = 0
  return (request) => {
    const size = request.body?.length ?? 0
    if (size === 0) return
    holders.push({ request, size })
    total += size
    while (total > MAX_BODIES_BYTES) {
      const oldest = holders.shift()
      if (oldest === undefined) return
      oldest.request.body = undefined
      total -= oldest.size
    }
  }
}
