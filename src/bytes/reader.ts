import { CseError } from '../errors.js'
import type { ByteSource } from '../runtime/runtime.js'

/** Reads exact lengths from a source whose length is known. A source that is shorter or longer is an error. */
export interface ExactReader {
  /** Exactly `length` bytes, copied into `into` if that is given; otherwise without a copy where one chunk holds them. */
  read(length: number, into?: Uint8Array): Promise<Uint8Array>
  /**
   * What is there, but at least `minimum` and at most `maximum` bytes, and a multiple of `minimum` unless it is `maximum`.
   * `into`: room for `minimum` bytes where they have to be joined, which saves fresh memory; it may be used or not.
   */
  some(minimum: number, maximum: number, into?: Uint8Array): Promise<Uint8Array>
  /** Checks that nothing follows. */
  end(): Promise<void>
}

function unexpected(what: string): CseError {
  return new CseError(
    'ERR_S3CSE_RESPONSE_UNEXPECTED',
    `The response's body is ${what} than the Content-Length in its headers. The connection was cut or a server or proxy changed the response: read the object again.`,
  )
}

export function exactReader(source: ByteSource): ExactReader {
  let rest = new Uint8Array(0) as Uint8Array
  async function more(): Promise<void> {
    const chunk = await source.next()
    if (chunk === undefined) throw unexpected('shorter')
    rest = chunk
  }
  function take(length: number): Uint8Array {
    const taken = rest.subarray(0, length)
    rest = rest.subarray(length)
    return taken
  }
  async function read(length: number, into?: Uint8Array): Promise<Uint8Array> {
    if (length > 0 && rest.length === 0) await more()
    if (into === undefined && rest.length >= length) return take(length)
    const target = into?.subarray(0, length) ?? new Uint8Array(length)
    for (let done = 0; done < length;) {
      if (rest.length === 0) await more()
      const part = take(length - done)
      target.set(part, done)
      done += part.length
    }
    return target
  }
  return {
    read,
    async some(minimum, maximum, into) {
      if (rest.length === 0) await more()
      if (rest.length >= maximum) return take(maximum)
      if (rest.length < minimum) return read(Math.min(minimum, maximum), into)
      return take(rest.length - (rest.length % minimum))
    },
    async end() {
      if (rest.length > 0 || (await source.next()) !== undefined) throw unexpected('longer')
    },
  }
}

/** The whole of a source that has exactly `length` bytes. */
export async function allOf(source: ByteSource, length: number): Promise<Uint8Array> {
  const reader = exactReader(source)
  const bytes = await reader.read(length)
  await reader.end()
  return bytes
}
