/* global Blob, TextEncoder */
import { encryptionInfo } from 's3-cse'
import { check, context, failsWith, MIB, pattern, same, sameBytes, V2, webStream } from './smoke-kit.mjs'

const text = 'Grüße, 世界 '.repeat(300)

async function goesThere(w, Key, Body, expected, more = {}) {
  const s3 = w.client()
  await w.put(s3, Key, Body, more)
  sameBytes(await w.get(s3, Key), expected)
  const { body } = await w.stored(Key)
  same(body.length, expected.length + 16, 'stored bytes')
  const start = expected.subarray(0, 16).join()
  check(!body.join().includes(start), 'the plaintext is stored')
}

/** `more`: a stream's length. */
const bodies = [
  ['a string', () => [text, new TextEncoder().encode(text)]],
  ['a Uint8Array', () => [pattern(100_000), pattern(100_000)]],
  ['a Blob', () => [new Blob([pattern(300_000)]), pattern(300_000)]],
  ['a ReadableStream', () => [webStream(pattern(300_000)), pattern(300_000)]],
  [
    'a ReadableStream of known length',
    () => [webStream(pattern(300_000)), pattern(300_000), { ContentLength: 300_000 }],
  ],
  ['a Readable', ({ node }) => [node.Readable.from([pattern(70_000), pattern(9)]), join(70_000, 9)], 'node'],
  [
    'a file',
    async ({ node }) => {
      const file = await node.temporaryFile(pattern(3 * MIB))
      return [node.createReadStream(file), pattern(3 * MIB)]
    },
    'node',
  ],
]

function join(...lengths) {
  return new Uint8Array(lengths.flatMap((length) => [...pattern(length)]))
}

async function envelope(w, version, keyringName) {
  const keyring = w.keyrings[keyringName]
  const s3 = w.client({ keyring, ...(version === 'V2' && V2) })
  const Key = `${version} ${keyringName}`
  for (const length of [0, 1, 17, 1000]) {
    await w.put(s3, Key, pattern(length), { Metadata: { color: 'red' } })
    const output = await w.open(s3, Key)
    sameBytes(await output.Body.transformToByteArray(), pattern(length))
    same([output.ContentLength, output.Metadata], [length, { color: 'red' }], 'what GetObject says')
    const info = encryptionInfo(output)
    same([info.authentication, info.envelope.version], ['verified', version], 'encryptionInfo')
  }
  const { Metadata } = await w.stored(Key)
  check(Object.hasOwn(Metadata, version === 'V3' ? 'x-amz-c' : 'x-amz-key-v2'), `the metadata is not of ${version}`)
  if (keyringName !== 'KMS') return
  const other = w.client({ keyring, ...(version === 'V2' && V2), encryptionContext: { ...context, tenant: 'other' } })
  await failsWith('ERR_S3CSE_CONTEXT_MISMATCH', () => w.get(other, Key), 'another encryption context')
}

async function upload(w, options, Body) {
  const s3 = w.client(options)
  const params = { ...w.name('upload'), Body }
  await new w.env.Upload({ client: s3, params, partSize: 5 * MIB, queueSize: 3 }).done()
  sameBytes(await w.get(s3, 'upload'), pattern(12 * MIB))
  const { ETag, body } = await w.stored('upload')
  check(/-3"$/.test(ETag), `not three parts: ${ETag}`)
  same(body.length, 12 * MIB + 16, 'stored bytes')
}

const large = () => pattern(12 * MIB)

export const writes = [
  ...bodies.map(([what, make, needs]) => [
    `PutObject: ${what}`,
    async (w) => goesThere(w, 'body', ...(await make(w.env))),
    needs,
  ]),
  ...['V3', 'V2'].flatMap((version) =>
    ['AES', 'RSA', 'KMS'].map((keyring) => [`${version}, ${keyring} keyring`, (w) => envelope(w, version, keyring)]),
  ),
  ['Upload: 12 MiB of bytes, V3', (w) => upload(w, {}, large())],
  ['Upload: 12 MiB of bytes, V2', (w) => upload(w, V2, large())],
  ['Upload: a Blob of 12 MiB', (w) => upload(w, {}, new Blob([large()]))],
  ['Upload: a ReadableStream of 12 MiB', (w) => upload(w, {}, webStream(large()))],
  ['Upload: a Readable of 12 MiB', (w) => upload(w, {}, w.env.node.Readable.from([large()])), 'node'],
]
