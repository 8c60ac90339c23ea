import { configError } from '../../errors.js'
import { takeOptions } from '../../keyrings/options.js'
import type { DataMethod } from './content.js'

/** What `crypt4gh()` and the functions of s3-cse/crypt4gh have in common. */
export interface Crypt4ghMessageOptions {
  /**
   * The draft of an authenticated mode (data method 1: the place of each segment is authenticated, and the end of the
   * message): 'read' reads such messages, 'write' writes nothing else. It is not in the ratified specification, and the
   * released tools do not read it. Default: neither.
   */
  readonly experimentalAuthenticatedMode?: 'read' | 'write' | undefined
  /** Packets that a header may have, 1 to 10,000, when it is read and when it is written: one for each recipient, two with an edit list. Each costs an X25519 when it is read. Default: 1,000. */
  readonly maxPackets?: number | undefined
  /**
   * Reads only messages whose order and end are bound (integrity 'ordered'); others are refused (ERR_S3CSE_POLICY) when
   * their header was opened: what other tools have written, and uploads in parts whose length was not known. Default:
   * false.
   */
  readonly requireOrdered?: boolean | undefined
}

/** The options as checked. */
export interface Crypt4ghSettings {
  readonly writes: DataMethod
  readonly readsAuthenticatedMode: boolean
  readonly maxPackets: number
  readonly requireOrdered: boolean
}

/** The names of `Crypt4ghMessageOptions`. */
export const messageOptionNames: readonly (keyof Crypt4ghMessageOptions)[] = Object.freeze([
  'experimentalAuthenticatedMode',
  'maxPackets',
  'requireOrdered',
])

/** Throws ERR_S3CSE_CONFIG for an unknown option or a wrong value. */
export function crypt4ghSettings(owner: string, options: Crypt4ghMessageOptions): Crypt4ghSettings {
  const {
    experimentalAuthenticatedMode: mode,
    maxPackets = 1000,
    requireOrdered = false,
  } = takeOptions<Crypt4ghMessageOptions>(owner, options, {
    experimentalAuthenticatedMode: 'optional',
    maxPackets: 'optional',
    requireOrdered: 'optional',
  })
  if (typeof requireOrdered !== 'boolean') throw configError(`${owner}: requireOrdered must be true or false`)
  if (mode !== undefined && (mode as unknown) !== 'read' && (mode as unknown) !== 'write') {
    throw configError(`${owner}: experimentalAuthenticatedMode must be 'read' or 'write'`)
  }
  if (!Number.isSafeInteger(maxPackets) || maxPackets < 1 || maxPackets > 10_000) {
    throw configError(`${owner}: maxPackets must be a whole number from 1 to 10000`)
  }
  return Object.freeze({
    writes: mode === 'write' ? 1 : 0,
    readsAuthenticatedMode: mode !== undefined,
    maxPackets,
    requireOrdered,
  })
}
