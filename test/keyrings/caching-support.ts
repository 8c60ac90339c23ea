import type { Keyring, Suite, UnwrapRequest, WrapRequest, WrapResult } from '../../src/keyrings/keyring.js'
import { encryptedKey, v3 } from './support.js'

/** As the format has it for V3. */
export const shareable: Suite = Object.freeze({ ...v3, derivesMessageKeys: true })

export interface FakeKeyring extends Keyring {
  readonly wraps: readonly WrapRequest[]
  readonly unwraps: readonly UnwrapRequest[]
  /** The very bytes that it gave away, whose owner has to wipe them. */
  readonly given: readonly Uint8Array[]
  /** Requests wait from now on. The function lets all that wait answer, with an error if one is given. */
  hold(): (error?: Error) => Promise<void>
}

/** Numbers its data keys from 1; the wrapped key is the number. Unwraps to the same, and 0 to nothing. */
export function fakeKeyring(more: Partial<Keyring> = {}): FakeKeyring {
  const wraps: WrapRequest[] = []
  const unwraps: UnwrapRequest[] = []
  const given: Uint8Array[] = []
  let gate: Promise<void> | undefined
  const give = (number: number, length: number): Uint8Array => {
    const key = new Uint8Array(length).fill(number)
    given.push(key)
    return key
  }
  return {
    ...more,
    wraps,
    unwraps,
    given,
    async wrap(request): Promise<WrapResult> {
      const number = wraps.push(request)
      await gate
      const { suite, context, dataKey } = request
      return {
        dataKey: dataKey === undefined ? give(number, suite.keyLength) : new Uint8Array(dataKey),
        encryptedDataKeys: [encryptedKey('AES/GCM', Uint8Array.of(number))],
        context: { ...context, added: 'entry' },
      }
    },
    async unwrap(request) {
      unwraps.push(request)
      await gate
      const number = request.encryptedDataKeys[0]!.ciphertext[0]!
      return number === 0 ? undefined : give(number, request.suite.keyLength)
    },
    hold() {
      let open: (error?: Error) => void = () => undefined
      gate = new Promise<void>((resolve, reject) => {
        open = (error) => (error === undefined ? resolve() : reject(error))
      })
      gate.catch(() => undefined)
      return async (error) => {
        gate = undefined
        open(error)
        await settled()
      }
    },
  }
}

/** Everything has happened that needs no timer and no network. */
export function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

export function isWiped(key: Uint8Array | undefined): boolean {
  return key?.every((byte) => byte === 0) === true
}

/** The number of the data key that a keyring gave for a message. */
export async function writes(keyring: Keyring, more: Partial<WrapRequest> = {}): Promise<number> {
  const { dataKey, encryptedDataKeys } = await keyring.wrap({ suite: shareable, context: {}, ...more })
  const number = encryptedDataKeys[0]!.ciphertext[0]!
  if (dataKey.length !== 32 || !dataKey.every((byte) => byte === number))
    throw new Error(`wrong bytes: ${dataKey.join()}`)
  return number
}

export async function reads(
  keyring: Keyring,
  number: number,
  more: Partial<UnwrapRequest> = {},
): Promise<number | undefined> {
  const encryptedDataKeys = [encryptedKey('AES/GCM', Uint8Array.of(number))]
  const key = await keyring.unwrap({ suite: shareable, context: {}, encryptedDataKeys, ...more })
  if (key !== undefined && !key.every((byte) => byte === number)) throw new Error(`wrong bytes: ${key.join()}`)
  return key?.[0]
}
