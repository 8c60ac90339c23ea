import type { MaybePromise } from '../runtime/runtime.js'

/** Does `count` steps, each when the one before it is done: at once, as long as they answer at once. Stops at the first error. */
export function inTurn(count: number, step: (index: number) => MaybePromise<unknown>): MaybePromise<void> {
  for (let index = 0; index < count; index++) {
    const pending = step(index)
    if (pending instanceof Promise) return rest(pending, index + 1, count, step)
  }
}

async function rest(
  pending: Promise<unknown>,
  from: number,
  count: number,
  step: (index: number) => MaybePromise<unknown>,
): Promise<void> {
  await pending
  for (let index = from; index < count; index++) await step(index)
}
