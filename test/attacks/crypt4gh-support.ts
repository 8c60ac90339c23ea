import assert from 'node:assert/strict'

import { dataKeyContent, editListContent, parseContent } from '../../src/formats/crypt4gh/content.js'
import { headerBytes, packetBytes, parseHeader } from '../../src/formats/crypt4gh/header.js'
import { openPacket, packetKey, sealPacket, type X25519KeyPair } from '../../src/keyrings/x25519-packet.js'
import { publicKey, secretKey } from '../support/crypt4gh-vectors.js'

/** Plaintext in a segment, and the same as it is stored, in bytes. */
export const SEGMENT = 65536
export const SEALED: number = SEGMENT + 28

export const pairOf = (name: string): X25519KeyPair => ({ secretKey: secretKey(name), publicKey: publicKey(name) })

/** A message taken apart as whoever stores it can. */
export interface Pieces {
  readonly packets: readonly Uint8Array[]
  readonly segments: readonly Uint8Array[]
}

export function piecesOf(message: Uint8Array): Pieces {
  const result = parseHeader(message, 10_000)
  assert.ok('header' in result, 'it has a header')
  const { packets, length } = result.header
  const segments: Uint8Array[] = []
  for (let at = length; at < message.length; at += SEALED) segments.push(message.slice(at, at + SEALED))
  return { packets: packets.map(({ bytes }) => Uint8Array.from(bytes)), segments }
}

export function messageOf({ packets, segments }: Pieces): Uint8Array {
  const header = headerBytes(packets, 10_000)
  assert.ok(header !== undefined, 'it is not too long')
  return Uint8Array.from(Buffer.concat([header, ...segments]))
}

/** What anybody can make who has the reader's public key, and nobody else for a sender without the secret key of that. */
export async function packetFor(
  reader: Uint8Array,
  content: Uint8Array,
  {
    writer = pairOf('carol'),
    nonce = crypto.getRandomValues(new Uint8Array(12)),
  }: { readonly writer?: X25519KeyPair; readonly nonce?: Uint8Array } = {},
): Promise<Uint8Array> {
  const key = await packetKey(writer, { reader, writer: writer.publicKey }, reader)
  assert.ok(key !== undefined, 'it is a key')
  const ciphertext = await sealPacket(key, nonce, content)
  return packetBytes({ algorithm: 'crypt4gh', provider: 'x25519', info: writer.publicKey, ciphertext })
}

/** The same of a message that somebody else's tool has written: no nonce says anything. */
export async function foreignPiecesOf(
  message: Uint8Array,
  names: readonly string[] = ['alice', 'bob'],
): Promise<Pieces> {
  const { packets, segments } = piecesOf(message)
  const contents = await Promise.all(packets.flatMap((packet) => names.map((name) => contentOf(packet, pairOf(name)))))
  const content = contents.find((one) => one !== undefined)
  assert.ok(content !== undefined, 'one of them can read it')
  const writer = pairOf('alice')
  return { packets: await Promise.all(names.map((name) => packetFor(publicKey(name), content, { writer }))), segments }
}

export const editList = (...lengths: readonly number[]): Uint8Array => editListContent(lengths)

export const dataKey = (key: Uint8Array, method: 0 | 1 = 0): Uint8Array => dataKeyContent({ method, key, sequence: 0n })

export const nonceOf = (packet: Uint8Array): string => Buffer.from(packet.subarray(40, 52)).toString('hex')

/** The content of a packet, as its reader has it. */
export async function contentOf(packet: Uint8Array, reader: X25519KeyPair): Promise<Uint8Array | undefined> {
  const writer = packet.subarray(8, 40)
  const key = await packetKey(reader, { reader: reader.publicKey, writer }, writer)
  return key && openPacket(key, packet.subarray(40))
}

/** The data key of a message, as a recipient who looks for it has it. */
export async function dataKeyOf(message: Uint8Array, reader: X25519KeyPair): Promise<Uint8Array> {
  for (const packet of piecesOf(message).packets) {
    const content = await contentOf(packet, reader)
    const parsed = content && parseContent(content)
    if (parsed?.type === 'data key') return parsed.key
  }
  throw new Error('it is not for him')
}

export async function bytesOf(chunks: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  for await (const chunk of chunks) parts.push(Uint8Array.from(chunk))
  return Uint8Array.from(Buffer.concat(parts))
}
