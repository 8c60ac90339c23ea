/** UploadPartCopy: a part that is read from an object of this server. */
import { release } from './s3-body.js'
import type { Range } from './s3-conditions.js'
import { checkCopySize, copySource, digest } from './s3-copy-source.js'
import { S3Error } from './s3-error.js'
import { xmlAnswer, type Answer, type Exchange } from './s3-exchange.js'
import { announcedChecksums, defaultChecksums, storePart } from './s3-multipart.js'
import { checksumElements } from './s3-objects.js'
import { partNumberOf, uploadIdOf, uploadOf, type Part } from './s3-pending.js'
import { encryptionHeaders } from './s3-metadata.js'
import { checkPartKey, customerKey, customerKeyHeaders } from './s3-ssec.js'
import { etagFrom, hasMd5Etag } from './s3-store.js'

export async function uploadPartCopy(x: Exchange, bucketName: string, key: string): Promise<Answer> {
  const bucket = x.store.bucket(bucketName)
  const number = partNumberOf(x)
  const upload = uploadOf(bucket, key, uploadIdOf(x))
  const { customerKey: ownKey, headers } = upload.described
  checkPartKey(customerKey(x.headers), ownKey)
  const { entry, headers: sourceHeaders } = copySource(x)
  const range = copyRange(x.headers['x-amz-copy-source-range'], entry.body.size)
  checkCopySize(range.end - range.start)
  const writer = await x.store.writer(range.end - range.start)
  let part: Part
  try {
    const wanted = {
      md5: x.settings.etag === 'md5' && hasMd5Etag(upload.described),
      checksums: defaultChecksums(x, upload),
    }
    const { md5, checksums } = await digest(entry, range, wanted, (piece) => {
      writer.write(piece)
      return writer.room()
    })
    part = { number, body: await writer.finish(), etag: etagFrom(md5), checksums, lastModified: x.settings.now() }
  } catch (error) {
    await writer.discard()
    throw error
  }
  try {
    await x.settings.afterCopyRead(x.record)
  } catch (error) {
    await release(part.body)
    throw error
  }
  await storePart(x, bucket, upload, part)
  const answer = xmlAnswer('CopyPartResult', {
    LastModified: part.lastModified.toISOString(),
    ETag: part.etag,
    ...checksumElements({ checksums: announcedChecksums(upload, part) }),
  })
  const described = { ...encryptionHeaders(headers), ...customerKeyHeaders(ownKey) }
  return { ...answer, headers: { ...answer.headers, ...sourceHeaders, ...described } }
}

/** Both ends must be there and inside the source, unlike those of a Range header. */
function copyRange(header: string | undefined, size: number): Range {
  if (header === undefined) return { start: 0, end: size }
  const [, first, last] = /^bytes=(\d{1,15})-(\d{1,15})$/.exec(header) ?? []
  const start = Number(first)
  const end = Number(last) + 1
  if (first === undefined || last === undefined || start >= end) {
    throw new S3Error(
      'InvalidArgument',
      'The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the zero-based offsets of the first and last bytes to copy',
      { details: { ArgumentName: 'x-amz-copy-source-range', ArgumentValue: header } },
    )
  }
  if (end > size) {
    throw new S3Error('InvalidArgument', `Range specified is not valid for source object of size: ${size}`, {
      details: { ArgumentName: 'x-amz-copy-source-range', ArgumentValue: header },
    })
  }
  return { start, end }
}
