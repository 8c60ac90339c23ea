import { createCipheriv } from 'node:crypto'

/** AES-CBC with PKCS #7 by node:crypto in one piece, without any code of src. */
export function oneShotCbc(key: Uint8Array, iv: Uint8Array, plaintext: Uint8Array): Buffer {
  const cipher = createCipheriv(`aes-${key.length * 8}-cbc`, key, iv)
  return Buffer.concat([cipher.update(plaintext), cipher.final()])
}

/** The same of whole blocks, whatever their end is: for messages with a padding that is none. */
export function unpaddedCbc(key: Uint8Array, iv: Uint8Array, blocks: Uint8Array): Buffer {
  const cipher = createCipheriv(`aes-${key.length * 8}-cbc`, key, iv).setAutoPadding(false)
  return Buffer.concat([cipher.update(blocks), cipher.final()])
}
