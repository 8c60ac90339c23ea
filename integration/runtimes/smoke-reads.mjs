/* global AbortController, crypto, setTimeout */
import { aesKeyring, download, rsaKeyring } from 's3-cse'
import { kmsKeyring } from 's3-cse/kms'
import { check, countGets, drain, failsWith, failure, MIB, pattern, same, sameBytes, V2 } from './smoke-kit.mjs'

const FAILED = 'ERR_S3CSE_DECRYPTION_FAILED'
const LARGE = 12 * MIB
const unbuffered = Object.freeze({ maxBufferedBytes: MIB })

/** Writes it with a client that may hold it in memory, and reads it with another. */
async function readBack(w, length, options = {}, gets = undefined) {
  await w.put(w.client(), 'read', pattern(length))
  const s3 = w.client(options)
  const count = countGets(s3)
  sameBytes(await w.get(s3, 'read'), pattern(length))
  if (gets !== undefined) same(count.gets, gets, 'requests for the object')
}

/** Of changed bytes no plaintext may come out. */
async function changed(w, length, at, options = {}) {
  await w.put(w.client(options === V2 ? V2 : {}), 'changed', pattern(length))
  await w.flip('changed', at)
  const { Body } = await w.open(w.client(options), 'changed')
  const { length: released, error } = await drain(Body)
  same([error?.code, released], [FAILED, 0], 'error and released bytes')
  check(error.cause === undefined, 'the error has a cause')
}

async function delayed(w) {
  await readBack(w, LARGE, { delayedAuthentication: true })
  await w.flip('read', -1)
  const { Body } = await w.open(w.client({ delayedAuthentication: true }), 'read')
  const { error } = await drain(Body)
  same(error?.code, FAILED, 'error at the end')
}

async function range(w, rangeReads) {
  await w.put(w.client(), 'range', pattern(MIB))
  for (const [Range, start, end] of [
    ['bytes=0-0', 0, 1],
    ['bytes=1000-70000', 1000, 70001],
    ['bytes=-17', MIB - 17, MIB],
    [`bytes=${MIB - 5}-`, MIB - 5, MIB],
  ]) {
    const output = await w.open(w.client({ rangeReads }), 'range', { Range })
    sameBytes(await output.Body.transformToByteArray(), pattern(MIB).subarray(start, end), Range)
    same([output.ContentRange, output.ContentLength], [`bytes ${start}-${end - 1}/${MIB}`, end - start], Range)
  }
}

async function wrongKey(w, name, keyring) {
  await w.put(w.client({ keyring: w.keyrings[name] }), 'wrong', 'secret')
  const s3 = w.client({ keyring, ...(name === 'KMS' && { encryptionContext: { tenant: 'Zoë' } }) })
  const error = await failsWith(FAILED, () => w.get(s3, 'wrong'), 'another key')
  check(error.cause === undefined, 'the error has a cause')
}

async function otherRsa(w) {
  const algorithm = { name: 'RSA-OAEP', hash: 'SHA-1', modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]) }
  const pair = await crypto.subtle.generateKey(algorithm, true, ['encrypt', 'decrypt'])
  await wrongKey(w, 'RSA', rsaKeyring(pair))
}

async function otherKms(w) {
  const client = new w.env.kms.KMSClient(w.job.kms)
  try {
    await wrongKey(w, 'KMS', kmsKeyring({ client, keyId: w.job.otherKeyId }))
  } finally {
    client.destroy()
  }
}

async function head(w) {
  const s3 = w.client()
  await w.put(s3, 'head', pattern(1000), { Metadata: { color: 'red' } })
  const output = await s3.send(new w.env.s3.HeadObjectCommand(w.name('head')))
  same([output.ContentLength, output.Metadata], [1000, { color: 'red' }], 'what HeadObject says')
}

async function presigned(w) {
  for (const Command of [w.env.s3.PutObjectCommand, w.env.s3.GetObjectCommand]) {
    await failsWith(
      'ERR_S3CSE_UNSUPPORTED_COMMAND',
      () => w.env.getSignedUrl(w.client(), new Command(w.name('presigned')), { expiresIn: 60 }),
      'presigning',
    )
  }
}

/** The server never answers to this key. */
async function aborted(w, command) {
  const abort = new AbortController()
  const s3 = w.client()
  setTimeout(() => abort.abort(), 200)
  const error = await failure(() => s3.send(command, { abortSignal: abort.signal }), 'the aborted request')
  same(error.name, 'AbortError', 'error')
  await readBack(w, 10)
}

async function abortedBody(w, options) {
  await w.put(w.client(), 'aborted', pattern(LARGE))
  const abort = new AbortController()
  const s3 = w.client(options)
  const command = new w.env.s3.GetObjectCommand(w.name('aborted'))
  const { Body } = await s3.send(command, { abortSignal: abort.signal })
  abort.abort()
  const { length, error } = await drain(Body)
  check(error !== undefined && length < LARGE, `${length} bytes came out, and no error`)
  check(error.code !== FAILED, 'the abort looks like a wrong key')
}

async function downloaded(w) {
  const { temporaryPath, readFile, exists } = w.env.node
  await w.put(w.client(), 'download', pattern(LARGE))
  const file = await temporaryPath()
  await download(w.client(), w.name('download'), file, { partSize: 4 * MIB })
  sameBytes(await readFile(file), pattern(LARGE))
  await w.flip('download', 5 * MIB)
  const other = await temporaryPath()
  await failsWith(
    FAILED,
    () => download(w.client(), w.name('download'), other, { partSize: 4 * MIB }),
    'a changed byte',
  )
  check(!(await exists(other)), 'the file of a failed download is there')
}

const wrongAes = aesKeyring({ wrappingKey: new Uint8Array(32).fill(9) })
const never = (w) => w.name('never-answered')

export const reads = [
  ['verified get: 0 bytes', (w) => readBack(w, 0)],
  ['verified get: 1,000 bytes', (w) => readBack(w, 1000)],
  ['verified get: 12 MiB', (w) => readBack(w, LARGE, {}, 1)],
  ['verified get above maxBufferedBytes: through a temporary file', (w) => readBack(w, LARGE, unbuffered, 1), 'node'],
  [
    'verified get above maxBufferedBytes: read twice',
    (w) => readBack(w, LARGE, { ...unbuffered, ...(w.env.node !== undefined && { spool: false }) }, 2),
  ],
  ['delayedAuthentication: 12 MiB, and a changed tag is told at the end', delayed],
  ['range: refused by default', (w) => refusedRange(w)],
  ['range: whole-object', (w) => range(w, 'whole-object')],
  ['range: unauthenticated', (w) => range(w, 'unauthenticated')],
  ['another AES key', (w) => wrongKey(w, 'AES', wrongAes)],
  ['another RSA key', otherRsa],
  ['another KMS key', otherKms],
  ['a changed byte of 1,000, V3', (w) => changed(w, 1000, 500)],
  ['a changed byte of 1,000, V2', (w) => changed(w, 1000, 500, V2)],
  ['a changed tag', (w) => changed(w, 1000, -1)],
  ['a changed byte of 12 MiB', (w) => changed(w, LARGE, 6 * MIB)],
  ['a changed byte of 12 MiB above maxBufferedBytes', (w) => changed(w, LARGE, 6 * MIB, unbuffered)],
  ['HeadObject: the plaintext’s length', head],
  ['presigned URLs are refused', presigned],
  ['PutObject, aborted', (w) => aborted(w, new w.env.s3.PutObjectCommand({ ...never(w), Body: pattern(MIB) }))],
  ['GetObject, aborted', (w) => aborted(w, new w.env.s3.GetObjectCommand(never(w)))],
  ['GetObject, aborted before Body is read: verified', (w) => abortedBody(w, {})],
  ['GetObject, aborted before Body is read: delayed', (w) => abortedBody(w, { delayedAuthentication: true })],
  ['download: 12 MiB in parts, and no file of a changed object', downloaded, 'node'],
  ['download: refused without a disk', (w) => noDisk(w), 'browser'],
]

async function refusedRange(w) {
  await w.put(w.client(), 'range', pattern(1000))
  await failsWith('ERR_S3CSE_RANGE_REFUSED', () => w.open(w.client(), 'range', { Range: 'bytes=0-9' }), 'a range')
}

async function noDisk(w) {
  await w.put(w.client(), 'download', 'hello')
  await failsWith('ERR_S3CSE_CONFIG', () => download(w.client(), w.name('download'), '/tmp/file'), 'a download')
}
