/** What a caching keyring saves: requests to KMS, and the time that an object waits for them. */
import type { CachingAnswer, CachingTask } from './subjects/caching.js'
import type { Subjects } from './support/build.js'
import { ask, QUIET, startServer } from './support/processes.js'
import { describeEnvironment, markdownTable, saveResults } from './support/report.js'
import { spread } from './support/statistics.js'
import { KIB, sizeName } from './support/units.js'

const SIZE = KIB
const CONCURRENCIES = [1, 64]
/** Written with one data key. */
const MAX_MESSAGES = 1000

export interface CachingOptions {
  readonly subjects: Subjects
  /** Objects that are written and read, of each side. */
  readonly objects: number
  /** Milliseconds that KMS takes for a request. */
  readonly kmsDelay: number
}

/** Whether KMS was asked as often as it should be. */
export async function caching({ subjects, objects, kmsDelay }: CachingOptions): Promise<boolean> {
  console.log(
    `\n## Caching keyring: ${objects.toLocaleString('en')} objects of ${sizeName(SIZE)}, KMS after ${kmsDelay} ms, ` +
      `${MAX_MESSAGES.toLocaleString('en')} objects to a data key\n\n${describeEnvironment()}\n`,
  )
  const server = await startServer(subjects.file('s3'), {})
  let answer: CachingAnswer
  try {
    const task: CachingTask = {
      config: server.answer,
      objects,
      size: SIZE,
      kmsDelay,
      maxMessages: MAX_MESSAGES,
      concurrencies: CONCURRENCIES,
    }
    answer = await ask<CachingAnswer>(subjects.file('caching'), task, QUIET)
  } finally {
    await server.end()
  }
  const results = answer.map(({ times, ...row }) => ({ ...row, latency: spread(times) }))
  const rows = results.map(({ operation, concurrency, side, kmsRequests, seconds, latency }) => [
    `${operation}, ${concurrency} at a time, ${side}`,
    String(kmsRequests),
    latency.median.toFixed(2),
    latency.upperQuartile.toFixed(2),
    (objects / seconds).toFixed(0),
  ])
  console.log(markdownTable(['', 'KMS requests', 'ms an object, median', 'upper quartile', 'objects a second'], rows))
  console.log('\nThe objects that are read are those that the same side wrote; each read has an empty cache.')
  saveResults('caching', { size: SIZE, objects, kmsDelay, maxMessages: MAX_MESSAGES, results })

  const expected = Math.ceil(objects / MAX_MESSAGES)
  const wrong = results.filter(
    ({ side, kmsRequests }) => kmsRequests !== (side === 'without a cache' ? objects : expected),
  )
  for (const { operation, concurrency, side, kmsRequests } of wrong) {
    console.log(`\nEXCEEDED: ${operation}, ${concurrency} at a time, ${side}: ${kmsRequests} requests to KMS.`)
  }
  return wrong.length === 0
}
