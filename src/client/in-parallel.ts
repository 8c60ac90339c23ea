import { throwIfAborted } from './sdk.js'

/** Runs tasks, so many at a time, and gives their results in order. The first failure, or the signal, keeps further ones from beginning. */
export async function inParallel<T>(
  tasks: readonly (() => Promise<T>)[],
  concurrency: number,
  signal: AbortSignal | undefined,
): Promise<T[]> {
  const results: T[] = new Array<T>(tasks.length)
  let next = 0
  const work = async (): Promise<void> => {
    for (let index = next++; index < tasks.length; index = next++) {
      throwIfAborted(signal)
      try {
        results[index] = await (tasks[index] as () => Promise<T>)()
      } catch (error) {
        next = tasks.length
        throw error
      }
    }
  }
  const workers = Array.from({ length: Math.min(concurrency, tasks.length) }, work)
  await Promise.allSettled(workers)
  await Promise.all(workers)
  return results
}
