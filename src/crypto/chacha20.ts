/** "expand 32-byte k". */
const CONSTANTS = [0x61707865, 0x3320646e, 0x79622d32, 0x6b206574] as const

/** Which words each quarter round of a double round takes (RFC 8439 section 2.3). */
const QUARTERS = [
  [0, 4, 8, 12],
  [1, 5, 9, 13],
  [2, 6, 10, 14],
  [3, 7, 11, 15],
  [0, 5, 10, 15],
  [1, 6, 11, 12],
  [2, 7, 8, 13],
  [3, 4, 9, 14],
] as const

const BLOCK = 64

/**
 * The stream cipher ChaCha20 (RFC 8439 section 2.4) without its tag, for a few hundred bytes. `key` of 32 bytes, `nonce` of
 * 12; `counter` is the number of the first block. Returns as many bytes as `data` has.
 */
export function chacha20(key: Uint8Array, nonce: Uint8Array, counter: number, data: Uint8Array): Uint8Array {
  const input = new Uint32Array(16)
  input.set(CONSTANTS)
  for (const [bytes, at] of [[key, 4] as const, [nonce, 13] as const]) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    for (let i = 0; i < bytes.length / 4; i++) input[at + i] = view.getUint32(i * 4, true)
  }
  const output = Uint8Array.from(data)
  const block = new Uint8Array(BLOCK)
  for (let at = 0; at < output.length; at += BLOCK) {
    input[12] = counter + at / BLOCK
    fillBlock(block, input)
    const end = Math.min(BLOCK, output.length - at)
    for (let i = 0; i < end; i++) output[at + i] = (output[at + i] as number) ^ (block[i] as number)
  }
  input.fill(0)
  block.fill(0)
  return output
}

function fillBlock(block: Uint8Array, input: Uint32Array): void {
  const words = input.slice()
  for (let round = 0; round < 10; round++) {
    for (const [a, b, c, d] of QUARTERS) {
      step(words, a, b, d, 16)
      step(words, c, d, b, 12)
      step(words, a, b, d, 8)
      step(words, c, d, b, 7)
    }
  }
  const view = new DataView(block.buffer)
  words.forEach((word, index) => view.setUint32(index * 4, word + (input[index] ?? 0), true))
  words.fill(0)
}

/** a += b; d ^= a; d <<<= bits. */
function step(words: Uint32Array, a: number, b: number, d: number, bits: number): void {
  const sum = (words[a] as number) + (words[b] as number)
  words[a] = sum
  const mixed = (words[d] as number) ^ sum
  words[d] = (mixed << bits) | (mixed >>> (32 - bits))
}
