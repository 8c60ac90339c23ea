/** Padding to whole blocks of 16 bytes: PKCS #7 (RFC 5652 section 6.3). There is always some, 1 to 16 bytes. */

export const BLOCK_LENGTH = 16

/** The last block of a message whose last `rest` bytes, under 16 of them, do not fill one. */
export function paddedBlock(rest: Uint8Array): Uint8Array {
  const block = new Uint8Array(BLOCK_LENGTH).fill(BLOCK_LENGTH - rest.length)
  block.set(rest)
  return block
}

/**
 * How many bytes of the last block, 16 bytes of plaintext, are padding; 0 if they are none. Reads every byte and
 * branches on none: how long it takes tells nothing of them.
 */
export function paddingLength(block: Uint8Array): number {
  const count = block[BLOCK_LENGTH - 1] as number
  // Not 0 for a count that is not 1 to 16.
  let wrong = (count - 1) & ~(BLOCK_LENGTH - 1)
  for (let i = 0; i < BLOCK_LENGTH; i++) {
    const inPadding = (i - count) >> 31
    wrong |= inPadding & ((block[BLOCK_LENGTH - 1 - i] as number) ^ count)
  }
  return count & ~((wrong | -wrong) >> 31)
}
