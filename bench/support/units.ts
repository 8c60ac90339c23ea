import { UsageError } from './errors.js'

export const KIB = 1024
export const MIB: number = 1024 * KIB
export const GIB: number = 1024 * MIB

const UNITS: Readonly<Record<string, number>> = { '': 1, KiB: KIB, MiB: MIB, GiB: GIB }

/** `4GiB`, `64 MiB`, `1000`: bytes. */
export function parseSize(name: string, text: string): number {
  const [, digits = '', unit = ''] = /^(\d+(?:\.\d+)?)\s*(KiB|MiB|GiB)?$/.exec(text) ?? []
  const size = Math.round(Number(digits) * (UNITS[unit] ?? 1))
  if (digits === '' || !Number.isSafeInteger(size))
    throw new UsageError(`--${name} takes a size such as 4GiB, not ${text}`)
  return size
}

export function parseCount(name: string, text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new UsageError(`--${name} takes a number of 1 or more, not ${text}`)
  return Number(text)
}

export function inMiB(bytes: number): string {
  return (bytes / MIB).toFixed(0)
}

/** `4 GiB`, in the largest unit that is not below 1. */
export function sizeName(bytes: number): string {
  const [unit, factor]: [string, number] = bytes >= GIB ? ['GiB', GIB] : bytes >= MIB ? ['MiB', MIB] : ['KiB', KIB]
  return `${Number((bytes / factor).toFixed(2))} ${unit}`
}
