import { keyFileRuntime } from '#runtime/key-files'
import { blowfish, encryptBlock, expandKey } from './blowfish.js'

/** In bytes, of what one run of bcrypt gives. */
const HASH_LENGTH = 32

/** How many runs of bcrypt, of some 4 ms each, there are between two pauses. */
const RUNS_AT_ONCE = 8

const TEXT: Uint8Array = new TextEncoder().encode('OxychromaticBlowfishSwatDynamite')

/**
 * OpenBSD's bcrypt_pbkdf, which encrypts the key files of OpenSSH: PBKDF2 with bcrypt in the place of HMAC. About 4 ms for
 * each round and each 32 bytes; the caller limits `rounds` (at least 1). Lets others run in between.
 */
export async function bcryptPbkdf(
  passphrase: Uint8Array,
  salt: Uint8Array,
  rounds: number,
  length: number,
): Promise<Uint8Array> {
  const key = new Uint8Array(length)
  const blocks = Math.ceil(length / HASH_LENGTH)
  const password = await keyFileRuntime.sha512(passphrase)
  for (let block = 0; block < blocks; block++) {
    const input = new Uint8Array(salt.length + 4)
    input.set(salt)
    new DataView(input.buffer).setUint32(salt.length, block + 1)
    let output: Uint8Array = input
    const sum = new Uint8Array(HASH_LENGTH)
    for (let round = 0; round < rounds; round++) {
      if (round % RUNS_AT_ONCE === RUNS_AT_ONCE - 1) await pause()
      const roundSalt = await keyFileRuntime.sha512(output)
      output.fill(0)
      output = bcryptHash(password, roundSalt)
      for (let i = 0; i < HASH_LENGTH; i++) sum[i] = (sum[i] as number) ^ (output[i] as number)
    }
    output.fill(0)
    // Not one block behind the other, as PBKDF2 has it: byte for byte in turn, so that half a key is not half the work.
    for (let i = 0; i * blocks + block < length; i++) key[i * blocks + block] = sum[i] as number
    sum.fill(0)
  }
  password.fill(0)
  return key
}

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 0))
}

function bcryptHash(password: Uint8Array, salt: Uint8Array): Uint8Array {
  const state = blowfish()
  expandKey(state, password, salt)
  for (let i = 0; i < 64; i++) {
    expandKey(state, salt)
    expandKey(state, password)
  }
  const text = new DataView(TEXT.buffer, TEXT.byteOffset)
  const words = Int32Array.from({ length: HASH_LENGTH / 4 }, (_, index) => text.getInt32(index * 4))
  for (let at = 0; at < words.length; at += 2) {
    for (let i = 0; i < 64; i++) encryptBlock(state, words, at)
  }
  const output = new Uint8Array(HASH_LENGTH)
  const view = new DataView(output.buffer)
  words.forEach((word, index) => view.setInt32(index * 4, word, true))
  for (const secret of [state.p, state.s, words]) secret.fill(0)
  return output
}
