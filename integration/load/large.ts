import { DeleteObjectCommand } from '@aws-sdk/client-s3'
import { Upload } from '@aws-sdk/lib-storage'
import { FAMILIES } from './clients.js'
import { generated } from './content.js'
import { downloadAndCompare, emptyBucket, getAndCompare } from './requests.js'
import type { Read } from './requests.js'
import { concurrently, CorruptedError, isDecryptionFailed, isMissing, untilRead, untilWritten } from './tally.js'
import { BUCKET } from './world.js'
import type { Stage } from './world.js'

const PART = 8 * 1024 * 1024

/** Large objects: uploaded from a stream, read and compared by turns in one stream and in ranges, deleted. */
export async function large(stage: Stage, count: number, size: number, width: number): Promise<void> {
  const { clients, tally } = stage
  for (const operation of ['upload', 'delete']) tally.demanded.set(operation, count)
  tally.demanded.set('download', Math.ceil(count / 2))
  tally.demanded.set('get', Math.floor(count / 2))
  await concurrently(count, width, async (index) => {
    const name = `large/${index}`
    // Sizes around the end of a part, where the tag goes elsewhere.
    const content = { name, size: size + (index % 4) - 1 }
    const client = clients.of[FAMILIES[index % FAMILIES.length]!]
    const params = { Bucket: BUCKET, Key: name }
    const uploaded = await untilWritten(tally, 'upload', () =>
      new Upload({ client, partSize: PART, queueSize: 4, params: { ...params, Body: generated(content) } }).done(),
    )
    if (!uploaded) return
    const read: Read = { client, input: { Key: name }, allowed: () => [content] }
    await untilRead(tally, index % 2 === 0 ? 'download' : 'get', async () => {
      try {
        await (index % 2 === 0 ? downloadAndCompare(stage, read) : getAndCompare(read))
      } catch (error) {
        if (isMissing(error)) tally.lost.push(name)
        if (error instanceof CorruptedError || isDecryptionFailed(error)) tally.corrupted.push(name)
        throw error
      }
    })
    await untilWritten(tally, 'delete', () => client.send(new DeleteObjectCommand(params)))
  })
  await stage.faultless()
  const left = await emptyBucket(clients.plain)
  if (left.length > 0) tally.problems.push(`${left.length} objects are there after they were deleted: ${left[0]}`)
}
