import { createDecipheriv, createPublicKey, createVerify, ECDH, hkdfSync, type CipherGCMTypes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { messageKeys } from '../../src/formats/esdk/derive.js'
import { parseHeader, type EsdkHeader } from '../../src/formats/esdk/header.js'
import { suiteById, messageIdLengths, type EsdkSuite } from '../../src/formats/esdk/suites.js'
import { headerBody, sealHeader } from '../../src/formats/esdk/write-header.js'
import { esdkAesWrap } from '../../src/keyrings/aes-esdk.js'
import { serialiseContext } from '../../src/keyrings/context-bytes.js'
import { cryptoRuntime } from '../../src/runtime/node-crypto.js'
import { nodeEcdsa } from '../../src/runtime/node-ecdsa.js'
import type { Aes, ByteSource, Ecdsa, EcdsaSigner, Runtime } from '../../src/runtime/runtime.js'

export const PUBLIC_KEY = 'aws-crypto-public-key'

/** The plaintext of all vectors. */
export function bytes(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i * 7 + (i >> 8)) & 255)
}

/** In chunks of the lengths that `next` gives. */
export function sourceIn(message: Uint8Array, next: () => number): ByteSource {
  let at = 0
  return {
    async next() {
      if (at >= message.length) return undefined
      const start = at
      at += Math.max(1, next())
      return message.slice(start, at)
    },
    cancel: () => undefined,
  }
}

export interface Collected {
  readonly given: Buffer
  readonly error: unknown
}

/** What comes, up to the error if there is one. */
export async function collect(source: ByteSource): Promise<Collected> {
  const chunks: Uint8Array[] = []
  let error: unknown
  try {
    for (let chunk = await source.next(); chunk !== undefined; chunk = await source.next()) chunks.push(chunk)
  } catch (caught) {
    error = caught
  }
  return { given: Buffer.concat(chunks), error }
}

/** Whole, byte by byte, and in pieces of any length. */
export function chunkings(): (() => number)[] {
  return [() => Infinity, () => 1, () => 1 + Math.floor(Math.random() * 300)]
}

export function headerOf(message: Uint8Array): EsdkHeader {
  const result = parseHeader(message, { maxEncryptedDataKeys: 64, maxHeaderLength: 1 << 20 })
  if (!('header' in result)) throw new Error(JSON.stringify(result))
  return result.header
}

const keys = JSON.parse(readFileSync(new URL('../vectors/esdk/keys.json', import.meta.url), 'utf8')) as Record<
  string,
  { namespace: string; name: string; key: string }
>

/** The raw AES wrap, by node:crypto alone. */
export function unwrap(header: EsdkHeader, use: string): Uint8Array | undefined {
  const { namespace, name, key } = keys[use]!
  const aad = serialiseContext(Object.fromEntries(header.context))!
  for (const { provider, info, ciphertext } of header.encryptedDataKeys) {
    const named = Buffer.from(info).subarray(0, -20).equals(Buffer.from(name))
    if (provider !== namespace || !named || ciphertext.length !== header.suite.keyLength + 16) continue
    const opened = gcm(Buffer.from(key, 'hex'), info.subarray(-12), aad, ciphertext)
    if (opened !== undefined) return opened
  }
  return undefined
}

function gcm(key: Uint8Array, iv: Uint8Array, aad: Uint8Array, sealed: Uint8Array): Buffer | undefined {
  const decipher = createDecipheriv(`aes-${key.length * 8}-gcm` as CipherGCMTypes, key, iv, { authTagLength: 16 })
  decipher.setAAD(aad)
  decipher.setAuthTag(sealed.subarray(-16))
  const plaintext = decipher.update(sealed.subarray(0, -16))
  try {
    decipher.final()
    return plaintext
  } catch {
    return undefined
  }
}

export interface Made {
  readonly suite: EsdkSuite
  readonly aes: Aes
  readonly key: Uint8Array
  readonly dataKey: Uint8Array
  readonly messageId: Uint8Array
  readonly frameLength: number
  readonly header: Uint8Array
  readonly publicKey: Uint8Array
  readonly signer: EcdsaSigner
}

const rawKey: Uint8Array = bytes(32)
export const RAW_KEY: { readonly namespace: string; readonly name: string; readonly key: Uint8Array } = {
  namespace: 'test',
  name: 'key',
  key: rawKey,
}

/** Everything that a sealer of a signed message needs; its data key is under `RAW_KEY`. `frameLength` 0: not framed. */
export async function messageFor(
  suiteId: number,
  frameLength: number,
  { aes: aesOf }: Pick<Runtime, 'aes'> = cryptoRuntime,
  ecdsa: Ecdsa = nodeEcdsa,
): Promise<Made> {
  const suite = suiteById(suiteId)!
  const pair = await ecdsa.generate(suite.signature?.curve ?? 'P-256')
  const context: Record<string, string> = { purpose: 'test' }
  if (suite.signature !== undefined) context[PUBLIC_KEY] = Buffer.from(pair.publicKey).toString('base64')
  const dataKey = cryptoRuntime.randomBytes(suite.keyLength)
  const messageId = cryptoRuntime.randomBytes(messageIdLengths[suite.version])
  const { contentKey, commitment } = await messageKeys(suite, dataKey, messageId)
  const wrapping = await cryptoRuntime.aes(RAW_KEY.key)
  const named = { namespace: RAW_KEY.namespace, name: Buffer.from(RAW_KEY.name) }
  const encryptedDataKeys = [await esdkAesWrap(wrapping, named, { context }, dataKey)]
  const fields = { suite, messageId, context, encryptedDataKeys, frameLength, commitment }
  const body = headerBody(fields) as Uint8Array
  if (frameLength === 0) body[body.length - (suite.version === 1 ? 10 : 37)] = 1
  const aes = await aesOf(contentKey)
  const header = await sealHeader(aes, suite.version, body, new Uint8Array(0))
  const { publicKey } = pair
  return { suite, aes, key: contentKey, dataKey, messageId, frameLength, header, publicKey, signer: pair.signer() }
}

/** Reads a signed message of frames by node:crypto alone, without any code of src; throws where anything is wrong. */
export function independentRead(message: Uint8Array, dataKey: Uint8Array, nodeCurve: string): Buffer {
  const buffer = Buffer.from(message)
  let at = 0
  const take = (count: number): Buffer => {
    if (at + count > buffer.length) throw new Error('cut off')
    at += count
    return buffer.subarray(at - count, at)
  }
  const version = take(1)[0]!
  if (version === 1) take(1)
  const suite = take(2)
  const id = take(version === 1 ? 16 : 32)
  const end = take(2).readUInt16BE() + at
  let publicKey = ''
  for (let count = take(2).readUInt16BE(); count > 0; count--) {
    const key = take(take(2).readUInt16BE()).toString()
    const value = take(take(2).readUInt16BE()).toString()
    if (key === 'aws-crypto-public-key') publicKey = value
  }
  if (at !== end) throw new Error('context')
  for (let count = 3 * take(2).readUInt16BE(); count > 0; count--) take(take(2).readUInt16BE())
  if (take(1)[0] !== 2) throw new Error('not framed')
  if (version === 1) take(5)
  const frameLength = take(4).readUInt32BE()
  const hash = { 0x0214: 'sha256', 0x0346: 'sha384', 0x0378: 'sha384', 0x0578: 'sha512' }[suite.readUInt16BE()]!
  const [salt, info] =
    version === 1 ? ['', Buffer.concat([suite, id])] : [id, Buffer.concat([suite, Buffer.from('DERIVEKEY')])]
  const key = Buffer.from(hkdfSync(hash, dataKey, salt, info, dataKey.length))
  if (version === 2) {
    const commitment = Buffer.from(hkdfSync(hash, dataKey, id, 'COMMITKEY', 32))
    if (!take(32).equals(commitment)) throw new Error('commitment')
  }
  const body = buffer.subarray(0, at)
  if (version === 1) take(12)
  if (gcm(key, Buffer.alloc(12), body, take(16)) === undefined) throw new Error('header')
  const plaintext: Buffer[] = []
  for (let sequence = 1, isFinal = false; !isFinal; sequence++) {
    const mark = take(4).readUInt32BE()
    isFinal = mark === 0xffffffff
    if ((isFinal ? take(4).readUInt32BE() : mark) !== sequence) throw new Error('sequence')
    const iv = take(12)
    if (iv.readUIntBE(6, 6) !== sequence) throw new Error('iv')
    const length = isFinal ? take(4).readUInt32BE() : frameLength
    const numbers = Buffer.alloc(12)
    numbers.writeUInt32BE(sequence)
    numbers.writeUInt32BE(length, 8)
    const label = Buffer.from(`AWSKMSEncryptionClient ${isFinal ? 'Final ' : ''}Frame`)
    const opened = gcm(key, iv, Buffer.concat([id, label, numbers]), take(length + 16))
    if (opened === undefined) throw new Error(`frame ${sequence}`)
    plaintext.push(opened)
  }
  const signed = buffer.subarray(0, at)
  const signature = take(take(2).readUInt16BE())
  if (at !== buffer.length) throw new Error('trailing')
  const point = ECDH.convertKey(Buffer.from(publicKey, 'base64'), nodeCurve, undefined, 'base64url', 'uncompressed')
  const raw = Buffer.from(point as string, 'base64url').subarray(1)
  const size = raw.length / 2
  const jwk = {
    kty: 'EC',
    crv: nodeCurve === 'secp384r1' ? 'P-384' : 'P-256',
    x: raw.subarray(0, size).toString('base64url'),
    y: raw.subarray(size).toString('base64url'),
  }
  const verifier = createVerify(size === 48 ? 'sha384' : 'sha256').update(signed)
  if (!verifier.verify(createPublicKey({ key: jwk, format: 'jwk' }), signature)) throw new Error('signature')
  return Buffer.concat(plaintext)
}
