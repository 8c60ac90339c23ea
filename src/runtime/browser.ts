import { cryptoRuntime } from './web-crypto.js'
import { webEcdsa } from './web-ecdsa.js'
import { streamRuntime } from './web-streams.js'
import type { Runtime } from './runtime.js'

/** Browsers and workers: WebCrypto, web streams, no disk. */
export const runtime: Runtime = Object.freeze({ ...cryptoRuntime, ...streamRuntime, ecdsa: webEcdsa })
