import { createCipheriv, createDecipheriv, createHmac, hkdfSync } from 'node:crypto'

import { CseError, DecryptionError } from '../../src/errors.js'
import type { Opener } from '../../src/message/opener.js'
import type { PositionalSealer } from '../../src/message/sealer.js'

/**
 * A small format of the other shape than S3EC's: a header, frames that are authenticated one by one, and a trailer that
 * says how many bytes there were. Only for tests.
 */
export const FRAME = 1000
export const HEADER: Uint8Array = new TextEncoder().encode('FRAMED01')
const TAG = 16
const key = new Uint8Array(32).fill(4)

function iv(frame: number): Uint8Array {
  const bytes = new Uint8Array(12)
  new DataView(bytes.buffer).setUint32(8, frame)
  return bytes
}

function seal(frame: number, plaintext: Uint8Array): Buffer {
  const cipher = createCipheriv('aes-256-gcm', key, iv(frame))
  return Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()])
}

function open(frame: number, sealed: Uint8Array): Buffer {
  const decipher = createDecipheriv('aes-256-gcm', key, iv(frame), { authTagLength: TAG })
  decipher.setAuthTag(sealed.subarray(-TAG))
  try {
    return Buffer.concat([decipher.update(sealed.subarray(0, -TAG)), decipher.final()])
  } catch {
    throw new DecryptionError()
  }
}

export interface FramedSealer extends PositionalSealer {
  /** What was sealed and taken into the message. */
  readonly pieces: { offset: number; length: number; last: boolean }[]
  /** Plaintext lengths that a trailer was made for. */
  readonly trailers: number[]
  readonly destroyed: () => boolean
}

export function framedSealer(): FramedSealer {
  const pieces: FramedSealer['pieces'] = []
  const trailers: number[] = []
  let destroyed = false
  const body = (offset: number, plaintext: Uint8Array): Buffer => {
    const frames = []
    for (let at = 0; at < plaintext.length; at += FRAME) {
      frames.push(seal((offset + at) / FRAME, plaintext.subarray(at, at + FRAME)))
    }
    return Buffer.concat(frames)
  }
  const trailer = (length: number): Buffer => seal(0xffffffff, Buffer.from(String(length).padStart(12)))
  const sealAgain: PositionalSealer['sealAgain'] = async (offset, plaintext) => {
    const sealed = body(offset, plaintext)
    const state = createHmac('sha256', key).update(String(offset)).update(sealed).digest().subarray(0, TAG)
    return { sealed, state: Uint8Array.from(state) }
  }
  return {
    pieces,
    trailers,
    destroyed: () => destroyed,
    header: HEADER,
    trailerLength: 12 + TAG,
    alignment: FRAME,
    ordered: false,
    sealedLength: (length) => HEADER.length + length + Math.ceil(length / FRAME) * TAG + 12 + TAG,
    sealedOffset: (offset) => HEADER.length + (offset / FRAME) * (FRAME + TAG),
    seal(offset, plaintext, last) {
      pieces.push({ offset, length: plaintext.length, last })
      return body(offset, plaintext)
    },
    sealPiece(offset, plaintext, last) {
      if (offset % FRAME !== 0) throw new Error(`a piece begins at ${offset}`)
      pieces.push({ offset, length: plaintext.length, last })
      return sealAgain(offset, plaintext, last)
    },
    sealAgain,
    join: async (offset, length) => void pieces.push({ offset, length, last: false }),
    deriveKey: async (salt, info) => new Uint8Array(hkdfSync('sha512', key, salt, info, 32)),
    exportKey: () => Uint8Array.from(key),
    trailer(length) {
      trailers.push(length)
      return trailer(length)
    },
    sealWhole: (plaintext) => Buffer.concat([HEADER, body(0, plaintext), trailer(plaintext.length)]),
    destroy: () => void (destroyed = true),
  }
}

export function framedOpener(): Opener & { readonly destroyed: () => boolean } {
  let destroyed = false
  const openFrames = (sealedOffset: number, sealed: Uint8Array): Buffer => {
    const frames = []
    const first = (sealedOffset - HEADER.length) / (FRAME + TAG)
    for (let at = 0; at < sealed.length; at += FRAME + TAG) {
      frames.push(open(first + at / (FRAME + TAG), sealed.subarray(at, at + FRAME + TAG)))
    }
    return Buffer.concat(frames)
  }
  return {
    destroyed: () => destroyed,
    headerLength: HEADER.length,
    trailerLength: 12 + TAG,
    authentication: 'segment',
    alignment: FRAME + TAG,
    plaintextLength: (sealedLength) => {
      const body = sealedLength - HEADER.length - (12 + TAG)
      const length = body - Math.ceil(body / (FRAME + TAG)) * TAG
      if (body < 0 || length < 0)
        throw new CseError('ERR_S3CSE_ENVELOPE_INVALID', `no message has ${sealedLength} bytes`)
      return length
    },
    extent: (start, end) => ({
      start: HEADER.length + Math.floor(start / FRAME) * (FRAME + TAG),
      end: HEADER.length + Math.ceil(end / FRAME) * (FRAME + TAG),
      offset: start - (start % FRAME),
    }),
    openWhole: (sealed) => openFrames(HEADER.length, sealed.subarray(HEADER.length, -(12 + TAG))),
    open: openFrames,
    destroy: () => void (destroyed = true),
  }
}

/** An opener that also checks where the message ends, for ranges that reach the end. */
export function framedRangeOpener(): Opener & { readonly destroyed: () => boolean } {
  const opener = framedOpener()
  return {
    ...opener,
    verify(sealedLength, trailer) {
      const length = Number(Buffer.from(open(0xffffffff, trailer)).toString())
      if (length !== opener.plaintextLength(sealedLength)) throw new DecryptionError()
    },
  }
}
