import { FAMILIES } from './clients.js'
import type { Family } from './clients.js'
import type { Content } from './content.js'

/** What a key may hold: `undefined` is nothing. */
export type State = Content | undefined

/**
 * A key and what is known of it. A write that failed may have taken effect or not: both are possible from then on, until a
 * write succeeds.
 */
export interface Slot {
  readonly key: string
  readonly family: Family
  possible: Set<State>
  /** Somebody is changing it; one at a time does. */
  busy: boolean
  /** Counts changes, begun and ended. */
  changes: number
  /** What each read that is under way may find. */
  readonly readers: Set<Set<State>>
}

export function makeSlots(count: number): Slot[] {
  return Array.from({ length: count }, (_, index) => ({
    key: `soak/${index}`,
    family: FAMILIES[index % FAMILIES.length]!,
    possible: new Set([undefined]),
    busy: false,
    changes: 0,
    readers: new Set<Set<State>>(),
  }))
}

/** Runs a write after which the key holds `state`, or what it held if that fails. */
export async function change<T>(slot: Slot, state: State, write: () => Promise<T>): Promise<T> {
  slot.possible.add(state)
  for (const reader of slot.readers) reader.add(state)
  const result = await write()
  slot.possible = new Set([state])
  return result
}

/** Nobody else changes the slots meanwhile. */
export async function alone(slots: readonly Slot[], work: () => Promise<void>): Promise<void> {
  for (const slot of slots) {
    slot.busy = true
    slot.changes += 1
  }
  try {
    await work()
  } finally {
    for (const slot of slots) {
      slot.busy = false
      slot.changes += 1
    }
  }
}

export interface Reading {
  /** What may be read, from the beginning of the read on. */
  readonly states: Set<State>
  /** Whether somebody is changing the key, or has, since. */
  readonly contended: () => boolean
}

export async function reading<T>(slot: Slot, read: (reading: Reading) => Promise<T>): Promise<T> {
  const states = new Set(slot.possible)
  const { changes, busy } = slot
  slot.readers.add(states)
  try {
    return await read({ states, contended: () => busy || slot.changes !== changes })
  } finally {
    slot.readers.delete(states)
  }
}

export function contents(states: Iterable<State>): Content[] {
  return [...states].filter((state) => state !== undefined)
}
