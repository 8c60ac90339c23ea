/**
 * A format of the tests' own with its header in the body, as Crypt4GH has it: `HDRFMT`, the header's length, one packet for
 * each recipient, and segments of 64 KiB under AES-256-GCM. Recipients are numbers.
 */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'

import { DecryptionError } from '../../src/index.js'
import type { EncryptedDataKey, Envelope, EnvelopeSummary, Format, Keyring, NewHeader, Suite } from '../../src/index.js'
import type { OpenRequest, RearrangeRequest, ReencryptRequest } from '../../src/formats/format.js'
import type { Opener } from '../../src/message/opener.js'
import { configError } from '../../src/errors.js'

export const SEGMENT: number = 64 * 1024
export const SEALED: number = SEGMENT + 28
const MAGIC = 'HDRFMT'
const START = MAGIC.length + 4
const suite: Suite = { id: 1, name: 'test', keyLength: 32, format: 'header' }

function box(key: Uint8Array, bytes: Uint8Array): Buffer {
  const nonce = randomBytes(12)
  const cipher = createCipheriv('aes-256-gcm', key, nonce)
  return Buffer.concat([nonce, cipher.update(bytes), cipher.final(), cipher.getAuthTag()])
}

function unbox(key: Uint8Array, sealed: Uint8Array): Buffer | undefined {
  const cipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, 12))
  cipher.setAuthTag(sealed.subarray(-16))
  const opened = cipher.update(sealed.subarray(12, -16))
  try {
    cipher.final()
    return opened
  } catch {
    return undefined
  }
}

/** Writes for these recipients, and opens as the first of them, or as `as`. */
export function recipients(to: readonly number[], as: number = to[0] ?? 0): Keyring {
  const keyOf = (one: number): Uint8Array => new Uint8Array(32).fill(one)
  return {
    wrap({ context, dataKey = randomBytes(32) }) {
      const packet = (one: number): EncryptedDataKey => ({
        algorithm: 'box',
        provider: 'test',
        info: new Uint8Array(),
        ciphertext: box(keyOf(one), dataKey),
      })
      return Promise.resolve({ dataKey: Uint8Array.from(dataKey), encryptedDataKeys: to.map(packet), context })
    },
    unwrap({ encryptedDataKeys }) {
      for (const { ciphertext } of encryptedDataKeys) {
        const key = unbox(keyOf(as), ciphertext)
        if (key !== undefined) return Promise.resolve(Uint8Array.from(key))
      }
      return Promise.resolve(undefined)
    },
  }
}

/** Filled up to `length` bytes, where it has fewer. */
function headerOf(packets: readonly EncryptedDataKey[], length = 0): Buffer {
  const text = packets.map(({ ciphertext }) => Buffer.from(ciphertext).toString('base64')).join()
  const header = Buffer.alloc(Math.max(length, START + text.length), ' ')
  header.write(MAGIC)
  header.writeUInt32BE(header.length, MAGIC.length)
  header.write(text, START)
  return header
}

function packetsOf(header: Uint8Array): EncryptedDataKey[] {
  const texts = Buffer.from(header.subarray(START)).toString('latin1').trim().split(',')
  return texts.map((text) => ({
    algorithm: 'box',
    provider: 'test',
    info: new Uint8Array(),
    ciphertext: Buffer.from(text, 'base64'),
  }))
}

/** As it is stored. `headerLength`: in bytes, at least. */
export async function message(plaintext: Uint8Array, keyring: Keyring, headerLength?: number): Promise<Buffer> {
  const { dataKey, encryptedDataKeys } = await keyring.wrap({ suite, context: {} })
  const count = Math.ceil(plaintext.length / SEGMENT)
  const segments = Array.from({ length: count }, (_, i) =>
    box(dataKey, plaintext.subarray(i * SEGMENT, (i + 1) * SEGMENT)),
  )
  return Buffer.concat([headerOf(encryptedDataKeys, headerLength), ...segments])
}

function summary(): EnvelopeSummary {
  return {
    format: 'header',
    version: '1',
    suite: 'test',
    contentAlgorithm: 'test',
    wrapAlgorithm: 'box',
    keyCommitment: true,
    contextKind: 'encryption context',
    contextKeys: [],
    instructionFile: undefined,
    needs: { commitmentPolicies: [], legacy: { wrapping: false, content: false } },
    context: {},
  }
}

function plaintextLength(headerLength: number, sealedLength: number): number {
  const body = sealedLength - headerLength
  const rest = body % SEALED
  return Math.floor(body / SEALED) * SEGMENT + (rest > 0 ? rest - 28 : 0)
}

async function opened(request: OpenRequest, headerLength: number) {
  const stored = request.stored
  if (stored?.length === undefined) throw new Error('no stored bytes')
  const packets = packetsOf(await stored.start(headerLength))
  const unwrap = (encryptedDataKeys: EncryptedDataKey[]) =>
    request.keyring.unwrap({ suite, context: {}, encryptedDataKeys })
  const dataKey = await unwrap(packets)
  if (dataKey === undefined) throw new DecryptionError()
  const others: EncryptedDataKey[] = []
  for (const packet of packets) if ((await unwrap([packet])) === undefined) others.push(packet)
  return { dataKey, others, length: stored.length }
}

function openerOf(dataKey: Uint8Array, headerLength: number, length: number): Opener {
  const open = (sealed: Uint8Array): Buffer => {
    const pieces: Buffer[] = []
    for (let at = 0; at < sealed.length; at += SEALED) {
      const piece = unbox(dataKey, sealed.subarray(at, at + SEALED))
      if (piece === undefined) throw new DecryptionError()
      pieces.push(piece)
    }
    return Buffer.concat(pieces)
  }
  return {
    headerLength,
    trailerLength: 0,
    authentication: 'segment',
    alignment: SEALED,
    plaintextLength: (sealedLength) => plaintextLength(headerLength, sealedLength),
    extent(start, end) {
      const first = Math.floor(start / SEGMENT)
      const behind = headerLength + Math.ceil(end / SEGMENT) * SEALED
      return { start: headerLength + first * SEALED, end: Math.min(length, behind), offset: first * SEGMENT }
    },
    openWhole: (sealed) => open(sealed.subarray(headerLength)),
    open: (_offset, sealed) => open(sealed),
    destroy: () => void dataKey.fill(0),
  }
}

/** Of new headers: in bytes, at least. */
export function headerFormat(newHeaderLength: number = 0): Format {
  const reservedKeys = new Set(['header-plaintext'])
  const envelopeOf = (headerLength: number): Envelope => {
    const renewed = async (request: ReencryptRequest | RearrangeRequest, from: number, to: number) => {
      const { dataKey, others } = await opened(request, headerLength)
      const wrapped = await request.to.wrap({ suite, context: {}, dataKey })
      const keeps = !('start' in request) && request.trim !== true
      const header = headerOf([...wrapped.encryptedDataKeys, ...(keeps ? others : [])], newHeaderLength)
      const length = plaintextLength(0, to - from)
      const metadata = { 'header-plaintext': String(length) }
      return { header, from, to, metadata, summary: summary(), plaintextLength: length } satisfies NewHeader
    }
    return {
      summary: summary(),
      inBody: true,
      plaintextLength: (sealedLength) => plaintextLength(headerLength, sealedLength),
      async open(request) {
        const { dataKey, length } = await opened(request, headerLength)
        return openerOf(dataKey, headerLength, length)
      },
      reencrypt: (request) => renewed(request, headerLength, request.stored?.length ?? 0),
      rearrange(request) {
        const length = request.stored?.length ?? 0
        const end = Math.min(request.end, plaintextLength(headerLength, length))
        // (There are no edit lists.)
        if (request.start % SEGMENT !== 0 || request.start >= end) throw configError('not in the plaintext')
        const to = headerLength + Math.ceil(end / SEGMENT) * SEALED
        return renewed(request, headerLength + (request.start / SEGMENT) * SEALED, Math.min(length, to))
      },
    }
  }
  return {
    name: 'header',
    reservedKeys,
    authenticatedRanges: true,
    bodyEnvelopes: {
      startLength: START,
      recognise(start) {
        const bytes = Buffer.from(start)
        return bytes.toString('latin1', 0, MAGIC.length) === MAGIC
          ? envelopeOf(bytes.readUInt32BE(MAGIC.length))
          : undefined
      },
    },
    check: () => undefined,
    seal: () => Promise.reject(new Error('this format is not for writing')),
    recognise: () => undefined,
  }
}
