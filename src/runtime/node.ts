import { cryptoRuntime } from './node-crypto.js'
import { nodeEcdsa } from './node-ecdsa.js'
import { files } from './node-files.js'
import { createSpool } from './node-spool.js'
import { streamRuntime } from './node-streams.js'
import type { Runtime } from './runtime.js'

/** Node, and what offers Node's modules. */
export const runtime: Runtime = Object.freeze({
  ...cryptoRuntime,
  ...streamRuntime,
  ecdsa: nodeEcdsa,
  createSpool,
  files,
})
