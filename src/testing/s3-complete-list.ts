/** The list of parts in CompleteMultipartUpload: what it must look like, and which parts it means. */
import { ALGORITHMS } from './s3-checksums.js'
import { S3Error } from './s3-error.js'
import { MAX_PARTS, MIN_PART_BYTES, type Part, type PendingUpload } from './s3-pending.js'
import type { S3ChecksumAlgorithm } from './s3-types.js'
import { childText, type XmlElement } from './s3-xml.js'

export interface ListedPart {
  readonly number: number
  /** Without quotes. */
  readonly etag: string
  readonly checksums: Readonly<Partial<Record<S3ChecksumAlgorithm, string>>>
}

const NAMES = Object.keys(ALGORITHMS) as S3ChecksumAlgorithm[]

/** MalformedXML unless the list has 1 to 10,000 parts, each with a number and an ETag; InvalidPartOrder unless they ascend. */
export function listedParts(xml: XmlElement | undefined): ListedPart[] {
  const elements = xml?.name === 'CompleteMultipartUpload' ? xml.children : []
  if (elements.length === 0 || elements.length > MAX_PARTS) throw new S3Error('MalformedXML')
  const parts = elements.map(listedPart)
  if (parts.some(({ number }, i) => number <= (parts[i - 1]?.number ?? 0))) throw new S3Error('InvalidPartOrder')
  return parts
}

function listedPart(element: XmlElement): ListedPart {
  const number = childText(element, 'PartNumber')
  const etag = childText(element, 'ETag')
  if (element.name !== 'Part' || number === undefined || etag === undefined || !/^\d{1,9}$/.test(number)) {
    throw new S3Error('MalformedXML')
  }
  if (Number(number) < 1) {
    throw new S3Error('InvalidArgument', 'PartNumber must be >= 1', {
      details: { ArgumentName: 'PartNumber', ArgumentValue: number },
    })
  }
  const given = NAMES.map((name) => [name, childText(element, `Checksum${name.toUpperCase()}`)] as const)
  const checksums = Object.fromEntries(given.filter(([, value]) => value !== undefined))
  return { number: Number(number), etag: etag.trim().replace(/^"(.*)"$/, '$1'), checksums }
}

/** The parts that a list names, in its order. InvalidPart, InvalidRequest, InvalidPartOrder or EntityTooSmall if it does not fit. */
export function chosenParts(upload: PendingUpload, listed: readonly ListedPart[]): Part[] {
  const chosen = listed.map((one) => chosenPart(upload, one))
  // "CompletedPart" in the API reference: with additional checksums the numbers must be 1, 2, 3, …
  if (upload.checksum !== undefined && chosen.some(({ number }, i) => number !== i + 1)) {
    throw new S3Error('InvalidPartOrder')
  }
  const small = chosen.slice(0, -1).find(({ body }) => body.size < MIN_PART_BYTES)
  if (small !== undefined) {
    throw new S3Error('EntityTooSmall', undefined, {
      details: {
        ProposedSize: small.body.size,
        MinSizeAllowed: MIN_PART_BYTES,
        PartNumber: small.number,
        ETag: small.etag.replaceAll('"', ''),
      },
    })
  }
  return chosen
}

function chosenPart(upload: PendingUpload, { number, etag, checksums }: ListedPart): Part {
  const part = upload.parts.get(number)
  const algorithm = upload.checksum?.algorithm
  const wrong = Object.entries(checksums).some(
    ([name, value]) => name !== algorithm || value !== part?.checksums[algorithm],
  )
  if (part === undefined || part.etag !== `"${etag}"` || wrong) {
    throw new S3Error('InvalidPart', undefined, { details: { UploadId: upload.id, PartNumber: number, ETag: etag } })
  }
  if (upload.checksum?.type === 'COMPOSITE' && algorithm !== undefined && checksums[algorithm] === undefined) {
    throw new S3Error(
      'InvalidRequest',
      `The upload was created using a ${algorithm} checksum. The complete request must include the checksum for each part. It was missing for part ${number} in the request.`,
    )
  }
  return part
}
