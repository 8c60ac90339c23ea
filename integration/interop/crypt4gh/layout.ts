const START = 16
/** Nonce, ciphertext of 65,536 bytes, tag. */
export const SEALED_SEGMENT = 65_564

/** Where the segments begin, in bytes; read with another code than that of the library. */
export function headerLengthOf(file: Uint8Array): number {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength)
  let at = START
  for (let packets = view.getUint32(12, true); packets > 0; packets--) at += view.getUint32(at, true)
  return at
}
