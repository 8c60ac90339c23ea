import { setTimeout } from 'node:timers/promises'
import { CopyObjectCommand, DeleteObjectCommand, HeadObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3'
import { Upload } from '@aws-sdk/lib-storage'
import { CseError, requestOptions, rotateKey } from '../../src/index.js'
import { chance, generated, inMemory } from './content.js'
import type { Content } from './content.js'
import { downloadAndCompare, emptyBucket, getAndCompare } from './requests.js'
import type { Read } from './requests.js'
import { alone, change, contents, makeSlots, reading } from './slots.js'
import type { Slot } from './slots.js'
import {
  ABSENT,
  attempt,
  concurrently,
  CorruptedError,
  isDecryptionFailed,
  isMissing,
  untilRead,
  untilWritten,
} from './tally.js'
import { BUCKET } from './world.js'
import type { Stage } from './world.js'

const MIB = 1024 * 1024
/** How many slots there are, and who works on them. */
const SLOTS = 90
const WORKERS = 16
/** Of the operations that can be aborted, so many are, up to so many milliseconds after their beginning. */
const ABORTED = 0.08
const ABORT_WITHIN = 120
/** Operations by how often they come, out of 100. */
const MIX = [
  ['put', 22],
  ['upload', 8],
  ['get', 18],
  ['get delayed', 9],
  ['get range', 9],
  ['download', 6],
  ['head', 6],
  ['copy', 8],
  ['rotate', 8],
  ['delete', 6],
] as const
type Operation = (typeof MIX)[number][0]

/**
 * Everything at once on a few keys, for so many seconds; then all is read once more, and deleted. Of each operation that was
 * tried `leastTries` times, but for reads that rightly found nothing, one must succeed.
 */
export async function soak(stage: Stage, seconds: number, leastTries: number): Promise<void> {
  const { clients, tally, faults } = stage
  const slots = makeSlots(SLOTS)
  const end = Date.now() + seconds * 1000
  const worker = async (number: number): Promise<void> => {
    for (let step = 0; Date.now() < end; step++) {
      const choose = (what: string): number => chance(`${faults.seed} ${number} ${step} ${what}`)
      await operate(stage, slots, choose, `${number}-${step}`)
    }
  }
  await Promise.all(Array.from({ length: WORKERS }, (_, number) => worker(number)))

  for (const [operation] of MIX) {
    const tries = (tally.operations.get(operation) ?? 0) - (tally.absent.get(operation) ?? 0)
    if (tries >= leastTries) tally.demanded.set(operation, 1)
  }
  for (const operation of ['get at the end', 'delete at the end']) tally.demanded.set(operation, slots.length)

  await stage.faultless()
  await concurrently(slots.length, WORKERS, async (index) => {
    const slot = slots[index]!
    await untilRead(tally, 'get at the end', async () => {
      // That nothing is there is as good an end as any.
      await checkedRead(stage, slot, (read) => getAndCompare(read))
    })
    const gone = new DeleteObjectCommand({ Bucket: BUCKET, Key: slot.key })
    await untilWritten(tally, 'delete at the end', () => clients.of[slot.family].send(gone))
  })
  const left = (await emptyBucket(clients.plain)).filter((key) => !key.includes('.s3-cse-probe-'))
  if (left.length > 0) tally.problems.push(`${left.length} objects are there after they were deleted: ${left[0]}`)
}

async function operate(stage: Stage, slots: readonly Slot[], choose: (what: string) => number, name: string) {
  const operation = operationAt(choose('operation') * 100)
  const slot = slots[Math.floor(choose('slot') * slots.length)]!
  const aborting = choose('abort') < ABORTED ? new AbortController() : undefined
  const signal = aborting?.signal
  const timer = aborting && globalThis.setTimeout(() => aborting.abort(), choose('when') * ABORT_WITHIN)
  const label = aborting === undefined ? operation : `${operation}, aborted`
  const run = (work: () => Promise<unknown>): Promise<void> =>
    attempt(stage.tally, label, work).then(
      () => undefined,
      () => undefined,
    )
  const read = (member: (read: Read) => Promise<void>) => run(() => checkedRead(stage, slot, member, signal))
  const writes = async (others: readonly Slot[], work: () => Promise<void>): Promise<void> => {
    if (others.some(({ busy }) => busy)) return setTimeout(5)
    await alone(others, work)
  }
  const client = stage.clients.of[slot.family]
  const input = { Bucket: BUCKET, Key: slot.key }
  const options = signal && { abortSignal: signal }

  switch (operation) {
    case 'put': {
      const small = { name, size: Math.floor(choose('size') ** 2 * 256 * 1024) }
      const streamed = choose('stream') < 0.3
      await writes([slot], () =>
        run(() => {
          const Body = streamed ? generated(small) : inMemory(small)
          const put = new PutObjectCommand({ ...input, Body, ContentLength: small.size })
          return change(slot, small, () => client.send(put, options))
        }),
      )
      break
    }
    case 'upload': {
      const content = { name, size: 5 * MIB + Math.floor(choose('size') * 12 * MIB) }
      await writes([slot], () =>
        run(() => {
          const params = { ...input, Body: generated(content) }
          const upload = new Upload({ client, params, ...(aborting && { abortController: aborting }) })
          return change(slot, content, () => upload.done())
        }),
      )
      break
    }
    case 'get':
      await read((what) => getAndCompare(what))
      break
    case 'get delayed':
      await read((what) =>
        getAndCompare({ ...what, input: requestOptions(what.input, { delayedAuthentication: true }) }),
      )
      break
    case 'download':
      await read((what) => downloadAndCompare(stage, what))
      break
    case 'get range': {
      const [only, ...others] = [...slot.possible]
      if (only === undefined || others.length > 0 || only.size === 0) break
      const start = Math.floor(choose('start') * only.size)
      const length = 1 + Math.floor(choose('length') * (only.size - start))
      // With nobody else, since a range is of one size.
      await writes([slot], () =>
        read((what) => {
          const Range = `bytes=${start}-${start + length - 1}`
          const ranged = requestOptions({ ...what.input, Range }, { rangeReads: 'whole-object' })
          return getAndCompare({ ...what, input: ranged, start, end: start + length })
        }),
      )
      break
    }
    case 'head':
      await read(async ({ allowed }) => {
        const { ContentLength } = await client.send(new HeadObjectCommand(input), options)
        if ([...allowed()].some(({ size }) => size === ContentLength)) return
        throw new CorruptedError(`${slot.key} has another length than was written: ${String(ContentLength)}`)
      })
      break
    case 'copy': {
      const source = slots[(slots.indexOf(slot) + 3 * (1 + Math.floor(choose('source') * 20))) % slots.length]!
      const [only, ...others] = [...source.possible]
      if (only === undefined || others.length > 0) break
      const CopySource = `${BUCKET}/${source.key}`
      await writes([source, slot], () =>
        run(() => change(slot, only, () => client.send(new CopyObjectCommand({ ...input, CopySource }), options))),
      )
      break
    }
    case 'rotate': {
      if (slot.family === 'rsa' || slot.possible.has(undefined)) break
      const [first, second] = stage.clients.keyrings[slot.family]
      const [from, to] = choose('direction') < 0.5 ? [first, second] : [second, first]
      // versitygw does not know IfMatch with CopyObject; nobody else writes here meanwhile.
      const rotation = { ...input, to, from: { keyring: from }, allowUnconditional: true }
      await writes([slot], () => run(() => rotateKey(client, rotation, signal && { signal })))
      break
    }
    case 'delete':
      await writes([slot], () =>
        run(() => change(slot, undefined, () => client.send(new DeleteObjectCommand(input), options))),
      )
      break
  }
  clearTimeout(timer)
}

/** A read that is judged: what it gave must have been written, and what was written must be there. */
async function checkedRead(
  { clients, tally }: Stage,
  slot: Slot,
  read: (read: Read) => Promise<void>,
  signal?: AbortSignal,
): Promise<typeof ABSENT | undefined> {
  return reading(slot, async ({ states, contended }) => {
    const allowed = (): Iterable<Content> => contents(states)
    try {
      const base = { client: clients.of[slot.family], input: { Key: slot.key }, allowed }
      await read(signal === undefined ? base : { ...base, signal })
      return undefined
    } catch (error) {
      const where = `${slot.key}${contended() ? ' (written meanwhile)' : ''}: ${String(error)}`
      if (error instanceof CorruptedError || (isDecryptionFailed(error) && !contended())) tally.corrupted.push(where)
      const missing = isMissing(error) || (error instanceof CseError && isMissing(error.cause ?? {}))
      if (missing && states.has(undefined)) return ABSENT
      if (missing && !contended()) tally.lost.push(where)
      throw error
    }
  })
}

function operationAt(place: number): Operation {
  let below = 0
  for (const [operation, share] of MIX) {
    below += share
    if (place < below) return operation
  }
  return 'get'
}
