import type { GetObjectCommandInput } from '@aws-sdk/client-s3'

import type { ObjectName } from '../formats/format.js'
import type { ReadPlan } from '../message/parallel-read-plan.js'
import type { FilePlace, PartialFile } from '../runtime/runtime.js'
import { bitsLength, readRecord, type DownloadRecord } from './download-record.js'
import type { FoundObject, ObjectRequests } from './download-requests.js'

/** A download that was begun earlier, of an object that is still the same. */
export interface Begun {
  readonly file: PartialFile
  readonly record: DownloadRecord
  /** Where the record stands in the file. */
  readonly offset: number
  readonly found: FoundObject
}

interface Wanted {
  readonly input: GetObjectCommandInput
  readonly object: ObjectName
}

/**
 * Looks among the partial files for this place. Those that nothing can be done with are removed; those of other objects
 * are added to `others`, to be removed or left, because this may be the mistake.
 */
export async function resumable(
  wanted: Wanted,
  requests: ObjectRequests,
  place: FilePlace,
  others: PartialFile[],
): Promise<Begun | undefined> {
  for (;;) {
    const file = await place.claim()
    if (file === undefined) return undefined
    // A file that cannot be read is as good as one without a record.
    const read = await readRecord(file).catch(() => undefined)
    if (read !== undefined && !isWanted(read.record, wanted)) {
      others.push(file)
      continue
    }
    if (read !== undefined) {
      let found: FoundObject | undefined
      try {
        found = await requests.again(read.record)
      } catch (error) {
        await file.leave()
        throw error
      }
      if (found !== undefined) return { file, ...read, found }
    }
    await file.remove()
  }
}

function isWanted({ bucket, key, versionId, etag }: DownloadRecord, { input, object }: Wanted): boolean {
  if (bucket !== object.bucket || key !== object.key) return false
  if (input.VersionId !== undefined && input.VersionId !== versionId) return false
  return input.IfMatch === undefined || input.IfMatch === etag
}

/** Whether a file can be one that was begun by this plan. */
export function fitsPlan({ record, offset }: Begun, plan: ReadPlan): boolean {
  return offset === plan.plaintextLength && record.finished.length === bitsLength(plan)
}
