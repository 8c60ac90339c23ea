import type { _Object as ListedObject, S3Client } from '@aws-sdk/client-s3'

import { configError } from '../errors.js'
import { inParallel } from './in-parallel.js'
import { inspectObject } from './inspect.js'
import { onlyMembers } from './option-values.js'
import { statusOf } from './sdk.js'
import { CARRIED } from './stored-file.js'
import type { CarriedMembers } from './stored-file.js'

/** An output of ListObjects or ListObjectsV2, or what is needed of it. */
export interface ListedObjects {
  /** The bucket (an output of ListObjectsV2 has it as Name). */
  readonly Bucket?: string | undefined
  readonly Name?: string | undefined
  readonly Contents?: readonly Pick<ListedObject, 'Key'>[] | undefined
}

/** The options of `plaintextSizes`. */
export interface PlaintextSizesOptions extends CarriedMembers {
  /** How many objects are asked about at a time. Default: 16. */
  readonly concurrency?: number | undefined
  readonly signal?: AbortSignal | undefined
}

const OPTIONS: readonly string[] = [...CARRIED, 'concurrency', 'signal']

/**
 * Lengths in bytes of the plaintexts of listed objects, by key: listings show those of the stored objects. Asks S3 for each
 * object (and for its instruction file, where the envelope is not in the metadata), and uses no key; nothing of it is
 * authenticated. `undefined` where only the key shows the length (AES-CBC) or the envelope is damaged; of a plain object,
 * an instruction file among them, its own. Objects that are gone by now are left out.
 *
 * Throws ERR_S3CSE_CONFIG for mistakes in the arguments, and what the SDK throws for the requests.
 */
export async function plaintextSizes(
  client: S3Client,
  { Bucket, Name, Contents = [] }: ListedObjects,
  options: PlaintextSizesOptions = {},
): Promise<Map<string, number | undefined>> {
  const {
    concurrency = 16,
    signal,
    ...members
  } = onlyMembers(options, OPTIONS, 'plaintextSizes') as PlaintextSizesOptions
  const bucket = Bucket ?? Name
  if (typeof bucket !== 'string') throw configError('plaintextSizes: Bucket (or Name) must be given')
  if (!Number.isSafeInteger(concurrency) || concurrency < 1) {
    throw configError('plaintextSizes: concurrency must be 1 or more')
  }
  const sizes = new Map<string, number | undefined>()
  const keys = Contents.flatMap(({ Key }) => (Key === undefined ? [] : [Key]))
  const tasks = keys.map((Key) => async (): Promise<void> => {
    try {
      const { plaintextLength } = await inspectObject(
        client,
        { ...members, Bucket: bucket, Key },
        { signal, readsBody: false },
      )
      sizes.set(Key, plaintextLength)
    } catch (error) {
      if (statusOf(error) !== 404) throw error
    }
  })
  await inParallel(tasks, concurrency, signal)
  return new Map(keys.filter((key) => sizes.has(key)).map((key) => [key, sizes.get(key)]))
}
