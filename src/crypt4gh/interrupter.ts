import type { Resources } from '../bytes/resources.js'
import { givenUp } from '../message/byte-stream.js'

/** For one wait after the other: rejects when `held` is released, with nothing left behind by those that are over. */
export function interrupter(held: Resources): <T>(promise: Promise<T>) => Promise<T> {
  let interrupt: (error: Error) => void = () => undefined
  held.hold((error) => interrupt(error ?? givenUp()))
  return (promise) =>
    new Promise((resolve, reject) => {
      interrupt = reject
      promise.then(resolve, reject)
    })
}
