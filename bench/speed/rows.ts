/** What the speed benchmark measures, and what it demands. One table. */
import { MIB } from '../support/units.js'

export type Operation =
  'put-buffer' | 'put-stream' | 'upload' | 'upload-unsigned' | 'get-verified' | 'get-delayed' | 'download'

export interface Row {
  readonly operation: Operation
  readonly name: string
  /** Least throughput in parts of the plain client's, for 1 GiB; `aim` is what is wished for, and no limit. */
  readonly wall?: { readonly limit: number; readonly aim: number }
  /** Most CPU time that is added, in parts of what AES-256-GCM needs for the same bytes. */
  readonly cpu: { readonly limit: number; readonly aim?: number }
  /** What writing and reading the same bytes in a file costs may be added besides. */
  readonly spools?: true
  /** Least throughput in parts of the plain client's where the network has a limit. */
  readonly paced?: number
  /** Whether the event loop's delay has a limit. */
  readonly loop?: true
}

export const ROWS: readonly Row[] = [
  { operation: 'put-buffer', name: 'PutObject, buffer', cpu: { limit: 1.5, aim: 1.15 }, paced: 0.95 },
  {
    operation: 'put-stream',
    name: 'PutObject, stream',
    wall: { limit: 0.65, aim: 0.85 },
    cpu: { limit: 1.5, aim: 1.15 },
    paced: 0.95,
  },
  {
    operation: 'upload',
    name: 'Upload, 8 MiB × 4',
    wall: { limit: 0.85, aim: 0.97 },
    cpu: { limit: 1.5, aim: 1.15 },
    paced: 0.95,
    loop: true,
  },
  { operation: 'upload-unsigned', name: 'Upload, payload not signed', cpu: { limit: 1.5 }, loop: true },
  {
    operation: 'get-verified',
    name: 'GetObject, verified',
    wall: { limit: 0.4, aim: 0.55 },
    cpu: { limit: 2.5 },
    spools: true,
  },
  {
    operation: 'get-delayed',
    name: 'GetObject, delayedAuthentication',
    wall: { limit: 0.65, aim: 0.85 },
    cpu: { limit: 1.5, aim: 1.15 },
    paced: 0.95,
  },
  {
    operation: 'download',
    name: 'download to a file',
    wall: { limit: 0.9, aim: 1.5 },
    cpu: { limit: 1.5, aim: 1.15 },
    paced: 0.95,
  },
]

/** Most resident memory over the plain client's, in bytes. */
export const MEMORY: { readonly limit: number; readonly aim: number } = { limit: 64 * MIB, aim: 32 * MIB }

/** Most delay of the event loop (99th percentile, milliseconds), whichever is more. */
export const LOOP = { factor: 1.2, milliseconds: 5 }

/** Bytes a second of the paced server, and how near to it the plain client must come for the row to say anything. */
export const PACE = { bytesPerSecond: 400e6, bound: 0.95 }
