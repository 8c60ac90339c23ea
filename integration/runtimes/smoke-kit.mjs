// What the smoke suite is written with. No runtime's own modules here: `env` brings what differs.
/* global atob, ReadableStream */
import { addEncryption, aesKeyring, rsaKeyring } from 's3-cse'
import { kmsKeyring } from 's3-cse/kms'

export const MIB = 1024 * 1024
export const V2 = Object.freeze({ commitmentPolicy: 'FORBID_ENCRYPT_ALLOW_DECRYPT' })
export const context = Object.freeze({ tenant: 'Zoë' })

export function check(condition, message) {
  if (!condition) throw new Error(message)
}

export function same(actual, expected, what) {
  const [a, b] = [JSON.stringify(actual), JSON.stringify(expected)]
  check(a === b, `${what}: ${a} instead of ${b}`)
}

export function sameBytes(actual, expected, what = 'plaintext') {
  same(actual.length, expected.length, `length of ${what}`)
  const at = actual.findIndex((byte, index) => byte !== expected[index])
  check(at < 0, `${what} differs at byte ${at}`)
}

/** The same bytes everywhere, without a period that a part or a slice could hide in. */
export function pattern(length, seed = 1) {
  const bytes = new Uint8Array(length)
  let state = seed
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    bytes[i] = state >>> 24
  }
  return bytes
}

/** What it fails with; an error if it does not fail. */
export async function failure(action, what) {
  let result
  try {
    result = await action()
  } catch (error) {
    return error
  }
  throw new Error(`${what} did not fail, but gave ${typeof result}`)
}

export async function failsWith(code, action, what) {
  const error = await failure(action, what)
  check(error.code === code, `${what} failed with ${error.code ?? error.name} (${error.message}) instead of ${code}`)
  return error
}

/** Everything that comes out of a body, and how it ends. */
export async function drain(body) {
  let length = 0
  try {
    for await (const chunk of body.getReader === undefined ? body : chunksOf(body)) length += chunk.length
    return { length, error: undefined }
  } catch (error) {
    return { length, error }
  }
}

async function* chunksOf(stream) {
  const reader = stream.getReader()
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return
    yield value
  }
}

export function webStream(bytes, chunk = 100_000) {
  let at = 0
  return new ReadableStream({
    pull(controller) {
      if (at >= bytes.length) return controller.close()
      controller.enqueue(bytes.slice(at, (at += chunk)))
    },
  })
}

export const fromBase64 = (text) => Uint8Array.from(atob(text), (character) => character.charCodeAt(0))

/** Clients and keys of one runtime; `close` ends the clients. */
export function world(env, job) {
  const { GetObjectCommand, PutObjectCommand, S3Client } = env.s3
  const config = { ...job.s3, ...(env.requestHandler !== undefined && { requestHandler: env.requestHandler }) }
  const opened = []
  const track = (client) => {
    opened.push(client)
    return client
  }
  const keys = { wrapping: fromBase64(job.wrappingKey), ...job.rsa }
  const keyrings = {
    AES: aesKeyring({ wrappingKey: keys.wrapping }),
    RSA: rsaKeyring({ publicKey: keys.publicKey, privateKey: keys.privateKey }),
    KMS: kmsKeyring({ client: track(new env.kms.KMSClient(job.kms)), keyId: job.keyId }),
  }
  const plain = track(new S3Client(config))
  const name = (Key) => ({ Bucket: job.bucket, Key: `${job.prefix}/${Key}` })
  const client = (options = {}) =>
    addEncryption(track(new S3Client(config)), {
      keyring: keyrings.AES,
      ...(options.keyring === keyrings.KMS && { encryptionContext: context }),
      ...options,
    })
  const put = (s3, Key, Body, more = {}) => s3.send(new PutObjectCommand({ ...name(Key), Body, ...more }))
  const open = async (s3, Key, more = {}) => s3.send(new GetObjectCommand({ ...name(Key), ...more }))
  const get = async (s3, Key, more = {}) => (await open(s3, Key, more)).Body.transformToByteArray()
  return {
    env,
    job,
    keys,
    keyrings,
    plain,
    name,
    client,
    put,
    open,
    get,
    /** What is stored, as S3 has it. */
    async stored(Key) {
      const { Body, Metadata, ...rest } = await open(plain, Key)
      return { body: await Body.transformToByteArray(), Metadata, ...rest }
    },
    async flip(Key, at) {
      const { body, Metadata } = await this.stored(Key)
      body[at < 0 ? body.length + at : at] ^= 1
      await put(plain, Key, body, { Metadata })
    },
    close: () => opened.forEach((one) => one.destroy()),
  }
}

/** Counts the requests for objects that a client sends. */
export function countGets(s3) {
  const count = { gets: 0 }
  s3.middlewareStack.add(
    (next, { commandName }) =>
      async (args) => {
        if (commandName === 'GetObjectCommand') count.gets++
        return next(args)
      },
    { step: 'deserialize', priority: 'low', name: 'countGets' },
  )
  return count
}
