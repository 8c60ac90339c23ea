import { configError, CseError } from '../errors.js'
import { bytesOf, compressPoint, curves, decompressPoint, integerOf } from './ec-point.js'
import { decodeSignature, fittingSignature } from './ecdsa-der.js'
import type { CurveName, Ecdsa, EcdsaKeyPair, EcdsaSigner, EcdsaVerifier } from './ecdsa.js'
import { subtle, webBytes } from './web-keys.js'

/** WebCrypto hashes nothing in pieces: what is signed is kept, up to so many bytes. */
const MAX_LENGTH = 64 * 1024 * 1024

const algorithms: Readonly<Record<CurveName, EcKeyImportParams & EcdsaParams>> = Object.freeze({
  'P-256': Object.freeze({ name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }),
  'P-384': Object.freeze({ name: 'ECDSA', namedCurve: 'P-384', hash: 'SHA-384' }),
})

export const webEcdsa: Ecdsa = Object.freeze({ generate, verifier })

async function generate(curve: CurveName): Promise<EcdsaKeyPair> {
  const pair = await subtle().generateKey(algorithms[curve], false, ['sign', 'verify'])
  const publicKey = compressPoint(new Uint8Array(await subtle().exportKey('raw', pair.publicKey)))
  let privateKey: CryptoKey | undefined = pair.privateKey
  let made: EcdsaSigner | undefined
  return {
    publicKey,
    signer() {
      if (privateKey === undefined) throw configError('A key pair signs one message.')
      made = signer(curve, privateKey)
      privateKey = undefined
      return made
    },
    destroy() {
      privateKey = undefined
      made?.destroy()
    },
  }
}

function signer(curve: CurveName, privateKey: CryptoKey): EcdsaSigner {
  const message = collected('signs')
  let key: CryptoKey | undefined = privateKey
  return {
    update: (data) => message.add(data),
    async sign() {
      const data = message.take()
      const { size } = curves[curve]
      for (;;) {
        if (key === undefined) throw configError('A message is signed once.')
        const values = new Uint8Array(await subtle().sign(algorithms[curve], key, data))
        const [r, s] = [integerOf(values.subarray(0, size)), integerOf(values.subarray(size))]
        const signature = fittingSignature(curve, { r, s })
        if (signature === undefined) continue
        key = undefined
        return signature
      }
    },
    destroy() {
      key = undefined
      message.drop()
    },
  }
}

async function verifier(curve: CurveName, publicKey: Uint8Array): Promise<EcdsaVerifier | undefined> {
  const point = decompressPoint(curve, publicKey)
  if (point === undefined) return undefined
  const key = await subtle().importKey('raw', webBytes(point), algorithms[curve], false, ['verify'])
  const message = collected('verifies')
  return {
    update: (data) => message.add(data),
    async verify(signature) {
      const data = message.take()
      const found = decodeSignature(curve, signature)
      if (found === undefined) return false
      const { size } = curves[curve]
      const values = new Uint8Array(2 * size)
      values.set(bytesOf(found.r, size))
      values.set(bytesOf(found.s, size), size)
      return subtle().verify(algorithms[curve], key, values, data)
    },
  }
}

interface Collected {
  add(data: Uint8Array): void
  /** All of it, once. */
  take(): Uint8Array<ArrayBuffer>
  drop(): void
}

function collected(does: string): Collected {
  let chunks: Uint8Array[] | undefined = []
  let length = 0
  const open = (): Uint8Array[] => {
    if (chunks === undefined) throw configError('A message is signed or verified once.')
    return chunks
  }
  return {
    add(data) {
      open().push(Uint8Array.from(data))
      length += data.length
      if (length <= MAX_LENGTH) return
      chunks = undefined
      throw new CseError(
        'ERR_S3CSE_BODY_TOO_LARGE',
        `This runtime ${does} only what is in memory whole, at most ${MAX_LENGTH} bytes (64 MiB) of a message. Use an algorithm suite that does not sign, or Node.`,
      )
    },
    take() {
      const data = new Uint8Array(length)
      let at = 0
      for (const chunk of open()) {
        data.set(chunk, at)
        at += chunk.length
      }
      chunks = undefined
      return data
    },
    drop() {
      chunks = undefined
    },
  }
}
