/** RFC 8410: what stands before the 32 bytes of an X25519 secret key in PKCS#8. */
export const X25519_PKCS8: Uint8Array = new Uint8Array([
  0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x6e, 4, 0x22, 4, 0x20,
])

/** The same for a public key in SPKI. */
export const X25519_SPKI: Uint8Array = new Uint8Array([0x30, 0x2a, 0x30, 5, 6, 3, 0x2b, 0x65, 0x6e, 3, 0x21, 0])

/** RFC 7748 section 4.1: u = 9. */
export const X25519_BASE: Uint8Array = Uint8Array.from({ length: 32 }, (_, index) => (index === 0 ? 9 : 0))
