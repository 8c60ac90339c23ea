/**
 * Blowfish (Bruce Schneier, 1993), as far as bcrypt needs it: the key schedules and encryption of blocks of two words of 32
 * bits. Words are signed here, which is what JavaScript calculates with fastest.
 */

const ROUNDS = 16
const SUBKEYS = ROUNDS + 2
const BOXES = 4 * 256

/** The subkeys P, then the four S-boxes one behind the other. */
export interface Blowfish {
  readonly p: Int32Array
  readonly s: Int32Array
}

let digits: Int32Array | undefined

/** Before any key: the first 1042 words of the fraction of pi. They are calculated once, in some 50 ms. */
export function blowfish(): Blowfish {
  digits ??= wordsOfPi(SUBKEYS + BOXES)
  return { p: digits.slice(0, SUBKEYS), s: digits.slice(SUBKEYS) }
}

/** Words of 32 bits of the fraction of pi, by Machin's formula: pi = 16 atan(1/5) - 4 atan(1/239). */
function wordsOfPi(count: number): Int32Array {
  // Each of the some 10,000 divisions rounds by less than one unit.
  const guard = 64n
  const unit = 1n << (BigInt(count * 32) + guard)
  const atanOfInverse = (x: bigint): bigint => {
    let sum = 0n
    for (let power = unit / x, n = 1n; power !== 0n; power /= x * x, n += 2n) {
      sum += (n & 2n) === 0n ? power / n : -(power / n)
    }
    return sum
  }
  const pi = (16n * atanOfInverse(5n) - 4n * atanOfInverse(239n)) >> guard
  const text = (pi & ((1n << BigInt(count * 32)) - 1n)).toString(16).padStart(count * 8, '0')
  return Int32Array.from({ length: count }, (_, index) => parseInt(text.slice(index * 8, index * 8 + 8), 16))
}

/** Bytes as words, the most significant byte first, from the start again when they are at their end. */
function wordsOf(bytes: Uint8Array): () => number {
  let at = 0
  return () => {
    let word = 0
    for (let i = 0; i < 4; i++) {
      word = (word << 8) | (bytes[at] as number)
      at = (at + 1) % bytes.length
    }
    return word
  }
}

/** Mixes a key into the subkeys, then replaces all of the state; `salt` as in bcrypt, zeros if there is none. Neither may be empty. */
export function expandKey(state: Blowfish, key: Uint8Array, salt?: Uint8Array): void {
  const { p, s } = state
  const keyWord = wordsOf(key)
  for (let i = 0; i < SUBKEYS; i++) p[i] = (p[i] as number) ^ keyWord()
  const saltWord = salt === undefined ? undefined : wordsOf(salt)
  const block = new Int32Array(2)
  for (const table of [p, s]) {
    for (let i = 0; i < table.length; i += 2) {
      if (saltWord !== undefined) {
        block[0] = (block[0] as number) ^ saltWord()
        block[1] = (block[1] as number) ^ saltWord()
      }
      encryptBlock(state, block, 0)
      table[i] = block[0] as number
      table[i + 1] = block[1] as number
    }
  }
}

/** Encrypts two words in place. */
export function encryptBlock({ p, s }: Blowfish, words: Int32Array, at: number): void {
  let left = words[at] as number
  let right = words[at + 1] as number
  for (let i = 0; i < ROUNDS; i += 2) {
    left ^= p[i] as number
    right ^= f(s, left)
    right ^= p[i + 1] as number
    left ^= f(s, right)
  }
  words[at] = right ^ (p[ROUNDS + 1] as number)
  words[at + 1] = left ^ (p[ROUNDS] as number)
}

function f(s: Int32Array, x: number): number {
  const sum = ((s[x >>> 24] as number) + (s[256 + ((x >>> 16) & 255)] as number)) | 0
  return ((sum ^ (s[512 + ((x >>> 8) & 255)] as number)) + (s[768 + (x & 255)] as number)) | 0
}
