import { configError } from '../errors.js'
import type { Crypt4ghRuntime } from './runtime.js'

/** The packages of @noble, which are optional: only a runtime that lacks a cipher asks for them. */
export async function loadNoble(): Promise<Crypt4ghRuntime> {
  try {
    return (await import('./noble-crypt4gh.js')).nobleCrypt4gh
  } catch (error) {
    throw configError(
      `This runtime lacks ChaCha20-Poly1305, BLAKE2b or X25519, and the packages that have them are not installed: npm install @noble/ciphers @noble/curves @noble/hashes (${String(error)})`,
    )
  }
}
