import { createCipheriv } from 'node:crypto'
import { bcryptPbkdf } from '../../src/crypto/bcrypt-pbkdf.js'
import { pattern } from '../crypto/helpers.js'
import { body, field, openssh, pem, u32 } from './key-file-support.js'

/** Crypt4GH's file from its fields; without parameters for a derivation of `none`. */
export function c4gh({
  magic = 'c4gh-v1',
  kdf = 'none',
  parameters,
  cipher = 'none',
  blob = pattern(32),
  end = new Uint8Array(0),
}: {
  magic?: string
  kdf?: string
  parameters?: Uint8Array
  cipher?: string
  blob?: Uint8Array
  end?: Uint8Array
}): string {
  const middle = parameters === undefined ? [] : [field(parameters, 2)]
  return pem(Buffer.concat([Buffer.from(magic), field(kdf, 2), ...middle, field(cipher, 2), field(blob, 2), end]))
}

export const sealed: { readonly cipher: string; readonly blob: Uint8Array } = {
  cipher: 'chacha20_poly1305',
  blob: pattern(60),
}
export const salted = (rounds: number): Uint8Array => Buffer.concat([u32(rounds), pattern(16)])

/** The fields of OpenSSH's file without encryption. */
const original = body(openssh.files.none!)
export const publicBlob: Buffer = original.subarray(original.indexOf('ssh-ed25519') - 4).subarray(0, 51)
export const ed25519: Buffer = publicBlob.subarray(-32)
export const seed: Buffer = Buffer.from(openssh.seed, 'hex')

export interface Section {
  checks?: readonly [number, number]
  type?: string
  inner?: Uint8Array
  pair?: Uint8Array
  comment?: string
  padding?: readonly number[]
}

export function section(given: Section = {}): Buffer {
  const { checks = [7, 7], type = 'ssh-ed25519', inner = ed25519, comment = 'me' } = given
  const { pair = Buffer.concat([seed, ed25519]) } = given
  const fields = [u32(checks[0]), u32(checks[1]), field(type, 4), field(inner, 4), field(pair, 4), field(comment, 4)]
  const length = fields.reduce((sum, { length }) => sum + length, 0)
  const { padding = Array.from({ length: (8 - (length % 8)) % 8 }, (_, index) => index + 1) } = given
  return Buffer.concat([...fields, Buffer.from(padding)])
}

export function ssh({
  cipher = 'none',
  kdf = 'none',
  options = new Uint8Array(0),
  count = 1,
  blob = publicBlob,
  data = section(),
  end = new Uint8Array(0),
}: {
  cipher?: string
  kdf?: string
  options?: Uint8Array
  count?: number
  blob?: Uint8Array
  data?: Uint8Array
  end?: Uint8Array
} = {}): string {
  const start = [Buffer.from('openssh-key-v1\0'), field(cipher, 4), field(kdf, 4), field(options, 4), u32(count)]
  return pem(Buffer.concat([...start, field(blob, 4), field(data, 4), end]), 'OPENSSH PRIVATE KEY')
}

/** The same under aes256-ctr and one round, for the passphrase `p`. */
export async function encrypted(data: Uint8Array): Promise<string> {
  const key = await bcryptPbkdf(new TextEncoder().encode('p'), pattern(16), 1, 48)
  const cipher = createCipheriv('aes-256-ctr', key.subarray(0, 32), key.subarray(32))
  const options = Buffer.concat([field(pattern(16), 4), u32(1)])
  return ssh({ cipher: 'aes256-ctr', kdf: 'bcrypt', options, data: cipher.update(data) })
}

export const padTo16 = (given: Section): Buffer => {
  const { length } = section({ ...given, padding: [] })
  return section({ padding: Array.from({ length: (16 - (length % 16)) % 16 }, (_, index) => index + 1), ...given })
}
