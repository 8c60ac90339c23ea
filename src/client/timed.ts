import type { Keyring } from '../keyrings/keyring.js'
import { wrapsAround } from '../keyrings/inner.js'
import { consistsOf, readersOf } from '../keyrings/readers.js'
import { isPositional } from '../message/sealer.js'
import type { PositionalSealer, Sealer } from '../message/sealer.js'
import type { MaybePromise } from '../runtime/runtime.js'
import { now } from './events.js'
import type { DataKeyEvent, Emit } from './events.js'

/** Keyrings and sealers whose steps are timed. */

export function timedKeyring(keyring: Keyring, emit: Emit | undefined): Keyring {
  if (emit === undefined) return keyring
  const timed = async <T>(
    operation: DataKeyEvent['operation'],
    step: () => MaybePromise<T>,
    isDone: (result: T) => boolean,
  ): Promise<T> => {
    const start = now()
    let outcome: DataKeyEvent['outcome'] = 'failed'
    try {
      const result = await step()
      if (isDone(result)) outcome = 'done'
      return result
    } finally {
      emit({ type: 'dataKey', operation, milliseconds: now() - start, outcome })
    }
  }
  const { algorithms, sharesDataKeys } = keyring
  const outer: Keyring = Object.freeze({
    ...(algorithms && { algorithms }),
    ...(sharesDataKeys === undefined ? {} : { sharesDataKeys }),
    wrap: (request) =>
      timed(
        'wrap',
        () => keyring.wrap(request),
        () => true,
      ),
    unwrap: (request) =>
      timed(
        'unwrap',
        () => keyring.unwrap(request),
        (key) => key !== undefined,
      ),
    ...(keyring.rewrap && {
      rewrap: (request) =>
        timed(
          'rewrap',
          () => keyring.rewrap?.(request),
          () => true,
        ),
    }),
  } satisfies Keyring)
  wrapsAround(outer, keyring)
  const readers = readersOf(keyring)
  if (readers.length > 1) {
    consistsOf(
      outer,
      readers.map((reader) => timedKeyring(reader, emit)),
    )
  }
  return outer
}

/** Tells once, when the sealer is destroyed, how long sealing took. */
export function timedSealer<S extends Sealer>(sealer: S, emit: Emit | undefined): S {
  if (emit === undefined) return sealer
  let milliseconds = 0
  let bytes = 0
  let failed = false
  let told = false
  const timed = <T>(length: number, step: () => MaybePromise<T>): MaybePromise<T> => {
    const start = now()
    const done = (): void => {
      milliseconds += now() - start
      bytes += length
    }
    const fail = (error: unknown): never => {
      failed = true
      throw error
    }
    let result: MaybePromise<T>
    try {
      result = step()
    } catch (error) {
      return fail(error)
    }
    if (!(result instanceof Promise)) {
      done()
      return result
    }
    return result.then((value: T) => {
      done()
      return value
    }, fail)
  }
  const common: Sealer = {
    header: sealer.header,
    alignment: sealer.alignment,
    ordered: sealer.ordered,
    trailerLength: sealer.trailerLength,
    sealedLength: (length) => sealer.sealedLength(length),
    sealedOffset: (offset) => sealer.sealedOffset(offset),
    seal: (offset, plaintext, last) => timed(plaintext.length, () => sealer.seal(offset, plaintext, last)),
    trailer: (length) => sealer.trailer(length),
    sealWhole: (plaintext) => timed(plaintext.length, () => sealer.sealWhole(plaintext)),
    destroy() {
      sealer.destroy()
      if (told) return
      told = true
      emit({ type: 'seal', bytes, milliseconds, outcome: failed ? 'failed' : 'done' })
    },
  }
  return (isPositional(sealer) ? positional(sealer, common, timed) : common) as unknown as S
}

type Timed = <T>(length: number, step: () => MaybePromise<T>) => MaybePromise<T>

function positional(sealer: PositionalSealer, common: Sealer, timed: Timed): PositionalSealer {
  const { sealPieces } = sealer
  return {
    ...common,
    sealPiece: async (offset, plaintext, last, into) =>
      timed(plaintext.length, () => sealer.sealPiece(offset, plaintext, last, into)),
    ...(sealPieces && {
      sealPieces: async (offset, lengths, plaintext, into, hash) =>
        timed(plaintext.length, () => sealPieces.call(sealer, offset, lengths, plaintext, into, hash)),
    }),
    sealAgain: async (offset, plaintext, last, into) =>
      timed(plaintext.length, () => sealer.sealAgain(offset, plaintext, last, into)),
    join: (offset, length, state) => sealer.join(offset, length, state),
    deriveKey: (salt, info) => sealer.deriveKey(salt, info),
    exportKey: () => sealer.exportKey(),
  }
}
