/* global atob, crypto, TextDecoder */
import { aesKeyring, cachingKeyring, rotateKey, rsaKeyring, s3ec } from 's3-cse'
import { check, failsWith, pattern, same, sameBytes, V2 } from './smoke-kit.mjs'

/** What one keyring writes the other reads, and the other way round. */
async function bothWays(w, one, other, options = {}) {
  for (const [writer, reader] of [
    [one, other],
    [other, one],
  ]) {
    await w.put(w.client({ keyring: writer, ...options }), 'keys', pattern(1000))
    sameBytes(await w.get(w.client({ keyring: reader, ...options }), 'keys'), pattern(1000))
  }
}

async function shortKeys(w, length) {
  const keyring = aesKeyring({ wrappingKey: pattern(length) })
  await bothWays(w, keyring, keyring)
}

async function aesCryptoKey(w) {
  const key = await crypto.subtle.importKey('raw', w.keys.wrapping, 'AES-GCM', true, ['encrypt', 'decrypt'])
  await bothWays(w, w.keyrings.AES, aesKeyring({ wrappingKey: key }))
}

async function aesKeyObject(w) {
  const wrappingKey = w.env.node.crypto.createSecretKey(w.keys.wrapping)
  await bothWays(w, w.keyrings.AES, aesKeyring({ wrappingKey }))
}

const der = (pem) => Uint8Array.from(atob(pem.replace(/-----[^-]+-----|\s/g, '')), (c) => c.charCodeAt(0))

async function rsaCryptoKeys(w) {
  const oaep = { name: 'RSA-OAEP', hash: 'SHA-1' }
  const publicKey = await crypto.subtle.importKey('spki', der(w.keys.publicKey), oaep, false, ['encrypt'])
  const privateKey = await crypto.subtle.importKey('pkcs8', der(w.keys.privateKey), oaep, false, ['decrypt'])
  await bothWays(w, w.keyrings.RSA, rsaKeyring({ publicKey, privateKey }))
}

async function rsaKeyObjects(w) {
  const { createPublicKey, createPrivateKey } = w.env.node.crypto
  const publicKey = createPublicKey(w.keys.publicKey)
  const privateKey = createPrivateKey(w.keys.privateKey)
  await bothWays(w, w.keyrings.RSA, rsaKeyring({ publicKey, privateKey }))
}

async function rsaDer(w) {
  const keyring = rsaKeyring({ publicKey: der(w.keys.publicKey), privateKey: der(w.keys.privateKey) })
  await bothWays(w, w.keyrings.RSA, keyring)
}

async function caching(w) {
  let wraps = 0
  const counted = { ...w.keyrings.KMS, wrap: (request) => (wraps++, w.keyrings.KMS.wrap(request)) }
  const keyring = cachingKeyring(counted, { maxAge: 60_000 })
  const options = { keyring, encryptionContext: { tenant: 'Zoë' } }
  const s3 = w.client(options)
  for (let i = 0; i < 3; i++) await w.put(s3, `cached-${i}`, pattern(100, i + 1))
  for (let i = 0; i < 3; i++) sameBytes(await w.get(s3, `cached-${i}`), pattern(100, i + 1))
  same(wraps, 1, 'data keys')
}

async function rotated(w) {
  await w.put(w.client(), 'rotated', pattern(1000))
  const to = aesKeyring({ wrappingKey: pattern(32, 7), materialsDescription: { key: '2' } })
  await rotateKey(w.client(), { ...w.name('rotated'), to })
  sameBytes(await w.get(w.client({ keyring: to }), 'rotated'), pattern(1000))
  await failsWith('ERR_S3CSE_DECRYPTION_FAILED', () => w.get(w.client(), 'rotated'), 'the key of before')
}

async function instructionFile(w) {
  const s3 = w.client({ instructionFile: { write: true } })
  await w.put(s3, 'beside', pattern(1000))
  sameBytes(await w.get(w.client(), 'beside'), pattern(1000))
  const file = await w.stored('beside.instruction')
  check(Object.hasOwn(JSON.parse(new TextDecoder().decode(file.body)), 'x-amz-3'), 'no envelope in the file')
}

/** What the first generation wrote, CBC content and old wraps. */
async function legacy(w, insecureLegacyWriting, name) {
  const legacy = { wrapping: true, content: true }
  const keyring = w.keyrings[name]
  const writer = w.client({ keyring, ...V2, format: s3ec({ insecureLegacyWriting }), legacy })
  const reader = w.client({ keyring, ...V2, legacy })
  for (const length of [0, 15, 16, 70_000]) {
    await w.put(writer, 'legacy', pattern(length))
    sameBytes(await w.get(reader, 'legacy'), pattern(length))
  }
  await failsWith('ERR_S3CSE_LEGACY_DISABLED', () => w.get(w.client({ keyring, ...V2 }), 'legacy'), 'without legacy')
}

export const keys = [
  ['AES keyring: a key of 16 bytes', (w) => shortKeys(w, 16)],
  ['AES keyring: a key of 24 bytes', (w) => shortKeys(w, 24)],
  ['AES keyring: a CryptoKey', aesCryptoKey],
  ['AES keyring: a KeyObject', aesKeyObject, 'node'],
  ['RSA keyring: DER', rsaDer],
  ['RSA keyring: CryptoKeys', rsaCryptoKeys],
  ['RSA keyring: KeyObjects', rsaKeyObjects, 'node'],
  ['cachingKeyring', caching],
  ['rotateKey', rotated],
  ['instruction files', instructionFile],
  ['V1: AES/CBC content, AES wrap', (w) => legacy(w, 'V1-CBC', 'AES')],
  ['V1: AES/CBC content, RSA wrap (PKCS#1 v1.5)', (w) => legacy(w, 'V1-CBC', 'RSA'), 'node'],
  ['V2: AES/CBC content, KMS wrap without context', (w) => legacyKms(w)],
]

// (The wrap `kms` has no encryption context of the caller.)
async function legacyKms(w) {
  const inner = w.client
  await legacy({ ...w, client: (options) => inner({ ...options, encryptionContext: undefined }) }, 'V2-KMS-CBC', 'KMS')
}
