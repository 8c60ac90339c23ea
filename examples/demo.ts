/**
 * A real file through S3, encrypted under a key of KMS, and back: `npm run demo`, or `npm run demo -- <file>`. S3 and KMS
 * run inside this process; nothing leaves the machine. Everything streams, so the file may be larger than the memory.
 */
import assert from 'node:assert/strict'
import { createReadStream, createWriteStream } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { KMSClient } from '@aws-sdk/client-kms'
import { GetObjectCommand, HeadObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { Upload } from '@aws-sdk/lib-storage'
import { addEncryption, CseError, download, requestOptions } from 's3-cse'
import { kmsKeyring } from 's3-cse/kms'
import { startKms, startS3 } from 's3-cse/testing'
import { search, sampleBlocks } from './demo/blocks.js'
import { hex, inputFile, rangeOf, sha256 } from './demo/file.js'
import { bytes, code, heading, rows, table, text } from './demo/print.js'
import { compare } from './demo/speed.js'
import { flipBit } from './demo/tamper.js'

const { file, size } = await inputFile(process.argv.slice(2))
const Bucket = 'demo'
const Key = path.basename(file)

// What is measured below is the client: the server need not hash what it gets.
const s3Server = await startS3({ buckets: [Bucket], etag: 'random', verifyPayload: false })
const kmsServer = await startKms()
const keyId = kmsServer.createKey().arn
const plain = new S3Client({ ...s3Server.clientConfig, requestStreamBufferSize: 64 * 1024 })
const directory = await mkdtemp(path.join(tmpdir(), 's3-cse-demo-'))
const copy = path.join(directory, Key)

try {
  const original = await sha256(createReadStream(file))
  heading(`${file}, ${bytes(size)}`)

  // >>> the code
  const s3 = addEncryption(new S3Client(s3Server.clientConfig), {
    keyring: kmsKeyring({ client: new KMSClient(kmsServer.clientConfig), keyId }),
  })

  await new Upload({ client: s3, params: { Bucket, Key, Body: createReadStream(file) } }).done()

  const output = await s3.send(new GetObjectCommand({ Bucket, Key }))
  const returned = await sha256(output.Body as Readable)

  await download(s3, { Bucket, Key }, copy)
  // <<< the code

  heading('The code that did it')
  code(import.meta.url, 'the code')

  heading('What came back')
  rows({
    'SHA-256 of the file': original,
    'SHA-256 of what came back': returned,
    'SHA-256 of the download': await sha256(createReadStream(copy)),
    '': returned === original ? 'identical' : 'NOT IDENTICAL',
  })
  assert.equal(returned, original, 'what came back is not the file')
  assert.equal(await sha256(createReadStream(copy)), original, 'what was downloaded is not the file')
  const count = (wanted: string): number => s3Server.requests.filter(({ operation }) => operation === wanted).length
  const ranged = s3Server.requests.filter(({ headers }) => headers.range !== undefined).length
  text(
    `Sent ${count('UploadPart') === 0 ? 'whole' : `in ${count('UploadPart')} parts`}, read once whole, and downloaded ` +
      `in ${ranged} range${ranged === 1 ? '' : 's'}, which were verified together before the file was put in place.`,
  )

  if (size > 0) {
    heading('Two ranges')
    text('Read by themselves, so not authenticated: the option that allows it is called rangeReads: "unauthenticated".')
    const ranges = [`bytes=${Math.floor(size / 2)}-${Math.floor(size / 2) + 15}`, 'bytes=-16']
    for (const Range of ranges) {
      const { Body, ContentRange } = await s3.send(
        new GetObjectCommand(requestOptions({ Bucket, Key, Range }, { rangeReads: 'unauthenticated' })),
      )
      const read = hex((await Body?.transformToByteArray()) ?? new Uint8Array(0))
      const there = hex(await rangeOf(file, Range, size))
      const { range: asked = '' } = s3Server.requests.at(-1)?.headers ?? {}
      rows({ [Range]: read, '  in the file': there, '  asked of S3': asked, '  answered': ContentRange ?? '' })
      assert.equal(read, there, 'the range is not that of the file')
    }
  }

  heading('What S3 has')
  const { ContentLength: storedSize = 0, Metadata } = await plain.send(new HeadObjectCommand({ Bucket, Key }))
  rows({
    plaintext: bytes(size),
    stored: `${bytes(storedSize)}: ${bytes(storedSize - size)} more, the authentication tag`,
  })
  const writes = ['PutObject', 'CreateMultipartUpload']
  const received = s3Server.requests.find(({ operation }) => writes.includes(operation))?.headers ?? {}
  text('The metadata that S3 got: how the object is encrypted, and its data key, which only KMS can decrypt.')
  rows(Object.fromEntries(Object.entries(received).filter(([name]) => name.startsWith('x-amz-meta-'))))

  heading('That the stored bytes are not the file')
  const stored = async (): Promise<Readable> =>
    (await plain.send(new GetObjectCommand({ Bucket, Key }))).Body as Readable
  const samples = await sampleBlocks(file, size)
  const inFile = await search(createReadStream(file), samples)
  const inStored = await search(await stored(), samples)
  rows({ 'the file begins': hex(inFile.start), 'stored begins': hex(inStored.start) })
  if (samples.size === 0) {
    text('The file has no 16 bytes that are worth searching for.')
  } else {
    text(`${samples.size} different blocks of 16 bytes from all over the file, searched for at every place:`)
    rows({ 'found in the file': String(inFile.found), 'found in what is stored': String(inStored.found) })
  }
  assert.equal(inFile.found, samples.size, 'the search does not find what is there')
  assert.equal(inStored.found, 0, 'a piece of the file is stored in clear')

  heading('Throughput beside the same client without encryption')
  const get = (Key: string) => new GetObjectCommand({ Bucket, Key })
  const delayed = new GetObjectCommand(requestOptions({ Bucket, Key }, { delayedAuthentication: true }))
  const upload = (client: S3Client, Key: string) =>
    new Upload({ client, params: { Bucket, Key, Body: createReadStream(file) } }).done()
  const drain = async (body: unknown): Promise<void> => {
    let length = 0
    for await (const chunk of body as Readable) length += (chunk as Buffer).length
    assert.equal(length, size)
  }
  const speed = await compare(size, {
    Upload: { without: () => upload(plain, 'plain'), with: () => upload(s3, Key) },
    GetObject: {
      without: async () => drain((await plain.send(get('plain'))).Body),
      with: async () => drain((await s3.send(get(Key))).Body),
    },
    'GetObject, delayedAuthentication': {
      without: async () => drain((await plain.send(get('plain'))).Body),
      with: async () => drain((await s3.send(delayed)).Body),
    },
    'download to a file': {
      without: async () =>
        pipeline((await plain.send(get('plain'))).Body as Readable, createWriteStream(path.join(directory, 'plain'))),
      with: () => download(s3, { Bucket, Key }, copy),
    },
  })
  table(['', 'without', 'with', 'ratio'], speed.rows)
  text(
    `Medians of ${speed.rounds} round${speed.rounds === 1 ? '' : 's'}, both sides in turn, all in this run. Client, S3 ` +
      'and KMS share this process and its thread, so that the work of all three adds up; with encryption every request asks KMS. GetObject gives nothing out ' +
      'before the whole object is verified; with delayedAuthentication it streams, and the error comes at the end. The ' +
      'download reads ranges in parallel; without encryption it is one GetObject that is piped into a file.',
  )

  heading('When one stored bit is flipped')
  const place = Math.floor(storedSize / 2)
  const Body = flipBit(await stored(), place)
  await new Upload({ client: plain, params: { Bucket, Key: 'tampered', Body, Metadata } }).done()
  let given = 0
  let failure: unknown
  try {
    const { Body } = await s3.send(get('tampered'))
    for await (const chunk of Body as Readable) given += (chunk as Buffer).length
  } catch (error) {
    failure = error
  }
  assert.ok(failure instanceof CseError && failure.code === 'ERR_S3CSE_DECRYPTION_FAILED', 'the change was not noticed')
  text(`Somebody who may write to the bucket flips one bit of stored byte ${place.toLocaleString('en')}. Reading it:`)
  rows({
    error: failure.constructor.name,
    code: failure.code,
    message: failure.message,
    'plaintext given out before': bytes(given),
  })
  assert.equal(given, 0, 'plaintext was given out before it was verified')

  heading('What KMS was asked, and memory')
  const asked = new Map<string, number>()
  for (const { operation } of kmsServer.requests) asked.set(operation, (asked.get(operation) ?? 0) + 1)
  rows(
    Object.fromEntries([...asked].map(([operation, count]) => [operation, `${count} time${count === 1 ? '' : 's'}`])),
  )
  text('Peak memory of this process, client and both servers: ' + bytes(process.resourceUsage().maxRSS * 1024))
} finally {
  plain.destroy()
  await Promise.all([s3Server.close(), kmsServer.close(), rm(directory, { recursive: true })])
}
