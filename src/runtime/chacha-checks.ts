import { configError, type CseError } from '../errors.js'

/** Throws a TypeError unless it has 32 bytes. */
export function checkChaChaKey(key: Uint8Array): void {
  if (key.length !== 32) throw new TypeError(`A key of ChaCha20-Poly1305 has 32 bytes, not ${key.length}.`)
}

/** OpenSSL would take shorter ones, and fill them up. */
export function checkChaChaNonce(nonce: Uint8Array): void {
  if (nonce.length !== 12) throw new TypeError(`A nonce of ChaCha20-Poly1305 has 12 bytes, not ${nonce.length}.`)
}

/** `into` of another length would be cut off, or keep what stood behind the result. */
export function checkInto(into: Uint8Array | undefined, length: number): void {
  if (into !== undefined && into.length !== length) {
    throw new TypeError(`The result has ${length} bytes, the array for it ${into.length}.`)
  }
}

/** Throws a TypeError unless all of them have 32 bytes. */
export function checkX25519Keys(...keys: readonly Uint8Array[]): void {
  for (const { length } of keys) if (length !== 32) throw new TypeError(`An X25519 key has 32 bytes, not ${length}.`)
}

/** RFC 7748 section 6.1: a secret of zeros is known to everybody. Looks at all bytes in any case. */
export function notZeros(secret: Uint8Array): Uint8Array | undefined {
  return secret.reduce((all, byte) => all | byte, 0) === 0 ? undefined : secret
}

export function chachaDestroyed(): CseError {
  return configError('This key of ChaCha20-Poly1305 was destroyed and cannot be used any more.')
}
