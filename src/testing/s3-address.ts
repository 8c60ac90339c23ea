/** Which bucket and key a request means: path style, virtual-hosted style, access points. */
import { isIP } from 'node:net'
import { isDirectoryBucket } from './s3-directory.js'

/** Bucket names by the names of access points. */
export type AccessPoints = ReadonlyMap<string, string>

export interface Places {
  readonly accessPoints: AccessPoints
  /** Whether there is such a bucket. */
  readonly exists: (bucket: string) => boolean
}

export interface Address {
  /** `''` for the service itself. */
  readonly bucket: string
  /** `''` for the bucket itself. */
  readonly key: string
}

/** The host under which this server knows that what stands before it is a bucket, whether it exists or not. */
export const SERVICE_HOST = 's3.localhost'

/**
 * A host `<bucket>.…` of a bucket that exists, `<access point>-<account>.…`, and whatever stands before `s3.localhost`
 * (or `s3.`, `s3-` in any host) name the bucket; every other host leaves that to the path. `path` is decoded.
 */
export function addressOf(host: string, path: string, places: Places): Address {
  const named = hostedBucket(host, places)
  if (named !== undefined) return { bucket: named, key: path.replace(/^\//, '') }
  const [, bucket = '', key = ''] = /^\/([^/]*)(?:\/(.*))?$/s.exec(path) ?? []
  // The SDK joins a directory bucket and its key by two slashes where the endpoint is an IP address.
  return { bucket, key: isDirectoryBucket(bucket) ? key.replace(/^\//, '') : key }
}

function hostedBucket(host: string, { accessPoints, exists }: Places): string | undefined {
  const name = host.replace(/:\d+$/, '').toLowerCase()
  if (isIP(name.replace(/^\[(.*)\]$/, '$1')) !== 0) return undefined
  const labels = name.split('.')
  for (let count = labels.length - 1; count > 0; count--) {
    const front = labels.slice(0, count).join('.')
    if (exists(front)) return front
    const [, point = ''] = /^(.+)-\d{12}$/.exec(front) ?? []
    const bucket = accessPoints.get(point)
    if (bucket !== undefined) return bucket
  }
  return /^(.+?)\.s3[.-]/.exec(name)?.[1]
}

/**
 * The source of a copy as `bucket/key`, where it is `arn:aws:s3:<region>:<account>:accesspoint/<name>/object/<key>` with a
 * known name; anything else stays as it is. Both are decoded.
 */
export function copySourcePath(source: string, accessPoints: AccessPoints): string {
  const [, point = '', key = ''] =
    /^arn:aws[\w-]*:s3:[\w-]*:\d{12}:accesspoint\/([^/]+)\/object\/(.+)$/s.exec(source) ?? []
  const bucket = accessPoints.get(point)
  return bucket === undefined ? source : `${bucket}/${key}`
}
