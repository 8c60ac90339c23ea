import { DeleteObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3'
import { FAMILIES } from './clients.js'
import type { Family } from './clients.js'
import { chance, inMemory } from './content.js'
import type { Content } from './content.js'
import { emptyBucket, getAndCompare } from './requests.js'
import { concurrently, CorruptedError, isDecryptionFailed, isMissing, untilRead, untilWritten } from './tally.js'
import { BUCKET } from './world.js'
import type { Stage } from './world.js'

const LARGEST = 64 * 1024
const EDGES = [0, 1, 15, 16, 17, LARGEST]

/** Many small objects: put, read and compared, deleted. */
export async function small(stage: Stage, count: number, width: number): Promise<void> {
  const { clients, tally } = stage
  const objects = Array.from({ length: count }, (_, index) => object(`small/${index}`))
  const written = new Set<string>()
  for (const operation of ['put', 'get', 'delete']) tally.demanded.set(operation, count)

  await concurrently(count, width, async (index) => {
    const { name, family, size } = objects[index]!
    const put = new PutObjectCommand({ Bucket: BUCKET, Key: name, Body: inMemory({ name, size }) })
    if (await untilWritten(tally, 'put', () => clients.of[family].send(put))) written.add(name)
  })
  await concurrently(count, width, async (index) => {
    const content = objects[index]!
    const { name, family } = content
    if (!written.has(name)) return
    await untilRead(tally, 'get', async () => {
      try {
        await getAndCompare({ client: clients.of[family], input: { Key: name }, allowed: () => [content] })
      } catch (error) {
        if (isMissing(error)) tally.lost.push(name)
        if (error instanceof CorruptedError || isDecryptionFailed(error)) tally.corrupted.push(name)
        throw error
      }
    })
  })
  await concurrently(count, width, async (index) => {
    const { name, family } = objects[index]!
    const gone = new DeleteObjectCommand({ Bucket: BUCKET, Key: name })
    await untilWritten(tally, 'delete', () => clients.of[family].send(gone))
  })
  await stage.faultless()
  const left = await emptyBucket(clients.plain)
  if (left.length > 0) tally.problems.push(`${left.length} objects are there after they were deleted: ${left[0]}`)
}

function object(name: string): Content & { readonly family: Family } {
  const place = chance(`${name} size`)
  const edge = EDGES[Math.floor(place * 100)]
  const share = chance(`${name} keys`)
  const family = FAMILIES[share < 0.5 ? 0 : share < 0.65 ? 1 : 2]
  return { name, size: edge ?? Math.floor(chance(name) * (LARGEST + 1)), family }
}
